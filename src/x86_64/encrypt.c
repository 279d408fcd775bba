/* SPDX-License-Identifier: MIT */
/* The commands to confidential guests, and to the firmware behind them. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "arch_ioctls.h"
#include "arch_uapi.h"
#include "handle.h"
#include "option.h"
#include "x86.h"

/* The bytes of the field data of the table at 2, which stay on the stack; none
 * when it is not there. */
const char *kl_x86_databytes(lua_State *L, size_t *n) {
  *n = 0;
  if (lua_getfield(L, 2, "data") == LUA_TNIL) return "";
  if (lua_type(L, -1) != LUA_TSTRING)
    kl_error(L, "data: a byte string expected, got %s", luaL_typename(L, -1));
  return lua_tolstring(L, -1, n);
}

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
  const char *bytes = kl_x86_databytes(L, &n);
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
