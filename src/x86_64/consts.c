/* SPDX-License-Identifier: MIT */
#include "consts.h"
#include "arch.h"
#include "arch_uapi.h"

/* clang-format off */

/* ---- machines and exits -------------------------------------------------- */

static const struct kl_constant vm_type[] = {
    KL_CS(KVM_X86_, DEFAULT, _VM),
    KL_CS(KVM_X86_, SW_PROTECTED, _VM),
    KL_CS(KVM_X86_, SEV, _VM),
    KL_CS(KVM_X86_, SEV_ES, _VM),
    KL_CS(KVM_X86_, SNP, _VM),
    KL_CS(KVM_X86_, TDX, _VM),
    KL_CEND};

/* kvm_run.flags. */
static const struct kl_constant run[] = {
    KL_C(KVM_RUN_X86_, SMM),
    KL_C(KVM_RUN_X86_, BUS_LOCK),
    KL_C(KVM_RUN_X86_, GUEST_MODE),
    KL_CEND};

/* kvm_run.kvm_valid_regs and kvm_dirty_regs. */
static const struct kl_constant sync_regs[] = {
    KL_C(KVM_SYNC_X86_, REGS),
    KL_C(KVM_SYNC_X86_, SREGS),
    KL_C(KVM_SYNC_X86_, EVENTS),
    KL_CEND};

static const struct kl_constant hypercall[] = {
    KL_C(KVM_EXIT_HYPERCALL_, LONG_MODE),
    KL_CEND};

/* Numbers of hypercalls, as KVM_CAP_EXIT_HYPERCALL takes their bits. */
static const struct kl_constant hc[] = {
    KL_C(KVM_HC_, VAPIC_POLL_IRQ),
    KL_C(KVM_HC_, MMU_OP),
    KL_C(KVM_HC_, FEATURES),
    KL_C(KVM_HC_, PPC_MAP_MAGIC_PAGE),
    KL_C(KVM_HC_, KICK_CPU),
    KL_C(KVM_HC_, MIPS_GET_CLOCK_FREQ),
    KL_C(KVM_HC_, MIPS_EXIT_VM),
    KL_C(KVM_HC_, MIPS_CONSOLE_OUTPUT),
    KL_C(KVM_HC_, CLOCK_PAIRING),
    KL_C(KVM_HC_, SEND_IPI),
    KL_C(KVM_HC_, SCHED_YIELD),
    KL_C(KVM_HC_, MAP_GPA_RANGE),
    KL_CEND};

/* Attributes in KVM_HC_MAP_GPA_RANGE. */
static const struct kl_constant map_gpa_range[] = {
    KL_C(KVM_MAP_GPA_RANGE_, PAGE_SZ_4K),
    KL_C(KVM_MAP_GPA_RANGE_, PAGE_SZ_2M),
    KL_C(KVM_MAP_GPA_RANGE_, PAGE_SZ_1G),
    KL_C(KVM_MAP_GPA_RANGE_, ENCRYPTED),
    KL_C(KVM_MAP_GPA_RANGE_, DECRYPTED),
    KL_CEND};

/* ---- arguments of capabilities ------------------------------------------- */

static const struct kl_constant disable_exits[] = {
    KL_C(KVM_X86_DISABLE_EXITS_, MWAIT),
    KL_C(KVM_X86_DISABLE_EXITS_, HLT),
    KL_C(KVM_X86_DISABLE_EXITS_, PAUSE),
    KL_C(KVM_X86_DISABLE_EXITS_, CSTATE),
    KL_C(KVM_X86_DISABLE_EXITS_, APERFMPERF),
    KL_CEND};

static const struct kl_constant quirks[] = {
    KL_C(KVM_X86_QUIRK_, LINT0_REENABLED),
    KL_C(KVM_X86_QUIRK_, CD_NW_CLEARED),
    KL_C(KVM_X86_QUIRK_, LAPIC_MMIO_HOLE),
    KL_C(KVM_X86_QUIRK_, OUT_7E_INC_RIP),
    KL_C(KVM_X86_QUIRK_, MISC_ENABLE_NO_MWAIT),
    KL_C(KVM_X86_QUIRK_, FIX_HYPERCALL_INSN),
    KL_C(KVM_X86_QUIRK_, MWAIT_NEVER_UD_FAULTS),
    KL_C(KVM_X86_QUIRK_, SLOT_ZAP_ALL),
    KL_C(KVM_X86_QUIRK_, STUFF_FEATURE_MSRS),
    KL_C(KVM_X86_QUIRK_, IGNORE_GUEST_PAT),
    KL_C(KVM_X86_QUIRK_, VMCS12_ALLOW_FREEZE_IN_SMM),
    KL_C(KVM_X86_QUIRK_, NESTED_SVM_SHARED_PAT),
    KL_CEND};

static const struct kl_constant bus_lock[] = {
    KL_C(KVM_BUS_LOCK_DETECTION_, OFF),
    KL_C(KVM_BUS_LOCK_DETECTION_, EXIT),
    KL_CEND};

static const struct kl_constant notify_vmexit[] = {
    KL_C(KVM_X86_NOTIFY_VMEXIT_, ENABLED),
    KL_C(KVM_X86_NOTIFY_VMEXIT_, USER),
    KL_CEND};

static const struct kl_constant x2apic[] = {
    KL_C(KVM_X2APIC_, API_USE_32BIT_IDS),
    KL_C(KVM_X2APIC_, API_DISABLE_BROADCAST_QUIRK),
    KL_C(KVM_X2APIC_, ENABLE_SUPPRESS_EOI_BROADCAST),
    KL_C(KVM_X2APIC_, DISABLE_SUPPRESS_EOI_BROADCAST),
    KL_CEND};

static const struct kl_constant pmu_cap[] = {
    KL_C(KVM_PMU_CAP_, DISABLE),
    KL_CEND};

/* ---- registers and events ------------------------------------------------ */

/* Extends the common ones. */
static const struct kl_constant guestdbg[] = {
    KL_C(KVM_GUESTDBG_, USE_SW_BP),
    KL_C(KVM_GUESTDBG_, USE_HW_BP),
    KL_C(KVM_GUESTDBG_, INJECT_DB),
    KL_C(KVM_GUESTDBG_, INJECT_BP),
    KL_C(KVM_GUESTDBG_, BLOCKIRQ),
    KL_CEND};

static const struct kl_constant sregs2[] = {
    KL_C(KVM_SREGS2_FLAGS_, PDPTRS_VALID),
    KL_CEND};

static const struct kl_constant vector[] = {
    KL_CS(, DE, _VECTOR),
    KL_CS(, DB, _VECTOR),
    KL_CS(, BP, _VECTOR),
    KL_CS(, OF, _VECTOR),
    KL_CS(, BR, _VECTOR),
    KL_CS(, UD, _VECTOR),
    KL_CS(, NM, _VECTOR),
    KL_CS(, DF, _VECTOR),
    KL_CS(, TS, _VECTOR),
    KL_CS(, NP, _VECTOR),
    KL_CS(, SS, _VECTOR),
    KL_CS(, GP, _VECTOR),
    KL_CS(, PF, _VECTOR),
    KL_CS(, MF, _VECTOR),
    KL_CS(, AC, _VECTOR),
    KL_CS(, MC, _VECTOR),
    KL_CS(, XM, _VECTOR),
    KL_CS(, VE, _VECTOR),
    KL_CEND};

/* Which parts of kvm_vcpu_events count when it is set. */
static const struct kl_constant vcpuevent[] = {
    KL_C(KVM_VCPUEVENT_VALID_, NMI_PENDING),
    KL_C(KVM_VCPUEVENT_VALID_, SIPI_VECTOR),
    KL_C(KVM_VCPUEVENT_VALID_, SHADOW),
    KL_C(KVM_VCPUEVENT_VALID_, SMM),
    KL_C(KVM_VCPUEVENT_VALID_, PAYLOAD),
    KL_C(KVM_VCPUEVENT_VALID_, TRIPLE_FAULT),
    KL_CEND};

static const struct kl_constant shadow[] = {
    KL_C(KVM_X86_SHADOW_INT_, MOV_SS),
    KL_C(KVM_X86_SHADOW_INT_, STI),
    KL_CEND};

/* One-reg ids: the machine, the types, the one register that KVM defines. */
static const struct kl_constant reg[] = {
    KL_C(KVM_REG_, X86),
    KL_C(KVM_, X86_REG_TYPE_MSR),
    KL_C(KVM_, X86_REG_TYPE_KVM),
    KL_C(KVM_REG_, GUEST_SSP),
    KL_CEND};

/* ---- CPUID and MSRs ------------------------------------------------------ */

static const struct kl_constant cpuid_flag[] = {
    KL_C(KVM_CPUID_FLAG_, SIGNIFCANT_INDEX),
    KL_C(KVM_CPUID_FLAG_, STATEFUL_FUNC),
    KL_C(KVM_CPUID_FLAG_, STATE_READ_NEXT),
    KL_CEND};

/* Bits of eax in leaf 0x40000001. */
static const struct kl_constant pv_feature[] = {
    KL_C(KVM_FEATURE_, CLOCKSOURCE),
    KL_C(KVM_FEATURE_, NOP_IO_DELAY),
    KL_C(KVM_FEATURE_, MMU_OP),
    KL_C(KVM_FEATURE_, CLOCKSOURCE2),
    KL_C(KVM_FEATURE_, ASYNC_PF),
    KL_C(KVM_FEATURE_, STEAL_TIME),
    KL_C(KVM_FEATURE_, PV_EOI),
    KL_C(KVM_FEATURE_, PV_UNHALT),
    KL_C(KVM_FEATURE_, PV_TLB_FLUSH),
    KL_C(KVM_FEATURE_, ASYNC_PF_VMEXIT),
    KL_C(KVM_FEATURE_, PV_SEND_IPI),
    KL_C(KVM_FEATURE_, POLL_CONTROL),
    KL_C(KVM_FEATURE_, PV_SCHED_YIELD),
    KL_C(KVM_FEATURE_, ASYNC_PF_INT),
    KL_C(KVM_FEATURE_, MSI_EXT_DEST_ID),
    KL_C(KVM_FEATURE_, HC_MAP_GPA_RANGE),
    KL_C(KVM_FEATURE_, MIGRATION_CONTROL),
    KL_C(KVM_FEATURE_, CLOCKSOURCE_STABLE_BIT),
    KL_CEND};

/* MSRs of the paravirtual interface. */
static const struct kl_constant pv_msr[] = {
    KL_C(MSR_KVM_, WALL_CLOCK),
    KL_C(MSR_KVM_, SYSTEM_TIME),
    KL_C(MSR_KVM_, WALL_CLOCK_NEW),
    KL_C(MSR_KVM_, SYSTEM_TIME_NEW),
    KL_C(MSR_KVM_, ASYNC_PF_EN),
    KL_C(MSR_KVM_, STEAL_TIME),
    KL_C(MSR_KVM_, PV_EOI_EN),
    KL_C(MSR_KVM_, POLL_CONTROL),
    KL_C(MSR_KVM_, ASYNC_PF_INT),
    KL_C(MSR_KVM_, ASYNC_PF_ACK),
    KL_C(MSR_KVM_, MIGRATION_CONTROL),
    KL_CEND};

static const struct kl_constant msr_filter[] = {
    KL_C(KVM_MSR_FILTER_, READ),
    KL_C(KVM_MSR_FILTER_, WRITE),
    KL_CEND};

static const struct kl_constant msr_filter_default[] = {
    KL_C(KVM_MSR_FILTER_DEFAULT_, ALLOW),
    KL_C(KVM_MSR_FILTER_DEFAULT_, DENY),
    KL_CEND};

static const struct kl_constant pmu_event[] = {
    KL_C(KVM_PMU_EVENT_, ALLOW),
    KL_C(KVM_PMU_EVENT_, DENY),
    KL_CEND};

static const struct kl_constant pmu_event_flag[] = {
    KL_C(KVM_PMU_EVENT_FLAG_, MASKED_EVENTS),
    KL_CEND};

/* ---- interrupt controllers and timers ------------------------------------ */

static const struct kl_constant irqchip[] = {
    KL_C(KVM_IRQCHIP_, PIC_MASTER),
    KL_C(KVM_IRQCHIP_, PIC_SLAVE),
    KL_C(KVM_IRQCHIP_, IOAPIC),
    KL_CEND};

/* kvm_pit_config.flags */
static const struct kl_constant pit[] = {
    KL_C(KVM_PIT_, SPEAKER_DUMMY),
    KL_CEND};

/* kvm_pit_state2.flags */
static const struct kl_constant pit_flags[] = {
    KL_C(KVM_PIT_FLAGS_, HPET_LEGACY),
    KL_C(KVM_PIT_FLAGS_, SPEAKER_DATA_ON),
    KL_CEND};

static const struct kl_constant clock_flags[] = {
    KL_C(KVM_CLOCK_, TSC_STABLE),
    KL_C(KVM_CLOCK_, REALTIME),
    KL_C(KVM_CLOCK_, HOST_TSC),
    KL_CEND};

/* ---- device attributes --------------------------------------------------- */

static const struct kl_constant device_group[] = {
    KL_C(KVM_VCPU_, TSC_CTRL),
    KL_C(KVM_X86_, GRP_SYSTEM),
    KL_C(KVM_X86_, GRP_SEV),
    KL_CEND};

static const struct kl_constant device_attr[] = {
    KL_C(KVM_VCPU_, TSC_OFFSET),
    KL_C(KVM_X86_, XCOMP_GUEST_SUPP),
    KL_C(KVM_X86_, SEV_VMSA_FEATURES),
    KL_C(KVM_X86_, SNP_POLICY_BITS),
    KL_C(KVM_X86_, SEV_SNP_REQ_CERTS),
    KL_CEND};

/* ---- nested virtualization ----------------------------------------------- */

static const struct kl_constant nested_format[] = {
    KL_C(KVM_STATE_NESTED_FORMAT_, VMX),
    KL_C(KVM_STATE_NESTED_FORMAT_, SVM),
    KL_CEND};

static const struct kl_constant nested[] = {
    KL_C(KVM_STATE_NESTED_, GUEST_MODE),
    KL_C(KVM_STATE_NESTED_, RUN_PENDING),
    KL_C(KVM_STATE_NESTED_, EVMCS),
    KL_C(KVM_STATE_NESTED_, MTF_PENDING),
    KL_C(KVM_STATE_NESTED_, GIF_SET),
    KL_CEND};

static const struct kl_constant nested_smm[] = {
    KL_C(KVM_STATE_NESTED_SMM_, GUEST_MODE),
    KL_C(KVM_STATE_NESTED_SMM_, VMXON),
    KL_CEND};

static const struct kl_constant nested_vmx[] = {
    KL_C(KVM_STATE_VMX_, PREEMPTION_TIMER_DEADLINE),
    KL_CEND};

/* ---- guests of other hypervisors ----------------------------------------- */

static const struct kl_constant hyperv_eventfd[] = {
    KL_C(KVM_HYPERV_EVENTFD_, DEASSIGN),
    KL_CEND};

static const struct kl_constant xen_hvm_config[] = {
    KL_C(KVM_XEN_HVM_CONFIG_, HYPERCALL_MSR),
    KL_C(KVM_XEN_HVM_CONFIG_, INTERCEPT_HCALL),
    KL_C(KVM_XEN_HVM_CONFIG_, SHARED_INFO),
    KL_C(KVM_XEN_HVM_CONFIG_, RUNSTATE),
    KL_C(KVM_XEN_HVM_CONFIG_, EVTCHN_2LEVEL),
    KL_C(KVM_XEN_HVM_CONFIG_, EVTCHN_SEND),
    KL_C(KVM_XEN_HVM_CONFIG_, RUNSTATE_UPDATE_FLAG),
    KL_C(KVM_XEN_HVM_CONFIG_, PVCLOCK_TSC_UNSTABLE),
    KL_C(KVM_XEN_HVM_CONFIG_, SHARED_INFO_HVA),
    KL_CEND};

static const struct kl_constant xen_attr[] = {
    KL_C(KVM_XEN_ATTR_TYPE_, LONG_MODE),
    KL_C(KVM_XEN_ATTR_TYPE_, SHARED_INFO),
    KL_C(KVM_XEN_ATTR_TYPE_, UPCALL_VECTOR),
    KL_C(KVM_XEN_ATTR_TYPE_, EVTCHN),
    KL_C(KVM_XEN_ATTR_TYPE_, XEN_VERSION),
    KL_C(KVM_XEN_ATTR_TYPE_, RUNSTATE_UPDATE_FLAG),
    KL_C(KVM_XEN_ATTR_TYPE_, SHARED_INFO_HVA),
    KL_CEND};

static const struct kl_constant xen_vcpu_attr[] = {
    KL_C(KVM_XEN_VCPU_ATTR_TYPE_, VCPU_INFO),
    KL_C(KVM_XEN_VCPU_ATTR_TYPE_, VCPU_TIME_INFO),
    KL_C(KVM_XEN_VCPU_ATTR_TYPE_, RUNSTATE_ADDR),
    KL_C(KVM_XEN_VCPU_ATTR_TYPE_, RUNSTATE_CURRENT),
    KL_C(KVM_XEN_VCPU_ATTR_TYPE_, RUNSTATE_DATA),
    KL_C(KVM_XEN_VCPU_ATTR_TYPE_, RUNSTATE_ADJUST),
    KL_C(KVM_XEN_VCPU_ATTR_TYPE_, VCPU_ID),
    KL_C(KVM_XEN_VCPU_ATTR_TYPE_, TIMER),
    KL_C(KVM_XEN_VCPU_ATTR_TYPE_, UPCALL_VECTOR),
    KL_C(KVM_XEN_VCPU_ATTR_TYPE_, VCPU_INFO_HVA),
    KL_CEND};

static const struct kl_constant xen_evtchn[] = {
    KL_C(KVM_XEN_EVTCHN_, DEASSIGN),
    KL_C(KVM_XEN_EVTCHN_, UPDATE),
    KL_C(KVM_XEN_EVTCHN_, RESET),
    KL_CEND};

/* ---- confidential guests ------------------------------------------------- */

/* Commands of KVM_MEMORY_ENCRYPT_OP. */
static const struct kl_constant sev[] = {
    KL_C(KVM_SEV_, INIT),
    KL_C(KVM_SEV_, ES_INIT),
    KL_C(KVM_SEV_, LAUNCH_START),
    KL_C(KVM_SEV_, LAUNCH_UPDATE_DATA),
    KL_C(KVM_SEV_, LAUNCH_UPDATE_VMSA),
    KL_C(KVM_SEV_, LAUNCH_SECRET),
    KL_C(KVM_SEV_, LAUNCH_MEASURE),
    KL_C(KVM_SEV_, LAUNCH_FINISH),
    KL_C(KVM_SEV_, SEND_START),
    KL_C(KVM_SEV_, SEND_UPDATE_DATA),
    KL_C(KVM_SEV_, SEND_UPDATE_VMSA),
    KL_C(KVM_SEV_, SEND_FINISH),
    KL_C(KVM_SEV_, RECEIVE_START),
    KL_C(KVM_SEV_, RECEIVE_UPDATE_DATA),
    KL_C(KVM_SEV_, RECEIVE_UPDATE_VMSA),
    KL_C(KVM_SEV_, RECEIVE_FINISH),
    KL_C(KVM_SEV_, GUEST_STATUS),
    KL_C(KVM_SEV_, DBG_DECRYPT),
    KL_C(KVM_SEV_, DBG_ENCRYPT),
    KL_C(KVM_SEV_, CERT_EXPORT),
    KL_C(KVM_SEV_, GET_ATTESTATION_REPORT),
    KL_C(KVM_SEV_, SEND_CANCEL),
    KL_C(KVM_SEV_, INIT2),
    KL_C(KVM_SEV_, SNP_LAUNCH_START),
    KL_C(KVM_SEV_, SNP_LAUNCH_UPDATE),
    KL_C(KVM_SEV_, SNP_LAUNCH_FINISH),
    KL_C(KVM_SEV_, SNP_ENABLE_REQ_CERTS),
    KL_CEND};

static const struct kl_constant snp_page_type[] = {
    KL_C(KVM_SEV_SNP_PAGE_TYPE_, NORMAL),
    KL_C(KVM_SEV_SNP_PAGE_TYPE_, ZERO),
    KL_C(KVM_SEV_SNP_PAGE_TYPE_, UNMEASURED),
    KL_C(KVM_SEV_SNP_PAGE_TYPE_, SECRETS),
    KL_C(KVM_SEV_SNP_PAGE_TYPE_, CPUID),
    KL_CEND};

static const struct kl_constant tdx[] = {
    KL_C(KVM_TDX_, CAPABILITIES),
    KL_C(KVM_TDX_, INIT_VM),
    KL_C(KVM_TDX_, INIT_VCPU),
    KL_C(KVM_TDX_, INIT_MEM_REGION),
    KL_C(KVM_TDX_, FINALIZE_VM),
    KL_C(KVM_TDX_, GET_CPUID),
    KL_CEND};

static const struct kl_constant tdx_mem_region[] = {
    KL_C(KVM_TDX_, MEASURE_MEMORY_REGION),
    KL_CEND};

/* ---- by name ------------------------------------------------------------- */

const struct kl_group kl_arch_groups[] = {
    {"VM_TYPE", vm_type},
    {"HC", hc},
    {"RUN", run},
    {"SYNC", sync_regs},
    {"HYPERCALL", hypercall},
    {"MAP_GPA_RANGE", map_gpa_range},
    {"DISABLE_EXITS", disable_exits},
    {"QUIRKS", quirks},
    {"BUS_LOCK", bus_lock},
    {"NOTIFY_VMEXIT", notify_vmexit},
    {"X2APIC", x2apic},
    {"PMU_CAP", pmu_cap},
    {"GUESTDBG", guestdbg},
    {"SREGS2", sregs2},
    {"VECTOR", vector},
    {"VCPUEVENT", vcpuevent},
    {"SHADOW", shadow},
    {"REG", reg},
    {"CPUID_FLAG", cpuid_flag},
    {"PV_FEATURE", pv_feature},
    {"PV_MSR", pv_msr},
    {"MSR_FILTER", msr_filter},
    {"MSR_FILTER_DEFAULT", msr_filter_default},
    {"PMU_EVENT", pmu_event},
    {"PMU_EVENT_FLAG", pmu_event_flag},
    {"IRQCHIP", irqchip},
    {"PIT", pit},
    {"PIT_FLAGS", pit_flags},
    {"CLOCK", clock_flags},
    {"DEVICE_GROUP", device_group},
    {"DEVICE_ATTR", device_attr},
    {"NESTED_FORMAT", nested_format},
    {"NESTED", nested},
    {"NESTED_SMM", nested_smm},
    {"NESTED_VMX", nested_vmx},
    {"HYPERV_EVENTFD", hyperv_eventfd},
    {"XEN_HVM_CONFIG", xen_hvm_config},
    {"XEN_ATTR", xen_attr},
    {"XEN_VCPU_ATTR", xen_vcpu_attr},
    {"XEN_EVTCHN", xen_evtchn},
    {"SEV", sev},
    {"SNP_PAGE_TYPE", snp_page_type},
    {"TDX", tdx},
    {"TDX_MEM_REGION", tdx_mem_region},
    {NULL, NULL}};

const struct kl_cap_flags kl_arch_cap_flags[] = {
    {KVM_CAP_X86_USER_SPACE_MSR, "MSR_EXIT"},
    {KVM_CAP_X86_DISABLE_EXITS, "DISABLE_EXITS"},
    {KVM_CAP_X86_BUS_LOCK_EXIT, "BUS_LOCK"},
    {KVM_CAP_X2APIC_API, "X2APIC"},
    {KVM_CAP_DISABLE_QUIRKS2, "QUIRKS"},
    {KVM_CAP_PMU_CAPABILITY, "PMU_CAP"},
    {0, NULL}};
