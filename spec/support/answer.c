/* SPDX-License-Identifier: MIT */
/* Assigns fields of exits in a saved page, as a vCPU's exit does: no host has
 * the exits of all machines. Built by the spec that needs it. */
#include "arch.h"
#include "exit.h"

/* The row of a reason: a machine's own comes before the common one. */
static const struct kl_exit_row *findrow(int reason) {
  const struct kl_exit_row *tables[] = {kl_arch_exits, kl_exit_rows};
  for (size_t i = 0; i < KL_COUNT(tables); i++)
    for (const struct kl_exit_row *r = tables[i]; r->name != NULL; r++)
      if (r->reason == reason) return r;
  return NULL;
}

static const struct kl_exit_field *nextfield(const struct kl_exit_field *f) {
  while (f != NULL && f->name != NULL && !f->writable) f++;
  return f != NULL && f->name != NULL ? f : NULL;
}

/* fields(reason) -> {name = {size = , count = } or false}: what is writable;
 * false: by a function. */
static int fields(lua_State *L) {
  const struct kl_exit_row *row = findrow((int)luaL_checkinteger(L, 1));
  lua_newtable(L);
  const struct kl_exit_field *f = row != NULL ? nextfield(row->fields) : NULL;
  for (; f != NULL; f = nextfield(f + 1)) {
    if (f->set != NULL) {
      lua_pushboolean(L, 0);
    } else {
      lua_createtable(L, 0, 3);
      lua_pushinteger(L, f->size);
      lua_setfield(L, -2, "size");
      lua_pushinteger(L, f->kind == KL_X_LIST ? f->count : 0);
      lua_setfield(L, -2, "count");
      lua_pushboolean(L, f->kind == KL_X_BOOL);
      lua_setfield(L, -2, "is_boolean");
    }
    lua_setfield(L, -2, f->name);
  }
  return 1;
}

/* answer(page, reason, name, value) -> page */
static int answer(lua_State *L) {
  size_t n;
  const char *bytes = luaL_checklstring(L, 1, &n);
  const struct kl_exit_row *row = findrow((int)luaL_checkinteger(L, 2));
  const char *name = luaL_checkstring(L, 3);
  const struct kl_exit_field *f = row != NULL ? row->fields : NULL;
  while (f != NULL && f->name != NULL && strcmp(f->name, name) != 0) f++;
  if (f == NULL || f->name == NULL) return luaL_error(L, "no field");
  unsigned char *page = memcpy(lua_newuserdatauv(L, n, 0), bytes, n);
  lua_pushvalue(L, 4);
  kl_storeexitfield(L, row, f, page, n);
  lua_pushlstring(L, (const char *)page, n);
  return 1;
}

int luaopen_answer(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"fields", fields}, {"answer", answer}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
