/* SPDX-License-Identifier: MIT */
#include "host/call.h"

#include <errno.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kvmlua.h"

static lua_State *running; /* what SIGINT stops */
static lua_State *timed;   /* what SIGALRM stops */
static double timeout;
static volatile sig_atomic_t timed_out;
static enum kl_status last_status = KL_FAILED;

/* ---- errors ---------------------------------------------------------------- */

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
  if (timed_out)
    return KL_TIMEOUT;
  lua_pushcfunction(L, isopenerror);
  lua_pushvalue(L, idx);
  bool is_open = lua_pcall(L, 1, 1, 0) == LUA_OK && lua_toboolean(L, -1);
  lua_pop(L, 1);
  return is_open ? KL_NO_KVM : KL_FAILED;
}

/* Message handler: error -> text with traceback. */
static int traceback(lua_State *L) {
  last_status = statusof(L, 1);
  const char *text = lua_tostring(L, 1);
  if (text == NULL) {
    if (luaL_getmetafield(L, 1, "__tostring") != LUA_TNIL)
      text = luaL_tolstring(L, 1, NULL);
    else
      text = lua_pushfstring(L, "(error object is a %s value)",
                             luaL_typename(L, 1));
  }
  luaL_traceback(L, L, text, 1);
  return 1;
}

enum kl_status kl_laststatus(void) {
  return last_status;
}

void kl_report(lua_State *L, const char *program) {
  const char *text = lua_tostring(L, -1);
  fflush(stdout);
  if (program != NULL)
    fprintf(stderr, "%s: ", program);
  fprintf(stderr, "%s\n", text != NULL ? text : "(no message)");
  fflush(stderr);
  lua_pop(L, 1);
}

/* ---- stopping -------------------------------------------------------------- */

/* lua_sethook is the one function of Lua that a signal handler may call. */
#define EVERYWHERE \
  (LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT)

static void raise_interrupted(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "interrupted!");
}

static void raise_timeout(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "stopped after %f s (--timeout)", timeout);
}

static void on_sigint(int sig) {
  signal(sig, SIG_DFL);
  lua_sethook(running, raise_interrupted, EVERYWHERE, 1);
  kvmlua_interrupt(running);
}

static void on_sigalrm(int sig) {
  static const char text[] = "kvmlua: killed after its --timeout\n";
  (void)sig;
  if (timed_out) {
    ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
    (void)n;
    _exit(KL_TIMEOUT);
  }
  timed_out = 1;
  lua_sethook(timed, raise_timeout, EVERYWHERE, 1);
  kvmlua_interrupt(timed);
}

/* Without SA_RESTART: a read that waits for a person is left too. */
static struct sigaction handle(int sig, void (*f)(int)) {
  struct sigaction action = {.sa_handler = f}, old;
  sigemptyset(&action.sa_mask);
  sigaction(sig, &action, &old);
  return old;
}

void kl_settimeout(lua_State *L, double seconds) {
  struct timespec first = {(time_t)seconds, 0};
  first.tv_nsec = (long)((seconds - (double)first.tv_sec) * 1e9);
  struct itimerspec when = {.it_interval = {1, 0}, .it_value = first};
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
                           .sigev_signo = SIGALRM};
  timer_t timer;
  timed = L;
  timeout = seconds;
  handle(SIGALRM, on_sigalrm);
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 ||
      timer_settime(timer, 0, &when, NULL) != 0)
    luaL_error(L, "cannot start the timer for --timeout: %s",
               strerror(errno));
}

bool kl_call(lua_State *L, int nargs, int nresults) {
  int base = lua_gettop(L) - nargs;
  lua_pushcfunction(L, traceback);
  lua_insert(L, base);
  lua_State *outer = running;
  running = L;
  struct sigaction old = handle(SIGINT, on_sigint);
  int status = lua_pcall(L, nargs, nresults, base);
  sigaction(SIGINT, &old, NULL);
  running = outer;
  lua_remove(L, base);
  return status == LUA_OK;
}
