/* SPDX-License-Identifier: MIT */
/* Calling a script, and what its errors mean. */
#ifndef KL_HOST_CALL_H
#define KL_HOST_CALL_H

#include <lua.h>
#include <stdbool.h>

/* Exit statuses. */
enum kl_status {
  KL_OK = 0,
  KL_FAILED = 1,
  KL_USAGE = 2,
  KL_NO_KVM = 3,
  KL_TIMEOUT = 124,
};

/* lua_pcall that leaves a message with traceback, and that Ctrl-C and
 * --timeout can stop. Not to be nested. */
bool kl_call(lua_State *L, int nargs, int nresults);

/* Prints the message at the top, and pops it. program may be NULL. */
void kl_report(lua_State *L, const char *program);

/* What the last failure means for the process. */
enum kl_status kl_laststatus(void);

#endif
