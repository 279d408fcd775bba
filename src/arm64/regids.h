/* SPDX-License-Identifier: MIT */
/* Names and KVM_GET_ONE_REG ids of arm64 registers. */
#ifndef KL_ARM64_REGIDS_H
#define KL_ARM64_REGIDS_H

#include "arch.h"

/* The size that an id has to name, as its bits, for a type of 2^n bytes. */
#define KL_ID_SIZE(bytes) \
  ((uint64_t)__builtin_ctzll(bytes) << KVM_REG_SIZE_SHIFT)

/* A field of struct kvm_regs. */
/* clang-format off */
#define KL_ID_CORE(field)                                      \
  (KVM_REG_ARM64 | KVM_REG_ARM_CORE |                          \
   KL_ID_SIZE(sizeof(((struct kvm_regs *)0)->field)) |         \
   offsetof(struct kvm_regs, field) / sizeof(uint32_t))
#define KL_ID_V(n)                                                     \
  (KL_ID_CORE(fp_regs.vregs[0]) +                                      \
   (n) * (sizeof(((struct kvm_regs *)0)->fp_regs.vregs[0]) /           \
          sizeof(uint32_t)))
/* clang-format on */

/* SVE registers are read in slices of this many bytes, and there is one. */
enum { KL_Z_SIZE = 256 };
#define KL_ID_Z(n) KVM_REG_ARM64_SVE_ZREG(n, 0)

/* The id of a name that has no row in kl_arch_regs; 0: there is none. */
uint64_t kl_arm64_regid(lua_State *L, const char *name);

/* Pushes the name of an id: the architecture's, else the encoding
 * ("s3_0_c1_c0_0"), else the id in hex. [-0, +1] */
void kl_arm64_pushregname(lua_State *L, uint64_t id);

#endif
