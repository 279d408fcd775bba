-- SPDX-License-Identifier: MIT
---@meta _
-- Exits that some machine has and others have not. They are read everywhere:
-- `kvm.decode_exit` takes a page that was saved on any machine. The fields have the
-- kernel's names, see api.rst 5.

-- ---- ports, registers and interrupts of x86-64 ------------------------------

---x86-64: an access to ports that no device in Lua answers. `in` waits for `value` or
---`data`. A string instruction has several elements.
---KVM_EXIT_IO.
---Usage: `if reason == "io" then io.write(exit.data) end`
---@class kvm.exit.io: kvm.exit
---@field port integer
---@field size integer of an element in bytes: 1, 2 or 4
---@field count integer elements
---@field is_write boolean
---@field value integer the first element; assign it to answer `in`
---@field data string? all elements, size * count bytes; assign it to answer `in`. nil:
---they are not in a saved page

---x86-64: the guest reads an MSR that KVM hands over, enable_cap("X86_USER_SPACE_MSR",
---reasons), and no device in Lua answers. It waits for `value` or `error`.
---KVM_EXIT_X86_RDMSR (api.rst 7.21).
---Usage: `if reason == "x86_rdmsr" then exit.value = 42 end`
---@class kvm.exit.x86_rdmsr: kvm.exit
---@field index integer
---@field value integer assign it to answer
---@field data integer the same
---@field error boolean assign true: the guest gets #GP
---@field cause string|integer "unknown", "inval" or "filter": why KVM asks

---x86-64: the guest writes an MSR that KVM hands over.
---KVM_EXIT_X86_WRMSR (api.rst 7.21).
---Usage: `if reason == "x86_wrmsr" then exit.error = true end`
---@class kvm.exit.x86_wrmsr: kvm.exit
---@field index integer
---@field value integer
---@field data integer the same
---@field error boolean assign true: the guest gets #GP
---@field cause string|integer "unknown", "inval" or "filter": why KVM asks

---x86-64: the guest executed `hlt`. With an interrupt controller in the kernel the
---vCPU waits there instead, and only a timeout or a kick ends that.
---KVM_EXIT_HLT.
---Usage: `if reason == "hlt" then print(cpu.regs) end`
---@class kvm.exit.hlt: kvm.exit

---x86-64: a triple fault, the guest is dead. On AMD the registers have been reset
---already.
---KVM_EXIT_SHUTDOWN.
---Usage: `if reason == "shutdown" then error(tostring(cpu.regs)) end`
---@class kvm.exit.shutdown: kvm.exit

---x86-64: an interrupt can be injected now, with `vcpu:interrupt`: what a run with the
---option `interrupt_window` waits for. Not with an in-kernel interrupt controller.
---KVM_EXIT_IRQ_WINDOW_OPEN.
---Usage: `if reason == "irq_window_open" then cpu:interrupt { irq = 32 } end`
---@class kvm.exit.irq_window_open: kvm.exit
---@field ready_for_interrupt_injection boolean the guest would take one at once
---@field if_flag boolean RFLAGS.IF

---x86-64: the guest lowered CR8, without an interrupt controller in the kernel.
---KVM_EXIT_SET_TPR.
---Usage: `print(exit.cr8)`
---@class kvm.exit.set_tpr: kvm.exit
---@field cr8 integer

---x86-64: the guest touched the TPR, see `vcpu:tpr_access_reporting`.
---KVM_EXIT_TPR_ACCESS.
---Usage: `print(exit.rip, exit.is_write)`
---@class kvm.exit.tpr_access: kvm.exit
---@field rip integer
---@field is_write boolean

---x86-64: the guest ended a level-triggered interrupt of an IOAPIC in user space
---(enable_cap("SPLIT_IRQCHIP", routes); api.rst 7.5).
---KVM_EXIT_IOAPIC_EOI.
---Usage: `print(exit.vector)`
---@class kvm.exit.ioapic_eoi: kvm.exit
---@field vector integer

---x86-64: the guest locked the bus (enable_cap("X86_BUS_LOCK_EXIT", mode);
---api.rst 7.22).
---KVM_EXIT_X86_BUS_LOCK.
---Usage: `print(exit.flags)`
---@class kvm.exit.x86_bus_lock: kvm.exit
---@field flags integer of kvm_run, on x86-64 names of `kvm.RUN`

---x86-64: the guest kept out interrupts for too long (enable_cap("X86_NOTIFY_VMEXIT",
---window); api.rst 7.33).
---KVM_EXIT_NOTIFY.
---Usage: `assert(not exit.context_invalid)`
---@class kvm.exit.notify: kvm.exit
---@field flags integer names of `kvm.NOTIFY`
---@field context_invalid boolean the guest must not run on

-- ---- other hypervisors and confidential guests of x86-64 --------------------

---x86-64: something of Hyper-V's interface. `type` says which of the fields count.
---KVM_EXIT_HYPERV.
---Usage: `print(kvm.HYPERV[exit.type])`
---@class kvm.exit.hyperv: kvm.exit
---@field type integer a value of `kvm.HYPERV`: 1 synic, 2 hcall, 3 syndbg
---@field synic_msr integer
---@field synic_control integer
---@field synic_evt_page integer
---@field synic_msg_page integer
---@field hcall_input integer
---@field hcall_result integer assign it to answer
---@field hcall_params integer[] 2 of them
---@field syndbg_msr integer
---@field syndbg_control integer
---@field syndbg_status integer assign it to answer
---@field syndbg_send_page integer
---@field syndbg_recv_page integer
---@field syndbg_pending_page integer

---x86-64: a hypercall of a Xen guest. It waits for `result`.
---KVM_EXIT_XEN.
---Usage: `if reason == "xen" then exit.result = 0 end`
---@class kvm.exit.xen: kvm.exit
---@field type integer a value of `kvm.XEN`
---@field longmode boolean
---@field cpl integer privilege level of the caller
---@field input integer the hypercall's number
---@field result integer assign it to answer
---@field params integer[] 6 of them

---SEV-ES: a vCPU waits to be started.
---KVM_EXIT_AP_RESET_HOLD.
---Usage: `print(exit.reason)`
---@class kvm.exit.ap_reset_hold: kvm.exit

---A call of a TDX guest to its host. `nr`, the TDVMCALL's leaf, says which fields count.
---KVM_EXIT_TDX.
---Usage: `print(("%#x"):format(exit.nr))`
---@class kvm.exit.tdx: kvm.exit
---@field flags integer
---@field nr integer
---@field ret integer assign it to answer
---@field data integer[] 5 numbers
---@field gpa integer get_quote: of the buffer
---@field size integer get_quote: in bytes
---@field leaf integer get_tdvmcall_info
---@field r11 integer get_tdvmcall_info, assign it
---@field r12 integer the same
---@field r13 integer the same
---@field r14 integer the same
---@field vector integer setup_event_notify

---SEV-SNP: an extended guest request wants certificates. It waits for `ret`.
---KVM_EXIT_SNP_REQ_CERTS (Linux 7.0).
---Usage: `print(exit.gpa, exit.npages)`
---@class kvm.exit.snp_req_certs: kvm.exit
---@field gpa integer of the buffer
---@field npages integer its pages
---@field ret integer assign it to answer

-- ---- arm64 ------------------------------------------------------------------

---arm64: a load or store at an address without memory that the processor does not
---describe (pairs, write-back), with enable_cap("ARM_NISV_TO_USER"). The instruction is
---not skipped: `kvm.arch.arm64.nisv` does it.
---KVM_EXIT_ARM_NISV.
---Usage: `if reason == "arm_nisv" then nisv.emulate(cpu, exit, uart, 0x9000000) end`
---@class kvm.exit.arm_nisv: kvm.exit
---@field esr_iss integer the valid bits of ESR_EL2's syndrome
---@field fault_ipa integer the guest physical address

---arm64: the guest touched broken memory (enable_cap("ARM_SEA_TO_USER")).
---KVM_EXIT_ARM_SEA (Linux 6.19).
---Usage: `print(("%#x"):format(exit.esr))`
---@class kvm.exit.arm_sea: kvm.exit
---@field flags integer names of `kvm.ARM_SEA`
---@field esr integer
---@field gva integer
---@field gpa integer with the flag GPA_VALID

---arm64: an access of 64 bytes (ld64b, st64b) where no memory is.
---KVM_EXIT_ARM_LDST64B (Linux 7.0).
---Usage: `print(("%#x"):format(exit.fault_ipa))`
---@class kvm.exit.arm_ldst64b: kvm.exit
---@field esr_iss integer
---@field fault_ipa integer

-- ---- RISC-V and LoongArch ---------------------------------------------------

---RISC-V: a call of the supervisor binary interface. It waits for `ret`.
---KVM_EXIT_RISCV_SBI.
---Usage: `if reason == "riscv_sbi" then exit.ret = { 0, 0 } end`
---@class kvm.exit.riscv_sbi: kvm.exit
---@field extension_id integer
---@field function_id integer
---@field args integer[] 6 of them
---@field ret integer[] error and value; assign both to answer

---RISC-V: an access to a control register.
---KVM_EXIT_RISCV_CSR.
---Usage: `print(exit.csr_num)`
---@class kvm.exit.riscv_csr: kvm.exit
---@field csr_num integer
---@field new_value integer
---@field write_mask integer bits that are written
---@field ret_value integer what is read

---LoongArch: an access to an I/O control register.
---KVM_EXIT_LOONGARCH_IOCSR.
---Usage: `print(exit.gpa, exit.size)`
---@class kvm.exit.loongarch_iocsr: kvm.exit
---@field gpa integer its number
---@field size integer in bytes
---@field is_write boolean
---@field data string 8 bytes, of which size count

-- ---- s390 -------------------------------------------------------------------

---s390: an instruction that user space has to emulate.
---KVM_EXIT_S390_SIEIC.
---Usage: `print(exit.icptcode, exit.ipa, exit.ipb)`
---@class kvm.exit.s390_sieic: kvm.exit
---@field icptcode integer interception code
---@field ipa integer the instruction's first half
---@field ipb integer its operands

---s390: the guest asks for a reset.
---KVM_EXIT_S390_RESET.
---Usage: `print(exit.flags)`
---@class kvm.exit.s390_reset: kvm.exit
---@field flags integer KVM_S390_RESET_*

---s390: a page fault of a VM whose page tables user space keeps.
---KVM_EXIT_S390_UCONTROL.
---Usage: `print(exit.pgm_code)`
---@class kvm.exit.s390_ucontrol: kvm.exit
---@field trans_exc_code integer where
---@field pgm_code integer why

---s390: TEST SUBCHANNEL.
---KVM_EXIT_S390_TSCH.
---Usage: `print(exit.subchannel_id, exit.subchannel_nr)`
---@class kvm.exit.s390_tsch: kvm.exit
---@field subchannel_id integer
---@field subchannel_nr integer
---@field io_int_parm integer
---@field io_int_word integer
---@field ipb integer the instruction's operands
---@field dequeued boolean an interrupt was pending, and the fields are of it

---s390: STORE SYSTEM INFORMATION.
---KVM_EXIT_S390_STSI.
---Usage: `print(exit.fc, exit.sel1, exit.sel2)`
---@class kvm.exit.s390_stsi: kvm.exit
---@field gpa integer of the block
---@field ar integer access register
---@field fc integer function code
---@field sel1 integer
---@field sel2 integer

-- ---- PowerPC ----------------------------------------------------------------

---PowerPC 440, gone: an access to a device control register.
---KVM_EXIT_DCR.
---Usage: `print(exit.dcrn, exit.data)`
---@class kvm.exit.dcr: kvm.exit
---@field dcrn integer
---@field data integer
---@field is_write boolean

---PowerPC: a hypercall of Mac-on-Linux.
---KVM_EXIT_OSI.
---Usage: `print(exit.gprs[1])`
---@class kvm.exit.osi: kvm.exit
---@field gprs integer[] 32 registers

---PowerPC: a hypercall of a pSeries guest.
---KVM_EXIT_PAPR_HCALL.
---Usage: `print(exit.nr, exit.args[1])`
---@class kvm.exit.papr_hcall: kvm.exit
---@field nr integer
---@field ret integer
---@field args integer[] 9 of them

---PowerPC: the guest's watchdog expired for the second time.
---KVM_EXIT_WATCHDOG.
---Usage: `print(exit.reason)`
---@class kvm.exit.watchdog: kvm.exit

---PowerPC: an external interrupt was delivered and wants its vector.
---KVM_EXIT_EPR.
---Usage: `print(exit.epr)`
---@class kvm.exit.epr: kvm.exit
---@field epr integer
