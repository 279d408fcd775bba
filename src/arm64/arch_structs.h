/* SPDX-License-Identifier: MIT */
/* Layouts of the structs of this machine; see structs.h. */
#ifndef KL_ARCH_STRUCTS_H
#define KL_ARCH_STRUCTS_H

#include "arch_uapi.h"
#include "structs.h"

#define KL_ARCH_LAYOUTS(X)     \
  X(kvm_arm_copy_mte_tags)     \
  X(kvm_arm_counter_offset)    \
  X(kvm_arm_device_addr)       \
  X(kvm_guest_debug_arch)      \
  X(kvm_pmu_event_filter)      \
  X(kvm_regs)                  \
  X(kvm_smccc_filter)          \
  X(kvm_sync_regs)             \
  X(kvm_vcpu_events)           \
  X(kvm_vcpu_events_exception) \
  X(kvm_vcpu_init)             \
  X(reg_mask_range)            \
  X(user_fpsimd_state)         \
  X(user_pt_regs)

KL_ARCH_LAYOUTS(KL_EXTERN_LAYOUT)

#endif
