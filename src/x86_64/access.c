/* SPDX-License-Identifier: MIT */
/* Exits that a device may take here: ports, MSRs, hypercalls. */
#include "../arch.h"

const unsigned kl_arch_buses =
    1u << KL_MMIO | 1u << KL_PIO | 1u << KL_MSR | 1u << KL_HYPERCALL;

static bool io(struct kl_vcpu *v, struct kl_access *a) {
  struct kvm_run *run = v->run;
  uint64_t size = run->io.size, count = run->io.count;
  uint64_t offset = run->io.data_offset;
  uint64_t room = (uint64_t)v->handle.machine->run_size;
  if (offset > room || size * count > room - offset) return false;
  a->bus = KL_PIO;
  a->is_write = run->io.direction == KVM_EXIT_IO_OUT;
  a->size = a->span = (uint32_t)size;
  a->count = (uint32_t)count;
  a->address = run->io.port;
  a->data = (char *)run + offset;
  return true;
}

bool kl_arch_access(struct kl_vcpu *v, struct kl_access *a) {
  struct kvm_run *run = v->run;
  switch (v->last_reason) {
    case KVM_EXIT_IO: return io(v, a);
    case KVM_EXIT_X86_RDMSR:
    case KVM_EXIT_X86_WRMSR:
      *a = (struct kl_access){
          .bus = KL_MSR,
          .is_write = v->last_reason == KVM_EXIT_X86_WRMSR,
          .size = 8,
          .count = 1,
          .span = 1,
          .address = run->msr.index,
          .data = &run->msr.data,
          .answer = &run->msr.error};
      return true;
    case KVM_EXIT_HYPERCALL:
      *a = (struct kl_access){.bus = KL_HYPERCALL,
                              .span = 1,
                              .address = run->hypercall.nr,
                              .data = run->hypercall.args,
                              .answer = &run->hypercall.ret};
      return true;
  }
  return false;
}
