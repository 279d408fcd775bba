/* SPDX-License-Identifier: MIT */
/* kvmlua [options] [script [args]], as lua's (manual, section 7). */
#include <lauxlib.h>
#include <lualib.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/call.h"
#include "host/interrupt.h"
#include "host/options.h"
#include "host/repl.h"
#include "host/terminal.h"
#include "kvmlua.h"

struct host {
  int argc;
  char **argv;
  struct kl_options options;
  enum kl_status status;
};

static void showversion(void) {
  printf("kvmlua %s  %s\n", KVMLUA_VERSION, LUA_COPYRIGHT);
  fflush(stdout);
}

/* And what this build was made with. */
static void showparts(void) {
#ifdef KVMLUA_FDT
  const char *fdt = "libfdt";
#else
  const char *fdt = "no libfdt";
#endif
  printf("with %s, %s\n", kl_editor(), fdt);
}

/* Calls the function below its nargs arguments; errors are reported. */
static bool run(lua_State *L, struct host *h, int nargs) {
  if (kl_call(L, nargs, 0)) return true;
  kl_report(L, h->options.program);
  h->status = kl_laststatus();
  return false;
}

/* The same for what luaL_load* has left: a chunk, or a message. */
static bool runloaded(lua_State *L, struct host *h, int status) {
  if (status == LUA_OK) return run(L, h, 0);
  kl_report(L, h->options.program);
  h->status = KL_FAILED;
  return false;
}

/* arg: the script is 0, options are before it. */
static void setarg(lua_State *L, const struct host *h) {
  int script = h->options.script == h->argc ? 0 : h->options.script;
  lua_createtable(L, h->argc - script, script + 1);
  for (int i = 0; i < h->argc; i++) {
    lua_pushstring(L, h->argv[i]);
    lua_rawseti(L, -2, i - script);
  }
  lua_setglobal(L, "arg");
}

static bool runinit(lua_State *L, struct host *h) {
  const char *name = "LUA_INIT" LUA_VERSUFFIX;
  const char *init = getenv(name);
  if (init == NULL) init = getenv(name = "LUA_INIT");
  if (init == NULL || h->options.ignore_env) return true;
  if (*init == '@') return runloaded(L, h, luaL_loadfile(L, init + 1));
  name = lua_pushfstring(L, "=%s", name);
  return runloaded(L, h, luaL_loadbuffer(L, init, strlen(init), name));
}

/* "mod" or "global=mod". (spec) */
static int requireglobal(lua_State *L) {
  const char *name = luaL_checkstring(L, 1), *sep = strchr(name, '=');
  lua_pushlstring(L, name, sep != NULL ? (size_t)(sep - name) : strlen(name));
  lua_getglobal(L, "require");
  lua_pushstring(L, sep != NULL ? sep + 1 : name);
  lua_call(L, 1, 1);
  lua_pushglobaltable(L);
  lua_rotate(L, -3, 1);
  lua_settable(L, -3);
  return 0;
}

static bool runstep(lua_State *L, struct host *h, const struct kl_step *s) {
  switch (s->kind) {
    case KL_EXECUTE:
      return runloaded(
          L, h,
          luaL_loadbuffer(L, s->text, strlen(s->text), "=(command line)"));
    case KL_REQUIRE:
      lua_pushcfunction(L, requireglobal);
      lua_pushstring(L, s->text);
      return run(L, h, 1);
    default: lua_warning(L, "@on", 0); return true;
  }
}

/* require(module).attach(file), for the observers: nothing, or what is wrong.
 * The command line is to blame for that and no code: it needs no traceback.
 * (module, file) */
static int attach(lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "attach");
  lua_pushvalue(L, 2);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return 0;
  luaL_tolstring(L, -1, NULL);
  return 1;
}

static bool observe(lua_State *L, struct host *h, const char *module,
                    const char *file) {
  if (file == NULL) return true;
  lua_pushcfunction(L, attach);
  lua_pushstring(L, module);
  lua_pushstring(L, *file == '\0' ? NULL : file);
  bool is_called = kl_call(L, 2, 1);
  if (is_called && lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return true;
  }
  h->status = is_called ? KL_FAILED : kl_laststatus();
  kl_report(L, h->options.program);
  return false;
}

static bool runscript(lua_State *L, struct host *h) {
  const struct kl_options *o = &h->options;
  const char *file = o->is_stdin ? NULL : h->argv[o->script];
  if (luaL_loadfile(L, file) != LUA_OK) return runloaded(L, h, LUA_ERRFILE);
  int n = h->argc - o->script - 1;
  luaL_checkstack(L, n + 3, "too many arguments to script");
  for (int i = 1; i <= n; i++) lua_pushstring(L, h->argv[o->script + i]);
  return run(L, h, n);
}

static void showinfo(lua_State *L, struct host *h) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "kvm.info");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "show");
  lua_pushstring(L, h->options.info);
  lua_pushliteral(L, KVMLUA_VERSION);
  if (!kl_call(L, 2, 1)) {
    kl_report(L, h->options.program);
    h->status = kl_laststatus();
  } else if (!lua_toboolean(L, -1)) {
    h->status = KL_NO_KVM;
  }
}

/* What is done when the options are understood. */
static void dispatch(lua_State *L, struct host *h) {
  const struct kl_options *o = &h->options;
  if (o->version || o->long_version) showversion();
  if (o->long_version) showparts();
  if (!runinit(L, h)) return;
  if (!observe(L, h, "kvm.trace", o->trace) ||
      !observe(L, h, "kvm.calltree", o->calltree))
    return;
  for (int i = 0; i < o->nsteps; i++)
    if (!runstep(L, h, &o->steps[i])) return;
  bool has_script = o->script < h->argc;
  if (o->info != NULL)
    showinfo(L, h);
  else if (has_script && !runscript(L, h))
    return;
  if (o->interactive) {
    kl_repl(L);
  } else if (!has_script && !o->has_code && !o->version && !o->long_version &&
             o->info == NULL) {
    if (isatty(STDIN_FILENO)) {
      showversion();
      kl_repl(L);
    } else {
      runloaded(L, h, luaL_loadfile(L, NULL));
    }
  }
}

static int pmain(lua_State *L) {
  struct host *h = lua_touserdata(L, 1);
  luaL_checkversion(L);
  if (h->options.ignore_env) { /* for the libraries, and for ours */
    lua_pushboolean(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
  }
  luaL_openlibs(L);
  kvmlua_openlibs(L);
  kl_openinterrupts(L);
  setarg(L, h);
  lua_gc(L, LUA_GCGEN, 0, 0);
  if (h->options.timeout > 0) kl_settimeout(L, h->options.timeout);
  dispatch(L, h);
  return 0;
}

/* Scripts read guest memory into strings of many pages. What the collector
 * frees of them stays for the next ones: fresh pages from the kernel cost more
 * than filling them. */
static void keepmemory(void) {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

int main(int argc, char **argv) {
  struct host h = {.argc = argc, .argv = argv};
  keepmemory();
  if (!kl_parseoptions(argc, argv, &h.options)) {
    kl_freeoptions(&h.options);
    return KL_USAGE;
  }
  if (h.options.help) {
    kl_printusage(h.options.program, stdout);
    kl_freeoptions(&h.options);
    return KL_OK;
  }
  lua_State *L = luaL_newstate();
  if (L == NULL) {
    fprintf(stderr, "%s: not enough memory\n", h.options.program);
    return KL_FAILED;
  }
  lua_pushcfunction(L, pmain);
  lua_pushlightuserdata(L, &h);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    kl_report(L, h.options.program);
    h.status = KL_FAILED;
  }
  lua_close(L);
  kl_freeoptions(&h.options);
  return kl_istimeout() ? KL_TIMEOUT : h.status;
}
