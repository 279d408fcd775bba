/* SPDX-License-Identifier: MIT */
#include "host/repl.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "host/call.h"
#include "host/interrupt.h"
#include "host/terminal.h"

/* Index of the kvm.repl table. */
enum { REPL = 1 };

/* (prompt) -> a line, false after Ctrl-C, nil at the end of the input. */
static int repl_readline(lua_State *L) {
  char *line = NULL;
  switch (kl_readline(luaL_checkstring(L, 1), &line)) {
    case KL_LINE:
      lua_pushstring(L, line);
      free(line);
      return 1;
    case KL_CLEARED: lua_pushboolean(L, 0); return 1;
    default: return 0;
  }
}

static int repl_remember(lua_State *L) {
  kl_remember(luaL_checkstring(L, 1));
  return 0;
}

/* Leaves a chunk, or nil at the end; says what is wrong with others. */
static void readchunk(lua_State *L) {
  do {
    lua_settop(L, REPL);
    lua_getfield(L, REPL, "read");
    lua_pushcfunction(L, repl_readline);
    lua_pushcfunction(L, repl_remember);
    lua_call(L, 2, 2); /* chunk | nil | false, message */
    if (lua_isstring(L, -1))
      kl_report(L, NULL);
    else
      lua_pop(L, 1);
  } while (lua_isboolean(L, -1));
}

static void show(lua_State *L) {
  lua_getfield(L, REPL, "show");
  lua_insert(L, REPL + 1);
  if (!kl_call(L, lua_gettop(L) - REPL - 1, 0)) kl_report(L, NULL);
}

void kl_repl(lua_State *L) {
  lua_settop(L, 0);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "kvm.repl");
  lua_call(L, 1, 1);
  kl_stoptimeout(); /* it was the script's */
  kl_openterminal();
  for (readchunk(L); !lua_isnil(L, -1); readchunk(L)) {
    if (!kl_call(L, 0, LUA_MULTRET))
      kl_report(L, NULL);
    else if (lua_gettop(L) > REPL)
      show(L);
  }
  kl_closeterminal();
}
