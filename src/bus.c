/* SPDX-License-Identifier: MIT */
#include "bus.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch.h"
#include "slots.h"

const char *const kl_bus_names[] = {"mmio", "pio", "msr", "hypercall"};
static const uint64_t kind_max[] = {UINT64_MAX, UINT16_MAX, UINT32_MAX,
                                    UINT64_MAX};

/* The index of the first range that does not end before address. */
static size_t position(const struct kl_ranges *r, uint64_t address) {
  size_t lo = 0, hi = r->n;
  while (lo < hi) {
    size_t mid = (lo + hi) / 2;
    if (r->at[mid].last < address)
      lo = mid + 1;
    else
      hi = mid;
  }
  return lo;
}

const struct kl_range *kl_searchrange(struct kl_ranges *r, uint64_t address) {
  size_t i = position(r, address);
  if (i == r->n || address < r->at[i].first) return NULL;
  return r->hit = &r->at[i];
}

void kl_freebus(struct kl_bus *bus) {
  if (bus == NULL) return;
  for (int i = 0; i < KL_BUSES; i++) free(bus->kinds[i].at);
  free(bus);
}

static struct kl_ranges *getranges(lua_State *L, struct kl_vm *vm,
                                   enum kl_bus_kind kind) {
  if (!(kl_arch_buses & 1u << kind))
    kl_error(L, "%s has no %s", kl_arch_name, kl_bus_names[kind]);
  if (vm->bus == NULL) vm->bus = calloc(1, sizeof *vm->bus);
  if (vm->bus == NULL) kl_error(L, "not enough memory");
  return &vm->bus->kinds[kind];
}

static bool grow(struct kl_ranges *r) {
  if (r->n < r->room) return true;
  size_t room = r->room ? 2 * r->room : 8;
  struct kl_range *at = realloc(r->at, room * sizeof *at);
  if (at == NULL) return false;
  r->at = at;
  r->room = room;
  return true;
}

static int overlap(lua_State *L, enum kl_bus_kind kind,
                   const struct kl_range *new, const struct kl_range *old) {
  char text[160];
  snprintf(text, sizeof text,
           "%s [0x%" PRIx64 "..0x%" PRIx64 "] overlaps the device at "
           "[0x%" PRIx64 "..0x%" PRIx64 "]: remove that one with off_%s first",
           kl_bus_names[kind], new->first, new->last, old->first, old->last,
           kl_bus_names[kind]);
  return kl_argerror(L, 2, text);
}

/* Memory that the guest may write makes no exits: a device there would never be
 * called. */
static int covered(lua_State *L, const struct kl_range *new,
                   const struct kl_slot *s) {
  char text[160];
  snprintf(text, sizeof text,
           "mmio [0x%" PRIx64 "..0x%" PRIx64 "] lies in memory, slot %" PRIu32
           " at 0x%" PRIx64 ": accesses there never exit",
           new->first, new->last, s->slot, s->gpa);
  return kl_argerror(L, 2, text);
}

static const struct kl_slot *cover(const struct kl_vm *vm,
                                   const struct kl_range *new) {
  const struct kl_machine *m = vm->handle.machine;
  for (size_t i = 0; i < m->nslots; i++) {
    const struct kl_slot *s = &m->slots[i];
    if (s->slot <= UINT16_MAX && !(s->flags & KVM_MEM_READONLY) &&
        new->first >= s->gpa &&new->last - s->gpa < s->size)
      return s;
  }
  return NULL;
}

/* Pushes the VM's table of devices. */
static void pushdevices(lua_State *L) {
  if (lua_getiuservalue(L, 1, KL_VM_DEVICES) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, KL_VM_DEVICES);
}

/* vm:on_KIND(first, count, device) */
static int add(lua_State *L, enum kl_bus_kind kind) {
  uint64_t max = kind_max[kind];
  kl_checkvm(L, 1);
  kl_maxargs(L, 4);
  uint64_t first = kl_checkrange(L, 2, "address", 0, max);
  uint64_t n = kl_checkrange(L, 3, "count", 1, UINT64_MAX);
  kl_argcheck(L, n - 1 <= max - first, 3, "the range wraps around");
  kl_argexpected(L, lua_istable(L, 4) || lua_isuserdata(L, 4), 4,
                 "device (an object with read and write methods)");
  pushdevices(L); /* may run finalizers, before the ranges are looked at */
  struct kl_vm *vm = kl_checkvm(L, 1);
  struct kl_ranges *r = getranges(L, vm, kind);
  struct kl_range new = {first, first + n - 1, vm->bus->refs + 1};
  size_t i = position(r, first);
  if (i < r->n && r->at[i].first <= new.last)
    return overlap(L, kind, &new, &r->at[i]);
  const struct kl_slot *slot = kind == KL_MMIO ? cover(vm, &new) : NULL;
  if (slot != NULL) return covered(L, &new, slot);
  r->hit = NULL;
  if (!grow(r)) return kl_error(L, "not enough memory");
  lua_pushvalue(L, 4);
  lua_rawseti(L, -2, new.ref);
  memmove(&r->at[i + 1], &r->at[i], (r->n - i) * sizeof new);
  r->at[i] = new;
  r->n++;
  vm->bus->refs++;
  lua_settop(L, 4);
  return 1;
}

/* vm:off_KIND(address) -> device: removes the one that answers there. */
static int drop(lua_State *L, enum kl_bus_kind kind) {
  struct kl_vm *vm = kl_checkvm(L, 1);
  kl_maxargs(L, 2);
  uint64_t address = kl_checkrange(L, 2, "address", 0, kind_max[kind]);
  struct kl_ranges *r = getranges(L, vm, kind);
  size_t i = position(r, address);
  if (i == r->n || r->at[i].first > address)
    return kl_argerror(L, 2, "no device answers there");
  int ref = r->at[i].ref;
  r->hit = NULL;
  pushdevices(L);
  lua_rawgeti(L, -1, ref);
  lua_pushnil(L);
  lua_rawseti(L, -3, ref);
  memmove(&r->at[i], &r->at[i + 1], (r->n - i - 1) * sizeof *r->at);
  r->n--;
  return 1;
}

static int vm_on_mmio(lua_State *L) {
  return add(L, KL_MMIO);
}
static int vm_on_pio(lua_State *L) {
  return add(L, KL_PIO);
}
static int vm_on_msr(lua_State *L) {
  return add(L, KL_MSR);
}
static int vm_on_hypercall(lua_State *L) {
  return add(L, KL_HYPERCALL);
}
static int vm_off_mmio(lua_State *L) {
  return drop(L, KL_MMIO);
}
static int vm_off_pio(lua_State *L) {
  return drop(L, KL_PIO);
}
static int vm_off_msr(lua_State *L) {
  return drop(L, KL_MSR);
}
static int vm_off_hypercall(lua_State *L) {
  return drop(L, KL_HYPERCALL);
}

const luaL_Reg kl_bus_methods[] = {{"on_mmio", vm_on_mmio},
                                   {"on_pio", vm_on_pio},
                                   {"on_msr", vm_on_msr},
                                   {"on_hypercall", vm_on_hypercall},
                                   {"off_mmio", vm_off_mmio},
                                   {"off_pio", vm_off_pio},
                                   {"off_msr", vm_off_msr},
                                   {"off_hypercall", vm_off_hypercall},
                                   {NULL, NULL}};
