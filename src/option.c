/* SPDX-License-Identifier: MIT */
#include "option.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int kl_badarg(lua_State *L, int arg, const char *format, ...) {
  char text[240];
  va_list ap;
  va_start(ap, format);
  vsnprintf(text, sizeof text, format, ap);
  va_end(ap);
  return kl_argerror(L, arg, text);
}

static bool isname(const char *key, const char *const *names) {
  for (; *names != NULL; names++)
    if (strcmp(key, *names) == 0) return true;
  return false;
}

static int badoption(lua_State *L, int idx, const char *const *names) {
  luaL_Buffer b;
  const char *key = luaL_tolstring(L, -1, NULL);
  luaL_buffinit(L, &b);
  luaL_addstring(&b, "unknown field '");
  luaL_addstring(&b, key);
  luaL_addstring(&b, "' (expected ");
  for (int i = 0; names[i] != NULL; i++) {
    if (i > 0) luaL_addstring(&b, names[i + 1] ? ", " : " or ");
    luaL_addstring(&b, names[i]);
  }
  luaL_addchar(&b, ')');
  luaL_pushresult(&b);
  return kl_argerror(L, idx, lua_tostring(L, -1));
}

void kl_checkoptions(lua_State *L, int idx, const char *const *names) {
  kl_checktype(L, idx, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
    if (lua_type(L, -2) == LUA_TSTRING && isname(lua_tostring(L, -2), names))
      continue;
    lua_pop(L, 1);
    badoption(L, idx, names);
  }
}

int kl_option(lua_State *L, int idx, const char *name) {
  if (lua_isnoneornil(L, idx)) {
    lua_pushnil(L);
    return LUA_TNIL;
  }
  return lua_getfield(L, idx, name);
}

/* Raises for the value at the top. */
static int badfield(lua_State *L, const char *name, const char *expected) {
  return kl_error(L, "field '%s': %s expected, got %s", name, expected,
                  lua_isnil(L, -1) ? "nothing" : luaL_typename(L, -1));
}

/* The integer at the top, which is popped. */
static uint64_t popinteger(lua_State *L, const char *name) {
  int is_int;
  uint64_t v = (uint64_t)lua_tointegerx(L, -1, &is_int);
  if (!is_int) badfield(L, name, "an integer");
  lua_pop(L, 1);
  return v;
}

uint64_t kl_optinteger(lua_State *L, int idx, const char *name, uint64_t def) {
  if (kl_option(L, idx, name) != LUA_TNIL) return popinteger(L, name);
  lua_pop(L, 1);
  return def;
}

uint64_t kl_needinteger(lua_State *L, int idx, const char *name) {
  kl_option(L, idx, name);
  return popinteger(L, name);
}

bool kl_optboolean(lua_State *L, int idx, const char *name, bool def) {
  int type = kl_option(L, idx, name);
  if (type != LUA_TNIL && type != LUA_TBOOLEAN)
    badfield(L, name, "true or false");
  bool v = type == LUA_TNIL ? def : lua_toboolean(L, -1);
  lua_pop(L, 1);
  return v;
}

const char *kl_optstring(lua_State *L, int idx, const char *name,
                         const char *def) {
  int type = kl_option(L, idx, name);
  if (type == LUA_TNIL) return def;
  if (type != LUA_TSTRING) badfield(L, name, "a string");
  return lua_tostring(L, -1);
}

uint64_t kl_optflags(lua_State *L, int idx, const char *name,
                     const char *group) {
  uint64_t flags = 0;
  if (kl_option(L, idx, name) != LUA_TNIL)
    flags = kl_toflags(L, -1, group, name);
  lua_pop(L, 1);
  return flags;
}
