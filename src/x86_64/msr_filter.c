/* SPDX-License-Identifier: MIT */
/* KVM_X86_SET_MSR_FILTER: which MSRs the guest reaches without a word to user
 * space. */
#include <errno.h>
#include <string.h>

#include "arch_ioctls.h"
#include "arch_uapi.h"
#include "option.h"

enum { MOST_MSRS = KVM_MSR_FILTER_MAX_BITMAP_SIZE * 8 };

/* The integer field of the table at idx. */
static uint32_t field32(lua_State *L, int idx, const char *name,
                        lua_Integer otherwise) {
  lua_getfield(L, idx, name);
  int is_int = 1;
  lua_Integer v = lua_isnil(L, -1) ? otherwise : lua_tointegerx(L, -1, &is_int);
  if (!is_int || v < 0 || v > UINT32_MAX)
    kl_error(L, "kvm_msr_filter_range.%s: %s is not an integer of 32 bits",
             name, luaL_tolstring(L, -1, NULL));
  lua_pop(L, 1);
  return (uint32_t)v;
}

static uint64_t flags(lua_State *L, int idx, const char *group,
                      const char *what) {
  uint64_t v = 0;
  if (lua_getfield(L, idx, "flags") != LUA_TNIL)
    v = kl_toflags(L, -1, group, what);
  lua_pop(L, 1);
  return v;
}

/* Copies the bitmap of the range at idx; one that is not given allows
 * nothing. The kernel reads whole words, so the bytes cannot stay in Lua's
 * string. */
static void tobitmap(lua_State *L, int idx, struct kvm_msr_filter_range *r,
                     unsigned char *room) {
  size_t n = 0;
  const char *bytes = NULL;
  if (lua_getfield(L, idx, "bitmap") != LUA_TNIL) {
    if (lua_type(L, -1) != LUA_TSTRING)
      kl_error(L,
               "kvm_msr_filter_range.bitmap: a byte string expected, got "
               "%s",
               luaL_typename(L, -1));
    bytes = lua_tolstring(L, -1, &n);
    if (r->nmsrs == 0) r->nmsrs = n < MOST_MSRS ? (uint32_t)n * 8 : UINT32_MAX;
  }
  if (r->nmsrs == 0 || r->nmsrs > MOST_MSRS)
    kl_error(L, "kvm_msr_filter_range.nmsrs: %I MSRs, a range has 1 to %d",
             (lua_Integer)r->nmsrs, MOST_MSRS);
  if (bytes != NULL && n != ((size_t)r->nmsrs + 7) / 8)
    kl_error(L, "kvm_msr_filter_range.bitmap: %I bytes given for %I MSRs",
             (lua_Integer)n, (lua_Integer)r->nmsrs);
  if (bytes != NULL) memcpy(room, bytes, n);
  r->bitmap = room;
  lua_pop(L, 1);
}

static void torange(lua_State *L, struct kvm_msr_filter_range *r,
                    unsigned char *room) {
  static const char *const names[] = {"flags", "base", "nmsrs", "bitmap", NULL};
  int idx = lua_gettop(L);
  kl_checkoptions(L, idx, names);
  r->flags =
      (uint32_t)flags(L, idx, "MSR_FILTER", "kvm_msr_filter_range.flags");
  r->base = field32(L, idx, "base", -1);
  r->nmsrs = field32(L, idx, "nmsrs", 0);
  tobitmap(L, idx, r, room);
}

/* x86_set_msr_filter{flags = , ranges = {{flags = , base = , nmsrs = , bitmap =
 * bytes}, ...}}: a 1 bit allows what flags (READ, WRITE) says. Without a
 * bitmap nothing in the range is allowed; without ranges everything is. */
int kl_x86_set_msr_filter(lua_State *L) {
  static const char *const names[] = {"flags", "ranges", NULL};
  struct kvm_msr_filter filter = {0};
  struct kl_vm *vm = kl_checkvm(L, 1);
  kl_maxargs(L, 2);
  kl_checkoptions(L, 2, names);
  filter.flags =
      (uint32_t)flags(L, 2, "MSR_FILTER_DEFAULT", "kvm_msr_filter.flags");
  if (lua_getfield(L, 2, "ranges") == LUA_TNIL) lua_newtable(L);
  kl_argexpected(L, lua_istable(L, -1), 2, "ranges = a list");
  size_t n = (size_t)kl_checklist(L, -1, "ranges");
  if (n > KVM_MSR_FILTER_MAX_RANGES)
    return kl_argerror(L, 2, "a filter has at most 16 ranges");
  int ranges = lua_gettop(L);
  size_t size = n * KVM_MSR_FILTER_MAX_BITMAP_SIZE;
  unsigned char *room = memset(lua_newuserdatauv(L, size, 0), 0, size);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, ranges, (lua_Integer)i + 1);
    torange(L, &filter.ranges[i], room + i * KVM_MSR_FILTER_MAX_BITMAP_SIZE);
    lua_pop(L, 1);
  }
  if (kl_ioctl(L, &vm->handle, KVM_X86_SET_MSR_FILTER, &filter) < 0)
    return kl_failargs(L, 2, "KVM_X86_SET_MSR_FILTER", errno, NULL);
  return 0;
}
