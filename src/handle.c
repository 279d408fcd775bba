/* SPDX-License-Identifier: MIT */
/* What system, VM, vCPU and device objects have in common. */
#include "handle.h"

#include <string.h>
#include <unistd.h>

#include "arch.h"
#include "structs.h"

static const char context_key = 0;

static const struct kl_class *const handle_classes[] = {
    &kl_vcpu_class, &kl_vm_class, &kl_device_class, &kl_system_class};

struct kl_context *kl_context(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &context_key) == LUA_TNIL) {
    struct kl_context *c = lua_newuserdatauv(L, sizeof *c, 1);
    *c = (struct kl_context){.page_size = sysconf(_SC_PAGESIZE)};
    lua_rawsetp(L, LUA_REGISTRYINDEX, &context_key);
    lua_pop(L, 1);
    return c;
  }
  struct kl_context *c = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return c;
}

void kl_pushcontext(lua_State *L) {
  kl_context(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &context_key);
}

void *kl_newhandle(lua_State *L, const struct kl_class *class, int nuv) {
  struct kl_context *context = kl_context(L);
  struct kl_handle *h = kl_new(L, class, nuv);
  h->context = context;
  h->fd = -1;
  return h;
}

struct kl_handle *kl_tohandle(lua_State *L, int idx) {
  for (size_t i = 0; i < KL_COUNT(handle_classes); i++) {
    struct kl_handle *h = kl_test(L, idx, handle_classes[i]);
    if (h != NULL) return h;
  }
  return NULL;
}

void *kl_notopen(lua_State *L, int idx, const struct kl_class *class) {
  kl_check(L, idx, class);
  kl_error(L, "%s is closed", class->name);
  return NULL;
}

struct kl_handle *kl_checkhandle(lua_State *L, int idx) {
  struct kl_handle *h = kl_tohandle(L, idx);
  if (h == NULL)
    kl_typeerror(L, idx, "kvm.system, kvm.vm, kvm.vcpu or kvm.device");
  if (h->fd < 0) kl_error(L, "%s is closed", h->object.class->name);
  return h;
}

unsigned kl_scope(const struct kl_handle *h) {
  const struct kl_class *c = h->object.class;
  if (c == &kl_vcpu_class) return KL_VCPU;
  if (c == &kl_vm_class) return KL_VM;
  if (c == &kl_device_class) return KL_DEVICE;
  return KL_SYSTEM;
}

void kl_joinmachine(struct kl_handle *h, struct kl_machine *machine) {
  kl_refmachine(machine);
  h->machine = machine;
}

void kl_closehandle(struct kl_handle *h) {
  if (h->fd >= 0) close(h->fd);
  h->fd = -1;
  kl_unrefmachine(h->machine);
  h->machine = NULL;
}

void kl_checkowner(lua_State *L, const struct kl_handle *h) {
  if (h->machine == NULL || h->machine->pid == getpid()) return;
  kl_fail(L, h->object.class->name, EIO, "it is of process %d",
          (int)h->machine->pid);
}

int kl_handle_close(lua_State *L) {
  struct kl_handle *h = kl_tohandle(L, 1);
  if (h == NULL)
    return kl_typeerror(L, 1, "kvm.system, kvm.vm, kvm.vcpu or kvm.device");
  /* A vCPU and a VM hold more than a descriptor. */
  if (h->object.class->close != kl_handle_close)
    return h->object.class->close(L);
  kl_closehandle(h);
  return 0;
}

int kl_handle_fd(lua_State *L) {
  lua_pushinteger(L, kl_checkhandle(L, 1)->fd);
  return 1;
}

int kl_handle_tostring(lua_State *L) {
  struct kl_handle *h = kl_tohandle(L, 1);
  if (h == NULL)
    return kl_typeerror(L, 1, "kvm.system, kvm.vm, kvm.vcpu or kvm.device");
  const char *name = h->object.class->name;
  if (h->fd < 0)
    lua_pushfstring(L, "%s (closed)", name);
  else if (h->object.class == &kl_vcpu_class)
    lua_pushfstring(L, "%s %d", name, (int)((struct kl_vcpu *)h)->id);
  else
    lua_pushfstring(L, "%s (fd %d)", name, h->fd);
  return 1;
}

int kl_handle_check_extension(lua_State *L) {
  struct kl_handle *h = kl_checkhandle(L, 1);
  kl_maxargs(L, 2);
  kl_checkany(L, 2);
  uint64_t cap = kl_toconstant(L, 2, "CAP", "capability", INT32_MAX);
  int r = kl_ioctlvalue(L, h, KVM_CHECK_EXTENSION, (unsigned long)cap);
  if (r < 0) return kl_failargs(L, 2, "KVM_CHECK_EXTENSION", errno, NULL);
  lua_pushinteger(L, r);
  return 1;
}

/* The one capability among whose arguments is an address, where the kernel
 * writes the version it has enabled: the address is ours. */
static void lendversion(lua_State *L, struct kvm_enable_cap *cap,
                        uint16_t *version) {
  if (cap->cap != KVM_CAP_HYPERV_ENLIGHTENED_VMCS) return;
  kl_argcheck(L, cap->args[0] == 0, 3,
              "scripts have no address for it: the version is returned");
  cap->args[0] = (uintptr_t)version;
}

/* A vCPU cannot be asked: its VM, when that is open. */
static int extension(lua_State *L, struct kl_handle *h, int cap) {
  if (h->object.class == &kl_vcpu_class) h = &((struct kl_vcpu *)h)->vm->handle;
  return h->fd >= 0 ? kl_extension(L, h, cap) : 0;
}

static const struct kl_cap_flags cap_flags[] = {
    {KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, "DIRTY_LOG"}, {0, NULL}};

static const char *flaggroup(const struct kl_cap_flags *row, uint32_t cap) {
  for (; row->group != NULL; row++)
    if (row->cap == cap) return row->group;
  return NULL;
}

/* The first argument of a capability at idx: flags by name, where it has any.
 */
static uint64_t firstarg(lua_State *L, int idx, uint32_t cap) {
  const char *group = flaggroup(cap_flags, cap);
  if (group == NULL) group = flaggroup(kl_arch_cap_flags, cap);
  if (group == NULL) return (uint64_t)kl_checkinteger(L, idx);
  return kl_toflags(L, idx, group, "flags of the capability");
}

/* enable_cap(cap, args...) or enable_cap{cap=, flags=, args={...}} */
int kl_handle_enable_cap(lua_State *L) {
  struct kl_handle *h = kl_checkhandle(L, 1);
  struct kvm_enable_cap cap = {0};
  if (lua_istable(L, 2)) {
    kl_maxargs(L, 2);
    kl_setstruct(L, 2, &kl_kvm_enable_cap, &cap);
  } else {
    kl_maxargs(L, 2 + (int)KL_COUNT(cap.args));
    kl_checkany(L, 2);
    cap.cap = (uint32_t)kl_toconstant(L, 2, "CAP", "capability", INT32_MAX);
    if (!lua_isnone(L, 3)) cap.args[0] = firstarg(L, 3, cap.cap);
    for (int i = 4; i <= lua_gettop(L); i++)
      cap.args[i - 3] = (uint64_t)kl_checkinteger(L, i);
  }
  uint16_t version = 0;
  lendversion(L, &cap, &version);
  int r = kl_ioctl(L, h, KVM_ENABLE_CAP, &cap);
  if (r < 0) {
    int err = errno;
    kl_constantname(L, "CAP", cap.cap);
    return kl_failargs(L, 2, "KVM_ENABLE_CAP", err,
                       "%s cannot be enabled with these "
                       "arguments on this object (check_extension says %d)",
                       lua_isnil(L, -1) ? "this capability"
                                        : lua_tostring(L, -1),
                       extension(L, h, (int)cap.cap));
  }
  lua_pushinteger(L, version != 0 ? version : r);
  return 1;
}

void kl_setmethods(lua_State *L, const struct kl_class *class, unsigned scope,
                   const luaL_Reg *const *more) {
  kl_newclass(L, class);
  kl_addioctls(L, scope);
  for (; *more != NULL; more++) luaL_setfuncs(L, *more, 0);
  lua_getfield(L, -2, "class");
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, class->name);
  lua_pop(L, 2);
}
