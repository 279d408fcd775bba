/* SPDX-License-Identifier: MIT */
/* Ctrl-C and --timeout. Both belong to the process, so this is part of the
 * executable and not of the library. */
#ifndef KL_HOST_INTERRUPT_H
#define KL_HOST_INTERRUPT_H

#include <lua.h>
#include <signal.h>

/* A SIGINT that came while no script ran and one that does may come. Whoever
 * acts on it sets it to 0. */
extern volatile sig_atomic_t kl_interrupted;

/* From now on SIGINT does not end the process: it raises "interrupted!" in the
 * script that runs and stops its guest, or it is left in kl_interrupted. The
 * second one while the same script runs ends the process, for what cannot be
 * stopped so. SIGINT stays ignored where it was. old: for restoring. */
void kl_catchsigint(struct sigaction *old);

/* Has a signal that comes after L is closed find nothing of it. Once, before
 * the first script. */
void kl_openinterrupts(lua_State *L);

/* Around a script that runs in L. */
void kl_beginscript(lua_State *L);
void kl_endscript(lua_State *L);

/* From now, scripts have that many seconds. Then an error is raised; if that
 * does not end it within another second, the process ends with status 124. */
void kl_settimeout(lua_State *L, double seconds);
void kl_stoptimeout(void);
int kl_istimeout(void); /* is the time over? */

#endif
