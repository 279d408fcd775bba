/* SPDX-License-Identifier: MIT */
#include "consts.h"
#include "arch.h"
#include "arch_ioctls.h"
#include "arch_uapi.h"

/* clang-format off */

/* ---- machines and exits -------------------------------------------------- */

/* The low eight bits are the size of guest-physical addresses; 0: 40. */
static const struct kl_constant vm_type[] = {
    KL_C(KVM_VM_TYPE_ARM_, PROTECTED),
    KL_CEND};

static const struct kl_constant hypercall[] = {
    KL_C(KVM_HYPERCALL_EXIT_, SMC),
    KL_C(KVM_HYPERCALL_EXIT_, 16BIT),
    KL_CEND};

/* data[0] of RESET and SHUTDOWN. */
static const struct kl_constant system_event_flag[] = {
    KL_C(KVM_SYSTEM_EVENT_, RESET_FLAG_PSCI_RESET2),
    KL_C(KVM_SYSTEM_EVENT_, SHUTDOWN_FLAG_PSCI_OFF2),
    KL_CEND};

static const struct kl_constant fail_entry[] = {
    KL_C(KVM_EXIT_FAIL_ENTRY_, CPU_UNSUPPORTED),
    KL_CEND};

/* kvm_sync_regs.device_irq_level */
static const struct kl_constant device_irq[] = {
    KL_C(KVM_ARM_DEV_, EL1_VTIMER),
    KL_C(KVM_ARM_DEV_, EL1_PTIMER),
    KL_C(KVM_ARM_DEV_, PMU),
    KL_CEND};

/* ---- vCPUs --------------------------------------------------------------- */

/* Features are bit numbers. */
const struct kl_constant kl_arm64_features[] = {
    KL_C(KVM_ARM_VCPU_, POWER_OFF),
    KL_C(KVM_ARM_VCPU_, EL1_32BIT),
    KL_C(KVM_ARM_VCPU_, PSCI_0_2),
    KL_C(KVM_ARM_VCPU_, PMU_V3),
    KL_C(KVM_ARM_VCPU_, SVE),
    KL_C(KVM_ARM_VCPU_, PTRAUTH_ADDRESS),
    KL_C(KVM_ARM_VCPU_, PTRAUTH_GENERIC),
    KL_C(KVM_ARM_VCPU_, HAS_EL2),
    KL_C(KVM_ARM_VCPU_, HAS_EL2_E2H0),
    KL_CEND};

static const struct kl_constant target[] = {
    KL_C(KVM_ARM_TARGET_, AEM_V8),
    KL_C(KVM_ARM_TARGET_, FOUNDATION_V8),
    KL_C(KVM_ARM_TARGET_, CORTEX_A57),
    KL_C(KVM_ARM_TARGET_, XGENE_POTENZA),
    KL_C(KVM_ARM_TARGET_, CORTEX_A53),
    KL_C(KVM_ARM_TARGET_, GENERIC_V8),
    KL_CEND};

/* Extends the common ones. */
static const struct kl_constant guestdbg[] = {
    KL_C(KVM_GUESTDBG_, USE_SW_BP),
    KL_C(KVM_GUESTDBG_, USE_HW),
    KL_CEND};

static const struct kl_constant mte_tags[] = {
    KL_C(KVM_ARM_TAGS_, TO_GUEST),
    KL_C(KVM_ARM_TAGS_, FROM_GUEST),
    KL_CEND};

static const struct kl_constant pmu_event[] = {
    KL_C(KVM_PMU_EVENT_, ALLOW),
    KL_C(KVM_PMU_EVENT_, DENY),
    KL_CEND};

/* ---- interrupt lines ----------------------------------------------------- */

static const struct kl_constant irq_type[] = {
    KL_C(KVM_ARM_IRQ_TYPE_, CPU),
    KL_C(KVM_ARM_IRQ_TYPE_, SPI),
    KL_C(KVM_ARM_IRQ_TYPE_, PPI),
    KL_CEND};

/* The parts of kvm_irq_level.irq. */
static const struct kl_constant irq[] = {
    KL_C(KVM_ARM_IRQ_, VCPU2_SHIFT),
    KL_C(KVM_ARM_IRQ_, VCPU2_MASK),
    KL_C(KVM_ARM_IRQ_, TYPE_SHIFT),
    KL_C(KVM_ARM_IRQ_, TYPE_MASK),
    KL_C(KVM_ARM_IRQ_, VCPU_SHIFT),
    KL_C(KVM_ARM_IRQ_, VCPU_MASK),
    KL_C(KVM_ARM_IRQ_, NUM_SHIFT),
    KL_C(KVM_ARM_IRQ_, NUM_MASK),
    KL_C(KVM_ARM_IRQ_, CPU_IRQ),
    KL_C(KVM_ARM_IRQ_, CPU_FIQ),
    KL_CEND};

/* ---- device attributes --------------------------------------------------- */

/* For KVM_ARM_SET_DEVICE_ADDR: id << ID_SHIFT | type. */
static const struct kl_constant arm_device[] = {
    KL_C(KVM_ARM_DEVICE_, VGIC_V2),
    KL_C(KVM_ARM_DEVICE_, ID_SHIFT),
    KL_C(KVM_ARM_DEVICE_, TYPE_SHIFT),
    KL_CEND};

/* Of the interrupt controllers, of vCPUs, of VMs. */
static const struct kl_constant device_group[] = {
    KL_C(KVM_DEV_ARM_VGIC_GRP_, ADDR),
    KL_C(KVM_DEV_ARM_VGIC_GRP_, DIST_REGS),
    KL_C(KVM_DEV_ARM_VGIC_GRP_, CPU_REGS),
    KL_C(KVM_DEV_ARM_VGIC_GRP_, NR_IRQS),
    KL_C(KVM_DEV_ARM_VGIC_GRP_, CTRL),
    KL_C(KVM_DEV_ARM_VGIC_GRP_, REDIST_REGS),
    KL_C(KVM_DEV_ARM_VGIC_GRP_, CPU_SYSREGS),
    KL_C(KVM_DEV_ARM_VGIC_GRP_, LEVEL_INFO),
    KL_C(KVM_DEV_ARM_VGIC_GRP_, ITS_REGS),
    KL_C(KVM_DEV_ARM_VGIC_GRP_, MAINT_IRQ),
    KL_C(KVM_ARM_VCPU_, PMU_V3_CTRL),
    KL_C(KVM_ARM_VCPU_, TIMER_CTRL),
    KL_C(KVM_ARM_VCPU_, PVTIME_CTRL),
    KL_C(KVM_ARM_VM_, SMCCC_CTRL),
    KL_CEND};

/* Of ADDR, of CTRL, of vCPUs, of VMs. */
static const struct kl_constant device_attr[] = {
    KL_C(KVM_VGIC_, V2_ADDR_TYPE_DIST),
    KL_C(KVM_VGIC_, V2_ADDR_TYPE_CPU),
    KL_C(KVM_VGIC_, V3_ADDR_TYPE_DIST),
    KL_C(KVM_VGIC_, V3_ADDR_TYPE_REDIST),
    KL_C(KVM_VGIC_, V3_ADDR_TYPE_REDIST_REGION),
    KL_C(KVM_VGIC_, ITS_ADDR_TYPE),
    KL_C(KVM_DEV_ARM_, VGIC_CTRL_INIT),
    KL_C(KVM_DEV_ARM_, ITS_SAVE_TABLES),
    KL_C(KVM_DEV_ARM_, ITS_RESTORE_TABLES),
    KL_C(KVM_DEV_ARM_, VGIC_SAVE_PENDING_TABLES),
    KL_C(KVM_DEV_ARM_, ITS_CTRL_RESET),
    KL_C(KVM_DEV_ARM_, VGIC_USERSPACE_PPIS),
    KL_C(KVM_ARM_VCPU_, PMU_V3_IRQ),
    KL_C(KVM_ARM_VCPU_, PMU_V3_INIT),
    KL_C(KVM_ARM_VCPU_, PMU_V3_FILTER),
    KL_C(KVM_ARM_VCPU_, PMU_V3_SET_PMU),
    KL_C(KVM_ARM_VCPU_, PMU_V3_SET_NR_COUNTERS),
    KL_C(KVM_ARM_VCPU_, TIMER_IRQ_VTIMER),
    KL_C(KVM_ARM_VCPU_, TIMER_IRQ_PTIMER),
    KL_C(KVM_ARM_VCPU_, TIMER_IRQ_HVTIMER),
    KL_C(KVM_ARM_VCPU_, TIMER_IRQ_HPTIMER),
    KL_C(KVM_ARM_VCPU_, PVTIME_IPA),
    KL_C(KVM_ARM_VM_, SMCCC_FILTER),
    KL_CEND};

/* The parts of an attribute of a register group, and of a line level. */
static const struct kl_constant vgic[] = {
    KL_C(KVM_DEV_ARM_VGIC_, CPUID_SHIFT),
    KL_C(KVM_DEV_ARM_VGIC_, CPUID_MASK),
    KL_C(KVM_DEV_ARM_VGIC_, V3_MPIDR_SHIFT),
    KL_C(KVM_DEV_ARM_VGIC_, V3_MPIDR_MASK),
    KL_C(KVM_DEV_ARM_VGIC_, OFFSET_SHIFT),
    KL_C(KVM_DEV_ARM_VGIC_, OFFSET_MASK),
    KL_C(KVM_DEV_ARM_VGIC_, SYSREG_INSTR_MASK),
    KL_C(KVM_DEV_ARM_VGIC_, LINE_LEVEL_INFO_SHIFT),
    KL_C(KVM_DEV_ARM_VGIC_, LINE_LEVEL_INFO_MASK),
    KL_C(KVM_DEV_ARM_VGIC_, LINE_LEVEL_INTID_MASK),
    KL_C(VGIC_, LEVEL_INFO_LINE_LEVEL),
    KL_CEND};

static const struct kl_constant smccc_filter[] = {
    KL_C(KVM_SMCCC_FILTER_, HANDLE),
    KL_C(KVM_SMCCC_FILTER_, DENY),
    KL_C(KVM_SMCCC_FILTER_, FWD_TO_USER),
    KL_CEND};

/* ---- one-reg ids --------------------------------------------------------- */

static const struct kl_constant reg[] = {
    KL_C(KVM_REG_, ARM64),
    KL_C(KVM_REG_, ARM_COPROC_MASK),
    KL_C(KVM_REG_, ARM_COPROC_SHIFT),
    KL_C(KVM_REG_, ARM_CORE),
    KL_C(KVM_REG_, ARM_DEMUX),
    KL_C(KVM_REG_, ARM_DEMUX_ID_MASK),
    KL_C(KVM_REG_, ARM_DEMUX_ID_SHIFT),
    KL_C(KVM_REG_, ARM_DEMUX_ID_CCSIDR),
    KL_C(KVM_REG_, ARM_DEMUX_VAL_MASK),
    KL_C(KVM_REG_, ARM_DEMUX_VAL_SHIFT),
    KL_C(KVM_REG_, ARM64_SYSREG),
    KL_C(KVM_REG_, ARM64_SYSREG_OP0_MASK),
    KL_C(KVM_REG_, ARM64_SYSREG_OP0_SHIFT),
    KL_C(KVM_REG_, ARM64_SYSREG_OP1_MASK),
    KL_C(KVM_REG_, ARM64_SYSREG_OP1_SHIFT),
    KL_C(KVM_REG_, ARM64_SYSREG_CRN_MASK),
    KL_C(KVM_REG_, ARM64_SYSREG_CRN_SHIFT),
    KL_C(KVM_REG_, ARM64_SYSREG_CRM_MASK),
    KL_C(KVM_REG_, ARM64_SYSREG_CRM_SHIFT),
    KL_C(KVM_REG_, ARM64_SYSREG_OP2_MASK),
    KL_C(KVM_REG_, ARM64_SYSREG_OP2_SHIFT),
    KL_C(KVM_REG_, ARM_PTIMER_CTL),
    KL_C(KVM_REG_, ARM_PTIMER_CVAL),
    KL_C(KVM_REG_, ARM_PTIMER_CNT),
    KL_C(KVM_REG_, ARM_TIMER_CTL),
    KL_C(KVM_REG_, ARM_TIMER_CVAL),
    KL_C(KVM_REG_, ARM_TIMER_CNT),
    KL_C(KVM_REG_, ARM_FW),
    KL_C(KVM_REG_, ARM_PSCI_VERSION),
    KL_C(KVM_REG_, ARM_SMCCC_ARCH_WORKAROUND_1),
    KL_C(KVM_REG_, ARM_SMCCC_ARCH_WORKAROUND_2),
    KL_C(KVM_REG_, ARM_SMCCC_ARCH_WORKAROUND_3),
    KL_C(KVM_REG_, ARM64_SVE),
    KL_C(KVM_REG_, ARM64_SVE_ZREG_BASE),
    KL_C(KVM_REG_, ARM64_SVE_PREG_BASE),
    KL_C(KVM_REG_, ARM64_SVE_FFR_BASE),
    KL_C(KVM_REG_, ARM64_SVE_VLS),
    KL_C(KVM_REG_, ARM_FW_FEAT_BMAP),
    KL_C(KVM_REG_, ARM_STD_BMAP),
    KL_C(KVM_REG_, ARM_STD_HYP_BMAP),
    KL_C(KVM_REG_, ARM_VENDOR_HYP_BMAP),
    KL_C(KVM_REG_, ARM_VENDOR_HYP_BMAP_2),
    KL_CEND};

static const struct kl_constant workaround_1[] = {
    KL_C(KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1_, NOT_AVAIL),
    KL_C(KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1_, AVAIL),
    KL_C(KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1_, NOT_REQUIRED),
    KL_CEND};

static const struct kl_constant workaround_2[] = {
    KL_C(KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_, NOT_AVAIL),
    KL_C(KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_, UNKNOWN),
    KL_C(KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_, AVAIL),
    KL_C(KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_, NOT_REQUIRED),
    KL_C(KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_, ENABLED),
    KL_CEND};

static const struct kl_constant workaround_3[] = {
    KL_C(KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3_, NOT_AVAIL),
    KL_C(KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3_, AVAIL),
    KL_C(KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3_, NOT_REQUIRED),
    KL_CEND};

/* Bit numbers in the bitmaps of firmware features. */
static const struct kl_constant fw_bit[] = {
    KL_C(KVM_REG_ARM_, STD_BIT_TRNG_V1_0),
    KL_C(KVM_REG_ARM_, STD_HYP_BIT_PV_TIME),
    KL_C(KVM_REG_ARM_, VENDOR_HYP_BIT_FUNC_FEAT),
    KL_C(KVM_REG_ARM_, VENDOR_HYP_BIT_PTP),
    KL_C(KVM_REG_ARM_, VENDOR_HYP_BIT_DISCOVER_IMPL_VER),
    KL_C(KVM_REG_ARM_, VENDOR_HYP_BIT_DISCOVER_IMPL_CPUS),
    KL_CEND};

/* ---- PSCI: what guests call ---------------------------------------------- */

static const struct kl_constant psci[] = {
    KL_C(PSCI_0_2_FN_, PSCI_VERSION),
    KL_C(PSCI_0_2_FN_, CPU_SUSPEND),
    KL_C(PSCI_0_2_FN_, CPU_OFF),
    KL_C(PSCI_0_2_FN_, CPU_ON),
    KL_C(PSCI_0_2_FN_, AFFINITY_INFO),
    KL_C(PSCI_0_2_FN_, MIGRATE),
    KL_C(PSCI_0_2_FN_, MIGRATE_INFO_TYPE),
    KL_C(PSCI_0_2_FN_, MIGRATE_INFO_UP_CPU),
    KL_C(PSCI_0_2_FN_, SYSTEM_OFF),
    KL_C(PSCI_0_2_FN_, SYSTEM_RESET),
    KL_C(PSCI_1_0_FN_, PSCI_FEATURES),
    KL_C(PSCI_1_0_FN_, CPU_FREEZE),
    KL_C(PSCI_1_0_FN_, CPU_DEFAULT_SUSPEND),
    KL_C(PSCI_1_0_FN_, NODE_HW_STATE),
    KL_C(PSCI_1_0_FN_, SYSTEM_SUSPEND),
    KL_C(PSCI_1_0_FN_, SET_SUSPEND_MODE),
    KL_C(PSCI_1_0_FN_, STAT_RESIDENCY),
    KL_C(PSCI_1_0_FN_, STAT_COUNT),
    KL_C(PSCI_1_1_FN_, SYSTEM_RESET2),
    KL_C(PSCI_1_3_FN_, SYSTEM_OFF2),
    KL_CEND};

/* With arguments of 64 bits. */
static const struct kl_constant psci64[] = {
    KL_C(PSCI_0_2_FN64_, CPU_SUSPEND),
    KL_C(PSCI_0_2_FN64_, CPU_ON),
    KL_C(PSCI_0_2_FN64_, AFFINITY_INFO),
    KL_C(PSCI_0_2_FN64_, MIGRATE),
    KL_C(PSCI_0_2_FN64_, MIGRATE_INFO_UP_CPU),
    KL_C(PSCI_1_0_FN64_, CPU_DEFAULT_SUSPEND),
    KL_C(PSCI_1_0_FN64_, NODE_HW_STATE),
    KL_C(PSCI_1_0_FN64_, SYSTEM_SUSPEND),
    KL_C(PSCI_1_0_FN64_, STAT_RESIDENCY),
    KL_C(PSCI_1_0_FN64_, STAT_COUNT),
    KL_C(PSCI_1_1_FN64_, SYSTEM_RESET2),
    KL_C(PSCI_1_3_FN64_, SYSTEM_OFF2),
    KL_CEND};

static const struct kl_constant psci_ret[] = {
    KL_C(PSCI_RET_, SUCCESS),
    KL_C(PSCI_RET_, NOT_SUPPORTED),
    KL_C(PSCI_RET_, INVALID_PARAMS),
    KL_C(PSCI_RET_, DENIED),
    KL_C(PSCI_RET_, ALREADY_ON),
    KL_C(PSCI_RET_, ON_PENDING),
    KL_C(PSCI_RET_, INTERNAL_FAILURE),
    KL_C(PSCI_RET_, NOT_PRESENT),
    KL_C(PSCI_RET_, DISABLED),
    KL_C(PSCI_RET_, INVALID_ADDRESS),
    KL_CEND};

static const struct kl_constant psci_affinity[] = {
    KL_C(PSCI_0_2_AFFINITY_LEVEL_, ON),
    KL_C(PSCI_0_2_AFFINITY_LEVEL_, OFF),
    KL_C(PSCI_0_2_AFFINITY_LEVEL_, ON_PENDING),
    KL_CEND};

/* ---- by name ------------------------------------------------------------- */

const struct kl_group kl_arch_groups[] = {
    {"VM_TYPE", vm_type},
    {"HYPERCALL", hypercall},
    {"SYSTEM_EVENT_FLAG", system_event_flag},
    {"FAIL_ENTRY", fail_entry},
    {"DEVICE_IRQ", device_irq},
    {"VCPU_INIT", kl_arm64_features},
    {"TARGET", target},
    {"GUESTDBG", guestdbg},
    {"MTE_TAGS", mte_tags},
    {"PMU_EVENT", pmu_event},
    {"IRQ_TYPE", irq_type},
    {"IRQ", irq},
    {"ARM_DEVICE", arm_device},
    {"DEVICE_GROUP", device_group},
    {"DEVICE_ATTR", device_attr},
    {"VGIC", vgic},
    {"SMCCC_FILTER", smccc_filter},
    {"REG", reg},
    {"WORKAROUND_1", workaround_1},
    {"WORKAROUND_2", workaround_2},
    {"WORKAROUND_3", workaround_3},
    {"FW_BIT", fw_bit},
    {"PSCI", psci},
    {"PSCI64", psci64},
    {"PSCI_RET", psci_ret},
    {"PSCI_AFFINITY", psci_affinity},
    {NULL, NULL}};

const struct kl_cap_flags kl_arch_cap_flags[] = {{0, NULL}};
