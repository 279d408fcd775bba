/* SPDX-License-Identifier: MIT */
/* Errors that name the user's line. As lauxlib's of the same names, but where
 * the Lua layer stands between a script and kvm.core, they tell the place in
 * the script, not the one in the layer. */
#ifndef KL_RAISE_H
#define KL_RAISE_H

#include <lauxlib.h>
#include <lua.h>

/* layer(): the files in the directory of the calling chunk are the Lua layer,
 * and so are those that the executable embeds. */
int kl_core_layer(lua_State *L);

/* Pushes "file:line: " of the innermost call that is not in the layer, or "".
 * [-0, +1] */
void kl_pushwhere(lua_State *L);

/* The format is lua_pushfstring's. */
int kl_error(lua_State *L, const char *format, ...);
int kl_argerror(lua_State *L, int arg, const char *text);
int kl_typeerror(lua_State *L, int arg, const char *expected);

#define kl_argcheck(L, condition, arg, text) \
  ((void)((condition) || kl_argerror(L, arg, text)))
#define kl_argexpected(L, condition, arg, expected) \
  ((void)((condition) || kl_typeerror(L, arg, expected)))

lua_Integer kl_badinteger(lua_State *L, int arg);
static inline lua_Integer kl_checkinteger(lua_State *L, int arg) {
  int is_integer;
  lua_Integer i = lua_tointegerx(L, arg, &is_integer);
  return is_integer ? i : kl_badinteger(L, arg);
}

static inline lua_Integer kl_integeror(lua_State *L, int arg,
                                       lua_Integer otherwise) {
  return lua_isnoneornil(L, arg) ? otherwise : kl_checkinteger(L, arg);
}

const char *kl_checklstring(lua_State *L, int arg, size_t *n);
#define kl_checkstring(L, arg) kl_checklstring(L, arg, NULL)

void kl_checktype(lua_State *L, int arg, int type);
void kl_checkany(lua_State *L, int arg);

#endif
