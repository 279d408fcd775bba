/* SPDX-License-Identifier: MIT */
#include "arch.h"
#include "arch_structs.h"

/* clang-format off */

/* ---- registers ----------------------------------------------------------- */

#define REGS(F, T, s) \
  F(U, s, rax) F(U, s, rbx) F(U, s, rcx) F(U, s, rdx) \
  F(U, s, rsi) F(U, s, rdi) F(U, s, rsp) F(U, s, rbp) \
  F(U, s, r8) F(U, s, r9) F(U, s, r10) F(U, s, r11) \
  F(U, s, r12) F(U, s, r13) F(U, s, r14) F(U, s, r15) \
  F(U, s, rip) F(U, s, rflags)
KL_LAYOUT(kvm_regs, REGS);

/* One field is called s, as the parameter elsewhere. */
#define SEGMENT(F, T, tag) \
  F(U, tag, base) F(U, tag, limit) F(U, tag, selector) F(U, tag, type) \
  F(U, tag, present) F(U, tag, dpl) F(U, tag, db) F(U, tag, s) \
  F(U, tag, l) F(U, tag, g) F(U, tag, avl) F(U, tag, unusable) \
  F(P, tag, padding)
KL_LAYOUT(kvm_segment, SEGMENT);

#define DTABLE(F, T, s) F(U, s, base) F(U, s, limit) F(P, s, padding)
KL_LAYOUT(kvm_dtable, DTABLE);

#define SREGS_COMMON(F, T, s) \
  T(ONE, s, cs, kvm_segment) T(ONE, s, ds, kvm_segment) \
  T(ONE, s, es, kvm_segment) T(ONE, s, fs, kvm_segment) \
  T(ONE, s, gs, kvm_segment) T(ONE, s, ss, kvm_segment) \
  T(ONE, s, tr, kvm_segment) T(ONE, s, ldt, kvm_segment) \
  T(ONE, s, gdt, kvm_dtable) T(ONE, s, idt, kvm_dtable) \
  F(U, s, cr0) F(U, s, cr2) F(U, s, cr3) F(U, s, cr4) F(U, s, cr8) \
  F(U, s, efer) F(U, s, apic_base)

#define SREGS(F, T, s) SREGS_COMMON(F, T, s) F(UA, s, interrupt_bitmap)
KL_LAYOUT(kvm_sregs, SREGS);

#define SREGS2(F, T, s) \
  SREGS_COMMON(F, T, s) F(G("SREGS2"), s, flags) F(UA, s, pdptrs)
KL_LAYOUT(kvm_sregs2, SREGS2);

#define FPU(F, T, s) \
  F(BA, s, fpr) F(U, s, fcw) F(U, s, fsw) F(U, s, ftwx) F(P, s, pad1) \
  F(U, s, last_opcode) F(U, s, last_ip) F(U, s, last_dp) F(BA, s, xmm) \
  F(U, s, mxcsr) F(P, s, pad2)
KL_LAYOUT(kvm_fpu, FPU);

#define DEBUGREGS(F, T, s) \
  F(UA, s, db) F(U, s, dr6) F(U, s, dr7) F(U, s, flags) F(P, s, reserved)
KL_LAYOUT(kvm_debugregs, DEBUGREGS);

#define GUEST_DEBUG_ARCH(F, T, s) F(UA, s, debugreg)
KL_LAYOUT(kvm_guest_debug_arch, GUEST_DEBUG_ARCH);

#define XSAVE(F, T, s) F(B, s, region)
KL_LAYOUT(kvm_xsave, XSAVE);

#define XCR(F, T, s) F(U, s, xcr) F(P, s, reserved) F(U, s, value)
KL_LAYOUT(kvm_xcr, XCR);

#define XCRS(F, T, s) \
  F(U, s, nr_xcrs) F(U, s, flags) T(ARRAY, s, xcrs, kvm_xcr) \
  F(P, s, padding)
KL_LAYOUT(kvm_xcrs, XCRS);

#define TRANSLATION(F, T, s) \
  F(U, s, linear_address) F(U, s, physical_address) F(U, s, valid) \
  F(U, s, writeable) F(U, s, usermode) F(P, s, pad)
KL_LAYOUT(kvm_translation, TRANSLATION);

/* ---- pending events ------------------------------------------------------ */

#define EXCEPTION(F, s, m) \
  F(U, s, m, injected) F(U, s, m, nr) F(U, s, m, has_error_code) \
  F(U, s, m, pending) F(U, s, m, error_code)
KL_INNER(kvm_vcpu_events_exception, kvm_vcpu_events, exception, EXCEPTION);

#define INTERRUPT_EVENT(F, s, m) \
  F(U, s, m, injected) F(U, s, m, nr) F(U, s, m, soft) F(U, s, m, shadow)
KL_INNER(kvm_vcpu_events_interrupt, kvm_vcpu_events, interrupt,
         INTERRUPT_EVENT);

#define NMI(F, s, m) \
  F(U, s, m, injected) F(U, s, m, pending) F(U, s, m, masked) \
  F(P, s, m, pad)
KL_INNER(kvm_vcpu_events_nmi, kvm_vcpu_events, nmi, NMI);

#define SMI(F, s, m) \
  F(U, s, m, smm) F(U, s, m, pending) F(U, s, m, smm_inside_nmi) \
  F(U, s, m, latched_init)
KL_INNER(kvm_vcpu_events_smi, kvm_vcpu_events, smi, SMI);

#define TRIPLE_FAULT(F, s, m) F(U, s, m, pending)
KL_INNER(kvm_vcpu_events_triple_fault, kvm_vcpu_events, triple_fault,
         TRIPLE_FAULT);

#define VCPU_EVENTS(F, T, s) \
  T(ONE, s, exception, kvm_vcpu_events_exception) \
  T(ONE, s, interrupt, kvm_vcpu_events_interrupt) \
  T(ONE, s, nmi, kvm_vcpu_events_nmi) \
  F(U, s, sipi_vector) F(G("VCPUEVENT"), s, flags) \
  T(ONE, s, smi, kvm_vcpu_events_smi) \
  T(ONE, s, triple_fault, kvm_vcpu_events_triple_fault) \
  F(P, s, reserved) F(U, s, exception_has_payload) \
  F(U, s, exception_payload)
KL_LAYOUT(kvm_vcpu_events, VCPU_EVENTS);

#define MCE(F, T, s) \
  F(U, s, status) F(U, s, addr) F(U, s, misc) F(U, s, mcg_status) \
  F(U, s, bank) F(P, s, pad1) F(P, s, pad2)
KL_LAYOUT(kvm_x86_mce, MCE);

/* The page of kvm_run that KVM_CAP_SYNC_REGS keeps. */
#define SYNC_REGS(F, T, s) \
  T(ONE, s, regs, kvm_regs) T(ONE, s, sregs, kvm_sregs) \
  T(ONE, s, events, kvm_vcpu_events)
KL_LAYOUT(kvm_sync_regs, SYNC_REGS);

/* ---- CPUID and MSRs ------------------------------------------------------ */

#define CPUID(F, T, s) F(P, s, nent) F(P, s, padding)
KL_LAYOUT(kvm_cpuid, CPUID);
KL_LAYOUT(kvm_cpuid2, CPUID);

#define CPUID_ENTRY(F, T, s) \
  F(U, s, function) F(U, s, eax) F(U, s, ebx) F(U, s, ecx) F(U, s, edx) \
  F(P, s, padding)
KL_LAYOUT(kvm_cpuid_entry, CPUID_ENTRY);

#define CPUID_ENTRY2(F, T, s) \
  F(U, s, function) F(U, s, index) F(G("CPUID_FLAG"), s, flags) \
  F(U, s, eax) F(U, s, ebx) F(U, s, ecx) F(U, s, edx) F(P, s, padding)
KL_LAYOUT(kvm_cpuid_entry2, CPUID_ENTRY2);

#define MSRS(F, T, s) F(P, s, nmsrs) F(P, s, pad)
KL_LAYOUT(kvm_msrs, MSRS);

#define MSR_LIST(F, T, s) F(P, s, nmsrs)
KL_LAYOUT(kvm_msr_list, MSR_LIST);

#define MSR_ENTRY(F, T, s) F(U, s, index) F(P, s, reserved) F(U, s, data)
KL_LAYOUT(kvm_msr_entry, MSR_ENTRY);

/* Both have holes before what is 8-byte aligned. */
#define MSR_FILTER_RANGE(F, T, s) \
  F(G("MSR_FILTER"), s, flags) F(U, s, nmsrs) F(U, s, base) F(U, s, bitmap)
KL_LAYOUT_PARTIAL(kvm_msr_filter_range, MSR_FILTER_RANGE);

#define MSR_FILTER(F, T, s) \
  F(G("MSR_FILTER_DEFAULT"), s, flags) \
  T(ARRAY, s, ranges, kvm_msr_filter_range)
KL_LAYOUT_PARTIAL(kvm_msr_filter, MSR_FILTER);

#define PMU_EVENT_FILTER(F, T, s) \
  F(G("PMU_EVENT"), s, action) F(P, s, nevents) \
  F(U, s, fixed_counter_bitmap) F(G("PMU_EVENT_FLAG"), s, flags) \
  F(P, s, pad)
KL_LAYOUT(kvm_pmu_event_filter, PMU_EVENT_FILTER);

/* ---- interrupt controllers and timers ------------------------------------ */

#define PIC_STATE(F, T, s) \
  F(U, s, last_irr) F(U, s, irr) F(U, s, imr) F(U, s, isr) \
  F(U, s, priority_add) F(U, s, irq_base) F(U, s, read_reg_select) \
  F(U, s, poll) F(U, s, special_mask) F(U, s, init_state) \
  F(U, s, auto_eoi) F(U, s, rotate_on_auto_eoi) \
  F(U, s, special_fully_nested_mode) F(U, s, init4) F(U, s, elcr) \
  F(U, s, elcr_mask)
KL_LAYOUT(kvm_pic_state, PIC_STATE);

/* redirtbl: the 64 bits of each entry, as the manual numbers them. */
#define IOAPIC_STATE(F, T, s) \
  F(U, s, base_address) F(U, s, ioregsel) F(U, s, id) F(U, s, irr) \
  F(P, s, pad) F(UA, s, redirtbl)
KL_LAYOUT(kvm_ioapic_state, IOAPIC_STATE);

#define IRQCHIP(F, T, s) \
  F(G("IRQCHIP"), s, chip_id) F(P, s, pad) \
  KL_VIEW_T(ONE, s, chip, pic, kvm_pic_state, 0, \
            KL_WHEN(KVM_IRQCHIP_PIC_MASTER) | \
            KL_WHEN(KVM_IRQCHIP_PIC_SLAVE)) \
  KL_VIEW_T(ONE, s, chip, ioapic, kvm_ioapic_state, 0, \
            KL_WHEN(KVM_IRQCHIP_IOAPIC))
KL_LAYOUT_PARTIAL(kvm_irqchip, IRQCHIP);

#define LAPIC_STATE(F, T, s) F(B, s, regs)
KL_LAYOUT(kvm_lapic_state, LAPIC_STATE);

#define PIT_CONFIG(F, T, s) F(G("PIT"), s, flags) F(P, s, pad)
KL_LAYOUT(kvm_pit_config, PIT_CONFIG);

#define PIT_CHANNEL_STATE(F, T, s) \
  F(U, s, count) F(U, s, latched_count) F(U, s, count_latched) \
  F(U, s, status_latched) F(U, s, status) F(U, s, read_state) \
  F(U, s, write_state) F(U, s, write_latch) F(U, s, rw_mode) \
  F(U, s, mode) F(U, s, bcd) F(U, s, gate) F(S, s, count_load_time)
KL_LAYOUT(kvm_pit_channel_state, PIT_CHANNEL_STATE);

#define PIT_STATE(F, T, s) T(ARRAY, s, channels, kvm_pit_channel_state)
KL_LAYOUT(kvm_pit_state, PIT_STATE);

#define PIT_STATE2(F, T, s) \
  PIT_STATE(F, T, s) F(G("PIT_FLAGS"), s, flags) F(P, s, reserved)
KL_LAYOUT(kvm_pit_state2, PIT_STATE2);

#define REINJECT_CONTROL(F, T, s) F(U, s, pit_reinject) F(P, s, reserved)
KL_LAYOUT(kvm_reinject_control, REINJECT_CONTROL);

#define CLOCK_DATA(F, T, s) \
  F(U, s, clock) F(G("CLOCK"), s, flags) F(P, s, pad0) F(U, s, realtime) \
  F(U, s, host_tsc) F(P, s, pad)
KL_LAYOUT(kvm_clock_data, CLOCK_DATA);

#define TPR_ACCESS_CTL(F, T, s) \
  F(U, s, enabled) F(U, s, flags) F(P, s, reserved)
KL_LAYOUT(kvm_tpr_access_ctl, TPR_ACCESS_CTL);

#define VAPIC_ADDR(F, T, s) F(U, s, vapic_addr)
KL_LAYOUT(kvm_vapic_addr, VAPIC_ADDR);

/* ---- memory -------------------------------------------------------------- */

#define ENC_REGION(F, T, s) F(A, s, addr) F(U, s, size)
KL_LAYOUT(kvm_enc_region, ENC_REGION);

/* ---- confidential guests ------------------------------------------------- */

/* Older headers have a hole where newer ones name the padding. */
#define SEV_CMD(F, T, s) \
  F(G("SEV"), s, id) F(U, s, data) F(U, s, error) F(U, s, sev_fd)
KL_LAYOUT_PARTIAL(kvm_sev_cmd, SEV_CMD);

#define TDX_CMD(F, T, s) \
  F(G("TDX"), s, id) F(U, s, flags) F(U, s, data) F(U, s, hw_error)
KL_LAYOUT(kvm_tdx_cmd, TDX_CMD);

/* ---- nested virtualization ----------------------------------------------- */

#define VMX_SMM(F, s, m) F(G("NESTED_SMM"), s, m, flags)
KL_INNER(kvm_vmx_nested_state_hdr_smm, kvm_vmx_nested_state_hdr, smm,
         VMX_SMM);

#define VMX_HDR(F, T, s) \
  F(U, s, vmxon_pa) F(U, s, vmcs12_pa) \
  T(ONE, s, smm, kvm_vmx_nested_state_hdr_smm) F(P, s, pad) \
  F(G("NESTED_VMX"), s, flags) F(U, s, preemption_timer_deadline)
KL_LAYOUT(kvm_vmx_nested_state_hdr, VMX_HDR);

/* Newer kernels append to it. */
#define SVM_HDR(F, T, s) F(U, s, vmcb_pa)
KL_LAYOUT_PARTIAL(kvm_svm_nested_state_hdr, SVM_HDR);

/* The header; what follows are the bytes of VMCS or VMCB. */
enum { NESTED_FORMAT = 1 }; /* the row */
#define NESTED_STATE(F, T, s) \
  F(G("NESTED"), s, flags) F(G("NESTED_FORMAT"), s, format) F(U, s, size) \
  KL_VIEW_T(ONE, s, hdr, vmx, kvm_vmx_nested_state_hdr, NESTED_FORMAT, \
            KL_WHEN(KVM_STATE_NESTED_FORMAT_VMX)) \
  KL_VIEW_T(ONE, s, hdr, svm, kvm_svm_nested_state_hdr, NESTED_FORMAT, \
            KL_WHEN(KVM_STATE_NESTED_FORMAT_SVM))
KL_LAYOUT_PARTIAL(kvm_nested_state, NESTED_STATE);

/* ---- guests of other hypervisors ----------------------------------------- */

#define HYPERV_EVENTFD(F, T, s) \
  F(U, s, conn_id) F(S, s, fd) F(G("HYPERV_EVENTFD"), s, flags) \
  F(P, s, padding)
KL_LAYOUT(kvm_hyperv_eventfd, HYPERV_EVENTFD);

#define XEN_HVM_CONFIG(F, T, s) \
  F(G("XEN_HVM_CONFIG"), s, flags) F(U, s, msr) F(A, s, blob_addr_32) \
  F(A, s, blob_addr_64) F(U, s, blob_size_32) F(U, s, blob_size_64) \
  F(P, s, pad2)
KL_LAYOUT(kvm_xen_hvm_config, XEN_HVM_CONFIG);

#define EVTCHN_PORT(F, s, m) \
  F(U, s, m, port) F(U, s, m, vcpu) F(U, s, m, priority)
KL_INNER(kvm_xen_hvm_attr_evtchn_port, kvm_xen_hvm_attr,
         u.evtchn.deliver.port, EVTCHN_PORT);

#define EVTCHN_EVENTFD(F, s, m) F(U, s, m, port) F(S, s, m, fd)
KL_INNER(kvm_xen_hvm_attr_evtchn_eventfd, kvm_xen_hvm_attr,
         u.evtchn.deliver.eventfd, EVTCHN_EVENTFD);

/* Where it is delivered to, port or eventfd, is the kernel's to tell by the
 * port number; it is never read back. */
#define EVTCHN_DELIVER(s, m, f, l) \
  {.name = #f, .offset = offsetof(struct s, m.deliver.f) - \
                         offsetof(struct s, m), \
   KL_T_ONE(s, m.deliver.f, l)},
#define EVTCHN(F, s, m) \
  F(U, s, m, send_port) F(U, s, m, type) \
  F(G("XEN_EVTCHN"), s, m, flags) \
  EVTCHN_DELIVER(s, m, port, kvm_xen_hvm_attr_evtchn_port) \
  EVTCHN_DELIVER(s, m, eventfd, kvm_xen_hvm_attr_evtchn_eventfd)
KL_INNER_PARTIAL(kvm_xen_hvm_attr_evtchn, kvm_xen_hvm_attr, u.evtchn, EVTCHN);

/* Three views are younger than the oldest header. */
#define XEN_HVM_VIEW(s, view, k, f, type) \
  {.name = #view, KL_AT(s, u.f), KL_F_##k(s, u.f), \
   .when = KL_WHEN(KVM_XEN_ATTR_TYPE_##type)},
#define XEN_HVM_ATTR(F, T, s) \
  F(G("XEN_ATTR"), s, type) F(P, s, pad) \
  XEN_HVM_VIEW(s, long_mode, U, long_mode, LONG_MODE) \
  XEN_HVM_VIEW(s, vector, U, vector, UPCALL_VECTOR) \
  XEN_HVM_VIEW(s, runstate_update_flag, U, long_mode, RUNSTATE_UPDATE_FLAG) \
  XEN_HVM_VIEW(s, gfn, U, shared_info.gfn, SHARED_INFO) \
  XEN_HVM_VIEW(s, hva, A, shared_info.gfn, SHARED_INFO_HVA) \
  XEN_HVM_VIEW(s, xen_version, U, xen_version, XEN_VERSION) \
  KL_VIEW_T(ONE, s, u, evtchn, kvm_xen_hvm_attr_evtchn, 0, \
            KL_WHEN(KVM_XEN_ATTR_TYPE_EVTCHN))
KL_LAYOUT_PARTIAL(kvm_xen_hvm_attr, XEN_HVM_ATTR);

#define RUNSTATE(F, s, m) \
  F(U, s, m, state) F(U, s, m, state_entry_time) F(U, s, m, time_running) \
  F(U, s, m, time_runnable) F(U, s, m, time_blocked) \
  F(U, s, m, time_offline)
KL_INNER(kvm_xen_vcpu_attr_runstate, kvm_xen_vcpu_attr, u.runstate,
         RUNSTATE);

#define XEN_TIMER(F, s, m) \
  F(U, s, m, port) F(U, s, m, priority) F(U, s, m, expires_ns)
KL_INNER(kvm_xen_vcpu_attr_timer, kvm_xen_vcpu_attr, u.timer, XEN_TIMER);

#define XEN_VCPU(type) KL_WHEN(KVM_XEN_VCPU_ATTR_TYPE_##type)
#define XEN_VCPU_ATTR(F, T, s) \
  F(G("XEN_VCPU_ATTR"), s, type) F(P, s, pad) \
  KL_VIEW_F(U, s, u, gpa, 0, XEN_VCPU(VCPU_INFO) | \
            XEN_VCPU(VCPU_TIME_INFO) | XEN_VCPU(RUNSTATE_ADDR)) \
  {.name = "hva", KL_AT(s, u.gpa), KL_F_A(s, u.gpa), \
   .when = XEN_VCPU(VCPU_INFO_HVA)}, \
  KL_VIEW_T(ONE, s, u, runstate, kvm_xen_vcpu_attr_runstate, 0, \
            XEN_VCPU(RUNSTATE_CURRENT) | XEN_VCPU(RUNSTATE_DATA) | \
            XEN_VCPU(RUNSTATE_ADJUST)) \
  KL_VIEW_F(U, s, u, vcpu_id, 0, XEN_VCPU(VCPU_ID)) \
  KL_VIEW_T(ONE, s, u, timer, kvm_xen_vcpu_attr_timer, 0, XEN_VCPU(TIMER)) \
  KL_VIEW_F(U, s, u, vector, 0, XEN_VCPU(UPCALL_VECTOR))
KL_LAYOUT_PARTIAL(kvm_xen_vcpu_attr, XEN_VCPU_ATTR);

/* ---- by name ------------------------------------------------------------- */

const struct kl_layout *const kl_arch_layouts[] = {
    KL_ARCH_LAYOUTS(KL_LAYOUT_ADDRESS) NULL};
