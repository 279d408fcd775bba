/* SPDX-License-Identifier: MIT */
#include "exit.h"

#include <stdio.h>
#include <string.h>

static const char methods_key = 0;

static const unsigned char *page(const struct kl_vcpu *v) {
  return (const unsigned char *)v->run;
}

static size_t pagesize(const struct kl_vcpu *v) {
  return (size_t)v->handle.machine->run_size;
}

/* The vCPU of the exit table at idx. */
static struct kl_vcpu *toexit(lua_State *L, int idx) {
  struct kl_vcpu *v = NULL;
  if (lua_istable(L, idx) && lua_getmetatable(L, idx)) {
    lua_pushliteral(L, "__vcpu");
    lua_rawget(L, -2);
    v = kl_test(L, -1, &kl_vcpu_class);
    lua_pop(L, 2);
  }
  if (v == NULL) luaL_typeerror(L, idx, "kvm.exit");
  return v;
}

static struct kl_vcpu *checkexit(lua_State *L, int idx) {
  struct kl_vcpu *v = toexit(L, idx);
  if (v->run == NULL) luaL_error(L, "kvm.vcpu is closed");
  return v;
}

/* ---- the table ---------------------------------------------------------------- */

static const unsigned char *payload(const struct kl_vcpu *v) {
  return page(v) + KL_RUN_UNION;
}

/* Stores held field i in the table at the top, or removes it. */
static void store(lua_State *L, int idx, struct kl_shown *s, int i,
                  bool remove) {
  const struct kl_held *h = &s->held[i];
  lua_getiuservalue(L, idx, KL_VCPU_KEYS + i);
  if (remove)
    lua_pushnil(L);
  else if (h->field->kind == KL_X_BOOL)
    lua_pushboolean(L, h->value != 0);
  else
    lua_pushinteger(L, (lua_Integer)h->value);
  lua_rawset(L, -3);
}

static void empty(lua_State *L, int idx, struct kl_shown *s) {
  for (; s->n > 0; s->n--) store(L, idx, s, s->n - 1, true);
  s->reason = KL_R_NONE;
}

void kl_hideexit(lua_State *L, int idx, struct kl_vcpu *v) {
  if (v->shown.reason == KL_R_NONE) return;
  lua_getiuservalue(L, idx, KL_VCPU_EXIT);
  empty(L, idx, &v->shown);
  lua_pop(L, 1);
}

/* Whether the table may hold a field now: a number that the snapshot covers or
 * that a function loads, and not one that would answer the guest. */
static bool holdable(const struct kl_vcpu *v, const struct kl_exit_field *f) {
  if (f->kind > KL_X_LOAD) return false;
  if (f->kind < KL_X_LOAD &&
      (f->offset < KL_RUN_UNION ||
       f->offset + f->size > KL_RUN_UNION + KL_SNAPSHOT))
    return false;
  if (!f->writable) return true;
  const struct kl_exit_field *w = v->shown.exits->is_write[v->last_reason];
  return w != NULL && kl_loaduint(page(v) + w->offset, w->size) != 0;
}

/* Fills the table at the top, for an exit with another payload. */
static void fill(lua_State *L, int idx, struct kl_vcpu *v) {
  struct kl_shown *s = &v->shown;
  empty(L, idx, s);
  if (v->last_reason < 0 || v->last_reason >= KL_REASONS) return;
  const struct kl_exit_row *row = s->exits->rows[v->last_reason];
  unsigned wanted = s->wanted[v->last_reason];
  for (int i = 0; wanted != 0; i++, wanted >>= 1) {
    const struct kl_exit_field *f = &row->fields[i];
    if (!(wanted & 1) || !holdable(v, f)) continue;
    s->held[s->n] =
        (struct kl_held){f, kl_loadexitfield(f, page(v), pagesize(v))};
    lua_pushstring(L, f->name);
    lua_setiuservalue(L, idx, KL_VCPU_KEYS + s->n);
    s->n++;
    store(L, idx, s, s->n - 1, false);
  }
  s->reason = v->last_reason;
  memcpy(s->snapshot, payload(v), KL_SNAPSHOT);
}

void kl_pushexit(lua_State *L, int idx, struct kl_vcpu *v) {
  struct kl_shown *s = &v->shown;
  lua_getiuservalue(L, idx, KL_VCPU_EXIT);
  if (s->reason != v->last_reason ||
      memcmp(s->snapshot, payload(v), KL_SNAPSHOT) != 0) {
    fill(L, idx, v);
    return;
  }
  for (int i = 0; i < s->n; i++) {
    struct kl_held *h = &s->held[i];
    if (h->field->kind != KL_X_LOAD) continue; /* in the snapshot */
    uint64_t now = h->field->load(page(v), pagesize(v));
    if (now == h->value) continue;
    h->value = now;
    store(L, idx, s, i, false);
  }
}

void kl_pushreason(lua_State *L, int idx, struct kl_vcpu *v) {
  struct kl_shown *s = &v->shown;
  if (s->named == v->last_reason) {
    lua_getiuservalue(L, idx, KL_VCPU_REASON);
    return;
  }
  lua_pushstring(L, kl_reasonname(s->exits, v->last_reason));
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, idx, KL_VCPU_REASON);
  s->named = v->last_reason;
}

/* ---- reading and writing -------------------------------------------------------- */

static int nofield(lua_State *L, const struct kl_vcpu *v, int key) {
  const struct kl_exits *x = v->shown.exits;
  int reason = v->last_reason;
  const char *name = luaL_tolstring(L, key, NULL);
  if (reason == KL_R_NONE)
    return luaL_error(L, "kvm.exit: the vCPU is at no exit, there is no '%s'",
                      name);
  const struct kl_exit_row *row = kl_exitrow(x, reason);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addstring(&b, "reason, code");
  const struct kl_exit_field *f = row != NULL ? row->fields : NULL;
  for (; f != NULL && f->name != NULL; f++) {
    luaL_addstring(&b, ", ");
    luaL_addstring(&b, f->name);
  }
  luaL_pushresult(&b);
  return luaL_error(L, "exit '%s' has no field '%s' (it has %s)",
                    kl_reasonname(x, reason), name, lua_tostring(L, -1));
}

/* reason and code, which every exit has. */
static bool pushcommon(lua_State *L, const struct kl_vcpu *v,
                       const char *key) {
  int reason = v->last_reason;
  if (strcmp(key, "reason") == 0) {
    if (reason == KL_R_NONE)
      lua_pushnil(L);
    else
      lua_pushstring(L, kl_reasonname(v->shown.exits, reason));
  } else if (strcmp(key, "code") == 0) {
    if (reason == KL_R_NONE || reason == KL_R_TIMEOUT)
      lua_pushnil(L);
    else
      lua_pushinteger(L, reason);
  } else {
    return false;
  }
  return true;
}

/* Reads a field, and has run() keep it in the table (index 1) from now on.
 * Not inside a handler: there the table is empty, and the page is read. */
static void pushfield(lua_State *L, struct kl_vcpu *v, int i) {
  struct kl_shown *s = &v->shown;
  const struct kl_exit_field *f = &s->exits->rows[v->last_reason]->fields[i];
  if (!v->is_running && i < KL_EXIT_FIELDS && holdable(v, f)) {
    s->wanted[v->last_reason] |= (uint16_t)(1u << i);
    lua_getmetatable(L, 1);
    lua_getfield(L, -1, "__vcpu");
    lua_pushvalue(L, 1);
    fill(L, lua_gettop(L) - 1, v);
  }
  kl_pushexitfield(L, f, page(v), pagesize(v));
}

/* What the table does not hold. */
static int exit_index(lua_State *L) {
  struct kl_vcpu *v = checkexit(L, 1);
  if (lua_type(L, 2) == LUA_TSTRING) {
    const char *key = lua_tostring(L, 2);
    int i = kl_findexitfield(v->shown.exits, v->last_reason, key);
    if (i >= 0) {
      pushfield(L, v, i);
      return 1;
    }
    if (pushcommon(L, v, key)) return 1;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &methods_key);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, -2) != LUA_TNIL) return 1;
  }
  return nofield(L, v, 2);
}

static int exit_newindex(lua_State *L) {
  struct kl_vcpu *v = checkexit(L, 1);
  luaL_checkstring(L, 2);
  lua_settop(L, 3);
  int reason = v->last_reason;
  int i = kl_findexitfield(v->shown.exits, reason, lua_tostring(L, 2));
  if (i < 0) return nofield(L, v, 2);
  const struct kl_exit_row *row = v->shown.exits->rows[reason];
  kl_storeexitfield(L, row, &row->fields[i], (unsigned char *)v->run,
                    pagesize(v));
  return 0;
}

/* exit:copy() -> table */
static int exit_copy(lua_State *L) {
  struct kl_vcpu *v = checkexit(L, 1);
  kl_maxargs(L, 1);
  if (v->last_reason == KL_R_NONE)
    return luaL_error(L, "kvm.exit: the vCPU is at no exit");
  kl_pushexitcopy(L, v->shown.exits, v->last_reason, page(v), pagesize(v));
  return 1;
}

static int exit_pairs(lua_State *L) {
  lua_settop(L, 1);
  exit_copy(L);
  lua_getglobal(L, "next");
  lua_insert(L, -2);
  return 2;
}

/* ---- printing ------------------------------------------------------------------- */

/* The value at the top as text. */
static void format(lua_State *L, char text[80]) {
  if (lua_type(L, -1) == LUA_TSTRING) {
    size_t n, at = 0;
    const char *s = lua_tolstring(L, -1, &n);
    for (size_t i = 0; i < n && i < 24; i++)
      at += (size_t)snprintf(text + at, 80 - at, "%02x", (unsigned char)s[i]);
    snprintf(text + at, 80 - at, "%s", n > 24 ? "..." : "");
  } else if (lua_isinteger(L, -1)) {
    long long v = lua_tointeger(L, -1);
    snprintf(text, 80, v >= 0 && v < 10 ? "%lld" : "%#llx", v);
  } else if (lua_isboolean(L, -1)) {
    snprintf(text, 80, "%s", lua_toboolean(L, -1) ? "true" : "false");
  } else {
    snprintf(text, 80, "(%s)", luaL_typename(L, -1));
  }
}

static int exit_tostring(lua_State *L) {
  struct kl_vcpu *v = toexit(L, 1);
  int reason = v->last_reason;
  if (v->run == NULL || reason == KL_R_NONE) {
    lua_pushstring(L, v->run ? "kvm.exit (no exit)" : "kvm.exit (closed)");
    return 1;
  }
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addstring(&b, kl_reasonname(v->shown.exits, reason));
  const struct kl_exit_row *row = kl_exitrow(v->shown.exits, reason);
  const struct kl_exit_field *f = row != NULL ? row->fields : NULL;
  for (; f != NULL && f->name != NULL; f++) {
    char text[80];
    kl_pushexitfield(L, f, page(v), pagesize(v));
    format(L, text);
    lua_pop(L, 1);
    luaL_addchar(&b, ' ');
    luaL_addstring(&b, f->name);
    luaL_addchar(&b, '=');
    luaL_addstring(&b, text);
  }
  luaL_pushresult(&b);
  return 1;
}

/* ---- making it ------------------------------------------------------------------- */

static const luaL_Reg methods[] = {{"copy", exit_copy}, {NULL, NULL}};
static const luaL_Reg meta[] = {{"__index", exit_index},
                                {"__newindex", exit_newindex},
                                {"__pairs", exit_pairs},
                                {"__tostring", exit_tostring},
                                {NULL, NULL}};

void kl_newexit(lua_State *L, struct kl_vcpu *v) {
  v->shown.exits = kl_exitrows(L);
  v->shown.reason = v->shown.named = KL_R_NONE;
  lua_createtable(L, 0, 8);
  luaL_newlib(L, meta);
  lua_pushliteral(L, "kvm.exit");
  lua_setfield(L, -2, "__name");
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "__vcpu");
  lua_setmetatable(L, -2);
}

/* decode_exit(bytes) -> table: a saved kvm_run page. */
static int decode_exit(lua_State *L) {
  size_t n;
  const char *bytes = luaL_checklstring(L, 1, &n);
  kl_maxargs(L, 1);
  luaL_argcheck(L, n >= sizeof(struct kvm_run), 1,
                "shorter than struct kvm_run");
  struct kvm_run *run = lua_newuserdatauv(L, n, 0); /* aligned */
  memcpy(run, bytes, n);
  int reason = run->exit_reason <= INT16_MAX ? (int)run->exit_reason
                                             : INT16_MAX;
  kl_pushexitcopy(L, kl_exitrows(L), reason, (const unsigned char *)run, n);
  lua_pushinteger(L, run->exit_reason);
  lua_setfield(L, -2, "code");
  return 1;
}

void kl_openexits(lua_State *L) {
  kl_openexitrows(L);
  lua_getfield(L, -1, "class");
  luaL_newlib(L, methods);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &methods_key);
  lua_setfield(L, -2, "kvm.exit");
  lua_pop(L, 1);
  lua_pushcfunction(L, decode_exit);
  lua_setfield(L, -2, "decode_exit");
}
