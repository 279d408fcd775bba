/* SPDX-License-Identifier: MIT */
/* vm:irqfd and vm:ioeventfd: eventfds that the kernel connects to a VM. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "internal.h"
#include "ioctls.h"
#include "option.h"

/* The field as a descriptor; -1 when it is nil and may be. */
static int optfd(lua_State *L, const char *name, bool needed) {
  int fd = -1;
  if (kl_option(L, 2, name) != LUA_TNIL || needed)
    fd = kl_checkeventfd(L, -1, name);
  lua_pop(L, 1);
  return fd;
}

static uint32_t need32(lua_State *L, const char *name, uint64_t v) {
  if (v > UINT32_MAX)
    kl_badarg(L, 2, "%s 0x%" PRIx64 " does not fit in 32 bits", name, v);
  return (uint32_t)v;
}

/* vm:irqfd{fd =, gsi =, flags =, resamplefd =} */
int kl_vm_irqfd(lua_State *L) {
  static const char *const names[] = {"fd", "gsi", "flags", "resamplefd", NULL};
  kl_checkvm(L, 1);
  kl_maxargs(L, 2);
  kl_checkoptions(L, 2, names);
  struct kvm_irqfd k = {.gsi = need32(L, "gsi", kl_needinteger(L, 2, "gsi"))};
  k.flags = need32(L, "flags", kl_optflags(L, 2, "flags", "IRQFD"));
  int resample = optfd(L, "resamplefd", false);
  if (resample >= 0) {
    k.resamplefd = (uint32_t)resample;
    k.flags |= KVM_IRQFD_FLAG_RESAMPLE;
  }
  k.fd = (uint32_t)optfd(L, "fd", true);
  if (kl_ioctl(L, &kl_checkvm(L, 1)->handle, KVM_IRQFD, &k) < 0) {
    int err = errno;
    return kl_failargs(
        L, 2, "KVM_IRQFD", err, "eventfd %d to GSI %u: %s", (int)k.fd, k.gsi,
        err == EBUSY ? "the eventfd is an irqfd already" : strerror(err));
  }
  return 0;
}

/* vm:ioeventfd{fd =, addr =, len =, datamatch =, flags =}; addr is a port with
 * the flag PIO. len 0 takes writes of any size. */
int kl_vm_ioeventfd(lua_State *L) {
  static const char *const names[] = {"fd",        "addr",  "len",
                                      "datamatch", "flags", NULL};
  kl_checkvm(L, 1);
  kl_maxargs(L, 2);
  kl_checkoptions(L, 2, names);
  struct kvm_ioeventfd k = {.addr = kl_needinteger(L, 2, "addr")};
  k.len = need32(L, "len", kl_optinteger(L, 2, "len", 0));
  k.flags = need32(L, "flags", kl_optflags(L, 2, "flags", "IOEVENTFD"));
  if (kl_option(L, 2, "datamatch") != LUA_TNIL) {
    k.datamatch = kl_needinteger(L, 2, "datamatch");
    k.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
  }
  k.fd = optfd(L, "fd", true);
  if (k.len > 8 || (k.len & (k.len - 1)))
    return kl_badarg(L, 2, "len %u is not 0, 1, 2, 4 or 8", k.len);
  if (kl_ioctl(L, &kl_checkvm(L, 1)->handle, KVM_IOEVENTFD, &k) < 0) {
    int err = errno;
    return kl_failargs(L, 2, "KVM_IOEVENTFD", err,
                       "eventfd %d at %s 0x%llx, length %u: %s", k.fd,
                       k.flags & KVM_IOEVENTFD_FLAG_PIO ? "port" : "gpa",
                       (unsigned long long)k.addr, k.len, strerror(err));
  }
  return 0;
}
