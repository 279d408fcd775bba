/* SPDX-License-Identifier: MIT */
/* Exits that a device may take here: hypercalls that the SMCCC filter forwards.
 * Their arguments and their result are the vCPU's own x0 to x6, which KVM does
 * not copy: a script reads and writes cpu.regs. */
#include "arch.h"

const unsigned kl_arch_buses = 1u << KL_MMIO;

bool kl_arch_access(struct kl_vcpu *v, struct kl_access *a) {
  (void)v;
  (void)a;
  return false;
}
