/* SPDX-License-Identifier: MIT */
/* Layouts of the structs of this machine; see structs.h. */
#ifndef KL_ARCH_STRUCTS_H
#define KL_ARCH_STRUCTS_H

#include "arch_uapi.h"
#include "structs.h"

#define KL_ARCH_LAYOUTS(X)           \
  X(kvm_clock_data)                  \
  X(kvm_cpuid)                       \
  X(kvm_cpuid2)                      \
  X(kvm_cpuid_entry)                 \
  X(kvm_cpuid_entry2)                \
  X(kvm_debugregs)                   \
  X(kvm_dtable)                      \
  X(kvm_enc_region)                  \
  X(kvm_fpu)                         \
  X(kvm_guest_debug_arch)            \
  X(kvm_hyperv_eventfd)              \
  X(kvm_ioapic_state)                \
  X(kvm_irqchip)                     \
  X(kvm_lapic_state)                 \
  X(kvm_msr_entry)                   \
  X(kvm_msr_filter)                  \
  X(kvm_msr_filter_range)            \
  X(kvm_msr_list)                    \
  X(kvm_msrs)                        \
  X(kvm_nested_state)                \
  X(kvm_pic_state)                   \
  X(kvm_pit_channel_state)           \
  X(kvm_pit_config)                  \
  X(kvm_pit_state)                   \
  X(kvm_pit_state2)                  \
  X(kvm_pmu_event_filter)            \
  X(kvm_regs)                        \
  X(kvm_reinject_control)            \
  X(kvm_segment)                     \
  X(kvm_sev_cmd)                     \
  X(kvm_sregs)                       \
  X(kvm_sregs2)                      \
  X(kvm_svm_nested_state_hdr)        \
  X(kvm_sync_regs)                   \
  X(kvm_tdx_cmd)                     \
  X(kvm_tpr_access_ctl)              \
  X(kvm_translation)                 \
  X(kvm_vapic_addr)                  \
  X(kvm_vcpu_events)                 \
  X(kvm_vcpu_events_exception)       \
  X(kvm_vcpu_events_interrupt)       \
  X(kvm_vcpu_events_nmi)             \
  X(kvm_vcpu_events_smi)             \
  X(kvm_vcpu_events_triple_fault)    \
  X(kvm_vmx_nested_state_hdr)        \
  X(kvm_vmx_nested_state_hdr_smm)    \
  X(kvm_x86_mce)                     \
  X(kvm_xcr)                         \
  X(kvm_xcrs)                        \
  X(kvm_xen_hvm_attr)                \
  X(kvm_xen_hvm_attr_evtchn)         \
  X(kvm_xen_hvm_attr_evtchn_eventfd) \
  X(kvm_xen_hvm_attr_evtchn_port)    \
  X(kvm_xen_hvm_config)              \
  X(kvm_xen_vcpu_attr)               \
  X(kvm_xen_vcpu_attr_runstate)      \
  X(kvm_xen_vcpu_attr_timer)         \
  X(kvm_xsave)

KL_ARCH_LAYOUTS(KL_EXTERN_LAYOUT)

#endif
