/* SPDX-License-Identifier: MIT */
/* The coalesced ring: writes that the kernel collected without an exit. All
 * vCPUs of a VM see the same ring. */
#include <string.h>

#include "internal.h"
#include "memory.h"

static struct kvm_coalesced_mmio_ring *ring(lua_State *L, struct kl_vcpu *v,
                                            uint32_t *entries) {
  size_t page = (size_t)v->handle.context->page_size;
  size_t at = KVM_COALESCED_MMIO_PAGE_OFFSET * page;
  struct kvm_coalesced_mmio_ring *r = NULL;
  if (v->handle.machine->run_size < 0 ||
      !kl_inside(at, page, (uint64_t)v->handle.machine->run_size))
    kl_error(L, "this kernel has no coalesced ring (check_extension("
                "'COALESCED_MMIO') says 0)");
  r = (void *)((char *)v->run + at);
  *entries = (uint32_t)((page - sizeof *r) / sizeof r->coalesced_mmio[0]);
  return r;
}

static void pushentry(lua_State *L, const struct kvm_coalesced_mmio *e) {
  size_t n = e->len <= sizeof e->data ? e->len : sizeof e->data;
  bool is_pio = e->pio == 1;
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, (lua_Integer)e->phys_addr);
  lua_setfield(L, -2, is_pio ? "port" : "gpa");
  lua_pushboolean(L, is_pio);
  lua_setfield(L, -2, "is_pio");
  lua_pushlstring(L, (const char *)e->data, n);
  lua_setfield(L, -2, "data");
}

/* vcpu:coalesced() -> list of {gpa = or port =, is_pio =, data =}; they are out
 * of the ring then. The ring is shared memory: each number is read once and
 * checked. */
static int vcpu_coalesced(lua_State *L) {
  uint32_t n;
  kl_maxargs(L, 1);
  struct kl_vcpu *v = kl_checkvcpu(L, 1);
  struct kvm_coalesced_mmio_ring *r = ring(L, v, &n);
  uint32_t first = __atomic_load_n(&r->first, __ATOMIC_RELAXED);
  uint32_t last = __atomic_load_n(&r->last, __ATOMIC_ACQUIRE);
  if (first >= n || last >= n)
    return kl_error(L, "the coalesced ring is damaged: from %d to %d of %d",
                    (int)first, (int)last, (int)n);
  lua_newtable(L);
  for (lua_Integer i = 1; first != last; i++) {
    struct kvm_coalesced_mmio e =
        ring(L, kl_checkvcpu(L, 1), &n)->coalesced_mmio[first];
    pushentry(L, &e);
    lua_rawseti(L, -2, i);
    first = (first + 1) % n;
  }
  r = ring(L, kl_checkvcpu(L, 1), &n);
  __atomic_store_n(&r->first, last, __ATOMIC_RELEASE);
  return 1;
}

const luaL_Reg kl_coalesced_vcpu_methods[] = {{"coalesced", vcpu_coalesced},
                                              {NULL, NULL}};
