/* SPDX-License-Identifier: MIT */
/* kvm.system: /dev/kvm itself. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "handle.h"

int kl_core_open(lua_State *L) {
  kl_maxargs(L, 1);
  const char *path = lua_isnoneornil(L, 1) ? "/dev/kvm" : kl_checkstring(L, 1);
  struct kl_system *s = kl_newhandle(L, &kl_system_class, 0);
  s->handle.fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (s->handle.fd < 0) {
    int err = errno;
    return kl_fail(L, "open", err, "%s: %s", path, strerror(err));
  }
  int version = kl_ioctlvalue(L, &s->handle, KVM_GET_API_VERSION, 0);
  if (version != KVM_API_VERSION) {
    int err = version < 0 ? errno : ENOTSUP;
    kl_closehandle(&s->handle);
    if (version < 0)
      return kl_fail(L, "KVM_GET_API_VERSION", err, "%s is no KVM device",
                     path);
    return kl_fail(L, "KVM_GET_API_VERSION", err,
                   "version %d of the API, %d expected", version,
                   KVM_API_VERSION);
  }
  return 1;
}

/* Takes the new VM's descriptor, which is closed when memory is short. */
static void adopt(lua_State *L, struct kl_vm *vm, int fd, int run_size) {
  vm->handle.machine = kl_newmachine(run_size);
  if (vm->handle.machine == NULL) {
    close(fd);
    kl_error(L, "not enough memory");
  }
  vm->handle.fd = fd;
}

/* system:create_vm(type?) -> kvm.vm */
int kl_system_create_vm(lua_State *L) {
  struct kl_system *s = kl_checksystem(L, 1);
  kl_maxargs(L, 2);
  unsigned long type = lua_isnoneornil(L, 2)
                           ? 0
                           : (unsigned long)kl_toconstant(
                                 L, 2, "VM_TYPE", "machine type", UINT64_MAX);
  lua_settop(L, 2);
  int run_size = kl_ioctlvalue(L, &s->handle, KVM_GET_VCPU_MMAP_SIZE, 0);
  if (run_size < 0) return kl_fail(L, "KVM_GET_VCPU_MMAP_SIZE", errno, NULL);
  if ((size_t)run_size < sizeof(struct kvm_run))
    return kl_fail(L, "KVM_GET_VCPU_MMAP_SIZE", EPROTO,
                   "%d bytes do not hold a struct kvm_run", run_size);
  struct kl_vm *vm = kl_newhandle(L, &kl_vm_class, KL_VM_UVS);
  int fd = kl_ioctlvalue(L, &s->handle, KVM_CREATE_VM, type);
  if (fd < 0) {
    int err = errno;
    return kl_failargs(L, 2, "KVM_CREATE_VM", err, "machine type 0x%lx: %s",
                       type, strerror(err));
  }
  adopt(L, vm, fd, run_size);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, KL_VM_SYSTEM);
  return 1;
}

static const luaL_Reg methods[] = {
    {"close", kl_handle_close}, {"ioctl", kl_rawioctl}, {NULL, NULL}};
static const luaL_Reg getters[] = {{"fd", kl_handle_fd}, {NULL, NULL}};
static const luaL_Reg meta[] = {{"__tostring", kl_handle_tostring},
                                {NULL, NULL}};

const struct kl_class kl_system_class = {
    .name = "kvm.system",
    .size = sizeof(struct kl_system),
    .methods = methods,
    .getters = getters,
    .meta = meta,
    .close = kl_handle_close,
};

void kl_opensystem(lua_State *L) {
  const luaL_Reg *const more[] = {NULL};
  kl_setmethods(L, &kl_system_class, KL_SYSTEM, more);
}
