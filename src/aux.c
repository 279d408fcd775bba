/* SPDX-License-Identifier: MIT */
#include "aux.h"

#include <inttypes.h>
#include <string.h>

#include "suggest.h"

/* Keys of the registry. */
static const char constants_key[] = "kvm.constants";

/* ---- classes ------------------------------------------------------------- */

int kl_nomember(lua_State *L, const char *class, int methods, int getters) {
  const char *name = luaL_tolstring(L, 2, NULL);
  struct kl_suggestion s = kl_suggest(name);
  kl_considerkeys(L, methods, &s);
  if (getters != 0) kl_considerkeys(L, getters, &s);
  return kl_error(L, "%s has no field or method '%s'%s", class, name,
                  kl_pushsuggestion(L, &s));
}

/* obj.name: a method, or what the getter of that name returns.
 * Upvalues: methods, getters, class name. */
static int index_object(lua_State *L) {
  lua_settop(L, 2);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return 1;
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(2)) == LUA_TNIL)
    return kl_nomember(L, lua_tostring(L, lua_upvalueindex(3)),
                       lua_upvalueindex(1), lua_upvalueindex(2));
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

/* Upvalues: setters, class name. */
static int newindex_object(lua_State *L) {
  lua_settop(L, 3);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TNIL)
    return kl_error(L, "%s has no field '%s' that can be assigned",
                    lua_tostring(L, lua_upvalueindex(2)),
                    luaL_tolstring(L, 2, NULL));
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 3);
  lua_call(L, 2, 0);
  return 0;
}

static void pushfunctions(lua_State *L, const luaL_Reg *functions) {
  lua_newtable(L);
  if (functions != NULL) luaL_setfuncs(L, functions, 0);
}

static void setmeta(lua_State *L, int meta, const char *name, lua_CFunction f) {
  lua_pushcfunction(L, f);
  lua_setfield(L, meta, name);
}

void kl_newclass(lua_State *L, const struct kl_class *class) {
  pushfunctions(L, class->methods);
  int methods = lua_gettop(L);
  luaL_newmetatable(L, class->name);
  int meta = lua_gettop(L);
  lua_pushvalue(L, methods);
  pushfunctions(L, class->getters);
  lua_pushstring(L, class->name);
  lua_pushcclosure(L, index_object, 3);
  lua_setfield(L, meta, "__index");
  pushfunctions(L, class->setters);
  lua_pushstring(L, class->name);
  lua_pushcclosure(L, newindex_object, 2);
  lua_setfield(L, meta, "__newindex");
  if (class->close != NULL) {
    setmeta(L, meta, "__gc", class->close);
    setmeta(L, meta, "__close", class->close);
  }
  if (class->meta != NULL) luaL_setfuncs(L, class->meta, 0);
  lua_pop(L, 1);
}

void *kl_new(lua_State *L, const struct kl_class *class, int nuv) {
  struct kl_object *o = lua_newuserdatauv(L, class->size, nuv);
  memset(o, 0, class->size);
  o->class = class;
  luaL_setmetatable(L, class->name);
  return o;
}

void kl_ownindex(lua_State *L) {
  lua_getmetatable(L, -2);
  lua_createtable(L, 0, 8);
  for (lua_pushnil(L); lua_next(L, -3);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
  lua_remove(L, -2);
  lua_insert(L, -2);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
}

void *kl_check(lua_State *L, int idx, const struct kl_class *class) {
  void *o = kl_test(L, idx, class);
  if (o == NULL) kl_typeerror(L, idx, class->name);
  return o;
}

/* ---- arguments ----------------------------------------------------------- */

/* self is not counted where the caller did not write it. */
static int surplus(lua_State *L, int max) {
  lua_Debug ar;
  int self = 0;
  if (lua_getstack(L, 0, &ar)) {
    lua_getinfo(L, "n", &ar);
    self = strcmp(ar.namewhat, "method") == 0;
  }
  const char *text =
      max == self
          ? "surplus argument: it takes none"
          : lua_pushfstring(L, "surplus argument: at most %d", max - self);
  return kl_argerror(L, max + 1, text);
}

void kl_maxargs(lua_State *L, int max) {
  if (lua_gettop(L) > max) surplus(L, max);
}

static int badrange(lua_State *L, int idx, const char *what, uint64_t v,
                    uint64_t min, uint64_t max) {
  char text[120];
  snprintf(text, sizeof text,
           "%s 0x%" PRIx64 " is outside 0x%" PRIx64 "..0x%" PRIx64, what, v,
           min, max);
  return kl_argerror(L, idx, text);
}

uint64_t kl_checkrange(lua_State *L, int idx, const char *what, uint64_t min,
                       uint64_t max) {
  uint64_t v = (uint64_t)kl_checkinteger(L, idx);
  if (v < min || v > max) badrange(L, idx, what, v, min, max);
  return v;
}

lua_Integer kl_checklist(lua_State *L, int idx, const char *what) {
  idx = lua_absindex(L, idx);
  lua_Integer n = (lua_Integer)lua_rawlen(L, idx);
  luaL_checkstack(L, 6, NULL);
  for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
    lua_Integer i = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
    if (i >= 1 && i <= n) continue;
    lua_pop(L, 1);
    kl_error(L, "%s: a list expected, got a table with the key '%s'", what,
             luaL_tolstring(L, -1, NULL));
  }
  return n;
}

int64_t kl_checkseconds(lua_State *L, int idx, int arg, const char *what) {
  int is_number;
  lua_Number s = lua_tonumberx(L, idx, &is_number);
  if (!is_number || !(s >= 0 && s <= 1e9)) {
    kl_argerror(L, arg,
                lua_pushfstring(L,
                                "%s %s is not a duration of 0 to 1e9 "
                                "seconds",
                                what, luaL_tolstring(L, idx, NULL)));
  }
  return (int64_t)(s * 1e9);
}

/* ---- constants ----------------------------------------------------------- */

/* Pushes the table of a group, made when it is not there and create is set. */
static int pushgroup(lua_State *L, const char *group, bool create) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, constants_key);
  if (lua_getfield(L, -1, group) == LUA_TNIL && create) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, group);
  }
  lua_remove(L, -2);
  return lua_type(L, -1);
}

/* A name that a group lacks: a typing error, which must not become nil. Numbers
 * without a name are nil. Upvalue: the group. */
static int missingconstant(lua_State *L) {
  if (lua_type(L, 2) != LUA_TSTRING) return 0;
  struct kl_suggestion s = kl_suggest(lua_tostring(L, 2));
  kl_considerkeys(L, 1, &s);
  return kl_error(L, "kvm.%s has no '%s'%s",
                  lua_tostring(L, lua_upvalueindex(1)), s.wrong,
                  kl_pushsuggestion(L, &s));
}

void kl_newconstants(lua_State *L, const char *group,
                     const struct kl_constant *rows) {
  pushgroup(L, group, true);
  lua_createtable(L, 0, 1);
  lua_pushstring(L, group);
  lua_pushcclosure(L, missingconstant, 1);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  for (; rows->name != NULL; rows++) {
    lua_pushinteger(L, rows->value);
    lua_setfield(L, -2, rows->name);
    if (lua_rawgeti(L, -1, rows->value) == LUA_TNIL) {
      lua_pushstring(L, rows->name);
      lua_rawseti(L, -3, rows->value);
    }
    lua_pop(L, 1);
  }
}

int kl_constantname(lua_State *L, const char *group, int64_t value) {
  if (pushgroup(L, group, false) != LUA_TTABLE) return LUA_TNIL;
  int type = lua_rawgeti(L, -1, value);
  lua_remove(L, -2);
  return type;
}

/* Raises for a name that the group, second from the top, lacks. "KVM_CAP_X" is
 * meant to be "X". */
static int unknownflag(lua_State *L, const char *name, const char *group,
                       const char *what) {
  struct kl_suggestion s = kl_suggest(name);
  if (lua_istable(L, -2)) {
    size_t n = strlen(group);
    bool is_long = strncmp(name, "KVM_", 4) == 0 &&
                   strncmp(name + 4, group, n) == 0 && name[4 + n] == '_';
    lua_pushstring(L, is_long ? name + 5 + n : "");
    if (lua_rawget(L, -3) == LUA_TNUMBER)
      s.best = name + 5 + n;
    else
      kl_considerkeys(L, -3, &s);
  }
  return kl_error(L,
                  "%s: unknown name '%s'%s: the names are the keys of kvm.%s",
                  what, name, kl_pushsuggestion(L, &s), group);
}

/* The value of the name at the top, which is popped. */
static uint64_t flagvalue(lua_State *L, const char *group, const char *what) {
  if (lua_isinteger(L, -1)) {
    uint64_t v = (uint64_t)lua_tointeger(L, -1);
    lua_pop(L, 1);
    return v;
  }
  if (lua_type(L, -1) != LUA_TSTRING) {
    kl_error(L, "%s: an integer, a name or a list of names expected, got %s",
             what, luaL_typename(L, -1));
  }
  luaL_checkstack(L, 8, NULL);
  pushgroup(L, group, false);
  lua_pushvalue(L, -2);
  if (!lua_istable(L, -2) || lua_rawget(L, -2) != LUA_TNUMBER)
    unknownflag(L, lua_tostring(L, -3), group, what);
  uint64_t v = (uint64_t)lua_tointeger(L, -1);
  lua_pop(L, 3);
  return v;
}

uint64_t kl_toconstant(lua_State *L, int idx, const char *group,
                       const char *what, uint64_t max) {
  if (!lua_isinteger(L, idx) && lua_type(L, idx) != LUA_TSTRING)
    kl_error(L, "%s: an integer or a name expected, got %s", what,
             luaL_typename(L, idx));
  uint64_t v = kl_toflags(L, idx, group, what);
  if (v > max) badrange(L, idx, what, v, 0, max);
  return v;
}

uint64_t kl_toflags(lua_State *L, int idx, const char *group,
                    const char *what) {
  idx = lua_absindex(L, idx);
  if (!lua_istable(L, idx)) {
    lua_pushvalue(L, idx);
    return flagvalue(L, group, what);
  }
  uint64_t flags = 0;
  lua_Integer n = kl_checklist(L, idx, what);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, idx, i);
    flags |= flagvalue(L, group, what);
  }
  return flags;
}
