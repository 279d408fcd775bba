/* SPDX-License-Identifier: MIT */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "arch.h"

static const char class_name[] = "kvm.error";

/* Rows are searched in order: the ones of an ioctl before those of any. */
static const struct kl_hint hints[] = {
    {"open", ENOENT,
     "this kernel has no KVM, or its module is not loaded (modprobe kvm); in a "
     "virtual machine, nested virtualization must be on. tools/box runs the "
     "command in an emulated machine that has it"},
    {"open", EACCES,
     "ls -l /dev/kvm tells who may: usually a group that you can be added to "
     "(sudo usermod -aG kvm $USER, then log in again), otherwise root alone"},
    {"open", EPERM, "the container or sandbox does not let you open /dev/kvm"},
    {"open", ENODEV,
     "KVM is in this kernel, but the processor's "
     "virtualization is absent or off in the firmware"},
    {"KVM_CREATE_VM", EINVAL,
     "this kernel does not know that machine type (KVM_CAP_VM_TYPES, or the "
     "IPA size limit in KVM_CAP_ARM_VM_IPA_SIZE)"},
    {"KVM_CREATE_VM", EBUSY, "another hypervisor has the virtualization"},
    {"KVM_CREATE_VCPU", EEXIST,
     "every vCPU of a VM has an id of its own: leave the id out and the next "
     "free one is taken"},
    {"KVM_CREATE_VCPU", EINVAL,
     "the VM has as many as it can (check_extension('MAX_VCPUS')), the id is "
     "beyond check_extension('MAX_VCPU_ID'), or the in-kernel interrupt "
     "controller allows "
     "fewer"},
    {"KVM_CREATE_DEVICE", ENODEV,
     "this host has no such device: ask first with test = true"},
    {"KVM_CREATE_DEVICE", EEXIST, "a VM takes one device of this type"},
    {"KVM_SET_DEVICE_ATTR", ENXIO,
     "the device has no such attribute: has_device_attr tells"},
    {"KVM_GET_DEVICE_ATTR", ENXIO,
     "the device has no such attribute: has_device_attr tells"},
    {"KVM_SET_USER_MEMORY_REGION", EEXIST, "vm:unmap the other slot first"},
    {"KVM_IRQ_LINE", ENXIO,
     "there is no in-kernel interrupt controller: create_irqchip first"},
    {"KVM_IRQFD", EINVAL,
     "an irqfd needs an in-kernel interrupt controller and a routed GSI, and "
     "fd "
     "is an eventfd: kvm.eventfd()"},
    {"KVM_IRQFD", EAGAIN,
     "an irqfd needs an in-kernel interrupt controller, initialised"},
    {"KVM_SET_GSI_ROUTING", EINVAL,
     "routes need an in-kernel interrupt controller, and each has gsi, type "
     "and "
     "what the type needs: {gsi = 1, type = 'IRQCHIP', irqchip = {irqchip = , "
     "pin = }} or {gsi = 1, type = 'MSI', msi = {}}"},
    {"KVM_RESET_DIRTY_RINGS", EINVAL,
     "the VM has no dirty rings: vm:enable_cap('DIRTY_LOG_RING', bytes) before "
     "the first vCPU"},
    {"KVM_SIGNAL_MSI", EINVAL,
     "an MSI needs an in-kernel interrupt controller that takes MSIs"},
    {"KVM_IOEVENTFD", EEXIST,
     "an eventfd with this address, length and datamatch is there already"},
    {"KVM_GET_DIRTY_LOG", ENOENT,
     "the slot has no dirty log: map it with log_dirty, or set the flag "
     "LOG_DIRTY_PAGES"},
    {"KVM_GET_STATS_FD", ENOTTY, "this kernel has no binary statistics"},
    {"KVM_SET_ONE_REG", ENOENT, "this vCPU has no register of that id"},
    {"KVM_GET_ONE_REG", ENOENT, "this vCPU has no register of that id"},
    {"KVM_RUN", ENOSPC, "the VM has no memory: vm:map first"},
    {NULL, EIO,
     "a VM belongs to the process that made it; after a fork, or when the VM "
     "died, its descriptors answer no more"},
    {NULL, ENOTTY, "this kernel or this kind of object has no such ioctl"},
    {NULL, EMFILE,
     "too many open files: close VMs and vCPUs, or raise "
     "ulimit -n"},
    {NULL, ENOMEM,
     "the kernel has no memory for it (or a limit is reached: "
     "ulimit -v, -l, cgroup)"},
    {NULL, 0, NULL}};

static const char *findhint(const struct kl_hint *h, const char *ioctl,
                            int err) {
  for (; h->text != NULL; h++) {
    if (h->errno_ == err && (h->ioctl == NULL || strcmp(h->ioctl, ioctl) == 0))
      return h->text;
  }
  return NULL;
}

const char *kl_errname(int err, char buffer[16]) {
  const char *name = strerrorname_np(err);
  if (name != NULL) return name;
  snprintf(buffer, 16, "E%d", err);
  return buffer;
}

static void setstring(lua_State *L, const char *name, const char *value) {
  lua_pushstring(L, value);
  lua_setfield(L, -2, name);
}

/* Raises the error object; args is an index or 0. The hint is for an ioctl that
 * has none of its own. */
static int fail(lua_State *L, int args, const char *ioctl, int err,
                const char *otherwise, const char *format, va_list ap) {
  char message[512], buffer[16];
  if (format != NULL)
    vsnprintf(message, sizeof message, format, ap);
  else
    snprintf(message, sizeof message, "%s",
             strerrordesc_np(err) ? strerrordesc_np(err) : "unknown error");
  luaL_checkstack(L, 6, NULL);
  if (args != 0) args = lua_absindex(L, args);
  lua_createtable(L, 0, 7);
  setstring(L, "ioctl", ioctl);
  setstring(L, "code", kl_errname(err, buffer));
  setstring(L, "message", message);
  lua_pushinteger(L, err);
  lua_setfield(L, -2, "errno");
  const char *hint = findhint(kl_arch_hints, ioctl, err);
  if (hint == NULL) hint = findhint(hints, ioctl, err);
  if (hint == NULL || (otherwise != NULL && err == ENOTTY)) hint = otherwise;
  if (hint != NULL) setstring(L, "hint", hint);
  if (args != 0) {
    lua_pushvalue(L, args);
    lua_setfield(L, -2, "args");
  }
  kl_pushwhere(L);
  lua_setfield(L, -2, "where");
  luaL_setmetatable(L, class_name);
  return lua_error(L);
}

int kl_fail(lua_State *L, const char *ioctl, int err, const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  fail(L, 0, ioctl, err, NULL, format, ap);
  va_end(ap);
  return 0;
}

int kl_failargs(lua_State *L, int idx, const char *ioctl, int err,
                const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  fail(L, idx, ioctl, err, NULL, format, ap);
  va_end(ap);
  return 0;
}

int kl_failhint(lua_State *L, int idx, const char *ioctl, int err,
                const char *hint, const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  fail(L, idx, ioctl, err, hint, format, ap);
  va_end(ap);
  return 0;
}

int kl_iserror(lua_State *L, int idx) {
  if (!lua_istable(L, idx) || !lua_getmetatable(L, idx)) return 0;
  luaL_getmetatable(L, class_name);
  int same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same;
}

static const char *stringfield(lua_State *L, const char *name) {
  lua_pushstring(L, name);
  lua_rawget(L, 1);
  const char *s = lua_tostring(L, -1);
  return s ? s : "";
}

static int error_tostring(lua_State *L) {
  kl_checktype(L, 1, LUA_TTABLE);
  const char *where = stringfield(L, "where");
  const char *ioctl = stringfield(L, "ioctl");
  const char *code = stringfield(L, "code");
  const char *message = stringfield(L, "message");
  const char *hint = stringfield(L, "hint");
  lua_pushfstring(L, "%s%s: %s: %s%s%s", where, ioctl, code, message,
                  *hint ? "\n  hint: " : "", hint);
  return 1;
}

static int error_concat(lua_State *L) {
  lua_settop(L, 2);
  luaL_tolstring(L, 1, NULL);
  luaL_tolstring(L, 2, NULL);
  lua_concat(L, 2);
  return 1;
}

void kl_openerror(lua_State *L) {
  static const luaL_Reg meta[] = {
      {"__tostring", error_tostring}, {"__concat", error_concat}, {NULL, NULL}};
  luaL_newmetatable(L, class_name);
  luaL_setfuncs(L, meta, 0);
  lua_pop(L, 1);
}
