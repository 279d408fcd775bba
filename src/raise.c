/* SPDX-License-Identifier: MIT */
#include "raise.h"

#include <stdarg.h>
#include <string.h>

/* ---- the place ----------------------------------------------------------- */

static const char layer_key = 0; /* of the registry: "@/usr/.../kvm/" */

int kl_core_layer(lua_State *L) {
  lua_Debug ar;
  if (!lua_getstack(L, 1, &ar)) return 0;
  lua_getinfo(L, "S", &ar);
  const char *end = strrchr(ar.source, '/');
  if (end == NULL) return 0;
  lua_pushlstring(L, ar.source, (size_t)(end + 1 - ar.source));
  lua_rawsetp(L, LUA_REGISTRYINDEX, &layer_key);
  return 0;
}

static int startswith(const char *text, const char *start) {
  return start != NULL && strncmp(text, start, strlen(start)) == 0;
}

void kl_pushwhere(lua_State *L) {
  luaL_checkstack(L, 3, NULL);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &layer_key);
  const char *layer = lua_tostring(L, -1);
  lua_Debug ar;
  for (int level = 0; lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "Sl", &ar);
    if (ar.currentline <= 0 || startswith(ar.source, "@kvm/") ||
        startswith(ar.source, layer))
      continue;
    lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
    lua_remove(L, -2);
    return;
  }
  lua_pop(L, 1);
  lua_pushliteral(L, "");
}

/* ---- errors -------------------------------------------------------------- */

int kl_error(lua_State *L, const char *format, ...) {
  va_list ap;
  kl_pushwhere(L);
  va_start(ap, format);
  lua_pushvfstring(L, format, ap);
  va_end(ap);
  lua_concat(L, 2);
  return lua_error(L);
}

int kl_argerror(lua_State *L, int arg, const char *text) {
  lua_Debug ar;
  if (!lua_getstack(L, 0, &ar))
    return kl_error(L, "bad argument #%d (%s)", arg, text);
  lua_getinfo(L, "n", &ar);
  const char *name = ar.name != NULL ? ar.name : "?";
  if (strcmp(ar.namewhat, "method") == 0 && --arg == 0)
    return kl_error(L, "calling '%s' on bad self (%s)", name, text);
  return kl_error(L, "bad argument #%d to '%s' (%s)", arg, name, text);
}

int kl_typeerror(lua_State *L, int arg, const char *expected) {
  const char *given;
  if (luaL_getmetafield(L, arg, "__name") == LUA_TSTRING)
    given = lua_tostring(L, -1);
  else if (lua_type(L, arg) == LUA_TLIGHTUSERDATA)
    given = "light userdata";
  else
    given = luaL_typename(L, arg);
  return kl_argerror(
      L, arg, lua_pushfstring(L, "%s expected, got %s", expected, given));
}

/* ---- arguments ----------------------------------------------------------- */

lua_Integer kl_badinteger(lua_State *L, int arg) {
  if (!lua_isnumber(L, arg))
    return kl_typeerror(L, arg, lua_typename(L, LUA_TNUMBER));
  return kl_argerror(L, arg,
                     lua_pushfstring(L,
                                     "number has no integer representation: %s",
                                     luaL_tolstring(L, arg, NULL)));
}

const char *kl_checklstring(lua_State *L, int arg, size_t *n) {
  const char *s = lua_tolstring(L, arg, n);
  if (s == NULL) kl_typeerror(L, arg, lua_typename(L, LUA_TSTRING));
  return s;
}

void kl_checktype(lua_State *L, int arg, int type) {
  if (lua_type(L, arg) != type) kl_typeerror(L, arg, lua_typename(L, type));
}

void kl_checkany(lua_State *L, int arg) {
  if (lua_type(L, arg) == LUA_TNONE) kl_argerror(L, arg, "value expected");
}
