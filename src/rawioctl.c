/* SPDX-License-Identifier: MIT */
/* obj:ioctl(request, arg): what has no row. */
#include <string.h>
#include <sys/ioctl.h>

#include "handle.h"
#include "option.h"

/* Bytes behind the struct that the kernel may write although the request
 * number does not count them: the entries of a list. */
enum { SLACK = 65536 };

/* The bytes that the kernel will touch, as far as the row tells. */
static size_t needed(lua_State *L, const struct kl_ioctl *row,
                     unsigned long request, const char *bytes, size_t n) {
  size_t size = _IOC_SIZE(request);
  if (n < size)
    kl_argerror(L, 3,
                lua_pushfstring(L,
                                "%I bytes given, the request "
                                "number says %d",
                                (lua_Integer)n, (int)size));
  if (row == NULL || row->flex == NULL) return size;
  const struct kl_flex *x = row->flex;
  uint64_t count = kl_loaduint(bytes + x->count_offset, x->count_size);
  if (n < x->header || (n - x->header) / x->entry_size < count)
    kl_argerror(L, 3,
                lua_pushfstring(L,
                                "%I bytes do not hold the %I "
                                "entries they announce",
                                (lua_Integer)n, (lua_Integer)count));
  return n;
}

static int raw_bytes(lua_State *L, struct kl_handle *h,
                     const struct kl_ioctl *row, unsigned long request) {
  size_t n;
  const char *bytes = kl_checklstring(L, 3, &n);
  if (_IOC_DIR(request) == _IOC_NONE)
    return kl_argerror(L, 3, "this request takes an integer, no bytes");
  needed(L, row, request, bytes, n);
  char *data = lua_newuserdatauv(L, n + SLACK, 0);
  memcpy(data, bytes, n);
  memset(data + n, 0, SLACK);
  int r = kl_ioctl(L, h, request, data);
  if (r < 0) return kl_fail(L, row ? row->name : "ioctl", errno, NULL);
  lua_pushinteger(L, r);
  lua_pushlstring(L, data, n);
  return 2;
}

/* Whether a call of this row has its method only: it changes what we keep track
 * of, its struct holds a pointer, or it takes one although its number says that
 * it takes none. */
static bool hasmethod(const struct kl_ioctl *row) {
  return row->pointer || row->kind == KL_CUSTOM ||
         (row->layout != NULL && _IOC_DIR(row->request) == _IOC_NONE);
}

/* result, bytes = obj:ioctl(request, bytes); result = obj:ioctl(request, n).
 * Refused where the memory of this process would be at stake: an integer where
 * the kernel takes a pointer, structs known to hold one, and what is not KVM's:
 * every file answers to requests (FIGETBSZ is 2) that write where an integer
 * says. */
int kl_rawioctl(lua_State *L) {
  struct kl_handle *h = kl_checkhandle(L, 1);
  kl_maxargs(L, 3);
  unsigned long request =
      (unsigned long)kl_checkrange(L, 2, "request", 0, UINT32_MAX);
  if (_IOC_TYPE(request) != KVMIO)
    return kl_badarg(L, 2,
                     "request 0x%lx is not one of KVM's, which have 0x%x "
                     "in bits 8 to 15",
                     request, KVMIO);
  const struct kl_ioctl *row = kl_findioctl(request, kl_scope(h));
  if (row == NULL && request == KVM_RUN)
    return kl_argerror(L, 2, "KVM_RUN is for a vCPU: vcpu:run()");
  if (row != NULL && hasmethod(row))
    return kl_argerror(
        L, 2,
        lua_pushfstring(L,
                        "%s has a method of its own, which keeps "
                        "track of what it changes",
                        row->name));
  if (lua_type(L, 3) == LUA_TSTRING) return raw_bytes(L, h, row, request);
  if (_IOC_DIR(request) != _IOC_NONE)
    return kl_argerror(L, 3,
                       "this request takes a pointer: give the struct "
                       "as a byte string");
  int r = kl_ioctlvalue(L, h, request, (unsigned long)kl_integeror(L, 3, 0));
  if (r < 0) return kl_fail(L, row ? row->name : "ioctl", errno, NULL);
  lua_pushinteger(L, r);
  return 1;
}
