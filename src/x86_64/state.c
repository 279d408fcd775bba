/* SPDX-License-Identifier: MIT */
/* State whose size the host decides: the XSAVE area, nested virtualization,
 * and the commands to confidential guests. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "arch_ioctls.h"
#include "arch_structs.h"
#include "arch_uapi.h"
#include "handle.h"
#include "option.h"
#include "x86.h"

/* The bytes of the field data of the table at 2, which stay on the stack; none
 * when it is not there. */
static const char *databytes(lua_State *L, size_t *n) {
  *n = 0;
  if (lua_getfield(L, 2, "data") == LUA_TNIL) return "";
  if (lua_type(L, -1) != LUA_TSTRING)
    kl_error(L, "data: a byte string expected, got %s", luaL_typename(L, -1));
  return lua_tolstring(L, -1, n);
}

/* ---- XSAVE --------------------------------------------------------------- */

enum { REGION = sizeof(struct kvm_xsave) };

/* Pushes the vCPU's whole area. */
static char *pusharea(lua_State *L, struct kl_vcpu *v, size_t *size) {
  *size = kl_x86_xsavesize(L, v);
  bool large = *size > REGION;
  char *area = memset(lua_newuserdatauv(L, *size, 0), 0, *size);
  if (kl_ioctl(L, &v->handle, large ? KVM_GET_XSAVE2 : KVM_GET_XSAVE, area) < 0)
    kl_fail(L, large ? "KVM_GET_XSAVE2" : "KVM_GET_XSAVE", errno, NULL);
  return area;
}

/* get_xsave2() -> {region = 4096 bytes, extra = bytes} */
int kl_x86_get_xsave2(lua_State *L) {
  struct kl_vcpu *v = kl_checkvcpu(L, 1);
  kl_maxargs(L, 1);
  size_t size = kl_x86_xsavesize(L, v);
  char *area = memset(lua_newuserdatauv(L, size, 0), 0, size);
  if (kl_ioctl(L, &v->handle, KVM_GET_XSAVE2, area) < 0)
    return kl_fail(L, "KVM_GET_XSAVE2", errno, NULL);
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
  char *area = pusharea(L, v, &size);
  tobytes(L, "region", area, REGION);
  tobytes(L, "extra", area + REGION, size - REGION);
  if (kl_ioctl(L, &v->handle, KVM_SET_XSAVE, area) < 0)
    return kl_failargs(L, 2, "KVM_SET_XSAVE", errno, NULL);
  return 0;
}

/* ---- nested virtualization ----------------------------------------------- */

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
  const char *data = databytes(L, &n);
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

/* ---- confidential guests ------------------------------------------------- */

/* kvm_sev_cmd and kvm_tdx_cmd at once: the former has no flags, the latter a
 * 64-bit hw_error for error and sev_fd. */
struct command {
  uint32_t id, flags;
  uint64_t data;
  uint32_t error, sev_fd;
};
_Static_assert(sizeof(struct command) == sizeof(struct kvm_sev_cmd), "size");

static uint32_t option(lua_State *L, const char *name, const char *group,
                       uint32_t otherwise) {
  uint32_t v = otherwise;
  if (lua_getfield(L, 2, name) != LUA_TNIL)
    v = (uint32_t)kl_toflags(L, -1, group, name);
  lua_pop(L, 1);
  return v;
}

/* memory_encrypt_op{id = , flags = , sev_fd = , data = bytes}
 *   -> {error = , data = bytes}
 * data is the struct of the command. Addresses in it are this process's, and
 * the kernel follows them: they are not checked, unlike everything else here.
 * On failure error.args has the answer too. */
int kl_x86_memory_encrypt_op(lua_State *L) {
  static const char *const names[] = {"id", "flags", "sev_fd", "data", NULL};
  struct kl_handle *h = kl_checkhandle(L, 1);
  size_t n;
  kl_maxargs(L, 2);
  kl_checkoptions(L, 2, names);
  const char *bytes = databytes(L, &n);
  /* Beyond the bytes there are zeros: a struct that the script made too short
   * must not make the kernel write behind the buffer. */
  size_t room = n + 4096;
  char *data = memset(lua_newuserdatauv(L, room, 0), 0, room);
  memcpy(data, bytes, n);
  struct command c = {.id = option(L, "id", "SEV", 0),
                      .flags = option(L, "flags", "TDX", 0),
                      .data = n > 0 ? (uintptr_t)data : 0,
                      .sev_fd = option(L, "sev_fd", "SEV", 0)};
  int r = kl_ioctl(L, h, KVM_MEMORY_ENCRYPT_OP, &c), err = errno;
  lua_createtable(L, 0, 2);
  lua_pushinteger(L, c.error);
  lua_setfield(L, -2, "error");
  lua_pushlstring(L, data, n);
  lua_setfield(L, -2, "data");
  if (r < 0)
    return kl_failargs(L, -1, "KVM_MEMORY_ENCRYPT_OP", err,
                       "command %" PRIu32 ": %s (the firmware or module says "
                       "0x%" PRIx32 ")",
                       c.id, strerror(err), c.error);
  return 1;
}
