/* SPDX-License-Identifier: MIT */
/* Names of the AArch64 system registers. */
#ifndef KL_ARM64_SYSREGS_H
#define KL_ARM64_SYSREGS_H

#include <stddef.h>
#include <stdint.h>

/* op0:op1:CRn:CRm:op2, as the instructions MRS and MSR and KVM's register ids
 * hold them. */
#define KL_SYSREG(op0, op1, crn, crm, op2) \
  ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))

/* A register, or count registers first, first + 1, ... whose numbers replace
 * the '#' of the name and whose encodings are step apart. */
struct kl_sysreg {
  const char *name;
  uint16_t encoding;
  uint8_t count; /* 0: one register */
  uint8_t step, first;
};

/* Ends with a NULL name. */
extern const struct kl_sysreg kl_sysregs[];

#endif
