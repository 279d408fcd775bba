/* SPDX-License-Identifier: MIT */
/* What older headers of this architecture lack; see uapi.h. */
#ifndef KL_ARCH_UAPI_H
#define KL_ARCH_UAPI_H

#include "uapi.h"

/* ---- ioctls and their structs -------------------------------------------- */

#ifndef KVM_ARM_SET_COUNTER_OFFSET
struct kvm_arm_counter_offset {
  __u64 counter_offset;
  __u64 reserved;
};
#define KVM_ARM_SET_COUNTER_OFFSET \
  _IOW(KVMIO, 0xb5, struct kvm_arm_counter_offset)
#endif

#ifndef KVM_ARM_GET_REG_WRITABLE_MASKS
struct reg_mask_range {
  __u64 addr; /* of KVM_ARM_FEATURE_ID_RANGE_SIZE masks of 64 bits */
  __u32 range;
  __u32 reserved[13];
};
/* clang-format off */
#define KVM_ARM_GET_REG_WRITABLE_MASKS \
  _IOR(KVMIO, 0xb6, struct reg_mask_range)
/* clang-format on */
#endif

#ifndef KVM_ARM_FEATURE_ID_RANGE
#define KVM_ARM_FEATURE_ID_RANGE 0
#endif
/* Index of op0 3, op1 0, 1 or 3, crn 0: (op1' << 6) + (crm << 3) + op2, where
 * op1' counts the three. */
#ifndef KVM_ARM_FEATURE_ID_RANGE_SIZE
#define KVM_ARM_FEATURE_ID_RANGE_SIZE (3 * 8 * 8)
#endif

#ifndef KVM_ARM_VM_SMCCC_CTRL
#define KVM_ARM_VM_SMCCC_CTRL 0
#define KVM_ARM_VM_SMCCC_FILTER 0
struct kvm_smccc_filter {
  __u32 base;
  __u32 nr_functions;
  __u8 action;
  __u8 pad[15];
};
#endif
/* Enumerators of the newer headers: #ifndef does not see them, and the same
 * number under the same name does not hurt. */
#define KVM_SMCCC_FILTER_HANDLE 0
#define KVM_SMCCC_FILTER_DENY 1
#define KVM_SMCCC_FILTER_FWD_TO_USER 2

/* ---- flags and types ----------------------------------------------------- */

#ifndef KVM_VM_TYPE_ARM_PROTECTED
#define KVM_VM_TYPE_ARM_PROTECTED (1UL << 31)
#endif

#ifndef KVM_ARM_VCPU_HAS_EL2
#define KVM_ARM_VCPU_HAS_EL2 7
#endif
#ifndef KVM_ARM_VCPU_HAS_EL2_E2H0
#define KVM_ARM_VCPU_HAS_EL2_E2H0 8
#endif

#ifndef KVM_HYPERCALL_EXIT_SMC
#define KVM_HYPERCALL_EXIT_SMC (1U << 0)
#endif
#ifndef KVM_HYPERCALL_EXIT_16BIT
#define KVM_HYPERCALL_EXIT_16BIT (1U << 1)
#endif
#ifndef KVM_SYSTEM_EVENT_SHUTDOWN_FLAG_PSCI_OFF2
#define KVM_SYSTEM_EVENT_SHUTDOWN_FLAG_PSCI_OFF2 (1ULL << 0)
#endif

#ifndef KVM_ARM_DEV_EL1_VTIMER
#define KVM_ARM_DEV_EL1_VTIMER (1 << 0)
#define KVM_ARM_DEV_EL1_PTIMER (1 << 1)
#define KVM_ARM_DEV_PMU (1 << 2)
#endif

/* ---- device attributes --------------------------------------------------- */

#ifndef KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ
#define KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ 9
#endif
#ifndef KVM_DEV_ARM_VGIC_USERSPACE_PPIS
#define KVM_DEV_ARM_VGIC_USERSPACE_PPIS 5
#endif
#ifndef KVM_ARM_VCPU_PMU_V3_SET_NR_COUNTERS
#define KVM_ARM_VCPU_PMU_V3_SET_NR_COUNTERS 4
#endif
#ifndef KVM_ARM_VCPU_TIMER_IRQ_HVTIMER
#define KVM_ARM_VCPU_TIMER_IRQ_HVTIMER 2
#endif
#ifndef KVM_ARM_VCPU_TIMER_IRQ_HPTIMER
#define KVM_ARM_VCPU_TIMER_IRQ_HPTIMER 3
#endif

/* ---- one-reg ids --------------------------------------------------------- */

#ifndef KVM_REG_ARM_VENDOR_HYP_BMAP_2
#define KVM_REG_ARM_VENDOR_HYP_BMAP_2 KVM_REG_ARM_FW_FEAT_BMAP_REG(3)
#endif
/* Enumerators again. */
#define KVM_REG_ARM_VENDOR_HYP_BIT_DISCOVER_IMPL_VER 0
#define KVM_REG_ARM_VENDOR_HYP_BIT_DISCOVER_IMPL_CPUS 1

#ifndef PSCI_1_3_FN_SYSTEM_OFF2
#define PSCI_1_3_FN_SYSTEM_OFF2 PSCI_0_2_FN(21)
#define PSCI_1_3_FN64_SYSTEM_OFF2 PSCI_0_2_FN64(21)
#endif

#endif
