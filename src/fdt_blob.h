/* SPDX-License-Identifier: MIT */
/* What the two halves of kvm.fdt.core share. */
#ifndef KL_FDT_BLOB_H
#define KL_FDT_BLOB_H

#include <stddef.h>

#include <libfdt.h>

#include <lauxlib.h>
#include <lua.h>

enum {
  KL_FDT_MAX_DEPTH = 64,      /* Linux unflattens no deeper */
  KL_FDT_MAX_SIZE = 64 << 20, /* keeps every sum within libfdt's int */
  KL_FDT_PADDING = 16         /* zeros behind a blob: strings always end */
};

/* Raises without a position: kvm.fdt adds the line of the script. */
#define kl_fdt_fail(L, ...) \
  (lua_pushfstring(L, __VA_ARGS__), (void)lua_error(L))

/* Raises "WHAT: meaning (FDT_ERR_X)" when ERR is negative. */
void kl_fdt_check(lua_State *L, const char *what, int err);

/* Pushes a zeroed userdata of SIZE bytes and padding, aligned for libfdt. */
void *kl_fdt_buffer(lua_State *L, size_t size);

/*
 * Raises unless FDT has one root, no node deeper than KL_FDT_MAX_DEPTH
 * (libfdt recurses when it applies an overlay), names that can stand in a
 * path, and properties only before the children of their node.
 */
void kl_fdt_checkshape(lua_State *L, const void *fdt);

/*
 * Pushes a copy of the blob in the string argument ARG, after checking all of
 * it: header, blocks, tags, names, depth. Raises when anything is wrong.
 */
const void *kl_fdt_checkblob(lua_State *L, int arg);

/* overlay(base, overlay) -> blob */
int kl_fdt_overlay(lua_State *L);

#endif
