-- SPDX-License-Identifier: MIT
---@meta _

---A virtual machine: memory slots, vCPUs, devices of the kernel, devices in Lua.
---`kvm.create_vm()` makes one. It belongs to the process that made it: in a forked
---child every ioctl gives EIO. Closing it leaves its vCPUs alive.
---Usage: `local vm <close> = kvm.create_vm(); print(vm.fd, vm.system)`
---@class kvm.vm
---@field fd integer its descriptor; raises when it is closed
---@field system kvm.system what made it
local vm = {}

-- ---- life ----------------------------------------------------------------------

---Closes the descriptor and forgets the devices. vCPUs, mapped memory and what the
---kernel has of it live on until the last of them is closed.
---Usage: `vm:close()`
function vm:close() end

---Calls an ioctl that has no method. Where memory of this process would be at
---stake it refuses: ioctls with a method that keeps track of what it changes
---(`kvm.ioctls()` says `custom` or `pointer`), an integer where the kernel takes a
---pointer, and requests that are not KVM's (0xae in bits 8 to 15).
---Usage: `local result, bytes = vm:ioctl(0x4020aea5, ("\0"):rep(32))`
---@param request integer the number that the header's macro gives, 32 bits
---@param arg? string|integer the struct as bytes (as many as the number says, and
---the entries of a list behind them), or the integer (0)
---@return integer result
---@return string? bytes the struct as the kernel left it
---Raises a kvm.error: the ioctl's name, or "ioctl".
function vm:ioctl(request, arg) end

---What KVM has of a capability, for this VM: 0 for nothing, 1 or a number that
---means something.
---KVM_CHECK_EXTENSION, basic; on a VM KVM_CAP_CHECK_EXTENSION_VM (api.rst 4.4).
---Usage: `if vm:check_extension "IRQCHIP" > 0 then vm:create_irqchip() end`
---@param capability integer|string a name of `kvm.CAP`
---@return integer
function vm:check_extension(capability) end

---Turns a capability on (api.rst 7 and 8 list them with their arguments). Most
---want to be on before the first vCPU.
---KVM_ENABLE_CAP, KVM_CAP_ENABLE_CAP_VM (api.rst 4.37).
---Usage: `vm:enable_cap("DIRTY_LOG_RING_ACQ_REL", 65536)`
---@param capability integer|string|table a name of `kvm.CAP`, or all of struct
---kvm_enable_cap: {cap =, flags =, args = {...}}
---@param ... integer up to four arguments; where the first is flags, also their
---names: `vm:enable_cap("MANUAL_DIRTY_LOG_PROTECT2", "MANUAL_PROTECT_ENABLE")`
---@return integer what the kernel returns: 0
---Raises a kvm.error: EINVAL (not here, not now, or not these arguments).
function vm:enable_cap(capability, ...) end

---The kernel's statistics of this VM.
---KVM_GET_STATS_FD, KVM_CAP_BINARY_STATS_FD (api.rst 4.133).
---Usage: `for name, value in pairs(vm:get_stats_fd():read()) do print(name, value) end`
---@return kvm.stats
---Raises a kvm.error: ENOTTY (kernels before 5.14), EMFILE.
function vm:get_stats_fd() end

---Makes a vCPU. Its registers are those after a reset; on arm64
---`vcpu:arm_vcpu_init` comes first.
---KVM_CREATE_VCPU, basic (api.rst 4.7).
---Usage: `local cpu = vm:create_vcpu()`
---@param id? integer 0 to check_extension "MAX_VCPU_ID" - 1; by default one above
---the highest so far. x86-64: the APIC id
---@return kvm.vcpu
---Raises a kvm.error: EEXIST (two with one id), EINVAL (id too large), EMFILE;
---arm64: EBUSY (the vGIC is initialised already); mmap.
function vm:create_vcpu(id) end

---Makes a device of the kernel's.
---KVM_CREATE_DEVICE, KVM_CAP_DEVICE_CTRL (api.rst 4.79).
---Usage: `local gic = vm:create_device "ARM_VGIC_V3" -- arm64`
---@param type integer|string a name of `kvm.DEVICE`
---@param options? {test: boolean?} test: only ask whether the host has it
---@return kvm.device|boolean
---Raises a kvm.error: ENODEV (the host has no such device), EEXIST (a VM takes
---one of them).
function vm:create_device(type, options) end

-- ---- memory --------------------------------------------------------------------

---Makes, changes or deletes a slot. `vm:map` and `vm:unmap` are the short way. The
---memory stays alive as long as the slot.
---KVM_SET_USER_MEMORY_REGION, KVM_CAP_USER_MEMORY (api.rst 4.35).
---Usage: `vm:set_user_memory_region { slot = 0, guest_phys_addr = 0x1000, memory = ram }`
---@param region {slot: integer, flags: any, guest_phys_addr: integer?,
---memory: kvm.memory?, offset: integer?, memory_size: integer?} slot: its number,
---with the address space in bits 16 to 31; flags: names of `kvm.MEM`; memory and
---offset (0): what to show, memory_size bytes of it (the rest); all but the slot
---are multiples of the page size. memory_size = 0 deletes the slot
---Raises a kvm.error: EEXIST (it overlaps another), EINVAL (it says which rule),
---EFAULT, ENOMEM.
function vm:set_user_memory_region(region) end

---The same with guest-private memory behind it.
---KVM_SET_USER_MEMORY_REGION2, KVM_CAP_USER_MEMORY2 (api.rst 4.140).
---Usage: `vm:set_user_memory_region2 { slot = 0, memory = ram, guest_memfd = private }`
---@param region table as set_user_memory_region, and `guest_memfd`: memory of that
---backing, and `guest_memfd_offset`: where in it (0). They set the flag GUEST_MEMFD
---Raises a kvm.error: as set_user_memory_region; ENOTTY (kernels before 6.8).
function vm:set_user_memory_region2(region) end

---Makes memory that belongs to this VM, and that the host sees only with the flags
---MMAP and INIT_SHARED.
---KVM_CREATE_GUEST_MEMFD, KVM_CAP_GUEST_MEMFD (api.rst 4.142).
---Usage: `local private = vm:create_guest_memfd { size = 0x200000 }`
---@param options {size: integer, flags: any} size: in bytes, a multiple of the page
---size; flags: names of `kvm.GUEST_MEMFD`, of which check_extension
---"GUEST_MEMFD_FLAGS" tells those of this host
---@return kvm.memory
---Raises a kvm.error: EINVAL (flags), ENOTTY (kernels before 6.8), EMFILE.
function vm:create_guest_memfd(options) end

---x86-64: makes pages the guest's own (PRIVATE) or shared. Nothing tells what they
---are: keep it.
---KVM_SET_MEMORY_ATTRIBUTES, KVM_CAP_MEMORY_ATTRIBUTES (api.rst 4.141).
---Usage: `vm:set_memory_attributes { address = 0, size = 0x1000, attributes = "PRIVATE" }`
---@param range table kvm_memory_attributes: `address` (a gpa), `size` in bytes,
---`attributes`, names of `kvm.MEM_ATTR`
---Raises a kvm.error: EINVAL, ENOTTY (kernels before 6.8, or this type of VM);
---arm64: EINVAL.
function vm:set_memory_attributes(range) end

---Reads guest memory, across slots, in address space 0.
---Usage: `print(vm:read(0x1000, 16))`
---@param gpa integer
---@param n integer bytes
---@return string
---Raises when a byte is in no slot.
function vm:read(gpa, n) end

---Writes guest memory, across slots: all of it or nothing. A slot that is
---read-only for the guest is not so here, unless its memory is.
---Usage: `vm:write(0x1000, asm.x86_16 "hlt")`
---@param gpa integer
---@param bytes string
---@param symbols? table ignored: what an assembler returns behind the code
---@return kvm.vm self
---Raises when a byte is in no slot.
function vm:write(gpa, bytes, symbols) end

---The slots, by number.
---Usage: `for _, s in ipairs(vm:slots()) do print(s.slot, s.gpa, s.size) end`
---@return {slot: integer, gpa: integer, size: integer, flags: integer}[] flags as
---`kvm.MEM` has them
function vm:slots() end

---The memory that a slot shows.
---Usage: `local ram, offset = vm:memory_at(0x1000)`
---@param gpa integer
---@return kvm.memory? view of what the slot shows; nil: gpa is in no slot
---@return integer? offset where in the view gpa is
function vm:memory_at(gpa) end

---Which pages of a slot were written, by a guest or by KVM for it, since the last
---call: the log begins anew then, unless MANUAL_DIRTY_LOG_PROTECT2 is enabled.
---`vm:dirty_pages` gives a list.
---KVM_GET_DIRTY_LOG, basic (api.rst 4.8).
---Usage: `local bitmap = vm:get_dirty_log(0)`
---@param slot integer its number
---@return string bitmap a bit for each page, the lowest first, in 64-bit words
---Raises a kvm.error: ENOENT (the slot keeps no log), ENXIO (this VM has rings).
function vm:get_dirty_log(slot) end

---Has pages logged again (and protected), after MANUAL_DIRTY_LOG_PROTECT2 is
---enabled.
---KVM_CLEAR_DIRTY_LOG, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 (api.rst 4.117).
---Usage: `vm:clear_dirty_log(0, 0, #bitmap * 8, bitmap)`
---@param slot integer its number
---@param first integer page, a multiple of 64
---@param n integer pages: a multiple of 64, or up to the end of the slot
---@param bitmap? string those that have a bit; nil: all
---Raises a kvm.error: ENOENT (the slot keeps no log), EINVAL.
function vm:clear_dirty_log(slot, first, n, bitmap) end

---Gives the entries that `vcpu:dirty_ring` returned back to the kernel, of all
---vCPUs: their pages are logged again. No vCPU should run meanwhile.
---KVM_RESET_DIRTY_RINGS, KVM_CAP_DIRTY_LOG_RING_ACQ_REL (api.rst 8.29).
---Usage: `print(vm:reset_dirty_rings(), "pages")`
---@return integer entries given back
---Raises a kvm.error: EINVAL (this VM has no rings).
function vm:reset_dirty_rings() end

---Has the kernel collect a guest's writes to a range, without exits, in a ring:
---`vcpu:coalesced` takes them out. When the ring is full a write exits.
---KVM_REGISTER_COALESCED_MMIO, KVM_CAP_COALESCED_MMIO (ports: KVM_CAP_COALESCED_PIO;
---api.rst 4.116).
---Usage: `vm:register_coalesced_mmio { addr = 0xd0000, size = 0x100 }`
---@param zone {addr: integer, size: integer, pio: integer?} addr: a gpa, or with
---pio = 1 a port; size: in bytes or ports
---Raises a kvm.error: EINVAL (pio is neither 0 nor 1), ENOMEM.
function vm:register_coalesced_mmio(zone) end

---Ends that for all ranges inside the given one.
---KVM_UNREGISTER_COALESCED_MMIO, KVM_CAP_COALESCED_MMIO (api.rst 4.116).
---Usage: `vm:unregister_coalesced_mmio { addr = 0xd0000, size = 0x100 }`
---@param zone {addr: integer, size: integer, pio: integer?}
function vm:unregister_coalesced_mmio(zone) end

-- ---- devices in Lua --------------------------------------------------------------

---Gives a range of guest physical addresses to a device: `run` calls it for each
---access instead of coming back with an mmio exit. The device is any object with
---`read(self, offset, size)`, which returns an integer (nil: all bits set), and
---`write(self, offset, value, size)`; offsets count from the range's begin, in
---bytes. The methods are looked up at each access. What they raise, `run` raises:
---objects as they are, strings with the traceback of the method.
---Usage: `vm:on_mmio(0x9000000, 0x1000, uart)`
---@param gpa integer
---@param size integer in bytes; an access that leaves the range is not the device's
---@param device table|userdata
---@return table|userdata device
---Raises when the range overlaps a device's, or lies in memory that the guest may
---write: what it does there never exits.
function vm:on_mmio(gpa, size, device) end

---Removes the device that answers at an address.
---Usage: `local uart = vm:off_mmio(0x9000000)`
---@param gpa integer anywhere in its range
---@return table|userdata device
function vm:off_mmio(gpa) end

---Gives a range of ports to a device, as on_mmio. A string instruction calls it
---for each element. x86-64 has ports.
---Usage: `vm:on_pio(0x3f8, 8, serial)`
---@param port integer 0 to 0xffff
---@param count integer ports
---@param device table|userdata
---@return table|userdata device
---Raises when the range overlaps a device's.
function vm:on_pio(port, count, device) end

---Removes the device that answers at a port.
---Usage: `vm:off_pio(0x3f8)`
---@param port integer
---@return table|userdata device
function vm:off_pio(port) end

---Gives a range of MSRs to a device: `read(self, offset)` returns the value (nil
---gives the guest #GP), `write(self, offset, value)` takes one (false gives #GP).
---Only MSRs that KVM hands over come: enable_cap("X86_USER_SPACE_MSR", reasons) and
---`vm:x86_set_msr_filter`. x86-64 has MSRs.
---Usage: `vm:on_msr(0x12345, 1, { read = function() return 42 end })`
---@param index integer 32 bits
---@param count integer MSRs
---@param device table|userdata
---@return table|userdata device
---Raises when the range overlaps a device's.
function vm:on_msr(index, count, device) end

---Removes the device that answers for an MSR.
---Usage: `vm:off_msr(0x12345)`
---@param index integer
---@return table|userdata device
function vm:off_msr(index) end

---Gives a range of hypercall numbers to a device: `call(self, offset, a1, ..., a6)`
---returns the result (nil: 0). Only those that KVM hands over come: enable_cap(
---"EXIT_HYPERCALL", 1 << number). x86-64; on arm64 the exit is the script's.
---Usage: `vm:on_hypercall(12, 1, { call = function(_, _, gpa) return 0 end })`
---@param nr integer
---@param count integer numbers
---@param device table|userdata
---@return table|userdata device
---Raises when the range overlaps a device's.
function vm:on_hypercall(nr, count, device) end

---Removes the device that answers for a hypercall.
---Usage: `vm:off_hypercall(12)`
---@param nr integer
---@return table|userdata device
function vm:off_hypercall(nr) end

-- ---- interrupts and events -------------------------------------------------------

---Makes the interrupt controller in the kernel, before any vCPU. x86-64: PIC,
---IOAPIC and each vCPU's local APIC, after which `hlt` waits in the kernel. arm64: a
---GICv2; `kvm.arch.arm64.gic` makes others.
---KVM_CREATE_IRQCHIP, KVM_CAP_IRQCHIP (api.rst 4.24).
---Usage: `vm:create_irqchip()`
---Raises a kvm.error: EEXIST (it has one), EINVAL (there are vCPUs), ENODEV (arm64:
---no GICv2 here).
function vm:create_irqchip() end

---Sets the level of an interrupt line; an edge is 1 and then 0.
---KVM_IRQ_LINE, KVM_CAP_IRQCHIP (api.rst 4.25).
---Usage: `vm:irq_line { irq = 4, level = 1 }`
---@param line {irq: integer, level: integer} irq: a GSI; arm64: as
---`kvm.arch.arm64.irq` encodes it; level: 1 active, 0 not
---Raises a kvm.error: ENXIO (no interrupt controller), EINVAL.
function vm:irq_line(line) end

---Sets the whole routing table: what each GSI raises. Entries are kvm_irq_routing_
---entry: `gsi`, `type` (a name of `kvm.IRQ_ROUTING`), and the table of that type
---(`irqchip`, `msi`, ...).
---KVM_SET_GSI_ROUTING, KVM_CAP_IRQ_ROUTING (api.rst 4.52).
---Usage: `vm:set_gsi_routing { { gsi = 24, type = "MSI", msi = { address_lo = 0xfee00000 } } }`
---@param entries table[] at most 4096
---Raises a kvm.error: EINVAL (no interrupt controller, or an entry is wrong).
function vm:set_gsi_routing(entries) end

---Sends a message-signalled interrupt.
---KVM_SIGNAL_MSI, KVM_CAP_SIGNAL_MSI (api.rst 4.71).
---Usage: `vm:signal_msi { address_lo = 0xfee00000, data = 0x30 }`
---@param msi table kvm_msi; `devid` with the flag VALID_DEVID (arm64's ITS)
---@return integer 0: the guest blocks it; more: delivered
---Raises a kvm.error: EINVAL (nobody takes MSIs).
function vm:signal_msi(msi) end

---Has an eventfd raise an interrupt: writing to it sends it to the guest.
---KVM_IRQFD, KVM_CAP_IRQFD (resamplefd: KVM_CAP_IRQFD_RESAMPLE; api.rst 4.75).
---Usage: `vm:irqfd { fd = event, gsi = 4 }`
---@param irqfd {fd: any, gsi: integer, flags: any, resamplefd: any} fd: a
---kvm.eventfd or descriptor; resamplefd: one for level-triggered lines, which the
---guest's end of interrupt rings; flags: names of `kvm.IRQFD`, "DEASSIGN" ends it
---Raises a kvm.error: EBUSY (an irqfd already), EINVAL or EAGAIN (no interrupt
---controller, or it is not initialised).
function vm:irqfd(irqfd) end

---Has a guest's write ring an eventfd, without an exit.
---KVM_IOEVENTFD, KVM_CAP_IOEVENTFD (len 0: KVM_CAP_IOEVENTFD_ANY_LENGTH; api.rst
---4.59).
---Usage: `vm:ioeventfd { fd = event, addr = 0xd0000, len = 4 }`
---@param ioeventfd {fd: any, addr: integer, len: integer?, datamatch: integer?,
---flags: any} fd: a kvm.eventfd or descriptor; addr: a gpa, or with the flag PIO a
---port; len: 1, 2, 4 or 8 bytes, 0 for any (0); datamatch: this value only; flags:
---names of `kvm.IOEVENTFD`, "DEASSIGN" ends it
---Raises a kvm.error: EEXIST (there is one), EINVAL, ENOENT (nothing to end).
function vm:ioeventfd(ioeventfd) end

-- ---- attributes ------------------------------------------------------------------

---Sets an attribute of the VM (Documentation/virt/kvm/devices/vm.rst; arm64: the
---SMCCC filter, `kvm.arch.arm64.attr`).
---KVM_SET_DEVICE_ATTR, KVM_CAP_DEVICE_CTRL and KVM_CAP_VM_ATTRIBUTES (api.rst 4.80).
---Usage: `vm:set_device_attr("SMCCC_CTRL", "SMCCC_FILTER", filter) -- arm64`
---@param group integer|string a name of `kvm.DEVICE_GROUP`
---@param attr integer|string a name of `kvm.DEVICE_ATTR`
---@param value? integer|string an integer (4 or 8 bytes, as the attribute has it) or
---the bytes, at most 65536; nothing where the attribute is an action
---Raises a kvm.error: ENXIO (no such attribute), EPERM, ENOTTY.
function vm:set_device_attr(group, attr, value) end

---Reads an attribute of the VM.
---KVM_GET_DEVICE_ATTR, KVM_CAP_DEVICE_CTRL and KVM_CAP_VM_ATTRIBUTES (api.rst 4.80).
---Usage: `print(pcall(vm.get_device_attr, vm, 0, 0))`
---@param group integer|string a name of `kvm.DEVICE_GROUP`
---@param attr integer|string a name of `kvm.DEVICE_ATTR`
---@param size? integer 1 to 65536 bytes: the value is a string of that length
---@return integer|string value 8 bytes as an integer without a size
---Raises a kvm.error: ENXIO (no such attribute), EPERM, ENOTTY.
function vm:get_device_attr(group, attr, size) end

---Whether the VM has an attribute.
---KVM_HAS_DEVICE_ATTR, KVM_CAP_DEVICE_CTRL and KVM_CAP_VM_ATTRIBUTES (api.rst 4.81).
---Usage: `print(vm:has_device_attr(0, 0))`
---@param group integer|string a name of `kvm.DEVICE_GROUP`
---@param attr integer|string a name of `kvm.DEVICE_ATTR`
---@return boolean
function vm:has_device_attr(group, attr) end
