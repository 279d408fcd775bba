-- SPDX-License-Identifier: MIT
---@meta _

---A device of the kernel's: `vm:create_device` makes one. It lives as long as its
---VM; closing it only ends what the script can say to it.
---Usage: `local gic = vm:create_device "ARM_VGIC_V3"; print(gic.type, gic.vm) -- arm64`
---@class kvm.device
---@field fd integer its descriptor; raises when it is closed
---@field vm kvm.vm what it is part of
---@field type string|integer its name in `kvm.DEVICE`; the number of an unknown one
local device = {}

---Closes the descriptor; the VM keeps the device. Closing again does nothing.
---Usage: `gic:close()`
function device:close() end

---Calls any ioctl of a device, see `vm:ioctl`.
---Usage: `gic:ioctl(request, bytes)`
---@param request integer the number that the header's macro gives, 32 bits
---@param arg? string|integer the struct as bytes, or the integer (0)
---@return integer result
---@return string? bytes the struct as the kernel left it
---Raises a kvm.error: the ioctl's name, or "ioctl".
function device:ioctl(request, arg) end

---Sets an attribute (Documentation/virt/kvm/devices/ has those of each device), or
---does what the attribute says.
---KVM_SET_DEVICE_ATTR, KVM_CAP_DEVICE_CTRL (api.rst 4.80).
---Usage: `gic:set_device_attr("ADDR", "V3_ADDR_TYPE_DIST", 0x8000000) -- arm64`
---@param group integer|string a name of `kvm.DEVICE_GROUP`
---@param attr integer|string a name of `kvm.DEVICE_ATTR`
---@param value? integer|string an integer (4 or 8 bytes, as the attribute has it) or
---the bytes, at most 65536; nothing where the attribute is an action
---Raises a kvm.error: ENXIO (no such attribute, or too early), EPERM, EEXIST (set
---already), EBUSY (too late), EINVAL, E2BIG.
function device:set_device_attr(group, attr, value) end

---Reads an attribute.
---KVM_GET_DEVICE_ATTR, KVM_CAP_DEVICE_CTRL (api.rst 4.80).
---Usage: `print(gic:get_device_attr("NR_IRQS", 0)) -- arm64`
---@param group integer|string a name of `kvm.DEVICE_GROUP`
---@param attr integer|string a name of `kvm.DEVICE_ATTR`
---@param size? integer 1 to 65536 bytes: the value is a string of that length
---@return integer|string value 8 bytes as an integer without a size
---Raises a kvm.error: ENXIO (no such attribute), EPERM.
function device:get_device_attr(group, attr, size) end

---Whether the device has an attribute; it may still be too early or too late for it.
---KVM_HAS_DEVICE_ATTR, KVM_CAP_DEVICE_CTRL (api.rst 4.81).
---Usage: `print(gic:has_device_attr("MAINT_IRQ", 0)) -- arm64`
---@param group integer|string a name of `kvm.DEVICE_GROUP`
---@param attr integer|string a name of `kvm.DEVICE_ATTR`
---@return boolean
function device:has_device_attr(group, attr) end
