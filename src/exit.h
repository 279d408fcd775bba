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

#include <string.h>

#include "exit_row.h"

/* Per state: the rows by reason. names are the fields' interned names: they
 * are anchored, so equal pointers mean equal names. is_write is the field that
 * tells whose turn it is; NULL: the exit can always be answered. */
struct kl_exits {
  const struct kl_exit_row *rows[KL_REASONS];
  const char **names[KL_REASONS];
  const struct kl_exit_field *is_write[KL_REASONS];
};

/* exit_page.c */
extern const luaL_Reg kl_exit_vcpu_methods[];
int kl_core_decode_exit(lua_State *L);

/* Makes the exit table of the vCPU at the top and pushes it. [-0, +1] */
void kl_newexit(lua_State *L, struct kl_vcpu *v);

/* The vCPU is at an absolute index in all of these. */

/* Brings the table at the top and the reason's name below it up to date with
 * an exit that is not the one they are of. */
void kl_updateexit(lua_State *L, int idx, struct kl_vcpu *v);

/* Empties the table: fields are read from the page. */
void kl_hideexit(lua_State *L, int idx, struct kl_vcpu *v);

static inline bool kl_sameexit(const struct kl_vcpu *v) {
  const unsigned char *page = (const unsigned char *)v->run;
  return v->shown.reason == v->last_reason &&
         memcmp(v->shown.snapshot, page + KL_RUN_UNION, KL_SNAPSHOT) == 0;
}

/* A field is the low bytes of what lies there. A big-endian machine (s390)
 * would have to shift them down. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "see kl_loadheld");

static inline uint64_t kl_loadheld(const struct kl_held *h) {
  uint64_t bytes;
  memcpy(&bytes, h->at, sizeof bytes);
  return bytes & h->mask;
}

/* Pushes the name of v->last_reason and the exit table, up to date with it.
 * Inline, as every run ends here. [-0, +2] */
static inline void kl_pushexit(lua_State *L, int idx, struct kl_vcpu *v) {
  struct kl_shown *s = &v->shown;
  lua_getiuservalue(L, idx, KL_VCPU_REASON);
  lua_getiuservalue(L, idx, KL_VCPU_EXIT);
  if (!kl_sameexit(v)) {
    kl_updateexit(L, idx, v);
    return;
  }
  if (s->loose == NULL) return;
  uint64_t value = kl_loadheld(s->loose);
  if (value == s->loose->value) return;
  s->loose->value = value;
  lua_getiuservalue(L, idx, KL_VCPU_LOOSE);
  lua_pushinteger(L, (lua_Integer)value);
  lua_settable(L, -3); /* less work than rawset */
}

/* ---- what exit.c and exit_fields.c share --------------------------------- */

const struct kl_exit_row *kl_exitrow(const struct kl_exits *x, int reason);
const char *kl_reasonname(const struct kl_exits *x, int reason);

/* The index of a field by its interned name, or -1. */
int kl_findexitfield(const struct kl_exits *x, int reason, const char *name);

/* The value of a field that is a number or a boolean. */
uint64_t kl_loadexitfield(const struct kl_exit_field *f,
                          const unsigned char *page, size_t n);

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

/* Whether the last exit is a read of the guest's that run() or complete() has
 * yet to finish with an answer. */
bool kl_awaitsanswer(const struct kl_vcpu *v);

/* Adds the value at an index, which is none of the buffer's, of a field. */
void kl_addexitvalue(luaL_Buffer *b, const char *name, int value);

#endif
