/* SPDX-License-Identifier: MIT */
/* Argument errors with values in hex, and fields of an option table, one
 * call each; idx may be none or nil. Those errors name the field: "field
 * 'offset': an integer expected, got string". */
#ifndef KL_OPTION_H
#define KL_OPTION_H

#include "aux.h"

/* kl_argerror with printf's formats. */
int kl_badarg(lua_State *L, int arg, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Raises when the table at idx has a key that names, a NULL-terminated list,
 * does not hold: "unknown field 'x' (expected a, b or c)". */
void kl_checkoptions(lua_State *L, int idx, const char *const *names);

/* Pushes t[name] for the option table at idx (nil when idx is none or nil) and
 * returns its type. [-0, +1] */
int kl_option(lua_State *L, int idx, const char *name);

/* The field, or def when it is nil. [-0, +0] */
uint64_t kl_optinteger(lua_State *L, int idx, const char *name, uint64_t def);
bool kl_optboolean(lua_State *L, int idx, const char *name, bool def);

/* The field, which must be there. [-0, +0] */
uint64_t kl_needinteger(lua_State *L, int idx, const char *name);

/* The field as a string, which stays on the stack; def when it is nil.
 * [-0, +1] */
const char *kl_optstring(lua_State *L, int idx, const char *name,
                         const char *def);

/* The field as flags, see kl_toflags; 0 when it is nil. [-0, +0] */
uint64_t kl_optflags(lua_State *L, int idx, const char *name,
                     const char *group);

#endif
