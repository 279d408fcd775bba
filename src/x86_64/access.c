/* SPDX-License-Identifier: MIT */
/* Exits that a device may take here besides MMIO and ports: MSRs,
 * hypercalls. */
#include "arch.h"

const unsigned kl_arch_buses =
    1u << KL_MMIO | 1u << KL_PIO | 1u << KL_MSR | 1u << KL_HYPERCALL;

bool kl_arch_access(struct kl_vcpu *v, struct kl_access *a) {
  struct kvm_run *run = v->run;
  switch (v->last_reason) {
    case KVM_EXIT_X86_RDMSR:
    case KVM_EXIT_X86_WRMSR:
      *a = (struct kl_access){.bus = KL_MSR,
                              .is_write = v->last_reason == KVM_EXIT_X86_WRMSR,
                              .size = 8,
                              .count = 1,
                              .address = run->msr.index,
                              .data = &run->msr.data,
                              .answer = &run->msr.error};
      return true;
    case KVM_EXIT_HYPERCALL:
      *a = (struct kl_access){.bus = KL_HYPERCALL,
                              .address = run->hypercall.nr,
                              .data = run->hypercall.args,
                              .answer = &run->hypercall.ret};
      return true;
  }
  return false;
}
