/* SPDX-License-Identifier: MIT */
/* kvm.exit: the kvm_run page of a vCPU, read in place.
 *
 * A field is read by a function the first time; from then on run() keeps the
 * fields that a script has asked for in the table that is the object's __index,
 * where reading costs no call. A field that has not changed is not stored
 * again, so nothing is allocated and little is done per exit. */
#ifndef KL_EXIT_H
#define KL_EXIT_H

#include "internal.h"

enum { KL_REASONS = 64, KL_EXIT_FIELDS = 16 };

/* Per state: the rows by reason, and the interned names of their fields. The
 * names are anchored, so equal pointers mean equal names. */
struct kl_exits {
  const struct kl_exit_row *rows[KL_REASONS];
  const char **names[KL_REASONS];
};

struct kl_exit {
  struct kl_object object;
  struct kl_vcpu *v; /* user value 1 keeps it alive; 2 is the table */
  const struct kl_exits *exits;
  int shown;                    /* the reason whose fields the table holds */
  uint32_t wanted[KL_REASONS];  /* bits of the fields that were asked for */
  uint64_t held[KL_EXIT_FIELDS]; /* what the table holds */
};

/* Payloads that every architecture's kvm_run page has (exit_rows.c). Ends with
 * a NULL name. */
extern const struct kl_exit_row kl_exit_rows[];

/* Pushes the exit object of the vCPU at the top. [-0, +1] */
void kl_newexit(lua_State *L, struct kl_vcpu *v);

/* Pushes the name of v->last_reason for the vCPU at idx. [-0, +1] */
void kl_pushreason(lua_State *L, int idx, struct kl_vcpu *v);

/* Pushes the exit object of the vCPU at idx with the fields of v->last_reason
 * in its table. [-0, +1] */
void kl_pushexit(lua_State *L, int idx, struct kl_vcpu *v);

/* Empties the table of the vCPU at idx: fields are read from the page. */
void kl_hideexit(lua_State *L, int idx, struct kl_vcpu *v);

/* ---- what exit.c and exit_fields.c share ------------------------------------ */

const struct kl_exit_row *kl_exitrow(const struct kl_exits *x, int reason);
const char *kl_reasonname(const struct kl_exits *x, int reason);

/* The index of a field by its interned name, or -1. */
int kl_findexitfield(const struct kl_exits *x, int reason, const char *name);

/* Whether the field is a number that the table may hold; loads it. */
bool kl_loadexitfield(const struct kl_exit_field *f,
                      const unsigned char *page, size_t n, uint64_t *value);

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
