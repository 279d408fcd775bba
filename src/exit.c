/* SPDX-License-Identifier: MIT */
#include "exit.h"

#include <stdio.h>
#include <string.h>

/* User values of an exit object. */
enum { EXIT_VCPU = 1, EXIT_TABLE, EXIT_UVS = EXIT_TABLE };

static struct kl_exit *toexit(lua_State *L, int idx) {
  struct kl_exit *e = kl_check(L, idx, &kl_exit_class);
  if (e->v->run == NULL) luaL_error(L, "kvm.vcpu is closed");
  return e;
}

static const unsigned char *page(const struct kl_exit *e) {
  return (const unsigned char *)e->v->run;
}

static size_t pagesize(const struct kl_exit *e) {
  return (size_t)e->v->handle.machine->run_size;
}

/* ---- the table ---------------------------------------------------------------- */

/* Stores or removes (value NULL) a field in the table at the top. */
static void hold(lua_State *L, struct kl_exit *e, int i,
                 const struct kl_exit_field *f, const uint64_t *value) {
  lua_pushstring(L, f->name);
  if (value == NULL)
    lua_pushnil(L);
  else if (f->kind == KL_X_BOOL)
    lua_pushboolean(L, *value != 0);
  else
    lua_pushinteger(L, (lua_Integer)*value);
  lua_rawset(L, -3);
  if (value != NULL) e->held[i] = *value;
}

/* Removes the fields of the reason that is shown; the table is at the top. */
static void empty(lua_State *L, struct kl_exit *e) {
  if (e->shown == KL_R_NONE) return;
  uint32_t wanted = e->wanted[e->shown];
  const struct kl_exit_row *row = e->exits->rows[e->shown];
  for (int i = 0; wanted != 0; i++, wanted >>= 1)
    if (wanted & 1) hold(L, e, i, &row->fields[i], NULL);
  e->shown = KL_R_NONE;
}

/* Brings the table up to date: only what differs is touched. */
static void show(lua_State *L, int exit_idx, struct kl_exit *e, int reason) {
  bool have = false, fresh = e->shown != reason;
  if (fresh) {
    have = lua_getiuservalue(L, exit_idx, EXIT_TABLE);
    empty(L, e);
  }
  const struct kl_exit_row *row = kl_exitrow(e->exits, reason);
  if (row != NULL) {
    uint32_t wanted = e->wanted[reason];
    for (int i = 0; wanted != 0; i++, wanted >>= 1) {
      uint64_t v;
      if (!(wanted & 1)) continue;
      kl_loadexitfield(&row->fields[i], page(e), pagesize(e), &v);
      if (!fresh && v == e->held[i]) continue;
      if (!have) have = lua_getiuservalue(L, exit_idx, EXIT_TABLE);
      hold(L, e, i, &row->fields[i], &v);
    }
    e->shown = reason;
  }
  if (have) lua_pop(L, 1);
}

void kl_pushexit(lua_State *L, int idx, struct kl_vcpu *v) {
  lua_getiuservalue(L, idx, KL_VCPU_EXIT);
  struct kl_exit *e = v->exit;
  int reason = v->last_reason;
  if (e->shown != KL_R_NONE || (reason < KL_REASONS && e->wanted[reason]))
    show(L, lua_gettop(L), e, reason);
}

void kl_hideexit(lua_State *L, int idx, struct kl_vcpu *v) {
  if (v->exit == NULL || v->exit->shown == KL_R_NONE) return;
  lua_getiuservalue(L, idx, KL_VCPU_EXIT);
  lua_getiuservalue(L, -1, EXIT_TABLE);
  empty(L, v->exit);
  lua_pop(L, 2);
}

void kl_pushreason(lua_State *L, int idx, struct kl_vcpu *v) {
  if (v->last_named == v->last_reason) {
    lua_getiuservalue(L, idx, KL_VCPU_REASON);
    return;
  }
  idx = lua_absindex(L, idx);
  lua_pushstring(L, kl_reasonname(v->exit->exits, v->last_reason));
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, idx, KL_VCPU_REASON);
  v->last_named = v->last_reason;
}

/* ---- reading and writing -------------------------------------------------------- */

static int nofield(lua_State *L, const struct kl_exit *e, int key) {
  const struct kl_exits *x = e->exits;
  int reason = e->v->last_reason;
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
static bool pushcommon(lua_State *L, const struct kl_exit *e,
                       const char *key) {
  int reason = e->v->last_reason;
  if (strcmp(key, "reason") == 0) {
    if (reason == KL_R_NONE)
      lua_pushnil(L);
    else
      lua_pushstring(L, kl_reasonname(e->exits, reason));
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

static void pushfield(lua_State *L, struct kl_exit *e, int i) {
  int reason = e->v->last_reason;
  const struct kl_exit_field *f = &e->exits->rows[reason]->fields[i];
  uint64_t v;
  /* Outside a handler the table may serve the next read. */
  if (!e->v->is_running && i < KL_EXIT_FIELDS &&
      kl_loadexitfield(f, page(e), pagesize(e), &v)) {
    lua_getiuservalue(L, lua_upvalueindex(1), EXIT_TABLE);
    e->wanted[reason] |= 1u << i;
    e->shown = reason;
    hold(L, e, i, f, &v);
    lua_pop(L, 1);
  }
  kl_pushexitfield(L, f, page(e), pagesize(e));
}

/* What the table does not hold. Upvalues: the exit object, the methods. */
static int exit_missing(lua_State *L) {
  struct kl_exit *e = toexit(L, lua_upvalueindex(1));
  if (lua_type(L, 2) == LUA_TSTRING) {
    const char *key = lua_tostring(L, 2);
    int i = kl_findexitfield(e->exits, e->v->last_reason, key);
    if (i >= 0) {
      pushfield(L, e, i);
      return 1;
    }
    if (pushcommon(L, e, key)) return 1;
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL) return 1;
  }
  return nofield(L, e, 2);
}

static int exit_newindex(lua_State *L) {
  struct kl_exit *e = toexit(L, 1);
  luaL_checkstring(L, 2);
  lua_settop(L, 3);
  int reason = e->v->last_reason;
  int i = kl_findexitfield(e->exits, reason, lua_tostring(L, 2));
  if (i < 0) return nofield(L, e, 2);
  const struct kl_exit_row *row = e->exits->rows[reason];
  kl_storeexitfield(L, row, &row->fields[i], (unsigned char *)e->v->run,
                    pagesize(e));
  /* value and data are two views of the same bytes. */
  if (e->shown == reason) show(L, 1, e, reason);
  return 0;
}

static int exit_copy(lua_State *L) {
  struct kl_exit *e = toexit(L, 1);
  kl_maxargs(L, 1);
  if (e->v->last_reason == KL_R_NONE)
    return luaL_error(L, "kvm.exit: the vCPU is at no exit");
  kl_pushexitcopy(L, e->exits, e->v->last_reason, page(e), pagesize(e));
  return 1;
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
  struct kl_exit *e = kl_check(L, 1, &kl_exit_class);
  int reason = e->v->last_reason;
  if (e->v->run == NULL || reason == KL_R_NONE) {
    lua_pushstring(L, e->v->run ? "kvm.exit (no exit)" : "kvm.exit (closed)");
    return 1;
  }
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addstring(&b, kl_reasonname(e->exits, reason));
  const struct kl_exit_row *row = kl_exitrow(e->exits, reason);
  const struct kl_exit_field *f = row != NULL ? row->fields : NULL;
  for (; f != NULL && f->name != NULL; f++) {
    char text[80];
    kl_pushexitfield(L, f, page(e), pagesize(e));
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

/* ---- the class -------------------------------------------------------------------- */

static const luaL_Reg methods[] = {{"copy", exit_copy}, {NULL, NULL}};
static const luaL_Reg meta[] = {{"__newindex", exit_newindex},
                                {"__tostring", exit_tostring},
                                {NULL, NULL}};

const struct kl_class kl_exit_class = {
    .name = "kvm.exit",
    .size = sizeof(struct kl_exit),
    .methods = methods,
    .meta = meta,
};

void kl_newexit(lua_State *L, struct kl_vcpu *v) {
  struct kl_exit *e = kl_new(L, &kl_exit_class, EXIT_UVS);
  int object = lua_gettop(L);
  e->v = v;
  e->exits = kl_exitrows(L);
  e->shown = KL_R_NONE;
  v->exit = e;
  lua_pushvalue(L, object - 1);
  lua_setiuservalue(L, object, EXIT_VCPU);
  lua_newtable(L); /* the fields */
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, object, EXIT_TABLE);
  lua_createtable(L, 0, 1); /* its metatable */
  lua_pushvalue(L, object);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kl_exit_class);
  lua_pushcclosure(L, exit_missing, 2);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  kl_ownindex(L);
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
  kl_newclass(L, &kl_exit_class);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &kl_exit_class); /* the methods */
  lua_setfield(L, -2, kl_exit_class.name);
  lua_pop(L, 1);
  lua_pushcfunction(L, decode_exit);
  lua_setfield(L, -2, "decode_exit");
}
