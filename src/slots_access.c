/* SPDX-License-Identifier: MIT */
/* The guest's memory by gpa: methods of kvm.vm that look through its slots.
 * They see address space 0, as a vCPU outside of system management does. */
#include <inttypes.h>
#include <string.h>

#include "memory.h"
#include "option.h"

/* ---- pieces -------------------------------------------------------------- */

static struct kl_slot *slotat(struct kl_vm *vm, uint64_t gpa) {
  return kl_overlap(vm->handle.machine, 0, gpa, 1, -1);
}

/* The host's bytes at gpa, at most n of them; *n becomes how many of them lie
 * in this slot. NULL: gpa is in no slot. */
static unsigned char *piece(struct kl_vm *vm, uint64_t gpa, uint64_t *n) {
  const struct kl_slot *s = slotat(vm, gpa);
  if (s == NULL) return NULL;
  uint64_t skip = gpa - s->gpa;
  if (*n > s->size - skip) *n = s->size - skip;
  return (unsigned char *)s->memory->addr + s->offset + skip;
}

/* Raises unless all n bytes at gpa are in slots (which the host may write). */
static void checkrange(lua_State *L, struct kl_vm *vm, uint64_t gpa, uint64_t n,
                       bool writes) {
  if (n > 0 && n - 1 > UINT64_MAX - gpa)
    kl_badarg(L, 2,
              "0x%" PRIx64 " bytes at gpa 0x%" PRIx64
              " go past the end of 64 bits",
              n, gpa);
  while (n > 0) {
    const struct kl_slot *s = slotat(vm, gpa);
    if (s == NULL) kl_badarg(L, 2, "gpa 0x%" PRIx64 " is in no slot", gpa);
    if (writes && s->memory->read_only)
      kl_badarg(L, 2,
                "gpa 0x%" PRIx64 " is in slot %" PRIu32 ", whose memory "
                "the host may not write",
                gpa, s->slot);
    uint64_t part = s->size - (gpa - s->gpa);
    if (part >= n) return;
    gpa += part;
    n -= part;
  }
}

/* ---- methods ------------------------------------------------------------- */

/* vm:read(gpa, n) -> bytes */
static int vm_read(lua_State *L) {
  static const unsigned char none;
  struct kl_vm *vm = kl_checkvm(L, 1);
  kl_maxargs(L, 3);
  uint64_t gpa = (uint64_t)kl_checkinteger(L, 2);
  uint64_t n = (uint64_t)kl_checkinteger(L, 3), part = n;
  checkrange(L, vm, gpa, n, false);
  const unsigned char *first = n > 0 ? piece(vm, gpa, &part) : &none;
  if (part == n) {
    kl_pushbytes(L, first, n);
    return 1;
  }
  luaL_Buffer b;
  char *to = luaL_buffinitsize(L, &b, n);
  /* That may have collected garbage, whose finalizers may unmap. */
  vm = kl_checkvm(L, 1);
  checkrange(L, vm, gpa, n, false);
  for (uint64_t done = 0; done < n; done += part) {
    part = n - done;
    const unsigned char *from = piece(vm, gpa + done, &part);
    memcpy(to + done, from, part);
  }
  luaL_pushresultsize(&b, n);
  return 1;
}

/* vm:write(gpa, bytes) -> vm: all of it or nothing. Read-only slots are
 * read-only for the guest, not here. */
static int vm_write(lua_State *L) {
  struct kl_vm *vm = kl_checkvm(L, 1);
  uint64_t gpa = (uint64_t)kl_checkinteger(L, 2);
  size_t n;
  const char *bytes = kl_checkcode(L, &n);
  checkrange(L, vm, gpa, n, true);
  for (uint64_t part; n > 0; bytes += part, gpa += part, n -= part) {
    part = n;
    unsigned char *to = piece(vm, gpa, &part);
    memcpy(to, bytes, part);
  }
  lua_settop(L, 1);
  return 1;
}

static void setinteger(lua_State *L, const char *name, uint64_t v) {
  lua_pushinteger(L, (lua_Integer)v);
  lua_setfield(L, -2, name);
}

/* vm:slots() -> list of {slot, gpa, size, flags}, by number */
static int vm_slots(lua_State *L) {
  kl_checkvm(L, 1);
  kl_maxargs(L, 1);
  lua_newtable(L);
  for (size_t i = 0; i < kl_checkvm(L, 1)->handle.machine->nslots; i++) {
    struct kl_slot s = kl_checkvm(L, 1)->handle.machine->slots[i];
    lua_createtable(L, 0, 4);
    setinteger(L, "slot", s.slot);
    setinteger(L, "gpa", s.gpa);
    setinteger(L, "size", s.size);
    setinteger(L, "flags", s.flags);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* vm:memory_at(gpa) -> kvm.memory, offset: what the slot there shows, as a
 * view, and where gpa is in it; nil when there is no slot. */
static int vm_memory_at(lua_State *L) {
  kl_checkvm(L, 1);
  kl_maxargs(L, 2);
  uint64_t gpa = (uint64_t)kl_checkinteger(L, 2);
  struct kl_memory *view = kl_newmemory(L);
  const struct kl_slot *s = slotat(kl_checkvm(L, 1), gpa);
  if (s == NULL) {
    lua_pushnil(L);
    return 1;
  }
  kl_sharemapping(view, s->memory, s->offset, s->size);
  lua_pushinteger(L, (lua_Integer)(gpa - s->gpa));
  return 2;
}

const luaL_Reg kl_slot_vm_methods[] = {{"read", vm_read},
                                       {"write", vm_write},
                                       {"slots", vm_slots},
                                       {"memory_at", vm_memory_at},
                                       {NULL, NULL}};
