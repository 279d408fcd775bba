-- SPDX-License-Identifier: MIT
---@meta _

---@class kvm.vcpu
local vcpu = {}

-- ---- registers: vcpu.regs has them by name, whichever of these carries them --------

---The general registers.
---KVM_GET_REGS, basic (api.rst 4.11).
---Usage: `print(("%#x"):format(cpu:get_regs().rip))`
---@return table kvm_regs
function vcpu:get_regs() end

---Changes them; fields that are left out stay. Setters of state are alike in that.
---KVM_SET_REGS, basic (api.rst 4.12).
---Usage: `cpu:set_regs { rip = 0x1000, rflags = 2 }`
---@param regs table kvm_regs
function vcpu:set_regs(regs) end

---Segments, descriptor tables, control registers, EFER, and the interrupt that waits.
---KVM_GET_SREGS, basic (api.rst 4.13).
---Usage: `print(cpu:get_sregs().cs.base)`
---@return table kvm_sregs
function vcpu:get_sregs() end

---Changes them. KVM checks all of them together.
---KVM_SET_SREGS, basic (api.rst 4.14).
---Usage: `cpu:set_sregs { cs = { base = 0, selector = 0 } }`
---@param sregs table kvm_sregs
---Raises a kvm.error: EINVAL (they contradict each other or the CPUID).
function vcpu:set_sregs(sregs) end

---The same with the page directory pointers of PAE, without the interrupt.
---KVM_GET_SREGS2, KVM_CAP_SREGS2 (api.rst 4.131).
---Usage: `print(cpu:get_sregs2().pdptrs[1])`
---@return table kvm_sregs2
function vcpu:get_sregs2() end

---Changes them. `flags` (names of `kvm.SREGS2`) say whether the pointers count.
---KVM_SET_SREGS2, KVM_CAP_SREGS2 (api.rst 4.132).
---Usage: `cpu:set_sregs2 { cr3 = 0x2000 }`
---@param sregs table kvm_sregs2
---Raises a kvm.error: EINVAL (they contradict each other or the CPUID).
function vcpu:set_sregs2(sregs) end

---x87 and SSE, without MXCSR: get_xsave has all of it.
---KVM_GET_FPU, basic (api.rst 4.22).
---Usage: `print(cpu:get_fpu().fcw)`
---@return table kvm_fpu
function vcpu:get_fpu() end

---Changes them; a host with XSAVE may ignore it: use set_xsave or `vcpu.regs`.
---KVM_SET_FPU, basic (api.rst 4.23).
---Usage: `cpu:set_fpu { fcw = 0x37f }`
---@param fpu table kvm_fpu
function vcpu:set_fpu(fpu) end

---The debug registers of the guest.
---KVM_GET_DEBUGREGS, KVM_CAP_DEBUGREGS (api.rst 4.33).
---Usage: `print(cpu:get_debugregs().dr7)`
---@return table kvm_debugregs
function vcpu:get_debugregs() end

---Changes them.
---KVM_SET_DEBUGREGS, KVM_CAP_DEBUGREGS (api.rst 4.34).
---Usage: `cpu:set_debugregs { dr7 = 0x400 }`
---@param regs table kvm_debugregs
---Raises a kvm.error: EINVAL (upper halves, flags).
function vcpu:set_debugregs(regs) end

---Extended control registers: XCR0.
---KVM_GET_XCRS, KVM_CAP_XCRS (api.rst 4.44).
---Usage: `print(cpu:get_xcrs().xcrs[1].value)`
---@return table kvm_xcrs
function vcpu:get_xcrs() end

---Changes them.
---KVM_SET_XCRS, KVM_CAP_XCRS (api.rst 4.45).
---Usage: `cpu:set_xcrs { nr_xcrs = 1, xcrs = { { xcr = 0, value = 7 } } }`
---@param xcrs table kvm_xcrs
---Raises a kvm.error: EINVAL (components that the CPUID does not have).
function vcpu:set_xcrs(xcrs) end

---The XSAVE area, its first 4096 bytes.
---KVM_GET_XSAVE, KVM_CAP_XSAVE (api.rst 4.42; Intel SDM, volume 1, 13.4).
---Usage: `local area = cpu:get_xsave().region`
---@return table kvm_xsave: `region`, a byte string
function vcpu:get_xsave() end

---All of it: larger with components that arch_prctl(2) permitted.
---KVM_GET_XSAVE2, KVM_CAP_XSAVE2 (api.rst 4.134).
---Usage: `local area = cpu:get_xsave2(); print(#area.region + #area.extra)`
---@return table kvm_xsave: `region` and `extra`, byte strings
function vcpu:get_xsave2() end

---Changes the area.
---KVM_SET_XSAVE, KVM_CAP_XSAVE (api.rst 4.43).
---Usage: `cpu:set_xsave(cpu:get_xsave2())`
---@param area {region: string?, extra: string?} what is left out stays
---Raises a kvm.error: EINVAL (components of another host, reserved bits).
function vcpu:set_xsave(area) end

---Reads MSRs.
---KVM_GET_MSRS, basic (api.rst 4.18).
---Usage: `print(cpu:get_msrs({ "tsc", 0x10a }).tsc)`
---@param list (integer|string)[] indices, or names as in `vcpu.regs`; at most 255
---@return table<integer|string, integer> values by what the list holds
---Raises a kvm.error: EINVAL (names the first MSR that is refused; `args` has its
---`index`, and how many are `done`), E2BIG.
function vcpu:get_msrs(list) end

---Writes MSRs, lower indices first, or in the order of a list of entries.
---KVM_SET_MSRS, basic (api.rst 4.19).
---Usage: `cpu:set_msrs { lstar = 0x1000, [0xc0000081] = 0 }`
---@param msrs table values by index or name, or a list of {index =, data =}
---Raises a kvm.error: EINVAL (names the first MSR that is refused: those before it are
---set), E2BIG.
function vcpu:set_msrs(msrs) end

-- ---- CPUID -----------------------------------------------------------------------

---What the guest's `cpuid` says. Before the first run; state that needs a feature comes
---after it. `kvm.arch.x86_64.cpuid` edits such lists.
---KVM_SET_CPUID2, KVM_CAP_EXT_CPUID (api.rst 4.20).
---Usage: `cpu:set_cpuid2(system:get_supported_cpuid())`
---@param list table[] kvm_cpuid_entry2, at most 256
---Raises a kvm.error: EINVAL (the vCPU has run with another), E2BIG.
function vcpu:set_cpuid2(list) end

---What it says now.
---KVM_GET_CPUID2, KVM_CAP_EXT_CPUID (api.rst 4.20).
---Usage: `print(#cpu:get_cpuid2())`
---@return table[] list of kvm_cpuid_entry2
function vcpu:get_cpuid2() end

---Obsolete: set_cpuid2 without subleaves.
---KVM_SET_CPUID, basic (api.rst 4.20).
---Usage: `cpu:set_cpuid { { ["function"] = 0, eax = 1 } }`
---@param list table[] kvm_cpuid_entry, at most 256
---Raises a kvm.error: EINVAL, E2BIG.
function vcpu:set_cpuid(list) end

---The CPUID entries of Hyper-V's interface for this vCPU.
---KVM_GET_SUPPORTED_HV_CPUID, KVM_CAP_HYPERV_CPUID (api.rst 4.118).
---Usage: `print(pcall(cpu.get_supported_hv_cpuid, cpu))`
---@return table[] list of kvm_cpuid_entry2
---Raises a kvm.error: EINVAL (no Hyper-V emulation here).
function vcpu:get_supported_hv_cpuid() end

-- ---- addresses ---------------------------------------------------------------------

---Translates a guest virtual address as the vCPU would now.
---KVM_TRANSLATE, basic (api.rst 4.15).
---Usage: `print(cpu:translate({ linear_address = 0x401000 }).physical_address)`
---@param address table kvm_translation: `linear_address`
---@return table kvm_translation: `valid`, `physical_address`. `writeable` and `usermode`
---are constants: KVM never fills them in
function vcpu:translate(address) end

-- ---- interrupts ----------------------------------------------------------------------

---Exceptions, interrupts and the like that wait to be taken.
---KVM_GET_VCPU_EVENTS, KVM_CAP_VCPU_EVENTS (api.rst 4.31).
---Usage: `print(cpu:get_vcpu_events().exception.nr)`
---@return table kvm_vcpu_events
function vcpu:get_vcpu_events() end

---Changes what waits; fields that are left out stay.
---KVM_SET_VCPU_EVENTS, KVM_CAP_VCPU_EVENTS (api.rst 4.32).
---Usage: `local events = cpu:get_vcpu_events(); cpu:set_vcpu_events(events)`
---@param events table kvm_vcpu_events: `flags` (names of `kvm.VCPUEVENT`) say which
---parts count
---Raises a kvm.error: EINVAL.
function vcpu:set_vcpu_events(events) end

---Queues a non-maskable interrupt.
---KVM_NMI, KVM_CAP_USER_NMI (api.rst 4.64).
---Usage: `cpu:nmi()`
function vcpu:nmi() end

---Queues a system management interrupt.
---KVM_SMI, KVM_CAP_X86_SMM (api.rst 4.96).
---Usage: `cpu:smi()`
---Raises a kvm.error: ENOTTY (no system management mode here).
function vcpu:smi() end

---The local APIC's registers.
---KVM_GET_LAPIC, KVM_CAP_IRQCHIP (api.rst 4.57).
---Usage: `print(("<I4"):unpack(cpu:get_lapic().regs, 0x30 + 1))`
---@return table kvm_lapic_state: `regs`, 1024 bytes
---Raises a kvm.error: EINVAL (it is not in the kernel).
function vcpu:get_lapic() end

---Changes them.
---KVM_SET_LAPIC, KVM_CAP_IRQCHIP (api.rst 4.58).
---Usage: `cpu:set_lapic(cpu:get_lapic())`
---@param state table kvm_lapic_state
---Raises a kvm.error: EINVAL (it is not in the kernel).
function vcpu:set_lapic(state) end

---Has accesses to the TPR come back as exits "tpr_access".
---KVM_TPR_ACCESS_REPORTING, KVM_CAP_VAPIC.
---Usage: `cpu:tpr_access_reporting { enabled = 1 }`
---@param control table kvm_tpr_access_ctl: `enabled`, `flags`
---@return table kvm_tpr_access_ctl
---Raises a kvm.error: EINVAL.
function vcpu:tpr_access_reporting(control) end

---Where the guest keeps a TPR that KVM and it share.
---KVM_SET_VAPIC_ADDR, KVM_CAP_VAPIC.
---Usage: `cpu:set_vapic_addr { vapic_addr = 0x1000 }`
---@param address table kvm_vapic_addr: `vapic_addr`, a gpa; 0: nowhere
---Raises a kvm.error: EINVAL (no local APIC in the kernel).
function vcpu:set_vapic_addr(address) end

-- ---- machine checks --------------------------------------------------------------------

---Gives the vCPU banks for machine checks.
---KVM_X86_SETUP_MCE, KVM_CAP_MCE (api.rst 4.105).
---Usage: `cpu:x86_setup_mce(system:x86_get_mce_cap_supported() & ~0xff | 4)`
---@param mcg_cap integer as MCG_CAP: number of banks, capabilities
---Raises a kvm.error: EINVAL.
function vcpu:x86_setup_mce(mcg_cap) end

---Injects a machine check.
---KVM_X86_SET_MCE, KVM_CAP_MCE (api.rst 4.106).
---Usage: `cpu:x86_set_mce { bank = 1, status = 1 << 63 }`
---@param mce table kvm_x86_mce: `bank`, `status` with bit 63 set, `addr`, `misc`,
---`mcg_status`
---Raises a kvm.error: EINVAL (no such bank, bit 63 is not set).
function vcpu:x86_set_mce(mce) end

-- ---- time --------------------------------------------------------------------------------

---The frequency of the vCPU's time stamp counter.
---KVM_GET_TSC_KHZ, KVM_CAP_GET_TSC_KHZ (api.rst 4.56).
---Usage: `print(cpu:get_tsc_khz())`
---@return integer kHz
---Raises a kvm.error: EIO (the host's TSC is not stable).
function vcpu:get_tsc_khz() end

---Sets it.
---KVM_SET_TSC_KHZ, KVM_CAP_TSC_CONTROL (api.rst 4.55).
---Usage: `cpu:set_tsc_khz(1000000)`
---@param khz? integer 0: the host's (0)
---Raises a kvm.error: EINVAL (the host cannot scale it).
function vcpu:set_tsc_khz(khz) end

---Tells the guest, by its kvmclock, that it was paused: its watchdog forgives that.
---KVM_KVMCLOCK_CTRL, KVM_CAP_KVMCLOCK_CTRL (api.rst 4.70).
---Usage: `cpu:kvmclock_ctrl()`
---Raises a kvm.error: EINVAL (the guest has no kvmclock).
function vcpu:kvmclock_ctrl() end

-- ---- nested guests and others --------------------------------------------------------------

---The state of a guest that is a hypervisor.
---KVM_GET_NESTED_STATE, KVM_CAP_NESTED_STATE (api.rst 4.114).
---Usage: `local state = cpu:get_nested_state()`
---@return table kvm_nested_state, `data` as a byte string
---Raises a kvm.error: EINVAL (no nested virtualization here).
function vcpu:get_nested_state() end

---Sets it; `size` is found out.
---KVM_SET_NESTED_STATE, KVM_CAP_NESTED_STATE (api.rst 4.115).
---Usage: `cpu:set_nested_state(cpu:get_nested_state())`
---@param state table kvm_nested_state, `data` as a byte string
---Raises a kvm.error: EINVAL.
function vcpu:set_nested_state(state) end

---A command of TDX for this vCPU, see `vm:memory_encrypt_op`.
---KVM_MEMORY_ENCRYPT_OP, basic (api.rst 4.110).
---Usage: `cpu:memory_encrypt_op { id = kvm.TDX.INIT_VCPU }`
---@param command {id: any, flags: any, sev_fd: any, data: string?}
---@return {error: integer, data: string}
---Raises a kvm.error: ENOTTY (no memory encryption), EINVAL.
function vcpu:memory_encrypt_op(command) end

---Reads an attribute of a Xen guest's vCPU.
---KVM_XEN_VCPU_GET_ATTR, KVM_CAP_XEN_HVM (api.rst 4.129).
---Usage: `cpu:xen_vcpu_get_attr { type = "VCPU_INFO" }`
---@param attr table kvm_xen_vcpu_attr: `type`, a name of `kvm.XEN_VCPU_ATTR`
---@return table kvm_xen_vcpu_attr
---Raises a kvm.error: ENOTTY, EINVAL.
function vcpu:xen_vcpu_get_attr(attr) end

---Sets an attribute of a Xen guest's vCPU.
---KVM_XEN_VCPU_SET_ATTR, KVM_CAP_XEN_HVM (api.rst 4.128).
---Usage: `cpu:xen_vcpu_set_attr { type = "VCPU_ID", vcpu_id = 0 }`
---@param attr table kvm_xen_vcpu_attr
---Raises a kvm.error: ENOTTY, EINVAL.
function vcpu:xen_vcpu_set_attr(attr) end
