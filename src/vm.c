/* SPDX-License-Identifier: MIT */
/* kvm.vm */
#include <string.h>
#include <unistd.h>

#include "handle.h"
#include "option.h"

static int vm_close(lua_State *L) {
  struct kl_vm *vm = kl_check(L, 1, &kl_vm_class);
  kl_freebus(vm->bus);
  vm->bus = NULL;
  kl_closehandle(&vm->handle);
  return 0;
}

static int vm_system(lua_State *L) {
  kl_check(L, 1, &kl_vm_class);
  lua_getiuservalue(L, 1, KL_VM_SYSTEM);
  return 1;
}

/* vm:create_vcpu(id?) -> kvm.vcpu */
int kl_vm_create_vcpu(lua_State *L) {
  struct kl_vm *vm = kl_checkvm(L, 1);
  kl_maxargs(L, 2);
  struct kl_machine *machine = vm->handle.machine;
  uint32_t id = machine->next_vcpu;
  if (!lua_isnoneornil(L, 2))
    id = (uint32_t)kl_checkrange(L, 2, "vCPU id", 0, INT32_MAX);
  lua_settop(L, 2);
  kl_newvcpu(L, id);
  int fd = kl_ioctlvalue(L, &vm->handle, KVM_CREATE_VCPU, id);
  if (fd < 0) {
    int err = errno;
    return kl_failargs(L, 2, "KVM_CREATE_VCPU", err, "vCPU %d: %s", (int)id,
                       strerror(err));
  }
  if (id >= machine->next_vcpu) machine->next_vcpu = id + 1;
  kl_adoptvcpu(L, fd);
  return 1;
}

/* vm:create_device(type, {test = bool}?) -> kvm.device, or with test whether
 * the host has it. */
int kl_vm_create_device(lua_State *L) {
  struct kl_vm *vm = kl_checkvm(L, 1);
  kl_maxargs(L, 3);
  kl_checkany(L, 2);
  static const char *const names[] = {"test", NULL};
  struct kvm_create_device arg = {0};
  arg.type = (uint32_t)kl_toconstant(L, 2, "DEVICE", "device type", UINT32_MAX);
  if (!lua_isnoneornil(L, 3)) kl_checkoptions(L, 3, names);
  kl_option(L, 3, "test");
  bool test = lua_toboolean(L, -1);
  arg.flags = test ? KVM_CREATE_DEVICE_TEST : 0;
  struct kl_device *d = kl_newhandle(L, &kl_device_class, 1);
  kl_joinmachine(&d->handle, kl_checkvm(L, 1)->handle.machine);
  if (kl_ioctl(L, &vm->handle, KVM_CREATE_DEVICE, &arg) < 0) {
    int err = errno;
    if (test && err == ENODEV) {
      lua_pushboolean(L, false);
      return 1;
    }
    return kl_failargs(L, 2, "KVM_CREATE_DEVICE", err, "device type %d: %s",
                       (int)arg.type, strerror(err));
  }
  if (test) {
    lua_pushboolean(L, true);
    return 1;
  }
  d->type = arg.type;
  d->handle.fd = (int)arg.fd;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  return 1;
}

static const luaL_Reg methods[] = {
    {"close", vm_close}, {"ioctl", kl_rawioctl}, {NULL, NULL}};
static const luaL_Reg getters[] = {
    {"fd", kl_handle_fd}, {"system", vm_system}, {NULL, NULL}};
static const luaL_Reg meta[] = {{"__tostring", kl_handle_tostring},
                                {NULL, NULL}};

const struct kl_class kl_vm_class = {
    .name = "kvm.vm",
    .size = sizeof(struct kl_vm),
    .methods = methods,
    .getters = getters,
    .meta = meta,
    .close = vm_close,
};

void kl_openvm(lua_State *L) {
  const luaL_Reg *const more[] = {kl_bus_methods, kl_slot_vm_methods, NULL};
  kl_setmethods(L, &kl_vm_class, KL_VM, more);
}
