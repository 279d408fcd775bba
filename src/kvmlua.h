/* SPDX-License-Identifier: MIT */
/* kvmlua in another program, which is built with what
 * `pkg-config --cflags --libs kvmlua` says:
 *
 *   lua_State *L = luaL_newstate();
 *   luaL_openlibs(L);
 *   kvmlua_openlibs(L);
 *   luaL_dostring(L, "vm = require 'kvm'.create_vm()");
 */
#ifndef KVMLUA_H
#define KVMLUA_H

#include <lua.h>

#define KVMLUA_API __attribute__((visibility("default")))

/* Makes `require "kvm"` and everything below it work in L, from data that is
 * part of the program: nothing is loaded before it is required, and a file
 * below the directory in KVMLUA_PATH takes the place of an embedded one.
 * Needs the package library open. Stack: unchanged. May raise. */
KVMLUA_API void kvmlua_openlibs(lua_State *L);

/* The part of L that may be used from a signal handler; it lives as long as L.
 * Stack: unchanged. May raise. */
struct kl_context;
KVMLUA_API struct kl_context *kvmlua_context(lua_State *L);

/* Stops the guest that runs: its KVM_RUN, or else the next one in that state,
 * returns "intr". Nothing else notices. Async-signal-safe. */
KVMLUA_API void kvmlua_interrupt(struct kl_context *context);

/* Takes back an interrupt that has stopped no guest. Async-signal-safe. */
KVMLUA_API void kvmlua_resume(struct kl_context *context);

/* The C modules, for programs that place them in package.preload
 * themselves. Ordinary openers: one table is pushed. kvm.fdt.core is there
 * only when kvmlua was built with libfdt. */
KVMLUA_API int luaopen_kvm_core(lua_State *L);
KVMLUA_API int luaopen_kvm_fdt_core(lua_State *L);

#endif
