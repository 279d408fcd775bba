/* SPDX-License-Identifier: MIT */
/* What the two halves of vcpu.regs share: regs.c has names and values,
 * reggroups.c moves them to and from the kernel. */
#ifndef KL_REGS_H
#define KL_REGS_H

#include "arch.h"

struct kl_regs {
  struct kl_object object;
  struct kl_vcpu *vcpu; /* the user value keeps it */
  uint64_t syncable;    /* groups the kernel can keep in the kvm_run page */
};

/* The register that the value at idx names; extra holds it when it has no row.
 * Raises when there is none. */
const struct kl_reg *kl_findreg(lua_State *L, struct kl_vcpu *v, int idx,
                                struct kl_reg *extra);

/* Pushes a register's value: an integer, or bytes above 8. [-0, +1] */
void kl_pushreg(lua_State *L, const struct kl_reg *r, const void *data);

/* Stores the value at idx into data. Raises when it does not fit. */
void kl_toreg(lua_State *L, const struct kl_reg *r, int idx, void *data);

/* Groups on their way: each struct is read at most once and written at most
 * once. */
struct kl_batch {
  struct kl_regs *regs;
  uint32_t loaded, changed;         /* bits of groups */
  unsigned char *at[KL_REG_GROUPS]; /* their structs */
};

/* Pushes an empty batch. [-0, +1] */
struct kl_batch *kl_newbatch(lua_State *L, struct kl_regs *o);

/* Reads a register into data, from the batch when one is given. Returns the
 * errno of a single register that the vCPU does not have; raises when a whole
 * group is refused. */
int kl_readreg(lua_State *L, struct kl_regs *o, struct kl_batch *b,
               const struct kl_reg *r, void *data);

/* Writes one register. Raises when it is refused. */
void kl_writereg(lua_State *L, struct kl_regs *o, const struct kl_reg *r,
                 const void *data);

/* Puts a register of a struct into the batch, to be written by the commit.
 * False for single registers. */
bool kl_putreg(lua_State *L, struct kl_batch *b, const struct kl_reg *r,
               const void *data);
void kl_commit(lua_State *L, struct kl_batch *b);

/* Raises for a register that kl_readreg could not read. */
int kl_unreadable(lua_State *L, const struct kl_reg *r, int err);

#endif
