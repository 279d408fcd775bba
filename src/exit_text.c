/* SPDX-License-Identifier: MIT */
/* The value of an exit's field as text. */
#include <stdio.h>
#include <string.h>

#include "exit.h"

/* data and *_bytes are bytes; other strings are names. */
static bool isbytes(const char *name) {
  return strcmp(name, "data") == 0 || strstr(name, "_bytes") != NULL;
}

static void addbytes(luaL_Buffer *b, const char *bytes, size_t n) {
  char text[3];
  for (size_t i = 0; i < n && i < 24; i++) {
    snprintf(text, sizeof text, "%02x", (unsigned char)bytes[i]);
    luaL_addstring(b, text);
  }
  if (n > 24) luaL_addstring(b, "...");
}

static void addinteger(luaL_Buffer *b, long long v) {
  char text[24];
  snprintf(text, sizeof text, v >= 0 && v < 10 ? "%lld" : "%#llx", v);
  luaL_addstring(b, text);
}

static void addlist(luaL_Buffer *b, int list) {
  lua_State *L = b->L;
  lua_Integer n = (lua_Integer)lua_rawlen(L, list);
  luaL_addchar(b, '[');
  for (lua_Integer i = 1; i <= n; i++) {
    if (i > 1) luaL_addchar(b, ' ');
    lua_rawgeti(L, list, i);
    lua_Integer element = lua_tointeger(L, -1);
    lua_pop(L, 1);
    addinteger(b, element);
  }
  luaL_addchar(b, ']');
}

void kl_addexitvalue(luaL_Buffer *b, const char *name, int value) {
  lua_State *L = b->L;
  size_t n;
  const char *s;
  if (lua_type(L, value) == LUA_TSTRING) {
    s = lua_tolstring(L, value, &n);
    if (isbytes(name))
      addbytes(b, s, n);
    else
      luaL_addlstring(b, s, n);
  } else if (lua_isinteger(L, value)) {
    addinteger(b, lua_tointeger(L, value));
  } else if (lua_istable(L, value)) {
    addlist(b, value);
  } else {
    luaL_addstring(b, lua_toboolean(L, value) ? "true" : "false");
  }
}
