-- SPDX-License-Identifier: MIT
---@meta _

---A virtual processor: `vm:create_vcpu` makes one. What it is made of are its
---registers, its exit, and its VM, which it keeps alive. Only its own thread calls its
---methods; `kick` is safe from anywhere in C.
---Usage: `local cpu = vm:create_vcpu(); print(cpu.id, cpu.fd, cpu.vm, cpu.regs, cpu.exit)`
---@class kvm.vcpu
---@field id integer
---@field fd integer its descriptor; -1 when it is closed
---@field vm kvm.vm
---@field regs kvm.regs all registers by name
---@field exit kvm.exit why it came back last; always the same object
local vcpu = {}

-- ---- running -------------------------------------------------------------------

---Runs the guest until an exit that no device in Lua takes (`vm:on_mmio` and the like),
---until it is interrupted, or until the time is up. Never retries what a signal has
---interrupted: that is the exit "intr".
---KVM_RUN, basic (api.rst 4.10, 5).
---Usage: `local reason, exit = cpu:run { timeout = 1 }`
---@param options? {timeout: number?, interrupt_window: boolean?} timeout: in seconds, 0
---to 1e9; nil: none. interrupt_window (x86-64): exit "irq_window_open" as soon as the
---guest can take an interrupt (kvm_run.request_interrupt_window)
---@return string reason the suffix of KVM_EXIT_ in lower case, "intr", "timeout", or
---"unknown"
---@return kvm.exit exit `vcpu.exit`
---Raises what a device raised; a kvm.error: EFAULT (memory that KVM cannot give to the
---guest), EINVAL (state that KVM refuses), ENOSPC (the VM has no memory), EIO (after a
---fork, or when the VM died), ENOMEM; arm64: ENOEXEC (arm_vcpu_init comes first), EPERM
---(arm_vcpu_finalize comes first), ENXIO (the GIC has no addresses), EBUSY (the GIC is
---not initialised), EINVAL (the PMU is not initialised, or the GIC's parts overlap),
---ENOSYS (a load or store that KVM cannot describe).
function vcpu:run(options) end

---Runs the guest again and again: an iterator over what `run` returns. A loop with a
---timeout ends after the exit "timeout"; without one it ends by `break`.
---Usage: `for reason, exit in cpu:exits { timeout = 0.5 } do print(reason, exit) end`
---@param options? {timeout: number?} timeout: in seconds, for the whole loop
---@return fun(): string, kvm.exit
function vcpu:exits(options) end

---Has `run` come back with "intr": now, when the guest runs (a device calls this), or
---as soon as it is entered next. From C, kvmlua_interrupt in a signal handler does the
---same.
---Usage: `cpu:kick()`
function vcpu:kick() end

---The kvm_run page as it is now, for keeps: `kvm.decode_exit` reads it.
---Usage: `local exit, head = kvm.decode_exit(cpu:run_page())`
---@return string
function vcpu:run_page() end

---Has KVM finish the instruction that exited, with what was answered, without running
---the guest further. Registers are final only after that (api.rst 5), or after the
---next run.
---Usage: `exit.value = 42; cpu:complete(); print(cpu.regs)`
---@return string? reason nil when it is finished: the vCPU is at no exit then; else
---that of the instruction's next part
---@return kvm.exit? exit
---Raises a kvm.error: KVM_RUN.
function vcpu:complete() end

---Which signals are blocked while the guest runs, instead of the thread's own.
---KVM_SET_SIGNAL_MASK, basic (api.rst 4.21).
---Usage: `cpu:set_signal_mask { 10, 12 }`
---@param signals? integer[] numbers; nil: the thread's own again
function vcpu:set_signal_mask(signals) end

---Ends it. Closing again does nothing; the VM lives on.
---Usage: `cpu:close()`
---Raises while it runs: a device cannot close the vCPU that called it.
function vcpu:close() end

---Calls any ioctl of a vCPU, see `vm:ioctl`.
---Usage: `cpu:ioctl(0xae9a) -- KVM_NMI`
---@param request integer the number that the header's macro gives, 32 bits
---@param arg? string|integer the struct as bytes, or the integer (0)
---@return integer result
---@return string? bytes the struct as the kernel left it
---Raises a kvm.error: the ioctl's name, or "ioctl".
function vcpu:ioctl(request, arg) end

---Turns a capability on for this vCPU (api.rst 6 and 8; x86-64: Hyper-V's interface).
---KVM_ENABLE_CAP, KVM_CAP_ENABLE_CAP (VMs: KVM_CAP_ENABLE_CAP_VM; api.rst 4.37).
---Usage: `cpu:enable_cap("ENFORCE_PV_FEATURE_CPUID", 1)`
---@param capability integer|string|table as `vm:enable_cap`
---@param ... integer up to four arguments
---@return integer 0; of HYPERV_ENLIGHTENED_VMCS the version that is on
---Raises a kvm.error: EINVAL (not here, not now, or not these arguments).
function vcpu:enable_cap(capability, ...) end

---The kernel's statistics of this vCPU.
---KVM_GET_STATS_FD, KVM_CAP_BINARY_STATS_FD (api.rst 4.133).
---Usage: `print(cpu:get_stats_fd():read().exits)`
---@return kvm.stats
---Raises a kvm.error: ENOTTY (kernels before 5.14), EMFILE.
function vcpu:get_stats_fd() end

-- ---- memory --------------------------------------------------------------------

---Takes out of its dirty ring which pages the vCPU wrote. They are logged again after
---`vm:reset_dirty_rings`. The VM has rings after enable_cap("DIRTY_LOG_RING_ACQ_REL",
---bytes), before its first vCPU (api.rst 8.29).
---Usage: `for _, page in ipairs(cpu:dirty_ring()) do print(page.slot, page.offset) end`
---@return {slot: integer, offset: integer}[] offset: in pages
function vcpu:dirty_ring() end

---Takes the writes that the kernel collected (`vm:register_coalesced_mmio`) out of
---their ring, which all vCPUs of a VM share.
---Usage: `for _, write in ipairs(cpu:coalesced()) do print(write.gpa, write.data) end`
---@return {gpa: integer?, port: integer?, is_pio: boolean, data: string}[]
function vcpu:coalesced() end

-- ---- state ---------------------------------------------------------------------

---Whether it runs, waits or is off.
---KVM_GET_MP_STATE, KVM_CAP_MP_STATE (api.rst 4.38).
---Usage: `print(kvm.MP_STATE[cpu:get_mp_state().mp_state])`
---@return table kvm_mp_state
function vcpu:get_mp_state() end

---Has it run, wait or be off. x86-64: after create_irqchip.
---KVM_SET_MP_STATE, KVM_CAP_MP_STATE (api.rst 4.39).
---Usage: `cpu:set_mp_state { mp_state = "RUNNABLE" }`
---@param state table kvm_mp_state, its value a name of `kvm.MP_STATE`
---Raises a kvm.error: EINVAL (not a state of this machine).
function vcpu:set_mp_state(state) end

---x86-64: queues an external interrupt, where no interrupt controller is in the
---kernel. The guest takes it at the next entry, even with RFLAGS.IF clear, and a
---second one replaces it: run with `interrupt_window` first, until the exit
---"irq_window_open".
---KVM_INTERRUPT, basic (api.rst 4.16).
---Usage: `cpu:interrupt { irq = 0x20 }`
---@param interrupt table kvm_interrupt: `irq`, a vector of 0 to 255
---Raises a kvm.error: EEXIST (a split controller: one waits already), EINVAL (so
---does every call on arm64), ENXIO (an interrupt controller is in the kernel).
function vcpu:interrupt(interrupt) end

---x86-64: maps guest memory for the guest before it touches it.
---KVM_PRE_FAULT_MEMORY, KVM_CAP_PRE_FAULT_MEMORY (api.rst 4.143).
---Usage: `cpu:pre_fault_memory { gpa = 0, size = 0x200000 }`
---@param range table kvm_pre_fault_memory: `gpa`, `size`, multiples of the page size
---@return table kvm_pre_fault_memory what is left
---Raises a kvm.error: ENOENT (no slot), EINVAL, EOPNOTSUPP (shadow paging); kernels
---before 6.11 and other machines: ENOTTY or EINVAL.
function vcpu:pre_fault_memory(range) end

---Turns debugging by the host on or off: steps, breakpoints, watchpoints. Events are
---exits "debug". What is left out is zero: each call says all.
---KVM_SET_GUEST_DEBUG, KVM_CAP_SET_GUEST_DEBUG (api.rst 4.87).
---Usage: `cpu:set_guest_debug { control = { "ENABLE", "SINGLESTEP" } }`
---@param debug table kvm_guest_debug: `control`, names of `kvm.GUESTDBG`, and `arch`,
---the debug registers
---Raises a kvm.error: EINVAL (a flag that the host lacks), EBUSY.
function vcpu:set_guest_debug(debug) end

---Reads a register by its 64-bit id, which says how wide it is. `vcpu.regs` has names.
---KVM_GET_ONE_REG, KVM_CAP_ONE_REG (api.rst 4.69).
---Usage: `for _, id in ipairs(cpu:get_reg_list()) do print(id, cpu:get_one_reg(id)) end`
---@param id integer
---@return integer|string value a byte string above 64 bits
---Raises a kvm.error: ENOENT (no such register), EINVAL, EPERM (arm64: too early).
function vcpu:get_one_reg(id) end

---Writes a register by its id.
---KVM_SET_ONE_REG, KVM_CAP_ONE_REG (api.rst 4.68).
---Usage: `cpu:set_one_reg(0x6030000000100040, 0x80000) -- arm64: pc`
---@param id integer
---@param value integer|string a byte string above 64 bits
---Raises a kvm.error: ENOENT (no such register), EINVAL (not this value), EPERM,
---EBUSY (arm64: too late).
function vcpu:set_one_reg(id, value) end

---The ids of the registers that get_one_reg has.
---KVM_GET_REG_LIST, KVM_CAP_ONE_REG (api.rst 4.84); x86-64: since Linux 6.18, of few.
---Usage: `print(#cpu:get_reg_list())`
---@return integer[] ids
---Raises a kvm.error: ENOEXEC (arm64: arm_vcpu_init comes first), ENOTTY (older
---kernels on x86-64).
function vcpu:get_reg_list() end

-- ---- attributes ------------------------------------------------------------------

---Sets an attribute of the vCPU (Documentation/virt/kvm/devices/vcpu.rst; arm64: PMU,
---timers, stolen time, see `kvm.arch.arm64.attr`; x86-64: the TSC's offset).
---KVM_SET_DEVICE_ATTR, KVM_CAP_DEVICE_CTRL and KVM_CAP_VCPU_ATTRIBUTES (api.rst 4.80).
---Usage: `cpu:set_device_attr("PMU_V3_CTRL", "PMU_V3_INIT") -- arm64`
---@param group integer|string a name of `kvm.DEVICE_GROUP`
---@param attr integer|string a name of `kvm.DEVICE_ATTR`
---@param value? integer|string an integer (4 or 8 bytes, as the attribute has it) or
---the bytes, at most 65536; nothing where the attribute is an action
---Raises a kvm.error: ENXIO (no such attribute), EBUSY, EEXIST, EINVAL, ENODEV.
function vcpu:set_device_attr(group, attr, value) end

---Reads an attribute of the vCPU.
---KVM_GET_DEVICE_ATTR, KVM_CAP_DEVICE_CTRL and KVM_CAP_VCPU_ATTRIBUTES (api.rst 4.80).
---Usage: `print(cpu:get_device_attr(0, 0))`
---@param group integer|string a name of `kvm.DEVICE_GROUP`
---@param attr integer|string a name of `kvm.DEVICE_ATTR`
---@param size? integer 1 to 65536 bytes: the value is a string of that length
---@return integer|string value 8 bytes as an integer without a size
---Raises a kvm.error: ENXIO (no such attribute).
function vcpu:get_device_attr(group, attr, size) end

---Whether the vCPU has an attribute.
---KVM_HAS_DEVICE_ATTR, KVM_CAP_DEVICE_CTRL and KVM_CAP_VCPU_ATTRIBUTES (api.rst 4.81).
---Usage: `print(cpu:has_device_attr(0, 0))`
---@param group integer|string a name of `kvm.DEVICE_GROUP`
---@param attr integer|string a name of `kvm.DEVICE_ATTR`
---@return boolean
function vcpu:has_device_attr(group, attr) end
