-- SPDX-License-Identifier: MIT
---@meta _

---@class kvm.vm
local vm = {}

-- ---- interrupt controllers and timers ----------------------------------------------

---As `vm:irq_line`, and tells what became of it.
---KVM_IRQ_LINE_STATUS, KVM_CAP_IRQ_INJECT_STATUS.
---Usage: `print(vm:irq_line_status({ irq = 4, level = 1 }).status)`
---@param line {irq: integer, level: integer}
---@return table kvm_irq_level: `status` is how many processors got it, 0: one was
---pending already, -1: it is masked
---Raises a kvm.error: ENXIO (no interrupt controller).
function vm:irq_line_status(line) end

---The state of one of the controllers that create_irqchip made.
---KVM_GET_IRQCHIP, KVM_CAP_IRQCHIP (api.rst 4.26).
---Usage: `local state = vm:get_irqchip { chip_id = "IOAPIC" }`
---@param which table kvm_irqchip: `chip_id`, a name of `kvm.IRQCHIP`
---@return table kvm_irqchip, with `pic` or `ioapic`
---Raises a kvm.error: ENXIO (no interrupt controller), EINVAL.
function vm:get_irqchip(which) end

---Changes it; fields that are left out stay.
---KVM_SET_IRQCHIP, KVM_CAP_IRQCHIP (api.rst 4.27).
---Usage: `vm:set_irqchip(vm:get_irqchip { chip_id = "IOAPIC" })`
---@param state table kvm_irqchip
---Raises a kvm.error: ENXIO (no interrupt controller), EINVAL.
function vm:set_irqchip(state) end

---Makes the timer i8254 in the kernel, after create_irqchip.
---KVM_CREATE_PIT2, KVM_CAP_PIT2 (api.rst 4.71).
---Usage: `vm:create_pit2 { flags = "SPEAKER_DUMMY" }`
---@param config table kvm_pit_config: `flags`, names of `kvm.PIT`
---Raises a kvm.error: ENOENT (no interrupt controller), EEXIST.
function vm:create_pit2(config) end

---Obsolete: create_pit2 without flags.
---KVM_CREATE_PIT, KVM_CAP_PIT.
---Usage: `vm:create_pit()`
---Raises a kvm.error: ENOENT (no interrupt controller), EEXIST.
function vm:create_pit() end

---The timer's state.
---KVM_GET_PIT2, KVM_CAP_PIT_STATE2 (api.rst 4.72).
---Usage: `print(vm:get_pit2().channels[1].count)`
---@return table kvm_pit_state2
---Raises a kvm.error: ENXIO (no timer).
function vm:get_pit2() end

---Changes it; fields that are left out stay.
---KVM_SET_PIT2, KVM_CAP_PIT_STATE2 (api.rst 4.73).
---Usage: `vm:set_pit2(vm:get_pit2())`
---@param state table kvm_pit_state2
---Raises a kvm.error: ENXIO (no timer).
function vm:set_pit2(state) end

---Obsolete: get_pit2 without flags.
---KVM_GET_PIT, KVM_CAP_PIT.
---Usage: `print(vm:get_pit().channels[1].count)`
---@return table kvm_pit_state
---Raises a kvm.error: ENXIO (no timer).
function vm:get_pit() end

---Obsolete: set_pit2 without flags.
---KVM_SET_PIT, KVM_CAP_PIT.
---Usage: `vm:set_pit(vm:get_pit())`
---@param state table kvm_pit_state
---Raises a kvm.error: ENXIO (no timer).
function vm:set_pit(state) end

---Whether ticks of the timer that the guest missed come later (1, as at first) or not
---at all (0: better for all but very old systems).
---KVM_REINJECT_CONTROL, KVM_CAP_REINJECT_CONTROL (api.rst 4.99).
---Usage: `vm:reinject_control { pit_reinject = 0 }`
---@param control table kvm_reinject_control
---Raises a kvm.error: ENXIO (no timer).
function vm:reinject_control(control) end

---Which vCPU starts the machine; the others wait for it. Before the first vCPU.
---KVM_SET_BOOT_CPU_ID, KVM_CAP_SET_BOOT_CPU_ID (api.rst 4.41).
---Usage: `vm:set_boot_cpu_id(1)`
---@param id? integer (0)
---Raises a kvm.error: EBUSY (there are vCPUs).
function vm:set_boot_cpu_id(id) end

-- ---- time --------------------------------------------------------------------------

---The time of kvmclock, as guests see it, in nanoseconds.
---KVM_GET_CLOCK, KVM_CAP_ADJUST_CLOCK (api.rst 4.29).
---Usage: `print(vm:get_clock().clock)`
---@return table kvm_clock_data: `flags` (names of `kvm.CLOCK`) say which fields count
function vm:get_clock() end

---Sets that time.
---KVM_SET_CLOCK, KVM_CAP_ADJUST_CLOCK (api.rst 4.30).
---Usage: `vm:set_clock { clock = 0 }`
---@param data table kvm_clock_data; with the flag REALTIME the time that passed since
---`realtime` is added
---Raises a kvm.error: EINVAL.
function vm:set_clock(data) end

---The frequency of new vCPUs' time stamp counters.
---KVM_GET_TSC_KHZ, KVM_CAP_GET_TSC_KHZ and KVM_CAP_VM_TSC_CONTROL (api.rst 4.56).
---Usage: `print(vm:get_tsc_khz())`
---@return integer kHz
---Raises a kvm.error: EIO (the host's TSC is not stable).
function vm:get_tsc_khz() end

---Sets it, for vCPUs that are made from now on.
---KVM_SET_TSC_KHZ, KVM_CAP_TSC_CONTROL and KVM_CAP_VM_TSC_CONTROL (api.rst 4.55).
---Usage: `vm:set_tsc_khz(1000000)`
---@param khz? integer 0: the host's (0)
---Raises a kvm.error: EINVAL (more than the host can give).
function vm:set_tsc_khz(khz) end

-- ---- memory ------------------------------------------------------------------------

---Where three pages are that Intel's processors need for real mode; below 4 GiB,
---outside of slots.
---KVM_SET_TSS_ADDR, KVM_CAP_SET_TSS_ADDR (api.rst 4.36).
---Usage: `vm:set_tss_addr(0xfffbd000)`
---@param gpa? integer (0)
---Raises a kvm.error: EINVAL.
function vm:set_tss_addr(gpa) end

---Where one more such page is. Before the first vCPU.
---KVM_SET_IDENTITY_MAP_ADDR, KVM_CAP_SET_IDENTITY_MAP_ADDR (api.rst 4.40).
---Usage: `vm:set_identity_map_addr(0xfffbc000)`
---@param gpa integer 0: 0xfffbc000
---Raises a kvm.error: EINVAL (there are vCPUs).
function vm:set_identity_map_addr(gpa) end

---How many pages of shadow page tables KVM may keep.
---KVM_SET_NR_MMU_PAGES, KVM_CAP_MMU_SHADOW_CACHE_CONTROL.
---Usage: `vm:set_nr_mmu_pages(1024)`
---@param n? integer at least 64 (0)
---Raises a kvm.error: EINVAL.
function vm:set_nr_mmu_pages(n) end

---Gone from the kernel; its name is left in the header.
---KVM_GET_NR_MMU_PAGES, KVM_CAP_MMU_SHADOW_CACHE_CONTROL.
---Usage: `print(pcall(vm.get_nr_mmu_pages, vm))`
---@return integer
---Raises a kvm.error: ENOTTY.
function vm:get_nr_mmu_pages() end

-- ---- MSRs and events -----------------------------------------------------------------

---Which MSRs the guest reaches: up to 16 ranges, each with a bitmap in which a 1 allows
---what `flags` say. What is denied gives #GP, or an exit after
---enable_cap("X86_USER_SPACE_MSR", reasons), which comes first. x2APIC's are always
---allowed.
---KVM_X86_SET_MSR_FILTER, KVM_CAP_X86_MSR_FILTER (api.rst 4.97).
---Usage: `vm:x86_set_msr_filter { ranges = { { flags = "READ", base = 0x10, nmsrs = 1 } } }`
---@param filter {flags: any, ranges: table[]?} flags: a name of
---`kvm.MSR_FILTER_DEFAULT`, for MSRs in no range; ranges: {flags = names of
---`kvm.MSR_FILTER`, base = index, nmsrs = how many, bitmap = bytes}; without a bitmap
---nothing in the range is allowed; no ranges: no filter
---Raises a kvm.error: EINVAL.
function vm:x86_set_msr_filter(filter) end

---Which events of performance counters the guest may count.
---KVM_SET_PMU_EVENT_FILTER, KVM_CAP_PMU_EVENT_FILTER (api.rst 4.120).
---Usage: `vm:set_pmu_event_filter { action = "DENY", 0xc0 }`
---@param filter table kvm_pmu_event_filter: `action`, a name of `kvm.PMU_EVENT`,
---`fixed_counter_bitmap`, `flags`; and the list of events (select and unit mask), at
---most 300
---Raises a kvm.error: EINVAL, E2BIG.
function vm:set_pmu_event_filter(filter) end

-- ---- confidential guests ---------------------------------------------------------------

---A command of SEV or TDX. Addresses in `data` are this process's, and are not checked.
---KVM_MEMORY_ENCRYPT_OP, basic (api.rst 4.110; x86/amd-memory-encryption.rst).
---Usage: `vm:memory_encrypt_op { id = "ES_INIT", sev_fd = fd }`
---@param command {id: any, flags: any, sev_fd: any, data: string?} id: a name of
---`kvm.SEV`; flags: names of `kvm.TDX`; sev_fd: the descriptor of /dev/sev; data: the
---command's struct
---@return {error: integer, data: string} error: the firmware's; data: the struct now
---Raises a kvm.error: ENOTTY (no memory encryption), EINVAL; `args` has the answer.
function vm:memory_encrypt_op(command) end

---Pins memory that an SEV guest encrypts.
---KVM_MEMORY_ENCRYPT_REG_REGION, basic (api.rst 4.111).
---Usage: `vm:memory_encrypt_reg_region { addr = 0, size = 0x1000 }`
---@param region table kvm_enc_region; `addr` is an address of this process, which
---scripts do not have: it can only be 0
---Raises a kvm.error: ENOTTY (no memory encryption), EINVAL.
function vm:memory_encrypt_reg_region(region) end

---Ends that.
---KVM_MEMORY_ENCRYPT_UNREG_REGION, basic (api.rst 4.112).
---Usage: `vm:memory_encrypt_unreg_region { addr = 0, size = 0x1000 }`
---@param region table kvm_enc_region, as memory_encrypt_reg_region
---Raises a kvm.error: ENOTTY (no memory encryption), EINVAL.
function vm:memory_encrypt_unreg_region(region) end

-- ---- guests of other hypervisors ---------------------------------------------------------

---Has a guest's Hyper-V signal ring an eventfd.
---KVM_HYPERV_EVENTFD, KVM_CAP_HYPERV_EVENTFD (api.rst 4.113).
---Usage: `vm:hyperv_eventfd { conn_id = 1, fd = event.fd }`
---@param eventfd table kvm_hyperv_eventfd: `conn_id` of 24 bits, `fd`, `flags`, names
---of `kvm.HYPERV_EVENTFD`
---Raises a kvm.error: ENOTTY, EINVAL, ENOENT, EEXIST.
function vm:hyperv_eventfd(eventfd) end

---Sets up Xen's hypercall page.
---KVM_XEN_HVM_CONFIG, KVM_CAP_XEN_HVM (api.rst 4.28, 8.30).
---Usage: `vm:xen_hvm_config { flags = "INTERCEPT_HCALL", msr = 0x40000000 }`
---@param config table kvm_xen_hvm_config: `flags`, names of `kvm.XEN_HVM_CONFIG`; the
---addresses of blobs can only be 0
---Raises a kvm.error: ENOTTY, EINVAL.
function vm:xen_hvm_config(config) end

---Reads an attribute of a Xen guest.
---KVM_XEN_HVM_GET_ATTR, KVM_CAP_XEN_HVM (api.rst 4.127).
---Usage: `vm:xen_hvm_get_attr { type = "SHARED_INFO" }`
---@param attr table kvm_xen_hvm_attr: `type`, a name of `kvm.XEN_ATTR`
---@return table kvm_xen_hvm_attr
---Raises a kvm.error: ENOTTY, EINVAL.
function vm:xen_hvm_get_attr(attr) end

---Sets an attribute of a Xen guest.
---KVM_XEN_HVM_SET_ATTR, KVM_CAP_XEN_HVM (api.rst 4.126).
---Usage: `vm:xen_hvm_set_attr { type = "LONG_MODE", long_mode = 1 }`
---@param attr table kvm_xen_hvm_attr
---Raises a kvm.error: ENOTTY, EINVAL.
function vm:xen_hvm_set_attr(attr) end

---Sends an event to a Xen guest.
---KVM_XEN_HVM_EVTCHN_SEND, KVM_CAP_XEN_HVM (api.rst 4.135).
---Usage: `vm:xen_hvm_evtchn_send { port = 1, vcpu = 0 }`
---@param event table kvm_irq_routing_xen_evtchn
---@return integer
---Raises a kvm.error: ENOTTY, EINVAL.
function vm:xen_hvm_evtchn_send(event) end
