/* SPDX-License-Identifier: MIT */
#include "arch.h"
#include "arch_ioctls.h"
#include "arch_structs.h"

/* clang-format off */

#define SYSTEM KL_SYSTEM
#define VM KL_VM
#define VCPU KL_VCPU

/* ---- lists --------------------------------------------------------------- */

/* KVM_MAX_CPUID_ENTRIES of the kernel. */
enum { MAX_CPUID = 256 };

static const struct kl_flex cpuid = {
  .header = sizeof(struct kvm_cpuid),
  .count_offset = offsetof(struct kvm_cpuid, nent),
  .count_size = sizeof(__u32),
  .entry_size = sizeof(struct kvm_cpuid_entry),
  .entry = &kl_kvm_cpuid_entry, .max = MAX_CPUID,
};

static const struct kl_flex cpuid2 = {
  .header = sizeof(struct kvm_cpuid2),
  .count_offset = offsetof(struct kvm_cpuid2, nent),
  .count_size = sizeof(__u32),
  .entry_size = sizeof(struct kvm_cpuid_entry2),
  .entry = &kl_kvm_cpuid_entry2, .guess = 128, .max = MAX_CPUID,
};

static const struct kl_flex msr_indices = {
  .header = sizeof(struct kvm_msr_list),
  .count_offset = offsetof(struct kvm_msr_list, nmsrs),
  .count_size = sizeof(__u32),
  .entry_size = sizeof(__u32), .guess = 256, .max = 65536,
};

/* KVM_PMU_EVENT_FILTER_MAX_EVENTS of the kernel. */
static const struct kl_flex pmu_events = {
  .header = sizeof(struct kvm_pmu_event_filter),
  .count_offset = offsetof(struct kvm_pmu_event_filter, nevents),
  .count_size = sizeof(__u32),
  .entry_size = sizeof(__u64), .max = 300,
};

const struct kl_ioctl kl_arch_ioctls[] = {
  /* ---- CPUID and MSRs --------------------------------------------------- */
  {KL_ROW(GET_SUPPORTED_CPUID, SYSTEM, KL_GETLIST), .flex = &cpuid2,
   .capability = "EXT_CPUID"},
  {KL_ROW(GET_EMULATED_CPUID, SYSTEM, KL_GETLIST), .flex = &cpuid2,
   .capability = "EXT_EMUL_CPUID"},
  {KL_ROW(GET_SUPPORTED_HV_CPUID, SYSTEM | VCPU, KL_GETLIST),
   .flex = &cpuid2, .capability = "HYPERV_CPUID"},
  {KL_ROW(SET_CPUID, VCPU, KL_SETLIST), .flex = &cpuid},
  {KL_ROW(SET_CPUID2, VCPU, KL_SETLIST), .flex = &cpuid2,
   .capability = "EXT_CPUID"},
  {KL_ROW(GET_CPUID2, VCPU, KL_GETLIST), .flex = &cpuid2,
   .capability = "EXT_CPUID"},
  {KL_ROW(GET_MSR_INDEX_LIST, SYSTEM, KL_GETLIST), .flex = &msr_indices},
  {KL_ROW(GET_MSR_FEATURE_INDEX_LIST, SYSTEM, KL_GETLIST),
   .flex = &msr_indices, .capability = "GET_MSR_FEATURES"},
  {KL_ROW(GET_MSRS, SYSTEM | VCPU, KL_CUSTOM), .call = kl_x86_get_msrs},
  {KL_ROW(SET_MSRS, VCPU, KL_CUSTOM), .call = kl_x86_set_msrs},
  {KL_ROW(X86_SET_MSR_FILTER, VM, KL_CUSTOM),
   .layout = &kl_kvm_msr_filter, .capability = "X86_MSR_FILTER",
   .call = kl_x86_set_msr_filter, .pointer = true},
  {KL_ROW(SET_PMU_EVENT_FILTER, VM, KL_SETLIST),
   .layout = &kl_kvm_pmu_event_filter, .flex = &pmu_events,
   .capability = "PMU_EVENT_FILTER"},

  /* ---- machine checks --------------------------------------------------- */
  {KL_ROW(X86_GET_MCE_CAP_SUPPORTED, SYSTEM, KL_GET), .capability = "MCE"},
  {KL_ROW(X86_SETUP_MCE, VCPU, KL_SET), .capability = "MCE"},
  {KL_ROW(X86_SET_MCE, VCPU, KL_SET), .layout = &kl_kvm_x86_mce,
   .capability = "MCE"},

  /* ---- memory ----------------------------------------------------------- */
  {KL_ROW(SET_NR_MMU_PAGES, VM, KL_VALUE),
   .capability = "MMU_SHADOW_CACHE_CONTROL"},
  /* Gone from the kernel, not from its header. */
  {KL_ROW(GET_NR_MMU_PAGES, VM, KL_NONE), .result = KL_INTEGER,
   .capability = "MMU_SHADOW_CACHE_CONTROL"},
  {KL_ROW(SET_TSS_ADDR, VM, KL_VALUE), .capability = "SET_TSS_ADDR"},
  {KL_ROW(SET_IDENTITY_MAP_ADDR, VM, KL_SET),
   .capability = "SET_IDENTITY_MAP_ADDR"},
  {KL_ROW(MEMORY_ENCRYPT_OP, VM | VCPU, KL_CUSTOM),
   .call = kl_x86_memory_encrypt_op, .pointer = true},
  {KL_ROW(MEMORY_ENCRYPT_REG_REGION, VM, KL_SET),
   .layout = &kl_kvm_enc_region, .pointer = true},
  {KL_ROW(MEMORY_ENCRYPT_UNREG_REGION, VM, KL_SET),
   .layout = &kl_kvm_enc_region, .pointer = true},

  /* ---- interrupt controllers and timers --------------------------------- */
  {KL_ROW(IRQ_LINE_STATUS, VM, KL_INOUT), .layout = &kl_kvm_irq_level,
   .capability = "IRQ_INJECT_STATUS"},
  {KL_ROW(GET_IRQCHIP, VM, KL_INOUT), .layout = &kl_kvm_irqchip,
   .capability = "IRQCHIP"},
  {KL_ROW(SET_IRQCHIP, VM, KL_SET), .layout = &kl_kvm_irqchip,
   .getter = KVM_GET_IRQCHIP, .capability = "IRQCHIP"},
  {KL_ROW(GET_LAPIC, VCPU, KL_GET), .layout = &kl_kvm_lapic_state,
   .capability = "IRQCHIP"},
  {KL_ROW(SET_LAPIC, VCPU, KL_SET), .layout = &kl_kvm_lapic_state,
   .getter = KVM_GET_LAPIC, .capability = "IRQCHIP"},
  {KL_ROW(CREATE_PIT, VM, KL_NONE), .capability = "PIT"},
  {KL_ROW(CREATE_PIT2, VM, KL_SET), .layout = &kl_kvm_pit_config,
   .capability = "PIT2"},
  {KL_ROW(GET_PIT, VM, KL_GET), .layout = &kl_kvm_pit_state,
   .capability = "PIT"},
  {KL_ROW(SET_PIT, VM, KL_SET), .layout = &kl_kvm_pit_state,
   .getter = KVM_GET_PIT, .capability = "PIT"},
  {KL_ROW(GET_PIT2, VM, KL_GET), .layout = &kl_kvm_pit_state2,
   .capability = "PIT_STATE2"},
  {KL_ROW(SET_PIT2, VM, KL_SET), .layout = &kl_kvm_pit_state2,
   .getter = KVM_GET_PIT2, .capability = "PIT_STATE2"},
  /* Its number says that it takes no struct, its code reads one. */
  {KL_ROW(REINJECT_CONTROL, VM, KL_SET),
   .layout = &kl_kvm_reinject_control, .capability = "REINJECT_CONTROL"},
  {KL_ROW(SET_BOOT_CPU_ID, VM, KL_VALUE),
   .capability = "SET_BOOT_CPU_ID"},
  {KL_ROW(TPR_ACCESS_REPORTING, VCPU, KL_INOUT),
   .layout = &kl_kvm_tpr_access_ctl, .capability = "VAPIC"},
  {KL_ROW(SET_VAPIC_ADDR, VCPU, KL_SET), .layout = &kl_kvm_vapic_addr,
   .capability = "VAPIC"},
  /* The flags of GET_CLOCK are orders in SET_CLOCK: nothing is read first. */
  {KL_ROW(GET_CLOCK, VM, KL_GET), .layout = &kl_kvm_clock_data,
   .capability = "ADJUST_CLOCK"},
  {KL_ROW(SET_CLOCK, VM, KL_SET), .layout = &kl_kvm_clock_data,
   .capability = "ADJUST_CLOCK"},
  {KL_ROW(KVMCLOCK_CTRL, VCPU, KL_NONE), .capability = "KVMCLOCK_CTRL"},
  {KL_ROW(SET_TSC_KHZ, VM | VCPU, KL_VALUE), .capability = "TSC_CONTROL"},
  {KL_ROW(GET_TSC_KHZ, VM | VCPU, KL_NONE), .result = KL_INTEGER,
   .capability = "GET_TSC_KHZ"},

  /* ---- events ----------------------------------------------------------- */
  {KL_ROW(NMI, VCPU, KL_NONE), .capability = "USER_NMI"},
  {KL_ROW(SMI, VCPU, KL_NONE), .capability = "X86_SMM"},

  /* ---- registers -------------------------------------------------------- */
  {KL_ROW(GET_REGS, VCPU, KL_GET), .layout = &kl_kvm_regs},
  {KL_ROW(SET_REGS, VCPU, KL_SET), .layout = &kl_kvm_regs,
   .getter = KVM_GET_REGS},
  {KL_ROW(GET_SREGS, VCPU, KL_GET), .layout = &kl_kvm_sregs},
  {KL_ROW(SET_SREGS, VCPU, KL_SET), .layout = &kl_kvm_sregs,
   .getter = KVM_GET_SREGS},
  {KL_ROW(GET_SREGS2, VCPU, KL_GET), .layout = &kl_kvm_sregs2,
   .capability = "SREGS2"},
  {KL_ROW(SET_SREGS2, VCPU, KL_SET), .layout = &kl_kvm_sregs2,
   .getter = KVM_GET_SREGS2, .capability = "SREGS2"},
  {KL_ROW(GET_FPU, VCPU, KL_GET), .layout = &kl_kvm_fpu},
  {KL_ROW(SET_FPU, VCPU, KL_SET), .layout = &kl_kvm_fpu,
   .getter = KVM_GET_FPU},
  {KL_ROW(GET_DEBUGREGS, VCPU, KL_GET), .layout = &kl_kvm_debugregs,
   .capability = "DEBUGREGS"},
  {KL_ROW(SET_DEBUGREGS, VCPU, KL_SET), .layout = &kl_kvm_debugregs,
   .getter = KVM_GET_DEBUGREGS, .capability = "DEBUGREGS"},
  {KL_ROW(GET_XCRS, VCPU, KL_GET), .layout = &kl_kvm_xcrs,
   .capability = "XCRS"},
  {KL_ROW(SET_XCRS, VCPU, KL_SET), .layout = &kl_kvm_xcrs,
   .getter = KVM_GET_XCRS, .capability = "XCRS"},
  {KL_ROW(GET_XSAVE, VCPU, KL_GET), .layout = &kl_kvm_xsave,
   .capability = "XSAVE"},
  {KL_ROW(SET_XSAVE, VCPU, KL_CUSTOM), .layout = &kl_kvm_xsave,
   .capability = "XSAVE", .call = kl_x86_set_xsave},
  {KL_ROW(GET_XSAVE2, VCPU, KL_CUSTOM), .layout = &kl_kvm_xsave,
   .capability = "XSAVE2", .call = kl_x86_get_xsave2},
  {KL_ROW(TRANSLATE, VCPU, KL_INOUT), .layout = &kl_kvm_translation},
  {KL_ROW(GET_NESTED_STATE, VCPU, KL_CUSTOM),
   .layout = &kl_kvm_nested_state, .capability = "NESTED_STATE",
   .call = kl_x86_get_nested_state},
  {KL_ROW(SET_NESTED_STATE, VCPU, KL_CUSTOM),
   .layout = &kl_kvm_nested_state, .capability = "NESTED_STATE",
   .call = kl_x86_set_nested_state},

  /* ---- guests of other hypervisors -------------------------------------- */
  {KL_ROW(HYPERV_EVENTFD, VM, KL_SET), .layout = &kl_kvm_hyperv_eventfd,
   .capability = "HYPERV_EVENTFD"},
  {KL_ROW(XEN_HVM_CONFIG, VM, KL_SET), .layout = &kl_kvm_xen_hvm_config,
   .capability = "XEN_HVM", .pointer = true},
  {KL_ROW(XEN_HVM_GET_ATTR, VM, KL_INOUT), .layout = &kl_kvm_xen_hvm_attr,
   .capability = "XEN_HVM", .pointer = true},
  {KL_ROW(XEN_HVM_SET_ATTR, VM, KL_SET), .layout = &kl_kvm_xen_hvm_attr,
   .capability = "XEN_HVM", .pointer = true},
  {KL_ROW(XEN_HVM_EVTCHN_SEND, VM, KL_SET), .result = KL_INTEGER,
   .layout = &kl_kvm_irq_routing_xen_evtchn, .capability = "XEN_HVM"},
  {KL_ROW(XEN_VCPU_GET_ATTR, VCPU, KL_INOUT),
   .layout = &kl_kvm_xen_vcpu_attr, .capability = "XEN_HVM",
   .pointer = true},
  {KL_ROW(XEN_VCPU_SET_ATTR, VCPU, KL_SET),
   .layout = &kl_kvm_xen_vcpu_attr, .capability = "XEN_HVM",
   .pointer = true},
  {.name = NULL},
};
