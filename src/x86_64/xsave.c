/* SPDX-License-Identifier: MIT */
/* The XSAVE area as bytes. The host decides how large it is: what is beyond
 * struct kvm_xsave is called extra. */
#include <errno.h>
#include <string.h>

#include "arch_ioctls.h"
#include "option.h"
#include "x86.h"

enum { REGION = sizeof(struct kvm_xsave) };

/* Pushes the vCPU's whole area; see kl_x86_pushxsave. */
static char *pusharea(lua_State *L, struct kl_vcpu *v, unsigned long request,
                      size_t *size) {
  void *area = kl_x86_pushxsave(L, v, &request, size);
  if (area == NULL)
    kl_fail(L, request == KVM_GET_XSAVE2 ? "KVM_GET_XSAVE2" : "KVM_GET_XSAVE",
            errno, NULL);
  return area;
}

/* get_xsave2() -> {region = 4096 bytes, extra = bytes} */
int kl_x86_get_xsave2(lua_State *L) {
  struct kl_vcpu *v = kl_checkvcpu(L, 1);
  kl_maxargs(L, 1);
  size_t size;
  char *area = pusharea(L, v, KVM_GET_XSAVE2, &size);
  lua_createtable(L, 0, 2);
  lua_pushlstring(L, area, REGION);
  lua_setfield(L, -2, "region");
  lua_pushlstring(L, area + REGION, size - REGION);
  lua_setfield(L, -2, "extra");
  return 1;
}

/* Copies the bytes of a field of the table at 2, when it is there. */
static void tobytes(lua_State *L, const char *name, char *to, size_t room) {
  size_t n;
  if (lua_getfield(L, 2, name) != LUA_TNIL) {
    if (lua_type(L, -1) != LUA_TSTRING)
      kl_error(L, "kvm_xsave.%s: a byte string expected, got %s", name,
               luaL_typename(L, -1));
    const char *bytes = lua_tolstring(L, -1, &n);
    if (n != room)
      kl_error(L, "kvm_xsave.%s: %I bytes given, it takes %I", name,
               (lua_Integer)n, (lua_Integer)room);
    memcpy(to, bytes, n);
  }
  lua_pop(L, 1);
}

/* set_xsave{region = 4096 bytes, extra = bytes}; what is left out stays. */
int kl_x86_set_xsave(lua_State *L) {
  static const char *const names[] = {"region", "extra", NULL};
  struct kl_vcpu *v = kl_checkvcpu(L, 1);
  size_t size;
  kl_maxargs(L, 2);
  kl_checkoptions(L, 2, names);
  char *area = pusharea(L, v, 0, &size);
  tobytes(L, "region", area, REGION);
  tobytes(L, "extra", area + REGION, size - REGION);
  if (kl_ioctl(L, &v->handle, KVM_SET_XSAVE, area) < 0)
    return kl_failargs(L, 2, "KVM_SET_XSAVE", errno, NULL);
  return 0;
}
