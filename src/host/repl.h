/* SPDX-License-Identifier: MIT */
/* The prompt. Reading a chunk and showing values is lua/kvm/repl.lua; the
 * terminal is here. */
#ifndef KL_HOST_REPL_H
#define KL_HOST_REPL_H

#include <lua.h>

/* Reads, runs and prints until the end of the input. */
void kl_repl(lua_State *L);

#endif
