/* SPDX-License-Identifier: MIT */
/* kvm.exit: the kvm_run page of a vCPU, read in place.
 *
 * It is a table. A field is read by a function the first time a script asks
 * for it; from then on run() keeps it in the table itself, where reading costs
 * no call. What has not changed is not stored again, so an exit allocates
 * nothing and costs little. A field that answers the guest stays out of the
 * table, so that assigning to it reaches the page. */
#ifndef KL_EXIT_H
#define KL_EXIT_H

#include "internal.h"

/* Per state: the rows by reason. names are the fields' interned names: they
 * are anchored, so equal pointers mean equal names. is_write tells whether the
 * guest gives data or wants it; NULL: it can always be answered. */
struct kl_exits {
  const struct kl_exit_row *rows[KL_REASONS];
  const char **names[KL_REASONS];
  const struct kl_exit_field *is_write[KL_REASONS];
};

/* Payloads that every architecture's kvm_run page has (exit_rows.c). Ends with
 * a NULL name. */
extern const struct kl_exit_row kl_exit_rows[];

/* Makes the exit table of the vCPU at the top and pushes it. [-0, +1] */
void kl_newexit(lua_State *L, struct kl_vcpu *v);

/* The vCPU is at an absolute index in all of these. */

/* Pushes the name of v->last_reason. [-0, +1] */
void kl_pushreason(lua_State *L, int idx, struct kl_vcpu *v);

/* Pushes the exit table, up to date with v->last_reason. [-0, +1] */
void kl_pushexit(lua_State *L, int idx, struct kl_vcpu *v);

/* Empties it: fields are read from the page. */
void kl_hideexit(lua_State *L, int idx, struct kl_vcpu *v);

/* ---- what exit.c and exit_fields.c share ------------------------------------ */

const struct kl_exit_row *kl_exitrow(const struct kl_exits *x, int reason);
const char *kl_reasonname(const struct kl_exits *x, int reason);

/* The index of a field by its interned name, or -1. */
int kl_findexitfield(const struct kl_exits *x, int reason, const char *name);

/* The value of a field that is a number or a boolean. */
static inline uint64_t kl_loadexitfield(const struct kl_exit_field *f,
                                        const unsigned char *page, size_t n) {
  if (f->kind == KL_X_LOAD) return f->load(page, n);
  uint64_t v = kl_loaduint(page + f->offset, f->size);
  if (f->kind == KL_X_BOOL) return v != 0;
  uint64_t sign = f->kind == KL_X_INT ? (uint64_t)1 << (f->size * 8 - 1) : 0;
  return (v ^ sign) - sign;
}

/* Pushes a field. [-0, +1] */
void kl_pushexitfield(lua_State *L, const struct kl_exit_field *f,
                      const unsigned char *page, size_t n);

/* Stores the value at the top of the stack. */
void kl_storeexitfield(lua_State *L, const struct kl_exit_row *row,
                       const struct kl_exit_field *f, unsigned char *page,
                       size_t n);

/* Pushes a table with all fields and the reason. [-0, +1] */
void kl_pushexitcopy(lua_State *L, const struct kl_exits *x, int reason,
                     const unsigned char *page, size_t n);

/* Makes and anchors the rows of this state. [-0, +0] */
void kl_openexitrows(lua_State *L);
const struct kl_exits *kl_exitrows(lua_State *L);

#endif
