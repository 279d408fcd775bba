/* SPDX-License-Identifier: MIT */
/* KVM_GET_MSRS and KVM_SET_MSRS. Both return how many entries were processed:
 * the next one is the one that was refused. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "arch_ioctls.h"
#include "arch_uapi.h"
#include "handle.h"
#include "option.h"
#include "regs.h"
#include "x86.h"

/* The kernel's own limit is 256; it says E2BIG. */
enum { MOST = 65536 };

/* ---- one ----------------------------------------------------------------- */

/* The calls with a list of one. */
static int callone(lua_State *L, struct kl_vcpu *v, unsigned long request,
                   struct kvm_msr_entry *e) {
  _Alignas(8) unsigned char room[sizeof(struct kvm_msrs) + sizeof *e];
  struct kvm_msrs *m = (void *)room;
  *m = (struct kvm_msrs){.nmsrs = 1};
  m->entries[0] = *e;
  int n = kl_ioctl(L, &v->handle, request, m);
  *e = m->entries[0];
  if (n == 0) errno = EINVAL;
  return n == 1 ? 0 : -1;
}

int kl_x86_readmsr(lua_State *L, struct kl_vcpu *v, const struct kl_reg *r,
                   void *data) {
  struct kvm_msr_entry e = {.index = (uint32_t)r->id};
  if (callone(L, v, KVM_GET_MSRS, &e) < 0) return -1;
  kl_storeuint(data, 8, e.data);
  return 0;
}

int kl_x86_writemsr(lua_State *L, struct kl_vcpu *v, const struct kl_reg *r,
                    const void *data) {
  struct kvm_msr_entry e = {.index = (uint32_t)r->id,
                            .data = kl_loaduint(data, 8)};
  return callone(L, v, KVM_SET_MSRS, &e);
}

/* ---- tables -------------------------------------------------------------- */

/* The index at idx: an integer, or the name that vcpu.regs has for an MSR. */
static uint32_t toindex(lua_State *L, int idx) {
  struct kl_reg extra;
  int is_int;
  if (lua_type(L, idx) == LUA_TSTRING) {
    const struct kl_reg *r = kl_findreg(L, NULL, idx, &extra);
    if (kl_arch_reg_groups[r->group].read != kl_x86_readmsr)
      kl_error(L, "register '%s' is not an MSR", r->name);
    return (uint32_t)r->id;
  }
  uint64_t i = (uint64_t)lua_tointegerx(L, idx, &is_int);
  if (!is_int || i > UINT32_MAX)
    kl_error(L, "an MSR's index (0 to 0xffffffff) or name expected, got %s",
             luaL_tolstring(L, idx, NULL));
  return (uint32_t)i;
}

static uint64_t tovalue(lua_State *L, int idx, uint32_t index) {
  int is_int;
  uint64_t v = (uint64_t)lua_tointegerx(L, idx, &is_int);
  if (!is_int || lua_type(L, idx) != LUA_TNUMBER) {
    char text[32];
    snprintf(text, sizeof text, "MSR 0x%" PRIx32, index);
    kl_error(L, "%s: an integer expected, got %s", text,
             luaL_tolstring(L, idx, NULL));
  }
  return v;
}

/* Pushes room for n entries. */
static struct kvm_msrs *pushmsrs(lua_State *L, lua_Integer n) {
  kl_argcheck(L, n <= MOST, 2, "too many MSRs");
  struct kvm_msrs *m =
      lua_newuserdatauv(L, sizeof *m + (size_t)n * sizeof m->entries[0], 0);
  *m = (struct kvm_msrs){.nmsrs = (uint32_t)n};
  return m;
}

/* Raises for the entry after the first done; the details are error.args. */
static int refused(lua_State *L, const char *ioctl, const struct kvm_msrs *m,
                   int done, bool writing) {
  const struct kvm_msr_entry *e = &m->entries[done];
  const char *name = "";
  char value[32] = "";
  for (const struct kl_reg *r = kl_arch_regs; r->name != NULL; r++) {
    if (r->id == e->index &&
        kl_arch_reg_groups[r->group].read == kl_x86_readmsr)
      name = r->name;
  }
  lua_createtable(L, 0, 4);
  lua_pushinteger(L, e->index);
  lua_setfield(L, -2, "index");
  lua_pushinteger(L, done);
  lua_setfield(L, -2, "done");
  lua_pushinteger(L, m->nmsrs);
  lua_setfield(L, -2, "count");
  if (writing) {
    lua_pushinteger(L, (lua_Integer)e->data);
    lua_setfield(L, -2, "value");
    snprintf(value, sizeof value, " = 0x%" PRIx64, (uint64_t)e->data);
  }
  return kl_failargs(
      L, -1, ioctl, EINVAL,
      "MSR 0x%" PRIx32 "%s%s%s%s, number %d of %" PRIu32 ", is refused%s",
      e->index, *name ? " (" : "", name, *name ? ")" : "", value, done + 1,
      m->nmsrs, writing ? "; those before it are set" : "");
}

/* get_msrs(list of indices or names) -> {[index or name] = value} */
int kl_x86_get_msrs(lua_State *L) {
  struct kl_handle *h = kl_checkhandle(L, 1);
  kl_maxargs(L, 2);
  kl_checktype(L, 2, LUA_TTABLE);
  lua_Integer n = kl_checklist(L, 2, "MSRs");
  struct kvm_msrs *m = pushmsrs(L, n);
  for (lua_Integer i = 0; i < n; i++) {
    lua_rawgeti(L, 2, i + 1);
    m->entries[i] = (struct kvm_msr_entry){.index = toindex(L, -1)};
    lua_pop(L, 1);
  }
  int r = n > 0 ? kl_ioctl(L, h, KVM_GET_MSRS, m) : 0;
  if (r < 0) return kl_failargs(L, 2, "KVM_GET_MSRS", errno, NULL);
  if (r < n) return refused(L, "KVM_GET_MSRS", m, r, false);
  lua_createtable(L, 0, (int)n);
  for (lua_Integer i = 0; i < n; i++) {
    lua_rawgeti(L, 2, i + 1);
    lua_pushinteger(L, (lua_Integer)m->entries[i].data);
    lua_rawset(L, -3);
  }
  return 1;
}

/* {index = , data = } at the top of the stack, which is popped. */
static struct kvm_msr_entry toentry(lua_State *L, lua_Integer i) {
  static const char *const names[] = {"index", "data", NULL};
  struct kvm_msr_entry e = {0};
  if (!lua_istable(L, -1))
    kl_error(L, "entry %I is a %s, expected {index = , data = }", i,
             luaL_typename(L, -1));
  kl_checkoptions(L, lua_gettop(L), names);
  lua_getfield(L, -1, "index");
  e.index = toindex(L, -1);
  lua_getfield(L, -2, "data");
  e.data = tovalue(L, -1, e.index);
  lua_pop(L, 3);
  return e;
}

static int byindex(const void *a, const void *b) {
  uint32_t x = ((const struct kvm_msr_entry *)a)->index;
  uint32_t y = ((const struct kvm_msr_entry *)b)->index;
  return (x > y) - (x < y);
}

/* Pushes the entries of the table at 2: a list of entries, whose order is
 * kept, or index -> value, lower indices first. */
static struct kvm_msrs *pushentries(lua_State *L) {
  lua_Integer n = 0, i = 0;
  bool is_list = lua_rawgeti(L, 2, 1) == LUA_TTABLE;
  lua_pop(L, 1);
  for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) n++;
  if (is_list && n != (lua_Integer)lua_rawlen(L, 2))
    kl_argerror(L, 2, "a list of entries has no other keys");
  struct kvm_msrs *m = pushmsrs(L, n);
  if (is_list) {
    for (; i < n; i++) {
      lua_rawgeti(L, 2, i + 1);
      m->entries[i] = toentry(L, i + 1);
    }
    return m;
  }
  for (lua_pushnil(L); i < n && lua_next(L, 2); lua_pop(L, 1), i++) {
    uint32_t index = toindex(L, -2);
    m->entries[i] =
        (struct kvm_msr_entry){.index = index, .data = tovalue(L, -1, index)};
  }
  m->nmsrs = (uint32_t)i; /* fewer when a finalizer has taken some out */
  qsort(m->entries, (size_t)i, sizeof m->entries[0], byindex);
  return m;
}

/* set_msrs{[index or name] = value}, or set_msrs{{index = , data = }, ...} */
int kl_x86_set_msrs(lua_State *L) {
  struct kl_vcpu *v = kl_checkvcpu(L, 1);
  kl_maxargs(L, 2);
  kl_checktype(L, 2, LUA_TTABLE);
  const struct kvm_msrs *m = pushentries(L);
  int r = m->nmsrs > 0 ? kl_ioctl(L, &v->handle, KVM_SET_MSRS, m) : 0;
  if (r < 0) return kl_failargs(L, 2, "KVM_SET_MSRS", errno, NULL);
  if (r < (int)m->nmsrs) return refused(L, "KVM_SET_MSRS", m, r, true);
  return 0;
}
