/* SPDX-License-Identifier: MIT */
/* The state of nested virtualization, whose size the host decides. */
#include <errno.h>
#include <string.h>

#include "arch_ioctls.h"
#include "arch_structs.h"
#include "x86.h"

/* The kernel's largest is a header and two pages. */
enum { HEADER = sizeof(struct kvm_nested_state), MOST_NESTED = 1 << 20 };

/* get_nested_state() -> {flags, format, size, vmx or svm, data = bytes} */
int kl_x86_get_nested_state(lua_State *L) {
  struct kl_vcpu *v = kl_checkvcpu(L, 1);
  kl_maxargs(L, 1);
  for (uint32_t size = HEADER + 2 * 4096;;) {
    struct kvm_nested_state *s = memset(lua_newuserdatauv(L, size, 0), 0, size);
    s->size = size;
    if (kl_ioctl(L, &v->handle, KVM_GET_NESTED_STATE, s) >= 0) {
      uint32_t n = s->size < HEADER ? HEADER : s->size;
      if (n > size) n = size;
      kl_getstruct(L, &kl_kvm_nested_state, s);
      lua_pushlstring(L, (const char *)s + HEADER, n - HEADER);
      lua_setfield(L, -2, "data");
      return 1;
    }
    if (errno != E2BIG || s->size <= size || s->size > MOST_NESTED)
      return kl_fail(L, "KVM_GET_NESTED_STATE", errno, NULL);
    size = s->size;
    lua_pop(L, 1);
  }
}

/* set_nested_state{...}, as get_nested_state gives it; size is not needed. */
int kl_x86_set_nested_state(lua_State *L) {
  struct kl_vcpu *v = kl_checkvcpu(L, 1);
  size_t n;
  kl_maxargs(L, 2);
  kl_checktype(L, 2, LUA_TTABLE);
  const char *data = kl_x86_databytes(L, &n);
  kl_argcheck(L, n <= MOST_NESTED, 2, "data is too long");
  struct kvm_nested_state *s =
      memset(lua_newuserdatauv(L, HEADER + n, 0), 0, HEADER + n);
  memcpy((char *)s + HEADER, data, n);
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, 2);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
  lua_pushnil(L);
  lua_setfield(L, -2, "data");
  kl_setstruct(L, -1, &kl_kvm_nested_state, s);
  s->size = (uint32_t)(HEADER + n);
  if (kl_ioctl(L, &v->handle, KVM_SET_NESTED_STATE, s) < 0)
    return kl_failargs(L, 2, "KVM_SET_NESTED_STATE", errno, NULL);
  return 0;
}
