/* SPDX-License-Identifier: MIT */
#include "bus.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handle.h"

struct range {
  uint64_t first, last;
  int ref;
};

struct ranges {
  struct range *at; /* sorted, disjoint */
  size_t n, room;
};

struct kl_bus {
  struct ranges kinds[KL_BUSES];
  int refs; /* the last one given out */
};

static const char *const kind_names[] = {"mmio", "pio", "msr", "hypercall"};
static const uint64_t kind_max[] = {UINT64_MAX, UINT16_MAX, UINT32_MAX,
                                    UINT64_MAX};

/* ---- finding ---------------------------------------------------------------- */

/* The index of the first range that does not end before address. */
static size_t position(const struct ranges *r, uint64_t address) {
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

static bool mmio(struct kvm_run *run, struct kl_access *a) {
  a->bus = KL_MMIO;
  a->is_write = run->mmio.is_write;
  a->size = a->span = run->mmio.len;
  a->count = 1;
  a->address = run->mmio.phys_addr;
  a->data = run->mmio.data;
  return a->size - 1 < sizeof run->mmio.data;
}

bool kl_finddevice(struct kl_vcpu *v, struct kl_target *t) {
  struct kl_bus *bus = v->vm->bus;
  struct kl_access *a = &t->access;
  if (bus == NULL) return false;
  if (!(v->last_reason == KVM_EXIT_MMIO ? mmio(v->run, a)
                                        : kl_arch_access(v, a)))
    return false;
  const struct ranges *r = &bus->kinds[a->bus];
  size_t i = position(r, a->address);
  if (i == r->n || a->address < r->at[i].first ||
      r->at[i].last - a->address < a->span - 1)
    return false;
  t->first = r->at[i].first;
  t->ref = r->at[i].ref;
  return true;
}

/* ---- calling ------------------------------------------------------------------ */

/* Little-endian integers of 1 to 8 bytes: a guest's access that straddles a
 * page comes in parts of any size. */
static uint64_t load(const unsigned char *p, uint32_t size) {
  uint64_t v = 0;
  if (size == 1) return *p;
  for (uint32_t i = 0; i < size; i++) v |= (uint64_t)p[i] << (8 * i);
  return v;
}

static void store(unsigned char *p, uint32_t size, uint64_t v) {
  for (uint32_t i = 0; i < size; i++) p[i] = (unsigned char)(v >> (8 * i));
}

static const char *const method_names[] = {"read", "write", "call"};

void kl_pushmethods(lua_State *L) {
  for (size_t i = 0; i < KL_COUNT(method_names); i++)
    lua_pushstring(L, method_names[i]);
  lua_pushnil(L);
}

static int nomethod(lua_State *L, const struct kl_target *t, int method) {
  char text[120];
  snprintf(text, sizeof text,
           "the device at %s 0x%" PRIx64 " has no method '%s'",
           kind_names[t->access.bus], t->first,
           method_names[method - KL_SERVE_READ]);
  return luaL_error(L, "%s", text);
}

/* Pushes a method of the device, the device and the offset. The method is
 * looked up every time: a script may replace it while the guest runs. */
static void pushcall(lua_State *L, const struct kl_target *t, int method) {
  lua_pushvalue(L, method);
  if (lua_gettable(L, KL_SERVE_DEVICE) == LUA_TNIL) nomethod(L, t, method);
  lua_pushvalue(L, KL_SERVE_DEVICE);
  lua_pushinteger(L, (lua_Integer)(t->access.address - t->first));
}

static int badresult(lua_State *L, const struct kl_target *t,
                     const char *name) {
  return luaL_error(L, "%s of a %s device returned a %s, an integer expected",
                    name, kind_names[t->access.bus], luaL_typename(L, -1));
}

/* The integer at the top; nothing: all ones, as on a bus where nobody
 * answers. */
static uint64_t toanswer(lua_State *L, const struct kl_target *t,
                         const char *name) {
  int is_int;
  uint64_t v = (uint64_t)lua_tointegerx(L, -1, &is_int);
  if (is_int) return v;
  if (lua_isnil(L, -1)) return UINT64_MAX;
  return (uint64_t)badresult(L, t, name);
}

static void callwrite(lua_State *L, const struct kl_target *t,
                      const void *data, int nresults) {
  const struct kl_access *a = &t->access;
  pushcall(L, t, KL_SERVE_WRITE);
  lua_pushinteger(L, (lua_Integer)load(data, a->size));
  lua_pushinteger(L, (lua_Integer)a->size);
  lua_call(L, 4, nresults);
}

static void callread(lua_State *L, const struct kl_target *t) {
  pushcall(L, t, KL_SERVE_READ);
  lua_pushinteger(L, (lua_Integer)t->access.size);
  lua_call(L, 3, 1);
}

static void callmemory(lua_State *L, const struct kl_target *t) {
  const struct kl_access *a = &t->access;
  unsigned char *data = a->data;
  for (uint32_t i = 0; i < a->count; i++, data += a->size) {
    if (a->is_write) {
      callwrite(L, t, data, 0);
    } else {
      callread(L, t);
      store(data, a->size, toanswer(L, t, "read"));
      lua_pop(L, 1);
    }
  }
}

/* An MSR that the device does not have is #GP in the guest: read returns
 * nothing, write returns false. */
static void callmsr(lua_State *L, const struct kl_target *t) {
  const struct kl_access *a = &t->access;
  bool error;
  if (a->is_write) {
    callwrite(L, t, a->data, 1);
    error = lua_isboolean(L, -1) && !lua_toboolean(L, -1);
  } else {
    callread(L, t);
    error = lua_isnil(L, -1);
    if (!error) store(a->data, 8, toanswer(L, t, "read"));
  }
  *(uint8_t *)a->answer = error;
  lua_pop(L, 1);
}

static void callhypercall(lua_State *L, const struct kl_target *t) {
  const struct kl_access *a = &t->access;
  pushcall(L, t, KL_SERVE_CALL);
  for (int i = 0; i < 6; i++)
    lua_pushinteger(L, (lua_Integer)load((unsigned char *)a->data + 8 * i, 8));
  lua_call(L, 8, 1);
  store(a->answer, 8, lua_isnil(L, -1) ? 0 : toanswer(L, t, "call"));
  lua_pop(L, 1);
}

void kl_calldevice(lua_State *L, const struct kl_target *t, int *current) {
  if (*current != t->ref) {
    lua_rawgeti(L, KL_SERVE_DEVICES, t->ref);
    lua_replace(L, KL_SERVE_DEVICE);
    *current = t->ref;
  }
  switch (t->access.bus) {
    case KL_MSR: callmsr(L, t); break;
    case KL_HYPERCALL: callhypercall(L, t); break;
    default: callmemory(L, t);
  }
}

/* ---- adding and removing --------------------------------------------------------- */

void kl_freebus(struct kl_bus *bus) {
  if (bus == NULL) return;
  for (int i = 0; i < KL_BUSES; i++) free(bus->kinds[i].at);
  free(bus);
}

static struct ranges *getranges(lua_State *L, struct kl_vm *vm,
                                enum kl_bus_kind kind) {
  if (!(kl_arch_buses & 1u << kind))
    luaL_error(L, "%s has no %s", kl_arch_name, kind_names[kind]);
  if (vm->bus == NULL) vm->bus = calloc(1, sizeof *vm->bus);
  if (vm->bus == NULL) luaL_error(L, "not enough memory");
  return &vm->bus->kinds[kind];
}

static bool grow(struct ranges *r) {
  if (r->n < r->room) return true;
  size_t room = r->room ? 2 * r->room : 8;
  struct range *at = realloc(r->at, room * sizeof *at);
  if (at == NULL) return false;
  r->at = at;
  r->room = room;
  return true;
}

static int overlap(lua_State *L, enum kl_bus_kind kind,
                   const struct range *new, const struct range *old) {
  char text[160];
  snprintf(text, sizeof text,
           "%s [0x%" PRIx64 "..0x%" PRIx64 "] overlaps the device at "
           "[0x%" PRIx64 "..0x%" PRIx64 "]: remove that one with off_%s first",
           kind_names[kind], new->first, new->last, old->first, old->last,
           kind_names[kind]);
  return luaL_argerror(L, 2, text);
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
  struct kl_vm *vm = kl_checkvm(L, 1);
  uint64_t max = kind_max[kind];
  kl_maxargs(L, 4);
  uint64_t first = kl_checkrange(L, 2, "address", 0, max);
  uint64_t n = kl_checkrange(L, 3, "count", 1, UINT64_MAX);
  luaL_argcheck(L, n - 1 <= max - first, 3, "the range wraps around");
  luaL_argexpected(L, lua_istable(L, 4) || lua_isuserdata(L, 4), 4,
                   "device (an object with read and write methods)");
  struct ranges *r = getranges(L, vm, kind);
  struct range new = {first, first + n - 1, vm->bus->refs + 1};
  size_t i = position(r, first);
  if (i < r->n && r->at[i].first <= new.last)
    return overlap(L, kind, &new, &r->at[i]);
  if (!grow(r)) return luaL_error(L, "not enough memory");
  pushdevices(L);
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
  struct ranges *r = getranges(L, vm, kind);
  size_t i = position(r, address);
  if (i == r->n || r->at[i].first > address)
    return luaL_argerror(L, 2, "no device answers there");
  int ref = r->at[i].ref;
  pushdevices(L);
  lua_rawgeti(L, -1, ref);
  lua_pushnil(L);
  lua_rawseti(L, -3, ref);
  memmove(&r->at[i], &r->at[i + 1], (r->n - i - 1) * sizeof *r->at);
  r->n--;
  return 1;
}

static int vm_on_mmio(lua_State *L) { return add(L, KL_MMIO); }
static int vm_on_pio(lua_State *L) { return add(L, KL_PIO); }
static int vm_on_msr(lua_State *L) { return add(L, KL_MSR); }
static int vm_on_hypercall(lua_State *L) { return add(L, KL_HYPERCALL); }
static int vm_off_mmio(lua_State *L) { return drop(L, KL_MMIO); }
static int vm_off_pio(lua_State *L) { return drop(L, KL_PIO); }
static int vm_off_msr(lua_State *L) { return drop(L, KL_MSR); }
static int vm_off_hypercall(lua_State *L) { return drop(L, KL_HYPERCALL); }

const luaL_Reg kl_bus_methods[] = {{"on_mmio", vm_on_mmio},
                                   {"on_pio", vm_on_pio},
                                   {"on_msr", vm_on_msr},
                                   {"on_hypercall", vm_on_hypercall},
                                   {"off_mmio", vm_off_mmio},
                                   {"off_pio", vm_off_pio},
                                   {"off_msr", vm_off_msr},
                                   {"off_hypercall", vm_off_hypercall},
                                   {NULL, NULL}};
