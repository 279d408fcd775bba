/* SPDX-License-Identifier: MIT */
/* Exits that devices take. Nothing is built for one: the device is found
 * without touching Lua, and its method is called. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "arch.h"
#include "bus.h"
#include "exit.h"
#include "run.h"

/* The stack while devices are served: the vCPU as a light userdata, the VM's
 * table of devices, the names of the methods, the device called last. */
enum { VCPU = 1, DEVICES, READ, WRITE, CALL, DEVICE };

static const char *const method_names[] = {"read", "write", "call"};

struct target {
  struct kl_access access;
  uint64_t offset; /* in the device's range */
  int ref;         /* of the device */
};

/* ---- finding ------------------------------------------------------------- */

/* Whether a device of a kind has all of an access's span addresses. */
static inline bool lookup(struct target *t, struct kl_bus *bus,
                          enum kl_bus_kind kind, uint32_t span) {
  uint64_t address = t->access.address;
  const struct kl_range *r = kl_findrange(&bus->kinds[kind], address);
  if (r == NULL || r->last - address < span - 1) return false;
  t->offset = address - r->first;
  t->ref = r->ref;
  return true;
}

static inline bool mmio(struct kvm_run *run, struct kl_access *a) {
  a->bus = KL_MMIO;
  a->is_write = run->mmio.is_write;
  a->size = KL_ONCE(run->mmio.len);
  a->count = 1;
  a->address = run->mmio.phys_addr;
  a->data = run->mmio.data;
  return a->size - 1 < sizeof run->mmio.data;
}

/* A string instruction has several elements, behind the kvm_run struct. */
static inline bool io(struct kl_vcpu *v, struct kl_access *a) {
  struct kvm_run *run = v->run;
  uint64_t room = (uint64_t)v->handle.machine->run_size;
  uint64_t at = KL_ONCE(run->io.data_offset);
  a->bus = KL_PIO;
  a->is_write = run->io.direction == KVM_EXIT_IO_OUT;
  a->size = KL_ONCE(run->io.size);
  a->count = KL_ONCE(run->io.count);
  a->address = run->io.port;
  a->data = (char *)run + at;
  uint64_t bytes = (uint64_t)a->size * a->count;
  return bytes <= room && at <= room - bytes;
}

/* Whether a device takes the exit that v->last_reason names. */
static KL_HOT bool find(struct kl_vcpu *v, struct target *t) {
  struct kl_bus *bus = v->vm->bus;
  struct kl_access *a = &t->access;
  if (bus == NULL) return false; /* the VM was closed meanwhile */
  switch (v->last_reason) {
    case KVM_EXIT_MMIO:
      return mmio(v->run, a) && lookup(t, bus, KL_MMIO, a->size);
    case KVM_EXIT_IO: return io(v, a) && lookup(t, bus, KL_PIO, a->size);
    default: return kl_arch_access(v, a) && lookup(t, bus, a->bus, 1);
  }
}

/* ---- calling ------------------------------------------------------------- */

/* Little-endian integers of 1 to 8 bytes: a guest's access that straddles a
 * page comes in parts of any size. */
static inline uint64_t load(const unsigned char *p, uint32_t size) {
  uint64_t v = 0;
  if (size == 1) return *p;
  if (size == 4) return kl_loaduint(p, 4);
  for (uint32_t i = 0; i < size; i++) v |= (uint64_t)p[i] << (8 * i);
  return v;
}

static inline void store(unsigned char *p, uint32_t size, uint64_t v) {
  for (uint32_t i = 0; i < size; i++) p[i] = (unsigned char)(v >> (8 * i));
}

/* The value at the top is not a function: fine when it can be called. */
static KL_COLD void notfunction(lua_State *L, const struct target *t,
                                int method) {
  if (luaL_getmetafield(L, -1, "__call") != LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  char text[160];
  int used =
      snprintf(text, sizeof text, "the device at %s 0x%" PRIx64 " has ",
               kl_bus_names[t->access.bus], t->access.address - t->offset);
  const char *name = method_names[method - READ];
  if (lua_isnil(L, -1))
    snprintf(text + used, sizeof text - (size_t)used, "no method '%s'", name);
  else
    snprintf(text + used, sizeof text - (size_t)used,
             "a %s for its method '%s', a function expected",
             luaL_typename(L, -1), name);
  kl_error(L, "%s", text);
}

/* Pushes a method of the device, the device and the offset. The method is
 * looked up every time: a script may replace it while the guest runs. */
static inline void pushcall(lua_State *L, const struct target *t, int method) {
  lua_pushvalue(L, method);
  if (lua_gettable(L, DEVICE) != LUA_TFUNCTION) notfunction(L, t, method);
  lua_pushvalue(L, DEVICE);
  lua_pushinteger(L, (lua_Integer)t->offset);
}

static KL_COLD int badresult(lua_State *L, const struct target *t,
                             const char *name) {
  char text[160], value[40] = "";
  if (lua_type(L, -1) == LUA_TNUMBER)
    snprintf(value, sizeof value, " (%.14g)", lua_tonumber(L, -1));
  snprintf(text, sizeof text,
           "%s of the device at %s 0x%" PRIx64
           " returned a %s%s, an integer expected",
           name, kl_bus_names[t->access.bus], t->access.address,
           luaL_typename(L, -1), value);
  return kl_error(L, "%s", text);
}

/* The integer at the top; nothing: all ones, as on a bus where nobody
 * answers. */
static inline uint64_t toanswer(lua_State *L, const struct target *t,
                                const char *name) {
  int is_int;
  uint64_t v = (uint64_t)lua_tointegerx(L, -1, &is_int);
  if (is_int) return v;
  if (lua_isnil(L, -1)) return UINT64_MAX;
  return (uint64_t)badresult(L, t, name);
}

static inline void callwrite(lua_State *L, const struct target *t,
                             const void *data, int nresults) {
  const struct kl_access *a = &t->access;
  pushcall(L, t, WRITE);
  lua_pushinteger(L, (lua_Integer)load(data, a->size));
  lua_pushinteger(L, (lua_Integer)a->size);
  lua_call(L, 4, nresults);
}

static inline void callread(lua_State *L, const struct target *t) {
  pushcall(L, t, READ);
  lua_pushinteger(L, (lua_Integer)t->access.size);
  lua_call(L, 3, 1);
}

static inline void callmemory(lua_State *L, const struct target *t) {
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
static KL_COLD void callmsr(lua_State *L, const struct target *t) {
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

static KL_COLD void callhypercall(lua_State *L, const struct target *t) {
  const struct kl_access *a = &t->access;
  pushcall(L, t, CALL);
  for (int i = 0; i < 6; i++)
    lua_pushinteger(L, (lua_Integer)load((unsigned char *)a->data + 8 * i, 8));
  lua_call(L, 8, 1);
  store(a->answer, 8, lua_isnil(L, -1) ? 0 : toanswer(L, t, "call"));
  lua_pop(L, 1);
}

static inline void call(lua_State *L, const struct target *t) {
  if (t->access.bus <= KL_PIO)
    callmemory(L, t);
  else if (t->access.bus == KL_MSR)
    callmsr(L, t);
  else
    callhypercall(L, t);
}

/* ---- the loop ------------------------------------------------------------ */

/* In protected mode, as devices are Lua code. */
static int serve(lua_State *L) {
  struct kl_vcpu *v = lua_touserdata(L, VCPU);
  struct target target;
  int device = 0;
  for (size_t i = 0; i < KL_COUNT(method_names); i++)
    lua_pushstring(L, method_names[i]);
  lua_pushnil(L);
  while (find(v, &target)) {
    if (device != target.ref) {
      device = target.ref;
      lua_rawgeti(L, DEVICES, device);
      lua_replace(L, DEVICE);
    }
    call(L, &target);
    v->last_reason = kl_enter(L, v);
  }
  return 0;
}

/* A kvm.error keeps the traceback as a field. */
static void keeptraceback(lua_State *L) {
  lua_pushliteral(L, "traceback");
  if (lua_rawget(L, 1) == LUA_TNIL) {
    luaL_traceback(L, L, NULL, 1);
    lua_pushliteral(L, "traceback");
    lua_insert(L, -2);
    lua_rawset(L, 1);
  }
  lua_settop(L, 1);
}

/* The message handler: an error gets the handler's traceback, once: a handler
 * may have run another vCPU, whose handler raised it. */
static int addtraceback(lua_State *L) {
  static const char yield[] = "attempt to yield across a C-call boundary";
  const char *text = lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : NULL;
  if (text != NULL && strcmp(text, yield) == 0)
    text = lua_pushfstring(L,
                           "%s: a device's method cannot yield, its guest "
                           "waits for it",
                           text);
  if (text != NULL && strstr(text, "\nstack traceback:\n") == NULL)
    luaL_traceback(L, L, text, 1);
  else if (kl_iserror(L, 1))
    keeptraceback(L);
  return 1;
}

/* The handler of a read has failed: what lies in the page is the answer to an
 * earlier one. (Of several elements the first ones have theirs: they stay.) */
static void clearanswer(struct kl_vcpu *v) {
  struct target t;
  if (v->run == NULL || !find(v, &t) || t.access.is_write) return;
  if (t.access.bus <= KL_PIO && t.access.count == 1)
    memset(t.access.data, 0, t.access.size);
}

bool kl_serve(lua_State *L, struct kl_vcpu *v, int idx) {
  struct target target;
  if (!find(v, &target)) return true;
  kl_hideexit(L, idx, v);
  lua_pushcfunction(L, addtraceback);
  lua_pushcfunction(L, serve);
  lua_pushlightuserdata(L, v);
  lua_getiuservalue(L, idx, KL_VCPU_VM);
  lua_getiuservalue(L, -1, KL_VM_DEVICES);
  lua_remove(L, -2);
  if (lua_pcall(L, 2, 0, -4) != LUA_OK) {
    clearanswer(v);
    return false;
  }
  lua_pop(L, 1);
  return true;
}
