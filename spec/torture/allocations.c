/* SPDX-License-Identifier: MIT */
/* Runs a script in states whose n-th allocation fails, for every n until the
 * script gets through: Lua's allocations, and the library's own calls of
 * malloc. allocations SCRIPT once|on STEP once: that one fails; on: all from
 * there on. STEP 1 is every n, 3 every third. After each run no memory and no
 * descriptor may be left. Prints "N runs". */
#include <dirent.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvmlua.h"

static long left;     /* allocations until one fails; 0: none fails */
static bool keeps_on; /* failing */
static long live;     /* allocated by malloc and the like */
static bool counting;

static bool fails(void) {
  if (!counting || left == 0) return false;
  if (left > 1) {
    left--;
    return false;
  }
  if (!keeps_on) left = 0;
  return true;
}

/* The linker puts these in the place of the library's calls (--wrap). */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

static void *counted(void *p) {
  if (p != NULL && counting) live++;
  return p;
}

void *__wrap_malloc(size_t n) {
  return fails() ? NULL : counted(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t size) {
  return fails() ? NULL : counted(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t n) {
  if (fails()) return NULL;
  void *q = __real_realloc(p, n);
  return p == NULL ? counted(q) : q;
}

void __wrap_free(void *p) {
  if (p != NULL && counting) live--;
  __real_free(p);
}

static void *allocate(void *ud, void *p, size_t old, size_t n) {
  (void)ud;
  if (n == 0) {
    __wrap_free(p);
    return NULL;
  }
  /* Lua relies on shrinking never to fail. */
  if (p != NULL && n <= old) return __real_realloc(p, n);
  return __wrap_realloc(p, n);
}

static int descriptors(void) {
  int n = 0;
  DIR *d = opendir("/proc/self/fd");
  while (d != NULL && readdir(d) != NULL) n++;
  if (d != NULL) closedir(d);
  return n;
}

static int body(lua_State *L) {
  luaL_openlibs(L);
  kvmlua_openlibs(L);
  if (luaL_loadfile(L, lua_touserdata(L, 1)) != LUA_OK) return lua_error(L);
  lua_call(L, 0, 0);
  return 0;
}

/* Whether an allocation was made to fail. */
static bool attempt(char *script, long n) {
  int before = descriptors();
  left = n;
  live = 0;
  counting = true;
  lua_State *L = lua_newstate(allocate, NULL);
  if (L != NULL) {
    lua_pushcfunction(L, body);
    lua_pushlightuserdata(L, script);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK && n == 0) {
      fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
      exit(1);
    }
    lua_close(L);
  }
  counting = false;
  int after = descriptors();
  if (live != 0 || after != before) {
    printf("allocation %ld: %ld blocks and %d descriptors are left\n", n, live,
           after - before);
    exit(1);
  }
  return keeps_on ? left == 1 : left == 0;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  keeps_on = strcmp(argv[2], "on") == 0;
  long step = atol(argv[3]), runs = 1;
  attempt(argv[1], 0); /* it gets through when nothing fails */
  for (long n = 1; attempt(argv[1], n); n += step) runs++;
  printf("%ld runs\n", runs);
  return 0;
}
