-- SPDX-License-Identifier: MIT
---@meta _

---A call of the guest by hvc or smc that the SMCCC filter forwards
---(`kvm.arch.arm64.smccc`). Its arguments are x1 and on, its results go to x0 and on:
---in `vcpu.regs`.
---KVM_EXIT_HYPERCALL (Documentation/virt/kvm/devices/vm.rst).
---Usage: `if reason == "hypercall" then cpu.regs.x0 = 0 end`
---@class kvm.exit.hypercall: kvm.exit
---@field nr integer the function's id
---@field is_smc boolean by smc, not hvc
---@field is_16bit boolean the instruction has 16 bits (AArch32)
---@field flags integer names of `kvm.HYPERCALL`

---A debug event that `vcpu:set_guest_debug` asked for.
---KVM_EXIT_DEBUG.
---Usage: `if reason == "debug" and exit.ec == 0x3c then print "brk" end`
---@class kvm.exit.debug: kvm.exit
---@field ec integer exception class: 0x30 breakpoint, 0x32 step, 0x34 watchpoint, 0x3c
---brk (`kvm.arch.arm64.esr`)
---@field hsr integer ESR_EL2, its lower half
---@field hsr_high integer its upper half; 0 where the kernel does not tell
---@field far integer FAR_EL2, with a watchpoint

---@class kvm.exit.fail_entry: kvm.exit
---@field is_cpu_unsupported boolean the host's processor cannot run this vCPU: not one
---of those that have its PMU

---@class kvm.exit.intr: kvm.exit
---@field device_irq_level integer names of `kvm.DEVICE_IRQ`: lines that the kernel's
---timers and PMU raise when the vGIC is not the kernel's; a change interrupts `run`

---A load or store at an address without memory that the processor does not describe
---(pairs, write-back): enable_cap("ARM_NISV_TO_USER"). The instruction is not skipped:
---`kvm.arch.arm64.nisv` does it.
---KVM_EXIT_ARM_NISV.
---Usage: `if reason == "arm_nisv" then nisv.emulate(cpu, exit, uart, 0x9000000) end`
---@class kvm.exit.arm_nisv: kvm.exit
---@field esr_iss integer the valid bits of ESR_EL2's syndrome
---@field fault_ipa integer the guest physical address

---The guest touched broken memory (enable_cap("ARM_SEA_TO_USER")).
---KVM_EXIT_ARM_SEA (Linux 6.19).
---Usage: `print(("%#x"):format(exit.esr))`
---@class kvm.exit.arm_sea: kvm.exit
---@field flags integer names of `kvm.ARM_SEA`
---@field esr integer
---@field gva integer
---@field gpa integer with the flag GPA_VALID

---An access of 64 bytes (ld64b, st64b) where no memory is.
---KVM_EXIT_ARM_LDST64B (Linux 7.0).
---Usage: `print(("%#x"):format(exit.fault_ipa))`
---@class kvm.exit.arm_ldst64b: kvm.exit
---@field esr_iss integer
---@field fault_ipa integer

-- ---- of x86-64, from a saved page ---------------------------------------------------

---An x86-64 guest's port access, from a saved page; its data are not decoded here.
---KVM_EXIT_IO.
---Usage: `print(exit.port, exit.direction)`
---@class kvm.exit.io: kvm.exit
---@field direction integer a value of `kvm.IO`
---@field size integer of an element in bytes
---@field port integer
---@field count integer elements

---An x86-64 guest's `hlt`, from a saved page.
---KVM_EXIT_HLT.
---Usage: `print(exit.reason)`
---@class kvm.exit.hlt: kvm.exit

---An x86-64 guest that can take an interrupt, from a saved page.
---KVM_EXIT_IRQ_WINDOW_OPEN.
---Usage: `print(exit.reason)`
---@class kvm.exit.irq_window_open: kvm.exit

---An x86-64 guest's triple fault, from a saved page.
---KVM_EXIT_SHUTDOWN.
---Usage: `print(exit.reason)`
---@class kvm.exit.shutdown: kvm.exit

---An x86-64 guest's write of CR8, from a saved page.
---KVM_EXIT_SET_TPR.
---Usage: `print(exit.reason)`
---@class kvm.exit.set_tpr: kvm.exit

---An x86-64 guest's access to the TPR, from a saved page.
---KVM_EXIT_TPR_ACCESS.
---Usage: `print(exit.rip, exit.is_write)`
---@class kvm.exit.tpr_access: kvm.exit
---@field rip integer
---@field is_write boolean

---An x86-64 guest's end of an interrupt, from a saved page.
---KVM_EXIT_IOAPIC_EOI.
---Usage: `print(exit.vector)`
---@class kvm.exit.ioapic_eoi: kvm.exit
---@field vector integer

---Something of Hyper-V's interface, from a page saved on x86-64.
---KVM_EXIT_HYPERV.
---Usage: `print(exit.type)`
---@class kvm.exit.hyperv: kvm.exit
---@field type integer

---An x86-64 guest's read of an MSR, from a saved page.
---KVM_EXIT_X86_RDMSR.
---Usage: `print(exit.index)`
---@class kvm.exit.x86_rdmsr: kvm.exit
---@field index integer
---@field data integer
---@field reason_flags integer why KVM asks
---@field error integer

---An x86-64 guest's write of an MSR, from a saved page.
---KVM_EXIT_X86_WRMSR.
---Usage: `print(exit.index, exit.data)`
---@class kvm.exit.x86_wrmsr: kvm.exit
---@field index integer
---@field data integer
---@field reason_flags integer why KVM asks
---@field error integer

---SEV-ES, from a page saved on x86-64: a vCPU waits to be started.
---KVM_EXIT_AP_RESET_HOLD.
---Usage: `print(exit.reason)`
---@class kvm.exit.ap_reset_hold: kvm.exit

---An x86-64 guest that locked the bus, from a saved page.
---KVM_EXIT_X86_BUS_LOCK.
---Usage: `print(exit.reason)`
---@class kvm.exit.x86_bus_lock: kvm.exit

---A Xen guest's hypercall, from a page saved on x86-64.
---KVM_EXIT_XEN.
---Usage: `print(exit.type)`
---@class kvm.exit.xen: kvm.exit
---@field type integer

---An x86-64 guest that kept out interrupts, from a saved page.
---KVM_EXIT_NOTIFY.
---Usage: `print(exit.flags)`
---@class kvm.exit.notify: kvm.exit
---@field flags integer

---A TDX guest's call to its host, from a page saved on x86-64.
---KVM_EXIT_TDX.
---Usage: `print(exit.nr)`
---@class kvm.exit.tdx: kvm.exit
---@field flags integer
---@field nr integer

---An SEV-SNP guest that wants certificates, from a page saved on x86-64.
---KVM_EXIT_SNP_REQ_CERTS (Linux 7.0).
---Usage: `print(exit.gpa, exit.npages)`
---@class kvm.exit.snp_req_certs: kvm.exit
---@field gpa integer
---@field npages integer
---@field ret integer
