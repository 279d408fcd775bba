/* SPDX-License-Identifier: MIT */
/* The dirty ring of a vCPU: the kernel adds an entry for each page the vCPU
 * writes, the script harvests them, vm:reset_dirty_rings() gives them back. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "internal.h"

/* Of one ring, in bytes: KVM_DIRTY_RING_MAX_ENTRIES entries. */
enum { MAX_RING = 65536 * sizeof(struct kvm_dirty_gfn) };

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

/* How many bytes at addr are the ring: the kernel lets any length be mapped,
 * but has pages for the ring alone. Its size is a power of two. */
static size_t ringsize(lua_State *L, char *addr) {
  size_t size = 0, page = (size_t)kl_context(L)->page_size;
  for (size_t n = page; n <= MAX_RING; n *= 2) {
    if (madvise(addr + size, n - size, MADV_POPULATE_READ) < 0) break;
    size = n;
  }
  return size;
}

/* Maps the ring when the VM has them. */
static void openring(lua_State *L, struct kl_vcpu *v) {
  off_t offset = KVM_DIRTY_LOG_PAGE_OFFSET * kl_context(L)->page_size;
  char *addr = mmap(NULL, MAX_RING, PROT_READ | PROT_WRITE, MAP_SHARED,
                    v->handle.fd, offset);
  size_t size = addr != MAP_FAILED ? ringsize(L, addr) : 0;
  if (size < MAX_RING && addr != MAP_FAILED)
    munmap(addr + size, MAX_RING - size);
  if (size == 0)
    kl_error(L, "this VM has no dirty rings: call vm:enable_cap("
                "'DIRTY_LOG_RING_ACQ_REL', bytes) before the first vCPU is "
                "created (check_extension says whether the host has it)");
  v->ring = addr;
  v->ring_size = (uint32_t)size;
  v->ring_next = 0;
}

void kl_freering(struct kl_vcpu *v) {
  if (v->ring != NULL) munmap(v->ring, v->ring_size);
  v->ring = NULL;
}

static struct kvm_dirty_gfn *entry(struct kl_vcpu *v, uint32_t i) {
  uint32_t n = v->ring_size / (uint32_t)sizeof(struct kvm_dirty_gfn);
  return (struct kvm_dirty_gfn *)v->ring + (v->ring_next + i) % n;
}

/* How many entries wait. The flags are read before what they announce. */
static uint32_t waiting(struct kl_vcpu *v) {
  uint32_t n = v->ring_size / (uint32_t)sizeof(struct kvm_dirty_gfn), i = 0;
  while (i < n && __atomic_load_n(&entry(v, i)->flags, __ATOMIC_ACQUIRE) ==
                      KVM_DIRTY_GFN_F_DIRTY)
    i++;
  return i;
}

/* The vCPU at 1 with its ring, wherever a finalizer may have closed it. */
static struct kl_vcpu *checkring(lua_State *L) {
  struct kl_vcpu *v = kl_checkvcpu(L, 1);
  if (v->ring == NULL) openring(L, v);
  return v;
}

/* Pushes the list of the n entries from first on; false when the ring has moved
 * on meanwhile, as a finalizer has harvested. */
static bool pushentries(lua_State *L, uint32_t first, uint32_t n) {
  lua_createtable(L, (int)n, 0);
  for (uint32_t i = 0; i < n; i++) {
    lua_createtable(L, 0, 2);
    struct kl_vcpu *v = checkring(L);
    if (v->ring_next != first) return false;
    const struct kvm_dirty_gfn *e = entry(v, i);
    lua_pushinteger(L, e->slot);
    lua_setfield(L, -2, "slot");
    lua_pushinteger(L, (lua_Integer)e->offset);
    lua_setfield(L, -2, "offset");
    lua_rawseti(L, -2, i + 1);
  }
  return checkring(L)->ring_next == first;
}

/* vcpu:dirty_ring() -> list of {slot =, offset =}, the offset in pages. The
 * kernel logs these pages again after vm:reset_dirty_rings(). */
static int vcpu_dirty_ring(lua_State *L) {
  kl_checkvcpu(L, 1);
  kl_maxargs(L, 1);
  struct kl_vcpu *v;
  uint32_t n;
  do {
    lua_settop(L, 1);
    v = checkring(L);
    n = waiting(v);
  } while (!pushentries(L, v->ring_next, n));
  /* All are in the list: nothing raises any more. */
  for (uint32_t i = 0; i < n; i++)
    __atomic_store_n(&entry(v, i)->flags, KVM_DIRTY_GFN_F_RESET,
                     __ATOMIC_RELEASE);
  v->ring_next += n;
  return 1;
}

const luaL_Reg kl_dirty_vcpu_methods[] = {{"dirty_ring", vcpu_dirty_ring},
                                          {NULL, NULL}};
