-- SPDX-License-Identifier: MIT
---@meta _

---/dev/kvm: what KVM on this host can do, and the maker of VMs. `kvm.open()`
---makes one; `kvm.create_vm()` keeps one for you. Closing it leaves its VMs alive.
---Usage: `local system <close> = kvm.open(); print(system.fd)`
---@class kvm.system
---@field fd integer its descriptor; raises when it is closed
local system = {}

---Closes the descriptor. Closing again does nothing.
---Usage: `system:close()`
function system:close() end

---Calls any ioctl of /dev/kvm, see `vm:ioctl`.
---Usage: `print(system:ioctl(0xae00)) --> 12`
---@param request integer the number that the header's macro gives, 32 bits
---@param arg? string|integer the struct as bytes, or the integer (0)
---@return integer result
---@return string? bytes the struct as the kernel left it
---Raises a kvm.error: the ioctl's name, or "ioctl".
function system:ioctl(request, arg) end

---The version of the API: 12, since 2007.
---KVM_GET_API_VERSION, basic (api.rst 4.1).
---Usage: `assert(system:get_api_version() == 12)`
---@return integer
function system:get_api_version() end

---How large a vCPU's shared memory is, in bytes: the kvm_run page and what comes
---behind it (the data of port accesses, the coalesced ring).
---KVM_GET_VCPU_MMAP_SIZE, basic (api.rst 4.5).
---Usage: `print(system:get_vcpu_mmap_size())`
---@return integer
function system:get_vcpu_mmap_size() end

---Makes a VM, without memory and vCPUs.
---KVM_CREATE_VM, basic (api.rst 4.2).
---Usage: `local vm = system:create_vm()`
---@param type? integer|string a name of `kvm.VM_TYPE`; arm64: the bits of guest
---physical addresses, 0 (40) or 32 to check_extension "ARM_VM_IPA_SIZE"
---@return kvm.vm
---Raises a kvm.error: EINVAL (unknown type), EBUSY (another hypervisor), EMFILE,
---ENOMEM.
function system:create_vm(type) end

---What the host's KVM has of a capability: 0 for nothing, 1 or a number that
---means something. A VM may have less or more: ask it with `vm:check_extension`.
---KVM_CHECK_EXTENSION, basic (api.rst 4.4).
---Usage: `print(system:check_extension "MAX_VCPUS")`
---@param capability integer|string a name of `kvm.CAP`
---@return integer
function system:check_extension(capability) end

---Refused by every kernel so far: the attributes of /dev/kvm are only read.
---KVM_SET_DEVICE_ATTR, KVM_CAP_DEVICE_CTRL (api.rst 4.80).
---Usage: `pcall(system.set_device_attr, system, 0, 0, 0)`
---@param group integer|string a name of `kvm.DEVICE_GROUP`
---@param attr integer|string a name of `kvm.DEVICE_ATTR`
---@param value? integer|string
---Raises a kvm.error: EINVAL or ENOTTY.
function system:set_device_attr(group, attr, value) end

---Reads an attribute of the host's KVM (x86-64: XCOMP_GUEST_SUPP, the state
---components that arch_prctl(2) can permit to guests; SEV_VMSA_FEATURES).
---KVM_GET_DEVICE_ATTR, KVM_CAP_DEVICE_CTRL and KVM_CAP_SYS_ATTRIBUTES (api.rst
---4.80).
---Usage: `print(system:get_device_attr(0, 0))`
---@param group integer|string a name of `kvm.DEVICE_GROUP`
---@param attr integer|string a name of `kvm.DEVICE_ATTR`
---@param size? integer 1 to 65536 bytes: the value is a string of that length
---@return integer|string value 8 bytes as an integer without a size
---Raises a kvm.error: ENXIO (no such attribute), ENOTTY.
function system:get_device_attr(group, attr, size) end

---Whether the host's KVM has an attribute.
---KVM_HAS_DEVICE_ATTR, KVM_CAP_DEVICE_CTRL and KVM_CAP_SYS_ATTRIBUTES (api.rst
---4.81).
---Usage: `print(system:has_device_attr(0, 0))`
---@param group integer|string a name of `kvm.DEVICE_GROUP`
---@param attr integer|string a name of `kvm.DEVICE_ATTR`
---@return boolean
function system:has_device_attr(group, attr) end
