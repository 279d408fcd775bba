/* SPDX-License-Identifier: MIT */
/* The fields of a kvm_run page by the rows of its reason. */
#include <string.h>

#include "arch.h"
#include "exit.h"

/* A list lies in the union of the payloads. */
enum { LIST_MOST = sizeof((struct kvm_run *)0)->padding };

static const char exits_key = 0;

const struct kl_exit_row *kl_exitrow(const struct kl_exits *x, int reason) {
  return reason >= 0 && reason < KL_REASONS ? x->rows[reason] : NULL;
}

const char *kl_reasonname(const struct kl_exits *x, int reason) {
  const struct kl_exit_row *row = kl_exitrow(x, reason);
  if (row != NULL) return row->name;
  return reason == KL_R_TIMEOUT ? "timeout" : "unknown";
}

int kl_findexitfield(const struct kl_exits *x, int reason, const char *name) {
  const struct kl_exit_row *row = kl_exitrow(x, reason);
  if (row == NULL) return -1;
  const char **names = x->names[reason];
  for (int i = 0; names[i] != NULL; i++)
    if (names[i] == name) return i;
  return -1;
}

/* ---- reading ------------------------------------------------------------- */

uint64_t kl_loadexitfield(const struct kl_exit_field *f,
                          const unsigned char *page, size_t n) {
  const unsigned char *p = page + f->offset;
  size_t size = f->size;
  if (f->kind == KL_X_AT) p = f->at(page, n, &size);
  if (p == NULL) return 0;
  uint64_t v = 0;
  memcpy(&v, p, size);
  return f->kind == KL_X_BOOL ? v != 0 : v;
}

static void pushlist(lua_State *L, const struct kl_exit_field *f,
                     const unsigned char *p) {
  unsigned char copy[LIST_MOST]; /* making the table may run a finalizer */
  memcpy(copy, p, (size_t)f->count * f->size);
  lua_createtable(L, f->count, 0);
  for (int i = 0; i < f->count; i++) {
    lua_pushinteger(L, (lua_Integer)kl_loaduint(copy + i * f->size, f->size));
    lua_rawseti(L, -2, i + 1);
  }
}

void kl_pushexitfield(lua_State *L, const struct kl_exit_field *f,
                      const unsigned char *page, size_t n) {
  const unsigned char *p = page + f->offset;
  if (f->kind == KL_X_CALL)
    f->get(L, page, n);
  else if (f->kind == KL_X_BYTES)
    lua_pushlstring(L, (const char *)p, f->size);
  else if (f->kind == KL_X_LIST)
    pushlist(L, f, p);
  else if (f->kind == KL_X_BOOL)
    lua_pushboolean(L, kl_loadexitfield(f, page, n) != 0);
  else
    lua_pushinteger(L, (lua_Integer)kl_loadexitfield(f, page, n));
}

static bool inside(const struct kl_exit_field *f, size_t n) {
  size_t size = f->kind == KL_X_LIST ? f->size * (size_t)f->count : f->size;
  return f->offset + size <= n;
}

void kl_pushexitcopy(lua_State *L, const struct kl_exits *x, int reason,
                     const unsigned char *page, size_t n) {
  const struct kl_exit_row *row = kl_exitrow(x, reason);
  lua_newtable(L);
  lua_pushstring(L, kl_reasonname(x, reason));
  lua_setfield(L, -2, "reason");
  if (reason != KL_R_TIMEOUT) {
    lua_pushinteger(L, reason);
    lua_setfield(L, -2, "code");
  }
  const struct kl_exit_field *f = row != NULL ? row->fields : NULL;
  for (; f != NULL && f->name != NULL; f++) {
    if (!inside(f, n)) continue;
    kl_pushexitfield(L, f, page, n);
    lua_setfield(L, -2, f->name);
  }
}

/* ---- writing ------------------------------------------------------------- */

uint64_t kl_exitinteger(lua_State *L, const char *field) {
  int is_int;
  uint64_t v = (uint64_t)lua_tointegerx(L, -1, &is_int);
  if (!is_int || lua_type(L, -1) != LUA_TNUMBER)
    kl_error(L, "exit.%s: an integer expected, got %s", field,
             luaL_typename(L, -1));
  return v;
}

/* The number at the top of the stack, one of the field's size. */
static uint64_t tonumber(lua_State *L, const struct kl_exit_field *f) {
  uint64_t v = lua_isboolean(L, -1) ? (uint64_t)lua_toboolean(L, -1)
                                    : kl_exitinteger(L, f->name);
  if (f->size < 8 && v >> (8 * f->size) != 0)
    kl_error(L, "exit.%s: %I does not fit in %d bits", f->name, (lua_Integer)v,
             (int)(8 * f->size));
  return v;
}

/* All numbers or none: the page is written when the last has been looked at. */
static void storelist(lua_State *L, const struct kl_exit_field *f,
                      unsigned char *p) {
  unsigned char list[LIST_MOST];
  if (!lua_istable(L, -1))
    kl_error(L, "exit.%s: a list of %d integers expected, got %s", f->name,
             (int)f->count, luaL_typename(L, -1));
  if (lua_rawlen(L, -1) != f->count)
    kl_error(L, "exit.%s: %I integers given, it has %d", f->name,
             (lua_Integer)lua_rawlen(L, -1), (int)f->count);
  for (int i = 0; i < f->count; i++) {
    lua_rawgeti(L, -1, i + 1);
    kl_storeuint(list + i * f->size, f->size, tonumber(L, f));
    lua_pop(L, 1);
  }
  memcpy(p, list, (size_t)f->count * f->size);
}

void kl_storeexitfield(lua_State *L, const struct kl_exit_row *row,
                       const struct kl_exit_field *f, unsigned char *page,
                       size_t n) {
  if (!f->writable)
    kl_error(L, "exit.%s of '%s' cannot be assigned", f->name, row->name);
  if (f->set != NULL)
    f->set(L, page, n);
  else if (f->kind == KL_X_LIST)
    storelist(L, f, page + f->offset);
  else
    kl_storeuint(page + f->offset, f->size, tonumber(L, f));
}

/* ---- rows ---------------------------------------------------------------- */

const struct kl_exits *kl_exitrows(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &exits_key);
  const struct kl_exits *x = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return x;
}

/* Interns the names of a row's fields; the anchor table is at the top. */
static void addrow(lua_State *L, struct kl_exits *x,
                   const struct kl_exit_row *row) {
  size_t n = 0;
  while (row->fields != NULL && row->fields[n].name != NULL) n++;
  const char **names = lua_newuserdatauv(L, (n + 1) * sizeof *names, 0);
  lua_rawsetp(L, -2, row);
  for (size_t i = 0; i < n; i++) {
    names[i] = lua_pushstring(L, row->fields[i].name);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
  }
  names[n] = NULL;
  x->rows[row->reason] = row;
  x->names[row->reason] = names;
  x->is_write[row->reason] = NULL;
  for (size_t i = 0; i < n; i++)
    if (row->fields[i].is_turn) x->is_write[row->reason] = &row->fields[i];
}

void kl_openexitrows(lua_State *L) {
  if (kl_exitrows(L) != NULL) return; /* vCPUs have them: opened before */
  struct kl_exits *x = lua_newuserdatauv(L, sizeof *x, 1);
  memset(x, 0, sizeof *x);
  lua_newtable(L);
  const struct kl_exit_row *tables[] = {kl_exit_rows, kl_arch_exits};
  for (size_t i = 0; i < KL_COUNT(tables); i++) {
    for (const struct kl_exit_row *r = tables[i]; r->name != NULL; r++)
      addrow(L, x, r);
  }
  lua_setiuservalue(L, -2, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &exits_key);
}
