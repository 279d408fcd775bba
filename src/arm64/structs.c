/* SPDX-License-Identifier: MIT */
#include "arch.h"
#include "arch_structs.h"

/* clang-format off */

/* ---- registers: what one-reg ids of the core group are offsets into ------ */

#define PT_REGS(F, T, s) \
  F(UA, s, regs) F(U, s, sp) F(U, s, pc) F(U, s, pstate)
KL_LAYOUT(user_pt_regs, PT_REGS);

#define FPSIMD(F, T, s) \
  F(BA, s, vregs) F(U, s, fpsr) F(U, s, fpcr) F(P, s, __reserved)
KL_LAYOUT(user_fpsimd_state, FPSIMD);

/* It has a hole before fp_regs, which is 16-byte aligned. */
#define REGS(F, T, s) \
  T(ONE, s, regs, user_pt_regs) F(U, s, sp_el1) F(U, s, elr_el1) \
  F(UA, s, spsr) T(ONE, s, fp_regs, user_fpsimd_state)
KL_LAYOUT_PARTIAL(kvm_regs, REGS);

#define SYNC_REGS(F, T, s) F(G("DEVICE_IRQ"), s, device_irq_level)
KL_LAYOUT(kvm_sync_regs, SYNC_REGS);

#define GUEST_DEBUG_ARCH(F, T, s) \
  F(UA, s, dbg_bcr) F(UA, s, dbg_bvr) F(UA, s, dbg_wcr) F(UA, s, dbg_wvr)
KL_LAYOUT(kvm_guest_debug_arch, GUEST_DEBUG_ARCH);

/* ---- vCPUs --------------------------------------------------------------- */

#define VCPU_INIT(F, T, s) F(G("TARGET"), s, target) F(UA, s, features)
KL_LAYOUT(kvm_vcpu_init, VCPU_INIT);

#define EXCEPTION(F, s, m) \
  F(U, s, m, serror_pending) F(U, s, m, serror_has_esr) \
  F(U, s, m, ext_dabt_pending) F(P, s, m, pad) F(U, s, m, serror_esr)
KL_INNER(kvm_vcpu_events_exception, kvm_vcpu_events, exception, EXCEPTION);

#define VCPU_EVENTS(F, T, s) \
  T(ONE, s, exception, kvm_vcpu_events_exception) F(P, s, reserved)
KL_LAYOUT(kvm_vcpu_events, VCPU_EVENTS);

/* ---- the machine --------------------------------------------------------- */

#define DEVICE_ADDR(F, T, s) F(U, s, id) F(U, s, addr)
KL_LAYOUT(kvm_arm_device_addr, DEVICE_ADDR);

#define COUNTER_OFFSET(F, T, s) F(U, s, counter_offset) F(P, s, reserved)
KL_LAYOUT(kvm_arm_counter_offset, COUNTER_OFFSET);

#define COPY_MTE_TAGS(F, T, s) \
  F(U, s, guest_ipa) F(U, s, length) F(U, s, addr) \
  F(G("MTE_TAGS"), s, flags) F(P, s, reserved)
KL_LAYOUT(kvm_arm_copy_mte_tags, COPY_MTE_TAGS);

#define MASK_RANGE(F, T, s) F(U, s, addr) F(U, s, range) F(P, s, reserved)
KL_LAYOUT(reg_mask_range, MASK_RANGE);

/* ---- values of device attributes ----------------------------------------- */

#define PMU_EVENT_FILTER(F, T, s) \
  F(U, s, base_event) F(U, s, nevents) F(G("PMU_EVENT"), s, action) \
  F(P, s, pad)
KL_LAYOUT(kvm_pmu_event_filter, PMU_EVENT_FILTER);

#define SMCCC_FILTER(F, T, s) \
  F(U, s, base) F(U, s, nr_functions) F(G("SMCCC_FILTER"), s, action) \
  F(P, s, pad)
KL_LAYOUT(kvm_smccc_filter, SMCCC_FILTER);

/* ---- by name ------------------------------------------------------------- */

const struct kl_layout *const kl_arch_layouts[] = {
    KL_ARCH_LAYOUTS(KL_LAYOUT_ADDRESS) NULL};
