/* SPDX-License-Identifier: MIT */
#include "host/call.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "host/interrupt.h"

static enum kl_status last_status = KL_FAILED;

/* (error) -> is it the refusal to open /dev/kvm? An error object of anybody's
 * making may raise when it is asked, hence a function to be called. */
static int isopenerror(lua_State *L) {
  const char *ioctl = NULL;
  if (lua_istable(L, 1) || lua_isuserdata(L, 1)) {
    if (lua_getfield(L, 1, "code") != LUA_TNIL) {
      lua_getfield(L, 1, "ioctl");
      ioctl = lua_tostring(L, -1);
    }
  }
  lua_pushboolean(L, ioctl != NULL && strcmp(ioctl, "open") == 0);
  return 1;
}

static enum kl_status statusof(lua_State *L, int idx) {
  lua_pushcfunction(L, isopenerror);
  lua_pushvalue(L, idx);
  bool is_open = lua_pcall(L, 1, 1, 0) == LUA_OK && lua_toboolean(L, -1);
  lua_pop(L, 1);
  return is_open ? KL_NO_KVM : KL_FAILED;
}

/* (table) -> its fields, in a line. */
static int brief(lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "kvm.pretty");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "brief");
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

/* As lua says it, and what is in a table. */
static const char *describe(lua_State *L, int idx) {
  const char *text =
      lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, idx));
  if (!lua_istable(L, idx)) return text;
  lua_pushcfunction(L, brief);
  lua_pushvalue(L, idx);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK || !lua_isstring(L, -1)) return text;
  return lua_pushfstring(L, "%s %s", text, lua_tostring(L, -1));
}

/* Message handler: error -> text with traceback. */
static int traceback(lua_State *L) {
  last_status = statusof(L, 1);
  const char *text = lua_tostring(L, 1);
  if (text == NULL) {
    if (luaL_getmetafield(L, 1, "__tostring") != LUA_TNIL)
      text = luaL_tolstring(L, 1, NULL);
    else
      text = describe(L, 1);
  }
  if (strstr(text, "\nstack traceback:\n") == NULL) /* a device's has one */
    luaL_traceback(L, L, text, 1);
  else
    lua_pushstring(L, text);
  return 1;
}

bool kl_call(lua_State *L, int nargs, int nresults) {
  struct sigaction old;
  int base = lua_gettop(L) - nargs;
  lua_pushcfunction(L, traceback);
  lua_insert(L, base);
  kl_beginscript(L);
  kl_catchsigint(&old);
  int status = lua_pcall(L, nargs, nresults, base);
  sigaction(SIGINT, &old, NULL);
  kl_endscript(L);
  lua_remove(L, base);
  return status == LUA_OK;
}

enum kl_status kl_laststatus(void) {
  return last_status;
}

void kl_report(lua_State *L, const char *program) {
  const char *text = lua_tostring(L, -1);
  fflush(stdout);
  if (program != NULL) fprintf(stderr, "%s: ", program);
  fprintf(stderr, "%s\n", text != NULL ? text : "(no message)");
  fflush(stderr);
  lua_pop(L, 1);
}
