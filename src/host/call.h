/* SPDX-License-Identifier: MIT */
/* Calling a script: its errors get a traceback, Ctrl-C and --timeout stop it
 * and the guest it runs. These are properties of the process, so they belong
 * to the executable and are not in the library. */
#ifndef KL_HOST_CALL_H
#define KL_HOST_CALL_H

#include <lua.h>
#include <stdbool.h>

enum kl_status {
  KL_OK = 0,
  KL_FAILED = 1,
  KL_USAGE = 2,
  KL_NO_KVM = 3,
  KL_TIMEOUT = 124,
};

/* lua_pcall with a traceback. While it runs, the first SIGINT raises
 * "interrupted!" in L and stops a running guest; the second one has its
 * default effect, for code that cannot be stopped so. */
bool kl_call(lua_State *L, int nargs, int nresults);

/* Prints the message at the top, and pops it. program may be NULL. */
void kl_report(lua_State *L, const char *program);

/* What the last failure means for the process. */
enum kl_status kl_laststatus(void);

/* From now, L has that many seconds. After them an error is raised in it; if
 * that does not end it within another second, the process ends. */
void kl_settimeout(lua_State *L, double seconds);

#endif
