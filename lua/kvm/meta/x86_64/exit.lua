-- SPDX-License-Identifier: MIT
---@meta _

---An access to ports that no device in Lua answers. `in` waits for `value` or `data`.
---A string instruction has several elements.
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

---A hypercall that enable_cap("EXIT_HYPERCALL", mask) hands over and no device in Lua
---answers. It waits for `ret`.
---KVM_EXIT_HYPERCALL (api.rst 8.34).
---Usage: `if reason == "hypercall" then exit.ret = 0 end`
---@class kvm.exit.hypercall: kvm.exit
---@field nr integer a value of `kvm.HC`
---@field args integer[] 6 of them
---@field ret integer assign it: what the guest finds in rax
---@field flags integer names of `kvm.HYPERCALL`
---@field longmode boolean the guest was in 64-bit mode

---A debug event that `vcpu:set_guest_debug` asked for.
---KVM_EXIT_DEBUG.
---Usage: `if reason == "debug" then print(("%#x"):format(exit.pc)) end`
---@class kvm.exit.debug: kvm.exit
---@field exception integer a value of `kvm.VECTOR`: 1 #DB, 3 #BP
---@field pc integer linear address of the instruction
---@field dr6 integer what it was, as DR6 has it (Intel SDM, volume 3, 18.2.3)
---@field dr7 integer

---The guest executed `hlt`. With an interrupt controller in the kernel the vCPU waits
---there instead, and only a timeout or a kick ends that.
---KVM_EXIT_HLT.
---Usage: `for reason in cpu:exits() do if reason == "hlt" then break end end`
---@class kvm.exit.hlt: kvm.exit

---An interrupt can be injected now, with `vcpu:interrupt`: what a run with the option
---`interrupt_window` waits for. Not with an in-kernel interrupt controller.
---KVM_EXIT_IRQ_WINDOW_OPEN.
---Usage: `if reason == "irq_window_open" then cpu:interrupt { irq = 32 } end`
---@class kvm.exit.irq_window_open: kvm.exit
---@field ready_for_interrupt_injection boolean the guest would take one at once
---@field if_flag boolean RFLAGS.IF

---A triple fault: the guest is dead. On AMD the registers have been reset already.
---KVM_EXIT_SHUTDOWN.
---Usage: `if reason == "shutdown" then error(tostring(cpu.regs)) end`
---@class kvm.exit.shutdown: kvm.exit

---The guest lowered CR8, without an interrupt controller in the kernel.
---KVM_EXIT_SET_TPR.
---Usage: `print(exit.cr8)`
---@class kvm.exit.set_tpr: kvm.exit
---@field cr8 integer

---The guest touched the TPR, see `vcpu:tpr_access_reporting`.
---KVM_EXIT_TPR_ACCESS.
---Usage: `print(exit.rip, exit.is_write)`
---@class kvm.exit.tpr_access: kvm.exit
---@field rip integer
---@field is_write boolean

---The guest ended a level-triggered interrupt of an IOAPIC in user space
---(enable_cap("SPLIT_IRQCHIP", routes); api.rst 7.5).
---KVM_EXIT_IOAPIC_EOI.
---Usage: `print(exit.vector)`
---@class kvm.exit.ioapic_eoi: kvm.exit
---@field vector integer

---Something of Hyper-V's interface. `type` says which of the fields count.
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

---The guest reads an MSR that KVM hands over: enable_cap("X86_USER_SPACE_MSR",
---reasons), and no device in Lua answers. It waits for `value` or `error`.
---KVM_EXIT_X86_RDMSR (api.rst 7.21).
---Usage: `if reason == "x86_rdmsr" then exit.value = 42 end`
---@class kvm.exit.x86_rdmsr: kvm.exit
---@field index integer
---@field value integer assign it to answer
---@field data integer the same
---@field error boolean assign true: the guest gets #GP
---@field cause string|integer "unknown", "inval" or "filter": why KVM asks

---The guest writes an MSR that KVM hands over.
---KVM_EXIT_X86_WRMSR (api.rst 7.21).
---Usage: `if reason == "x86_wrmsr" then exit.error = true end`
---@class kvm.exit.x86_wrmsr: kvm.exit
---@field index integer
---@field value integer
---@field data integer the same
---@field error boolean assign true: the guest gets #GP
---@field cause string|integer "unknown", "inval" or "filter": why KVM asks

---SEV-ES: a vCPU waits to be started.
---KVM_EXIT_AP_RESET_HOLD.
---Usage: `print(exit.reason)`
---@class kvm.exit.ap_reset_hold: kvm.exit

---The guest locked the bus (enable_cap("X86_BUS_LOCK_EXIT", mode); api.rst 7.22).
---KVM_EXIT_X86_BUS_LOCK.
---Usage: `print(exit.flags & kvm.RUN.BUS_LOCK)`
---@class kvm.exit.x86_bus_lock: kvm.exit
---@field flags integer of kvm_run, names of `kvm.RUN`

---A hypercall of a Xen guest. It waits for `result`.
---KVM_EXIT_XEN.
---Usage: `if reason == "xen" then exit.result = 0 end`
---@class kvm.exit.xen: kvm.exit
---@field type integer a value of `kvm.XEN`
---@field longmode boolean
---@field cpl integer privilege level of the caller
---@field input integer the hypercall's number
---@field result integer assign it to answer
---@field params integer[] 6 of them

---The guest kept out interrupts for too long (enable_cap("X86_NOTIFY_VMEXIT", window);
---api.rst 7.33).
---KVM_EXIT_NOTIFY.
---Usage: `assert(not exit.context_invalid)`
---@class kvm.exit.notify: kvm.exit
---@field flags integer names of `kvm.NOTIFY`
---@field context_invalid boolean the guest must not run on

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

---An arm64 guest's load or store that the processor does not describe, from a saved
---page.
---KVM_EXIT_ARM_NISV.
---Usage: `print(exit.fault_ipa)`
---@class kvm.exit.arm_nisv: kvm.exit
---@field esr_iss integer
---@field fault_ipa integer

---An arm64 guest's access to broken memory, from a saved page.
---KVM_EXIT_ARM_SEA (Linux 6.19).
---Usage: `print(exit.esr)`
---@class kvm.exit.arm_sea: kvm.exit
---@field flags integer
---@field esr integer
---@field gva integer
---@field gpa integer

---An arm64 guest's access of 64 bytes, from a saved page.
---KVM_EXIT_ARM_LDST64B (Linux 7.0).
---Usage: `print(exit.fault_ipa)`
---@class kvm.exit.arm_ldst64b: kvm.exit
---@field esr_iss integer
---@field fault_ipa integer
