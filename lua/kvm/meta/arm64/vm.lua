-- SPDX-License-Identifier: MIT
---@meta _

---@class kvm.vm
local vm = {}

---What vcpu:arm_vcpu_init takes for this host: its target, and features it recommends.
---KVM_ARM_PREFERRED_TARGET, basic (api.rst 4.83).
---Usage: `print(vm:arm_preferred_target().target)`
---@return table kvm_vcpu_init
---Raises a kvm.error: ENODEV.
function vm:arm_preferred_target() end

---Deprecated: where the parts of a GICv2 are. `device:set_device_attr` says it now.
---KVM_ARM_SET_DEVICE_ADDR, KVM_CAP_ARM_SET_DEVICE_ADDR (api.rst 4.85).
---Usage: `vm:arm_set_device_addr { id = 0, addr = 0x8000000 }`
---@param device table kvm_arm_device_addr: `id`, device << 16 | part (`kvm.ARM_DEVICE`),
---`addr`, a gpa
---Raises a kvm.error: ENODEV, ENXIO, EEXIST (set already), E2BIG.
function vm:arm_set_device_addr(device) end

---What is subtracted from the counters that guests read, of all vCPUs; the registers
---cntvct_el0 and cntpct_el0 ignore what is written to them from then on.
---KVM_ARM_SET_COUNTER_OFFSET, KVM_CAP_COUNTER_OFFSET (api.rst 4.138).
---Usage: `vm:arm_set_counter_offset { counter_offset = 1000 }`
---@param offset table kvm_arm_counter_offset: `counter_offset`, in cycles
---Raises a kvm.error: EBUSY (a vCPU runs), ENOTTY or EINVAL (kernels before 6.4).
function vm:arm_set_counter_offset(offset) end

---The tags of guest memory: reads them, or sets them when they are given.
---KVM_ARM_MTE_COPY_TAGS, KVM_CAP_ARM_MTE (api.rst 4.130).
---Usage: `local tags = vm:arm_mte_copy_tags(0x40000000, 0x1000)`
---@param gpa integer
---@param size integer in bytes; both are multiples of the page size
---@param tags? string a byte for each 16 bytes of memory
---@return string|integer tags when they are read; else the bytes of memory that have
---their tags now
---Raises a kvm.error: EINVAL (the VM has no tags, or a wrong multiple), EFAULT.
function vm:arm_mte_copy_tags(gpa, size, tags) end

---Which bits of ID registers a script may set.
---KVM_ARM_GET_REG_WRITABLE_MASKS, KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES (api.rst 4.139).
---Usage: `print(("%#x"):format(vm:arm_get_reg_writable_masks().id_aa64mmfr0_el1))`
---@return table<string, integer> masks by register; those with none are left out
---Raises a kvm.error: EINVAL or ENOTTY (kernels before 6.7).
function vm:arm_get_reg_writable_masks() end
