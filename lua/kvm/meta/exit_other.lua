-- SPDX-License-Identifier: MIT
---@meta _
-- Exits of machines that kvmlua does not run on: `kvm.decode_exit` reads them from a
-- page that was saved there. The fields have the kernel's names, see api.rst 5.

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

---s390: a page fault of a VM whose page tables user space keeps.
---KVM_EXIT_S390_UCONTROL.
---Usage: `print(exit.pgm_code)`
---@class kvm.exit.s390_ucontrol: kvm.exit
---@field trans_exc_code integer where
---@field pgm_code integer why

---PowerPC: the guest's watchdog expired for the second time.
---KVM_EXIT_WATCHDOG.
---Usage: `print(exit.reason)`
---@class kvm.exit.watchdog: kvm.exit

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

---PowerPC: an external interrupt was delivered and wants its vector.
---KVM_EXIT_EPR.
---Usage: `print(exit.epr)`
---@class kvm.exit.epr: kvm.exit
---@field epr integer

---s390: STORE SYSTEM INFORMATION.
---KVM_EXIT_S390_STSI.
---Usage: `print(exit.fc, exit.sel1, exit.sel2)`
---@class kvm.exit.s390_stsi: kvm.exit
---@field gpa integer of the block
---@field ar integer access register
---@field fc integer function code
---@field sel1 integer
---@field sel2 integer

---RISC-V: a call of the supervisor binary interface.
---KVM_EXIT_RISCV_SBI.
---Usage: `print(exit.extension_id, exit.function_id)`
---@class kvm.exit.riscv_sbi: kvm.exit
---@field extension_id integer
---@field function_id integer
---@field args integer[] 6 of them
---@field ret integer[] 2 of them

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
