/* SPDX-License-Identifier: MIT */
#include "host/interrupt.h"

#include <errno.h>
#include <lauxlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/call.h"
#include "kvmlua.h"

volatile sig_atomic_t kl_interrupted;

static lua_State *volatile running; /* the script's, NULL: none */
static struct kl_context *context;  /* its guest's */
static volatile sig_atomic_t timed_out;
static timer_t timer;
static double timeout; /* seconds, 0: none */

/* lua_sethook is the one function of Lua that a signal handler may call. */
static void sethook(lua_Hook hook) {
  lua_sethook(running, hook,
              LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
  kvmlua_interrupt(context);
}

/* Without SA_RESTART: a read that waits for a person is left too. */
static void sethandler(int sig, void (*handler)(int), struct sigaction *old) {
  struct sigaction action = {.sa_handler = handler};
  sigemptyset(&action.sa_mask);
  sigaction(sig, &action, old);
}

/* From a hook: an error with the place where L is. */
static void stop(lua_State *L, const char *text) {
  lua_sethook(L, NULL, 0, 0);
  luaL_where(L, 0);
  lua_pushstring(L, text);
  lua_concat(L, 2);
  lua_error(L);
}

/* ---- Ctrl-C -------------------------------------------------------------- */

static void raise_interrupted(lua_State *L, lua_Debug *ar) {
  (void)ar;
  kvmlua_resume(context);
  stop(L, "interrupted!");
}

static void on_sigint(int sig) {
  if (running == NULL) {
    kl_interrupted = 1;
    return;
  }
  signal(sig, SIG_DFL);
  sethook(raise_interrupted);
}

void kl_catchsigint(struct sigaction *old) {
  sethandler(SIGINT, on_sigint, old);
  if (old->sa_handler == SIG_IGN) sigaction(SIGINT, old, NULL);
}

/* lua_close: a signal finds no state any more. */
static int forget(lua_State *L) {
  (void)L;
  running = NULL;
  return 0;
}

void kl_openinterrupts(lua_State *L) {
  lua_newuserdatauv(L, 0, 0);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, forget);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  luaL_ref(L, LUA_REGISTRYINDEX);
}

void kl_beginscript(lua_State *L) {
  context = kvmlua_context(L);
  running = L;
  if (kl_interrupted) sethook(raise_interrupted);
  kl_interrupted = 0;
}

/* An interrupt that came too late to stop anything is over, too. */
void kl_endscript(lua_State *L) {
  running = NULL;
  if (lua_gethook(L) == raise_interrupted) {
    lua_sethook(L, NULL, 0, 0);
    kvmlua_resume(context);
  }
}

/* ---- --timeout ----------------------------------------------------------- */

static void raise_timeout(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_pushfstring(L, "stopped after %f s (--timeout)", timeout);
  stop(L, lua_tostring(L, -1));
}

static void on_sigalrm(int sig) {
  static const char text[] = "kvmlua: killed after its --timeout\n";
  (void)sig;
  if (timed_out || running == NULL) {
    ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
    (void)n;
    _exit(KL_TIMEOUT);
  }
  timed_out = 1;
  sethook(raise_timeout);
}

void kl_settimeout(lua_State *L, double seconds) {
  struct timespec first = {.tv_sec = (time_t)seconds};
  first.tv_nsec = (long)((seconds - (double)first.tv_sec) * 1e9);
  struct itimerspec when = {.it_interval = {1, 0}, .it_value = first};
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
                           .sigev_signo = SIGALRM};
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
    luaL_error(L, "no timer for --timeout: %s", strerror(errno));
  timeout = seconds;
  sethandler(SIGALRM, on_sigalrm, NULL);
  timer_settime(timer, 0, &when, NULL);
}

void kl_stoptimeout(void) {
  if (timeout > 0) timer_delete(timer);
  timeout = 0;
}

int kl_istimeout(void) {
  return timed_out;
}
