-- SPDX-License-Identifier: MIT
---@meta _
-- Names: a-b counts, {a,b} is each, * is any.

---General registers, 64 bits. sp is SP_EL0: a guest at EL1 uses sp_el1 by default.
---KVM_GET_ONE_REG, KVM_SET_ONE_REG, core registers (api.rst 4.68); DDI 0487, B1.2.
---Names: x0-x30 sp pc pstate
---Usage: `cpu.regs { pc = 0x80000, x0 = 42 }`
---@class kvm.regs.general

---What EL1 keeps of an exception, and the banked registers of AArch32's modes.
---KVM_GET_ONE_REG, KVM_SET_ONE_REG, core registers (api.rst 4.68); DDI 0487, C5.2.
---Names: sp_el1 elr_el1 spsr_el1 spsr_{abt,und,irq,fiq}
---Usage: `print(("%#x"):format(cpu.regs.elr_el1))`
---@class kvm.regs.exception

---Floating point: v are byte strings of 16, also on a vCPU with SVE, where they are
---the low parts of z. fpsr and fpcr have 32 bits.
---KVM_GET_ONE_REG, KVM_SET_ONE_REG (api.rst 4.68); DDI 0487, B1.2.
---Names: fpsr fpcr v0-v31
---Usage: `cpu.regs.v0 = ("<d"):rep(2):pack(1.5, 2.5)`
---@class kvm.regs.vectors

---SVE, after `vcpu:arm_vcpu_finalize("sve")`: z are byte strings of 256, p of 32, ffr too;
---what is above the vCPU's vector length is zero. vls (64 bytes), the set of vector
---lengths, is there before that only as something to be set.
---KVM_GET_ONE_REG, KVM_SET_ONE_REG (api.rst 4.68); DDI 0487, B1.2.
---Optional: z0-z31 p0-p15 ffr vls
---Usage: `print(#cpu.regs.z0)`
---@class kvm.regs.sve

---System registers, by the manual's name in lower case, or by encoding
---("s3_0_c1_c0_0": op0, op1, CRn, CRm, op2). KVM has most of EL0 and EL1, and those of
---EL2 for a vCPU with has_el2. Writable bits of ID registers:
---`vm:arm_get_reg_writable_masks`.
---KVM_GET_ONE_REG, KVM_SET_ONE_REG (api.rst 4.68); DDI 0487, D22 and D23.
---Names: ttbr0_el1 ttbr1_el1 tcr_el1 sctlr_el1 mair_el1 vbar_el1 esr_el1 far_el1
---Names: midr_el1 mpidr_el1 cpacr_el1 tpidr_el0 cntv_ctl_el0 cntv_cval_el0 cntvct_el0
---Match: *_el0 *_el1 *_el2 *_el12 s3_*_c*_c*_* s2_*_c*_c*_* *_el02
---Usage: `cpu.regs.vbar_el1 = 0x80800`
---@class kvm.regs.system

---Cache sizes, one for each level and kind; 32 bits. The number is CSSELR_EL1's.
---KVM_GET_ONE_REG, KVM_SET_ONE_REG, demultiplexed registers (api.rst 4.68).
---Match: ccsidr_el1:*
---Usage: `print(cpu.regs["ccsidr_el1:0"])`
---@class kvm.regs.caches

---What KVM tells a guest of its firmware: the PSCI version (major << 16 | minor),
---mitigations of speculation, and bitmaps of the services it offers. Fixed once a
---vCPU has run.
---KVM_GET_ONE_REG, KVM_SET_ONE_REG, firmware pseudo-registers
---(Documentation/virt/kvm/arm/fw-pseudo-registers.rst).
---Names: psci_version smccc_arch_workaround_1 smccc_arch_workaround_2
---Optional: smccc_arch_workaround_3 std_bmap std_hyp_bmap vendor_hyp_bmap
---Optional: vendor_hyp_bmap_2
---Usage: `cpu.regs.psci_version = 2`
---@class kvm.regs.firmware

---Registers that have no name: "0x6030..." is the id of KVM_GET_REG_LIST, in hex.
---KVM_GET_ONE_REG, KVM_SET_ONE_REG (api.rst 4.68).
---Match: 0x*
---Usage: `print(cpu.regs["0x6030000000140000"])`
---@class kvm.regs.unnamed
