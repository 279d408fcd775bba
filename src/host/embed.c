/* SPDX-License-Identifier: MIT */
#include "host/embed.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kvmlua.h"

static int fail(lua_State *L, const char *name) {
  return luaL_error(L, "error loading module '%s':\n\t%s", name,
                    lua_tostring(L, -1));
}

/* A file below KVMLUA_PATH: pushes loader and file name, as a searcher does.
 * Upvalue 1 is the path template, or false. */
static bool fromdirectory(lua_State *L, const char *name) {
  if (!lua_toboolean(L, lua_upvalueindex(1))) return false;
  lua_getfield(L, lua_upvalueindex(2), "searchpath");
  lua_pushstring(L, name);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_call(L, 2, 1);
  const char *file = lua_tostring(L, -1);
  if (file == NULL) return false;
  if (luaL_loadfile(L, file) != LUA_OK) fail(L, name);
  lua_pushstring(L, file);
  return true;
}

/* The embedded file of a module; one without a name: there is none. */
static const struct kl_embedded *find(const char *name) {
  const struct kl_embedded *e = kl_embedded;
  while (e->module != NULL && strcmp(e->module, name) != 0) e++;
  return e;
}

static bool frommemory(lua_State *L, const char *name) {
  const struct kl_embedded *e = find(name);
  if (e->module == NULL) return false;
  if (luaL_loadbufferx(L, e->text, e->size, e->chunk, "t") != LUA_OK)
    fail(L, name);
  lua_pushstring(L, e->chunk + 1);
  return true;
}

static int searcher(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  if (strcmp(name, "kvm") != 0 && strncmp(name, "kvm.", 4) != 0) return 0;
  if (fromdirectory(L, name) || frommemory(L, name)) return 2;
  lua_pushfstring(L, "no embedded module '%s'", name);
  return 1;
}

/* source(module) -> its embedded text, or nil. What reads doc comments asks. */
static int embedded_source(lua_State *L) {
  const struct kl_embedded *e = find(luaL_checkstring(L, 1));
  if (e->module == NULL)
    lua_pushnil(L);
  else
    lua_pushlstring(L, e->text, e->size);
  return 1;
}

/* kvm.embedded: {source =, path = the template of KVMLUA_PATH, or false}, whose
 * upvalue it is. */
static int openembedded(lua_State *L) {
  static const luaL_Reg functions[] = {{"source", embedded_source},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_setfield(L, -2, "path");
  return 1;
}

/* The template for package.searchpath, from the environment unless lua's -E
 * has told not to look there. */
static void pushpath(lua_State *L) {
  const char *dir = getenv("KVMLUA_PATH");
  lua_getfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
  bool is_ignored = lua_toboolean(L, -1);
  lua_pop(L, 1);
  if (dir == NULL || *dir == '\0' || is_ignored)
    lua_pushboolean(L, 0);
  else
    lua_pushfstring(L, "%s/?.lua;%s/?/init.lua", dir, dir);
}

void kvmlua_openlibs(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_kvm_core);
  lua_setfield(L, -2, "kvm.core");
#ifdef KVMLUA_FDT
  lua_pushcfunction(L, luaopen_kvm_fdt_core);
  lua_setfield(L, -2, "kvm.fdt.core");
#endif
  pushpath(L);
  lua_pushcclosure(L, openembedded, 1);
  lua_setfield(L, -2, "kvm.embedded");
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, LUA_LOADLIBNAME) != LUA_TTABLE)
    luaL_error(L, "kvmlua_openlibs needs the package library open");
  lua_getfield(L, -1, "searchers");
  lua_Integer n = luaL_len(L, -1);
  for (; n > 1; n--) { /* behind preload, before the files */
    lua_geti(L, -1, n);
    lua_seti(L, -2, n + 1);
  }
  pushpath(L);
  lua_pushvalue(L, -3);
  lua_pushcclosure(L, searcher, 2);
  lua_seti(L, -2, 2);
  lua_pop(L, 4);
}
