/* SPDX-License-Identifier: MIT */
/* kvm.exit: the kvm_run page of a vCPU, read in place. */
#include "exit.h"

#include <string.h>

#include "handle.h"

enum { REASONS = 64 }; /* KVM_EXIT_* below this number can have a row */

/* Per state: the rows by reason, and the interned names of their fields. The
 * names are anchored in the user value, so equal pointers mean equal names. */
struct kl_exits {
  const struct kl_exit_row *rows[REASONS];
  const char **names[REASONS];
};

struct exit_object {
  struct kl_object object;
  struct kl_vcpu *v; /* kept alive by the user value */
  const struct kl_exits *exits;
};

static const char exits_key = 0;

/* ---- reading and writing fields ------------------------------------------ */

static bool inside(const struct kl_exit_field *f, size_t n) {
  size_t size = f->kind == KL_X_CALL ? 0 : f->size;
  if (f->kind == KL_X_LIST) size *= f->count;
  return f->offset + size <= n;
}

static int64_t signextend(uint64_t v, size_t size) {
  uint64_t sign = (uint64_t)1 << (size * 8 - 1);
  return size == 8 ? (int64_t)v : (int64_t)((v ^ sign) - sign);
}

static void pushlist(lua_State *L, const struct kl_exit_field *f,
                     const unsigned char *p) {
  lua_createtable(L, f->count, 0);
  for (int i = 0; i < f->count; i++) {
    lua_pushinteger(L, (lua_Integer)kl_loaduint(p + i * f->size, f->size));
    lua_rawseti(L, -2, i + 1);
  }
}

static void pushfield(lua_State *L, const struct kl_exit_field *f,
                      const unsigned char *run, size_t n) {
  const unsigned char *p = run + f->offset;
  uint64_t v;
  switch (f->kind) {
    case KL_X_UINT:
      lua_pushinteger(L, (lua_Integer)kl_loaduint(p, f->size));
      break;
    case KL_X_INT:
      v = kl_loaduint(p, f->size);
      lua_pushinteger(L, signextend(v, f->size));
      break;
    case KL_X_BOOL:
      lua_pushboolean(L, kl_loaduint(p, f->size) != 0);
      break;
    case KL_X_BYTES: lua_pushlstring(L, (const char *)p, f->size); break;
    case KL_X_LIST: pushlist(L, f, p); break;
    default: f->get(L, run, n);
  }
}

/* Stores the value at the top of the stack. */
static void storefield(lua_State *L, const struct kl_exit_row *row,
                       const struct kl_exit_field *f, unsigned char *run,
                       size_t n) {
  unsigned char *p = run + f->offset;
  uint64_t v;
  if (!f->writable)
    luaL_error(L, "exit.%s of '%s' cannot be assigned", f->name, row->name);
  if (f->kind == KL_X_CALL) {
    f->set(L, run, n);
    return;
  }
  v = lua_isboolean(L, -1) ? (uint64_t)lua_toboolean(L, -1)
                           : (uint64_t)luaL_checkinteger(L, -1);
  if (f->size < 8 && v >> (8 * f->size) != 0)
    luaL_error(L, "exit.%s: %I does not fit in %d bits", f->name,
               (lua_Integer)v, (int)(8 * f->size));
  kl_storeuint(p, f->size, v);
}

static const struct kl_exit_row *rowof(const struct kl_exits *x, int reason) {
  return reason >= 0 && reason < REASONS ? x->rows[reason] : NULL;
}

/* By pointer first: the names are interned. A name that is long enough not to
 * be interned is no field's. */
static const struct kl_exit_field *findfield(const struct kl_exits *x,
                                             int reason, const char *name) {
  const struct kl_exit_row *row = rowof(x, reason);
  if (row == NULL || row->fields == NULL) return NULL;
  const char **names = x->names[reason];
  for (size_t i = 0; names[i] != NULL; i++)
    if (names[i] == name) return &row->fields[i];
  return NULL;
}

static const char *reasonname(const struct kl_exits *x, int reason) {
  const struct kl_exit_row *row = rowof(x, reason);
  if (row != NULL) return row->name;
  return reason == KL_R_TIMEOUT ? "timeout" : "unknown";
}

/* ---- the object ------------------------------------------------------------ */

static struct exit_object *toexit(lua_State *L) {
  struct exit_object *e = kl_check(L, 1, &kl_exit_class);
  if (e->v->run == NULL) luaL_error(L, "kvm.vcpu is closed");
  return e;
}

static size_t runsize(const struct exit_object *e) {
  return (size_t)e->v->handle.machine->run_size;
}

/* reason and code, which every exit has. */
static bool pushcommon(lua_State *L, const struct kl_exits *x, int reason,
                       const char *key) {
  if (strcmp(key, "reason") == 0) {
    if (reason == KL_R_NONE)
      lua_pushnil(L);
    else
      lua_pushstring(L, reasonname(x, reason));
  } else if (strcmp(key, "code") == 0) {
    if (reason < 0 || reason == KL_R_TIMEOUT)
      lua_pushnil(L);
    else
      lua_pushinteger(L, reason);
  } else {
    return false;
  }
  return true;
}

static int nofield(lua_State *L, const struct kl_exits *x, int reason) {
  const struct kl_exit_row *row = rowof(x, reason);
  if (reason == KL_R_NONE)
    return luaL_error(L, "kvm.exit: the vCPU has not run, there is no '%s'",
                      luaL_tolstring(L, 2, NULL));
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addstring(&b, "reason, code");
  if (row != NULL && row->fields != NULL) {
    for (const struct kl_exit_field *f = row->fields; f->name; f++) {
      luaL_addstring(&b, ", ");
      luaL_addstring(&b, f->name);
    }
  }
  luaL_pushresult(&b);
  const char *fields = lua_tostring(L, -1);
  return luaL_error(L, "exit '%s' has no field '%s' (it has %s)",
                    reasonname(x, reason), luaL_tolstring(L, 2, NULL),
                    fields);
}

/* Upvalue: the methods. */
static int exit_index(lua_State *L) {
  struct exit_object *e = toexit(L);
  int reason = e->v->last_reason;
  if (lua_type(L, 2) == LUA_TSTRING) {
    const char *key = lua_tostring(L, 2);
    const struct kl_exit_field *f = findfield(e->exits, reason, key);
    if (f != NULL) {
      pushfield(L, f, (const unsigned char *)e->v->run, runsize(e));
      return 1;
    }
    if (pushcommon(L, e->exits, reason, key)) return 1;
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return 1;
  }
  return nofield(L, e->exits, reason);
}

static int exit_newindex(lua_State *L) {
  struct exit_object *e = toexit(L);
  int reason = e->v->last_reason;
  luaL_checkstring(L, 2);
  lua_settop(L, 3);
  const struct kl_exit_field *f =
      findfield(e->exits, reason, lua_tostring(L, 2));
  if (f == NULL) return nofield(L, e->exits, reason);
  storefield(L, rowof(e->exits, reason), f, (unsigned char *)e->v->run,
             runsize(e));
  return 0;
}

/* Pushes a table with all fields. */
static void pushcopy(lua_State *L, const struct kl_exits *x, int reason,
                     const unsigned char *run, size_t n) {
  const struct kl_exit_row *row = rowof(x, reason);
  lua_newtable(L);
  pushcommon(L, x, reason, "reason");
  lua_setfield(L, -2, "reason");
  pushcommon(L, x, reason, "code");
  lua_setfield(L, -2, "code");
  if (row == NULL || row->fields == NULL) return;
  for (const struct kl_exit_field *f = row->fields; f->name != NULL; f++) {
    if (!inside(f, n)) continue;
    pushfield(L, f, run, n);
    lua_setfield(L, -2, f->name);
  }
}

static int exit_copy(lua_State *L) {
  struct exit_object *e = toexit(L);
  kl_maxargs(L, 1);
  pushcopy(L, e->exits, e->v->last_reason,
           (const unsigned char *)e->v->run, runsize(e));
  return 1;
}

/* The value at the top as text, for __tostring. */
static void format(lua_State *L, char text[80]) {
  if (lua_type(L, -1) == LUA_TSTRING) {
    size_t n, at = 0;
    const char *s = lua_tolstring(L, -1, &n);
    for (size_t i = 0; i < n && i < 24; i++)
      at += (size_t)snprintf(text + at, 80 - at, "%02x", (unsigned char)s[i]);
    snprintf(text + at, 80 - at, n > 24 ? "..." : "");
  } else if (lua_isinteger(L, -1)) {
    long long v = lua_tointeger(L, -1);
    snprintf(text, 80, v >= 0 && v < 10 ? "%lld" : "%#llx", v);
  } else if (lua_isboolean(L, -1)) {
    snprintf(text, 80, lua_toboolean(L, -1) ? "true" : "false");
  } else {
    snprintf(text, 80, "(%s)", luaL_typename(L, -1));
  }
}

static int exit_tostring(lua_State *L) {
  struct exit_object *e = kl_check(L, 1, &kl_exit_class);
  int reason = e->v->last_reason;
  const struct kl_exit_row *row = rowof(e->exits, reason);
  if (e->v->run == NULL || reason == KL_R_NONE) {
    lua_pushstring(L, e->v->run ? "kvm.exit (not run)" : "kvm.exit (closed)");
    return 1;
  }
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addstring(&b, reasonname(e->exits, reason));
  const struct kl_exit_field *f = row ? row->fields : NULL;
  for (; f != NULL && f->name != NULL; f++) {
    char text[80];
    pushfield(L, f, (const unsigned char *)e->v->run, runsize(e));
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

/* decode_exit(bytes) -> table: a saved kvm_run page. */
static int decode(lua_State *L) {
  size_t n;
  const char *bytes = luaL_checklstring(L, 1, &n);
  kl_maxargs(L, 1);
  luaL_argcheck(L, n >= sizeof(struct kvm_run), 1,
                "shorter than struct kvm_run");
  struct kvm_run *run = lua_newuserdatauv(L, n, 0);
  memcpy(run, bytes, n);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &exits_key);
  const struct kl_exits *x = lua_touserdata(L, -1);
  pushcopy(L, x, (int)run->exit_reason, (const unsigned char *)run, n);
  return 1;
}

static const luaL_Reg methods[] = {{"copy", exit_copy}, {NULL, NULL}};
static const luaL_Reg meta[] = {{"__newindex", exit_newindex},
                                {"__tostring", exit_tostring},
                                {NULL, NULL}};

const struct kl_class kl_exit_class = {
    .name = "kvm.exit",
    .size = sizeof(struct exit_object),
    .methods = methods,
    .meta = meta,
};

/* ---- rows ------------------------------------------------------------------ */

void kl_pushreason(lua_State *L, const struct kl_vcpu *v) {
  lua_pushstring(L, reasonname(v->exits, v->last_reason));
}

void kl_newexit(lua_State *L, struct kl_vcpu *v) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &exits_key);
  const struct kl_exits *x = lua_touserdata(L, -1);
  lua_pop(L, 1);
  struct exit_object *e = kl_new(L, &kl_exit_class, 1);
  e->v = v;
  e->exits = x;
  v->exits = x;
  lua_pushvalue(L, -2);
  lua_setiuservalue(L, -2, 1);
}

/* Interns the names of a row's fields; the anchor table is at the top. */
static void addrow(lua_State *L, struct kl_exits *x,
                   const struct kl_exit_row *row) {
  size_t n = 0;
  x->rows[row->reason] = row;
  while (row->fields != NULL && row->fields[n].name != NULL) n++;
  const char **names = lua_newuserdatauv(L, (n + 1) * sizeof *names, 0);
  lua_rawsetp(L, -2, row);
  for (size_t i = 0; i < n; i++) {
    names[i] = lua_pushstring(L, row->fields[i].name);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
  }
  names[n] = NULL;
  x->names[row->reason] = names;
}

void kl_openexits(lua_State *L) {
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
  kl_newclass(L, &kl_exit_class);
  luaL_getmetatable(L, kl_exit_class.name);
  lua_pushvalue(L, -2);
  lua_pushcclosure(L, exit_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  lua_getfield(L, -2, "class");
  lua_insert(L, -2);
  lua_setfield(L, -2, kl_exit_class.name);
  lua_pop(L, 1);
  lua_pushcfunction(L, decode);
  lua_setfield(L, -2, "decode_exit");
}
