/* SPDX-License-Identifier: MIT */
/* Memory slots: what the kernel is told, and the table that remembers it, by
 * which no memory goes away under a slot. */
#include <errno.h>
#include <string.h>

#include "ioctls.h"
#include "memory.h"
#include "option.h"
#include "slots.h"
#include "trace.h"

static const char *const names[] = {"slot",        "flags",  "guest_phys_addr",
                                    "memory_size", "memory", "offset",
                                    NULL};
static const char *const names2[] = {
    "slot",   "flags",       "guest_phys_addr",    "memory_size", "memory",
    "offset", "guest_memfd", "guest_memfd_offset", NULL};

/* Stack indices of the memory objects. */
enum { MEMORY = 3, GUEST = 4 };

/* ---- arguments ----------------------------------------------------------- */

static uint32_t to32(lua_State *L, const char *name, uint64_t v) {
  if (v > UINT32_MAX)
    kl_badarg(L, 2, "%s 0x%llx does not fit in 32 bits", name,
              (unsigned long long)v);
  return (uint32_t)v;
}

/* The open memory object at idx, or NULL when it is nil. */
static struct kl_memory *optmemory(lua_State *L, int idx, const char *name) {
  if (lua_isnil(L, idx)) return NULL;
  if (kl_test(L, idx, &kl_memory_class) == NULL)
    kl_badarg(L, 2, "field '%s': kvm.memory expected, got %s", name,
              luaL_typename(L, idx));
  return kl_checkmemory(L, idx);
}

/* Reads the table at 2 and pushes its memory objects to MEMORY and GUEST.
 * May run Lua code; nothing that could be closed is looked at here. */
static void readtable(lua_State *L, struct kl_region *r, bool second) {
  kl_checktype(L, 2, LUA_TTABLE);
  if (kl_option(L, 2, "userspace_addr") != LUA_TNIL)
    kl_badarg(L, 2,
              "scripts have no addresses for userspace_addr: pass "
              "memory = a kvm.memory, and offset =");
  kl_checkoptions(L, 2, second ? names2 : names);
  r->slot.slot = to32(L, "slot", kl_needinteger(L, 2, "slot"));
  r->slot.flags = to32(L, "flags", kl_optflags(L, 2, "flags", "MEM"));
  r->slot.gpa = kl_optinteger(L, 2, "guest_phys_addr", 0);
  r->slot.offset = kl_optinteger(L, 2, "offset", 0);
  r->guest_offset = kl_optinteger(L, 2, "guest_memfd_offset", 0);
  r->has_size = kl_option(L, 2, "memory_size") != LUA_TNIL;
  r->slot.size = r->has_size ? kl_needinteger(L, 2, "memory_size") : 0;
  lua_settop(L, 2);
  kl_option(L, 2, "memory");
  if (second)
    kl_option(L, 2, "guest_memfd");
  else
    lua_pushnil(L);
}

static void setguest(lua_State *L, struct kl_region *r) {
  struct kl_memory *g = optmemory(L, GUEST, "guest_memfd");
  if (g == NULL) return;
  if (strcmp(g->mapping->backing, "guest_memfd") != 0)
    kl_badarg(L, 2,
              "field 'guest_memfd': its backing is '%s', make it with "
              "vm:create_guest_memfd",
              g->mapping->backing);
  kl_checkbounds(L, 2, g, r->guest_offset, r->slot.size);
  r->guest_offset += g->offset;
  r->slot.guest = g->mapping;
  r->slot.flags |= KVM_MEM_GUEST_MEMFD;
}

static void setmemory(lua_State *L, struct kl_region *r) {
  if (r->has_size && r->slot.size == 0) return; /* deletes the slot */
  struct kl_memory *m = optmemory(L, MEMORY, "memory");
  if (m == NULL)
    kl_badarg(L, 2,
              "field 'memory': kvm.memory expected, got nothing "
              "(memory_size = 0 deletes a slot)");
  if (!r->has_size)
    r->slot.size = r->slot.offset < m->size ? m->size - r->slot.offset : 0;
  if (r->slot.size == 0)
    kl_badarg(L, 2, "offset 0x%llx is at or behind the end of the memory",
              (unsigned long long)r->slot.offset);
  kl_memorybytes(L, 2, m, r->slot.offset, r->slot.size);
  r->slot.offset += m->offset;
  r->slot.memory = m->mapping;
  setguest(L, r);
}

/* ---- the call ------------------------------------------------------------ */

static struct kvm_userspace_memory_region2 tostruct(const struct kl_region *r) {
  const struct kl_slot *s = &r->slot;
  struct kvm_userspace_memory_region2 k = {
      .slot = s->slot,
      .flags = s->flags,
      .guest_phys_addr = s->gpa,
      .memory_size = s->size,
      .guest_memfd_offset = s->guest != NULL ? r->guest_offset : 0};
  if (s->memory != NULL)
    k.userspace_addr = (uintptr_t)s->memory->addr + s->offset;
  if (s->guest != NULL) k.guest_memfd = (uint32_t)s->guest->fd;
  return k;
}

/* Tells the kernel, and the table right after it: a tracer, which may run
 * anything, comes last. The first struct is a prefix of the second. */
static int tell(lua_State *L, struct kl_vm *vm, const struct kl_region *r,
                unsigned long request, char *why, size_t n) {
  struct kl_handle *h = &vm->handle;
  struct kvm_userspace_memory_region2 k = tostruct(r);
  bool tracing = h->context->tracing;
  int64_t start = tracing ? kl_now() : 0;
  h->context->tracing = false;
  int result = kl_ioctl(L, h, request, &k);
  int err = errno;
  if (result < 0)
    kl_explainslot(L, vm, r, err, why, n);
  else if (r->slot.size == 0)
    kl_dropslot(h->machine, r->slot.slot);
  else
    kl_putslot(h->machine, &r->slot);
  h->context->tracing = tracing;
  errno = err;
  if (tracing)
    kl_trace(L, h, request, (unsigned long)(uintptr_t)&k, result, start);
  errno = err;
  return result;
}

static int setregion(lua_State *L, unsigned long request, const char *name) {
  struct kl_region r = {.has_size = false};
  kl_checkvm(L, 1);
  kl_maxargs(L, 2);
  readtable(L, &r, request == KVM_SET_USER_MEMORY_REGION2);
  struct kl_vm *vm = kl_checkvm(L, 1);
  setmemory(L, &r);
  if (!kl_reserveslot(vm->handle.machine))
    return kl_error(L, "not enough memory");
  char why[300];
  if (tell(L, vm, &r, request, why, sizeof why) < 0)
    return kl_failargs(L, 2, name, errno, "%s", why);
  return 0;
}

int kl_vm_set_user_memory_region(lua_State *L) {
  return setregion(L, KVM_SET_USER_MEMORY_REGION, "KVM_SET_USER_MEMORY_REGION");
}

int kl_vm_set_user_memory_region2(lua_State *L) {
  return setregion(L, KVM_SET_USER_MEMORY_REGION2,
                   "KVM_SET_USER_MEMORY_REGION2");
}
