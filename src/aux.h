/* SPDX-License-Identifier: MIT */
/* Classes and argument checks on top of the Lua C API. Knows no KVM. */
#ifndef KL_AUX_H
#define KL_AUX_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "raise.h"

#define KL_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What every exit passes through, and what must not weigh on that. */
#define KL_HOT inline __attribute__((always_inline))
#define KL_COLD __attribute__((noinline, cold))

/* A userdata type. Every object of it starts with a pointer to its class,
 * which is how an object is recognised: cheaper than comparing metatables,
 * and no other library's userdata holds that address. */
struct kl_class {
  const char *name;        /* what type errors print: "kvm.vcpu" */
  size_t size;             /* of the object */
  const luaL_Reg *methods; /* obj:name(...); NULL for none */
  const luaL_Reg *getters; /* obj.name, called with the object alone */
  const luaL_Reg *setters; /* obj.name = v, called with object and value */
  const luaL_Reg *meta;    /* further metamethods */
  lua_CFunction close;     /* idempotent; close(), __close and __gc */
};

struct kl_object {
  const struct kl_class *class;
};

/* Makes the metatable of a class and leaves its table of methods on the
 * stack, which the caller may extend. [-0, +1] */
void kl_newclass(lua_State *L, const struct kl_class *class);

/* Pushes a zeroed object of a class with nuv user values. [-0, +1] */
void *kl_new(lua_State *L, const struct kl_class *class, int nuv);

/* Gives the object below the top a metatable of its own, like its class's but
 * with the table at the top for __index: what that table holds is read without
 * a function call. Pops the table. [-1, +0] */
void kl_ownindex(lua_State *L);

/* The object at idx, or NULL when it is not of the class. A light userdata has
 * no length, so it is not looked into. */
static inline void *kl_test(lua_State *L, int idx,
                            const struct kl_class *class) {
  struct kl_object *o = lua_touserdata(L, idx);
  if (o == NULL || lua_rawlen(L, idx) != class->size || o->class != class)
    return NULL;
  return o;
}

/* The object at idx; raises an argument error when it is not of the class. */
void *kl_check(lua_State *L, int idx, const struct kl_class *class);

/* Raises for the key at index 2 that an object of a class lacks, and suggests
 * one of the tables of methods and of getters (0: none). */
int kl_nomember(lua_State *L, const char *class, int methods, int getters);

/* Raises unless the function was called with at most max arguments. */
void kl_maxargs(lua_State *L, int max);

/* The integer at idx, which must lie in [min, max] taken as unsigned. The
 * argument is called what in the error, and both values are shown in hex. */
uint64_t kl_checkrange(lua_State *L, int idx, const char *what, uint64_t min,
                       uint64_t max);

/* The length of the list at idx; raises for a table with other keys, in which
 * something would be overlooked. what is used in errors. */
lua_Integer kl_checklist(lua_State *L, int idx, const char *what);

/* The duration at idx in nanoseconds, given in seconds (0 to 1e9); it is, or is
 * a field of, argument arg. */
int64_t kl_checkseconds(lua_State *L, int idx, int arg, const char *what);

/* Flags: an integer, a name of the constant group, or a list of names.
 * what is used in errors ("kvm_userspace_memory_region.flags"). The groups
 * live in the registry, see kl_newconstants. */
uint64_t kl_toflags(lua_State *L, int idx, const char *group, const char *what);

/* One constant of a group: an integer up to max, or a name. */
uint64_t kl_toconstant(lua_State *L, int idx, const char *group,
                       const char *what, uint64_t max);

/* A named constant. */
struct kl_constant {
  const char *name;
  int64_t value;
};

/* Pushes the two-way table of the constants of a group: name -> value and
 * value -> first name; registers it for kl_toflags. Rows end with a NULL name.
 * A group may be made in several calls: they extend one table. [-0, +1] */
void kl_newconstants(lua_State *L, const char *group,
                     const struct kl_constant *rows);

/* Pushes the name of a constant ("EEXIST", "EXIT" groups ...) or nil.
 * [-0, +1] */
int kl_constantname(lua_State *L, const char *group, int64_t value);

#endif
