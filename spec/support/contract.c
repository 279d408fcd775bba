/* SPDX-License-Identifier: MIT */
/* What src/arch.h asks of the tables of this machine and no compiler sees.
 * Built by the spec that needs it. */
#include "arch.h"

static void problem(lua_State *L, const char *name, const char *what) {
  lua_pushfstring(L, "%s: %s", name, what);
  lua_rawseti(L, 1, (lua_Integer)lua_rawlen(L, 1) + 1);
}

static void group(lua_State *L, const struct kl_reg_group *g) {
  if (g->size > KL_REG_GROUP_MAX) problem(L, g->name, "larger than a buffer");
  if (g->size == 0 && (g->read == NULL || g->write == NULL))
    problem(L, g->name, "single registers need read and write");
  if (g->get == 0 && g->read == NULL) problem(L, g->name, "nothing reads it");
  if (g->set == 0 && g->write == NULL) problem(L, g->name, "nothing writes it");
  if (g->sync != 0 && !g->write_through && g->set == 0)
    problem(L, g->name, "kl_flushregs has no ioctl for it");
  if (g->ioctls[0] == NULL || g->ioctls[1] == NULL)
    problem(L, g->name, "no names of ioctls");
}

static void reg(lua_State *L, const struct kl_reg *r) {
  if (r->group >= kl_arch_nreg_groups) {
    problem(L, r->name, "no such group");
    return;
  }
  const struct kl_reg_group *g = &kl_arch_reg_groups[r->group];
  if (r->size == 0 || r->size > KL_REG_MAX) problem(L, r->name, "its size");
  if (g->size != 0 && r->offset + r->size > g->size)
    problem(L, r->name, "lies outside of its group");
}

static void row(lua_State *L, const struct kl_exit_row *r) {
  int turns = 0;
  if (r->reason < 0 || r->reason >= KL_REASONS)
    problem(L, r->name, "its reason");
  const struct kl_exit_field *f = r->fields;
  for (; f != NULL && f->name != NULL; f++) {
    size_t most = f->kind == KL_X_BYTES ? 256 : 8;
    turns += f->is_turn;
    if (f->kind != KL_X_CALL && f->kind != KL_X_AT &&
        (f->size == 0 || f->size > most))
      problem(L, r->name, f->name);
    if (f->count != 0 && f->kind != KL_X_LIST) problem(L, r->name, f->name);
    if (f->writable && f->kind == KL_X_CALL && f->set == NULL)
      problem(L, r->name, f->name);
  }
  if (turns > 1) problem(L, r->name, "two fields say whose turn it is");
}

/* problems() -> list of strings */
static int problems(lua_State *L) {
  struct kl_reg r;
  lua_settop(L, 0);
  lua_newtable(L);
  for (size_t i = 0; i < kl_arch_nreg_groups; i++)
    group(L, &kl_arch_reg_groups[i]);
  for (const struct kl_reg *p = kl_arch_regs; p->name != NULL; p++) reg(L, p);
  for (const struct kl_exit_row *p = kl_exit_rows; p->name != NULL; p++)
    row(L, p);
  for (const struct kl_exit_row *p = kl_arch_exits; p->name != NULL; p++)
    row(L, p);
  if (kl_arch_findreg(L, NULL, "", &r) || lua_gettop(L) != 1)
    problem(L, "kl_arch_findreg", "finds nothing, and leaves nothing");
  if (!(kl_arch_buses & 1u << KL_MMIO))
    problem(L, "kl_arch_buses", "every machine has MMIO");
  return 1;
}

int luaopen_contract(lua_State *L) {
  lua_pushcfunction(L, problems);
  return 1;
}
