/* SPDX-License-Identifier: MIT */
/* Constants that every machine has, in groups: kvm.MEM.READONLY. */
#include "consts.h"

#include "arch.h"

/* clang-format off */

/* ---- exits --------------------------------------------------------------- */

static const struct kl_constant internal_error[] = {
    KL_C(KVM_INTERNAL_ERROR_, EMULATION),
    KL_C(KVM_INTERNAL_ERROR_, SIMUL_EX),
    KL_C(KVM_INTERNAL_ERROR_, DELIVERY_EV),
    KL_C(KVM_INTERNAL_ERROR_, UNEXPECTED_EXIT_REASON),
    KL_CEND};

static const struct kl_constant emulation[] = {
    KL_C(KVM_INTERNAL_ERROR_EMULATION_FLAG_, INSTRUCTION_BYTES),
    KL_CEND};

static const struct kl_constant system_event[] = {
    KL_C(KVM_SYSTEM_EVENT_, SHUTDOWN),
    KL_C(KVM_SYSTEM_EVENT_, RESET),
    KL_C(KVM_SYSTEM_EVENT_, CRASH),
    KL_C(KVM_SYSTEM_EVENT_, WAKEUP),
    KL_C(KVM_SYSTEM_EVENT_, SUSPEND),
    KL_C(KVM_SYSTEM_EVENT_, SEV_TERM),
    KL_C(KVM_SYSTEM_EVENT_, TDX_FATAL),
    KL_CEND};

static const struct kl_constant io[] = {
    KL_C(KVM_EXIT_IO_, IN),
    KL_C(KVM_EXIT_IO_, OUT),
    KL_CEND};

static const struct kl_constant memory_fault[] = {
    KL_C(KVM_MEMORY_EXIT_FLAG_, PRIVATE),
    KL_CEND};

static const struct kl_constant arm_sea[] = {
    KL_C(KVM_EXIT_ARM_SEA_FLAG_, GPA_VALID),
    KL_CEND};

static const struct kl_constant hyperv[] = {
    KL_C(KVM_EXIT_HYPERV_, SYNIC),
    KL_C(KVM_EXIT_HYPERV_, HCALL),
    KL_C(KVM_EXIT_HYPERV_, SYNDBG),
    KL_CEND};

static const struct kl_constant xen[] = {
    KL_C(KVM_EXIT_XEN_, HCALL),
    KL_CEND};

static const struct kl_constant msr_exit[] = {
    KL_C(KVM_MSR_EXIT_REASON_, INVAL),
    KL_C(KVM_MSR_EXIT_REASON_, UNKNOWN),
    KL_C(KVM_MSR_EXIT_REASON_, FILTER),
    KL_CEND};

static const struct kl_constant notify[] = {
    KL_C(KVM_NOTIFY_, CONTEXT_INVALID),
    KL_CEND};

/* ---- memory -------------------------------------------------------------- */

static const struct kl_constant mem[] = {
    KL_C(KVM_MEM_, LOG_DIRTY_PAGES),
    KL_C(KVM_MEM_, READONLY),
    KL_C(KVM_MEM_, GUEST_MEMFD),
    KL_CEND};

static const struct kl_constant mem_attr[] = {
    KL_C(KVM_MEMORY_ATTRIBUTE_, PRIVATE),
    KL_CEND};

static const struct kl_constant guest_memfd[] = {
    KL_C(GUEST_MEMFD_FLAG_, MMAP),
    KL_C(GUEST_MEMFD_FLAG_, INIT_SHARED),
    KL_CEND};

/* For KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. */
static const struct kl_constant dirty_log[] = {
    KL_C(KVM_DIRTY_LOG_, MANUAL_PROTECT_ENABLE),
    KL_C(KVM_DIRTY_LOG_, INITIALLY_SET),
    KL_CEND};

static const struct kl_constant dirty_gfn[] = {
    KL_C(KVM_DIRTY_GFN_F_, DIRTY),
    KL_C(KVM_DIRTY_GFN_F_, RESET),
    KL_CEND};

/* ---- vCPUs --------------------------------------------------------------- */

static const struct kl_constant mp_state[] = {
    KL_C(KVM_MP_STATE_, RUNNABLE),
    KL_C(KVM_MP_STATE_, UNINITIALIZED),
    KL_C(KVM_MP_STATE_, INIT_RECEIVED),
    KL_C(KVM_MP_STATE_, HALTED),
    KL_C(KVM_MP_STATE_, SIPI_RECEIVED),
    KL_C(KVM_MP_STATE_, STOPPED),
    KL_C(KVM_MP_STATE_, CHECK_STOP),
    KL_C(KVM_MP_STATE_, OPERATING),
    KL_C(KVM_MP_STATE_, LOAD),
    KL_C(KVM_MP_STATE_, AP_RESET_HOLD),
    KL_C(KVM_MP_STATE_, SUSPENDED),
    KL_CEND};

static const struct kl_constant guestdbg[] = {
    KL_C(KVM_GUESTDBG_, ENABLE),
    KL_C(KVM_GUESTDBG_, SINGLESTEP),
    KL_CEND};

/* The parts of a one-reg id that are the same on every machine. */
static const struct kl_constant reg[] = {
    KL_C(KVM_REG_, ARCH_MASK),
    KL_C(KVM_REG_, GENERIC),
    KL_C(KVM_REG_, SIZE_SHIFT),
    KL_C(KVM_REG_, SIZE_MASK),
    KL_C(KVM_REG_, SIZE_U8),
    KL_C(KVM_REG_, SIZE_U16),
    KL_C(KVM_REG_, SIZE_U32),
    KL_C(KVM_REG_, SIZE_U64),
    KL_C(KVM_REG_, SIZE_U128),
    KL_C(KVM_REG_, SIZE_U256),
    KL_C(KVM_REG_, SIZE_U512),
    KL_C(KVM_REG_, SIZE_U1024),
    KL_C(KVM_REG_, SIZE_U2048),
    KL_CEND};

/* ---- interrupts and devices ---------------------------------------------- */

static const struct kl_constant irqfd[] = {
    KL_C(KVM_IRQFD_FLAG_, DEASSIGN),
    KL_C(KVM_IRQFD_FLAG_, RESAMPLE),
    KL_CEND};

static const struct kl_constant ioeventfd[] = {
    KL_C(KVM_IOEVENTFD_FLAG_, DATAMATCH),
    KL_C(KVM_IOEVENTFD_FLAG_, PIO),
    KL_C(KVM_IOEVENTFD_FLAG_, DEASSIGN),
    KL_C(KVM_IOEVENTFD_FLAG_, VIRTIO_CCW_NOTIFY),
    KL_CEND};

static const struct kl_constant irq_routing[] = {
    KL_C(KVM_IRQ_ROUTING_, IRQCHIP),
    KL_C(KVM_IRQ_ROUTING_, MSI),
    KL_C(KVM_IRQ_ROUTING_, S390_ADAPTER),
    KL_C(KVM_IRQ_ROUTING_, HV_SINT),
    KL_C(KVM_IRQ_ROUTING_, XEN_EVTCHN),
    KL_CEND};

static const struct kl_constant msi[] = {
    KL_C(KVM_MSI_, VALID_DEVID),
    KL_CEND};

static const struct kl_constant device[] = {
    KL_C(KVM_DEV_TYPE_, FSL_MPIC_20),
    KL_C(KVM_DEV_TYPE_, FSL_MPIC_42),
    KL_C(KVM_DEV_TYPE_, XICS),
    KL_C(KVM_DEV_TYPE_, VFIO),
    KL_C(KVM_DEV_TYPE_, ARM_VGIC_V2),
    KL_C(KVM_DEV_TYPE_, FLIC),
    KL_C(KVM_DEV_TYPE_, ARM_VGIC_V3),
    KL_C(KVM_DEV_TYPE_, ARM_VGIC_ITS),
    KL_C(KVM_DEV_TYPE_, XIVE),
    KL_C(KVM_DEV_TYPE_, ARM_PV_TIME),
    KL_C(KVM_DEV_TYPE_, RISCV_AIA),
    KL_C(KVM_DEV_TYPE_, LOONGARCH_IPI),
    KL_C(KVM_DEV_TYPE_, LOONGARCH_EIOINTC),
    KL_C(KVM_DEV_TYPE_, LOONGARCH_PCHPIC),
    KL_C(KVM_DEV_TYPE_, LOONGARCH_DMSINTC),
    KL_C(KVM_DEV_TYPE_, ARM_VGIC_V5),
    KL_CEND};

static const struct kl_constant create_device[] = {
    KL_C(KVM_CREATE_DEVICE_, TEST),
    KL_CEND};

/* Groups and attributes of devices that every machine has; most are a
 * machine's own. */
static const struct kl_constant device_group[] = {
    KL_C(KVM_DEV_VFIO_, FILE),
    KL_CEND};

static const struct kl_constant device_attr[] = {
    KL_C(KVM_DEV_VFIO_, FILE_ADD),
    KL_C(KVM_DEV_VFIO_, FILE_DEL),
    KL_CEND};

/* ---- statistics ---------------------------------------------------------- */

static const struct kl_constant stats_type[] = {
    KL_C(KVM_STATS_TYPE_, CUMULATIVE),
    KL_C(KVM_STATS_TYPE_, INSTANT),
    KL_C(KVM_STATS_TYPE_, PEAK),
    KL_C(KVM_STATS_TYPE_, LINEAR_HIST),
    KL_C(KVM_STATS_TYPE_, LOG_HIST),
    KL_CEND};

static const struct kl_constant stats_unit[] = {
    KL_C(KVM_STATS_UNIT_, NONE),
    KL_C(KVM_STATS_UNIT_, BYTES),
    KL_C(KVM_STATS_UNIT_, SECONDS),
    KL_C(KVM_STATS_UNIT_, CYCLES),
    KL_C(KVM_STATS_UNIT_, BOOLEAN),
    KL_CEND};

static const struct kl_constant stats_base[] = {
    KL_C(KVM_STATS_BASE_, POW10),
    KL_C(KVM_STATS_BASE_, POW2),
    KL_CEND};

/* ---- by name ------------------------------------------------------------- */

static const struct kl_group groups[] = {
    {"CAP", kl_capabilities},
    {"EXIT", kl_exits},
    {"INTERNAL_ERROR", internal_error},
    {"EMULATION", emulation},
    {"SYSTEM_EVENT", system_event},
    {"IO", io},
    {"MEMORY_FAULT", memory_fault},
    {"ARM_SEA", arm_sea},
    {"HYPERV", hyperv},
    {"XEN", xen},
    {"MSR_EXIT", msr_exit},
    {"NOTIFY", notify},
    {"MEM", mem},
    {"MEM_ATTR", mem_attr},
    {"GUEST_MEMFD", guest_memfd},
    {"DIRTY_LOG", dirty_log},
    {"DIRTY_GFN", dirty_gfn},
    {"MP_STATE", mp_state},
    {"GUESTDBG", guestdbg},
    {"REG", reg},
    {"IRQFD", irqfd},
    {"IOEVENTFD", ioeventfd},
    {"IRQ_ROUTING", irq_routing},
    {"MSI", msi},
    {"DEVICE", device},
    {"CREATE_DEVICE", create_device},
    {"DEVICE_GROUP", device_group},
    {"DEVICE_ATTR", device_attr},
    {"STATS_TYPE", stats_type},
    {"STATS_UNIT", stats_unit},
    {"STATS_BASE", stats_base},
    {NULL, NULL}};

/* clang-format on */

static void opengroups(lua_State *L, const struct kl_group *group) {
  for (; group->name != NULL; group++) {
    kl_newconstants(L, group->name, group->rows);
    lua_setfield(L, -2, group->name);
  }
}

void kl_openconsts(lua_State *L) {
  opengroups(L, groups);
  opengroups(L, kl_arch_groups);
}
