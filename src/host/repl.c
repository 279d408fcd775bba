/* SPDX-License-Identifier: MIT */
#include "host/repl.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* Key of the words that kvm.complete has found last. */
static const char found_words = 0;

/* (word, i) -> the i-th word that it may become, or nil */
static int repl_complete(lua_State *L) {
  lua_Integer i = lua_tointeger(L, 2);
  if (i == 0) {
    lua_getglobal(L, "require");
    lua_pushliteral(L, "kvm.complete");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "list");
    lua_pushstring(L, lua_touserdata(L, 1));
    lua_call(L, 1, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &found_words);
  }
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &found_words) != LUA_TTABLE) return 0;
  lua_rawgeti(L, -1, i + 1);
  return 1;
}

/* A kl_completer. Nothing is raised through readline. */
static char *complete(void *context, const char *word, int i) {
  lua_State *L = context;
  if (!lua_checkstack(L, 3)) return NULL;
  lua_pushcfunction(L, repl_complete);
  lua_pushlightuserdata(L, (void *)word);
  lua_pushinteger(L, i);
  bool is_found = lua_pcall(L, 2, 1, 0) == LUA_OK && lua_isstring(L, -1);
  char *copy = is_found ? strdup(lua_tostring(L, -1)) : NULL;
  lua_pop(L, 1);
  return copy;
}

/* For people only: scripts that are piped in know what to type. */
static void greet(lua_State *L) {
  bool can_complete = kl_setcompleter(complete, L);
  if (isatty(STDIN_FILENO))
    printf("kvm is require \"kvm\"; help() shows what there is%s\n",
           can_complete ? "; Tab completes" : "");
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
  greet(L);
  for (readchunk(L); !lua_isnil(L, -1); readchunk(L)) {
    if (!kl_call(L, 0, LUA_MULTRET))
      kl_report(L, NULL);
    else if (lua_gettop(L) > REPL)
      show(L);
  }
  kl_closeterminal();
}
