/* SPDX-License-Identifier: MIT */
/* kvm.device, and the attributes that every handle may have. */
#include <string.h>

#include "handle.h"

/* Room for any attribute: the size is part of its meaning, not of the call. */
enum { ATTR_ROOM = 65536 };

static struct kvm_device_attr toattr(lua_State *L) {
  struct kvm_device_attr a = {0};
  kl_checkany(L, 2);
  kl_checkany(L, 3);
  a.group = (uint32_t)kl_toconstant(L, 2, "DEVICE_GROUP", "attribute group",
                                    UINT32_MAX);
  a.attr = kl_toconstant(L, 3, "DEVICE_ATTR", "attribute", UINT64_MAX);
  return a;
}

static int fail(lua_State *L, const char *ioctl,
                const struct kvm_device_attr *a) {
  int err = errno;
  return kl_fail(L, ioctl, err, "group %u, attribute 0x%llx: %s", a->group,
                 (unsigned long long)a->attr, strerror(err));
}

/* set_device_attr(group, attr, value?): value is an integer (4 or 8 bytes, as
 * the attribute has it), a byte string, or nothing. */
int kl_handle_set_device_attr(lua_State *L) {
  struct kl_handle *h = kl_checkhandle(L, 1);
  kl_maxargs(L, 4);
  struct kvm_device_attr a = toattr(L);
  lua_settop(L, 4);
  if (!lua_isnil(L, 4)) {
    char *data = lua_newuserdatauv(L, ATTR_ROOM, 0);
    memset(data, 0, ATTR_ROOM);
    size_t n;
    if (lua_type(L, 4) == LUA_TSTRING) {
      const char *bytes = lua_tolstring(L, 4, &n);
      kl_argcheck(L, n <= ATTR_ROOM, 4, "no attribute is that large");
      memcpy(data, bytes, n);
    } else {
      kl_storeuint(data, 8, (uint64_t)kl_checkinteger(L, 4));
    }
    a.addr = (uint64_t)(uintptr_t)data;
  }
  if (kl_ioctl(L, h, KVM_SET_DEVICE_ATTR, &a) < 0)
    return fail(L, "KVM_SET_DEVICE_ATTR", &a);
  return 0;
}

/* get_device_attr(group, attr, size?) -> integer, or size bytes. */
int kl_handle_get_device_attr(lua_State *L) {
  struct kl_handle *h = kl_checkhandle(L, 1);
  kl_maxargs(L, 4);
  struct kvm_device_attr a = toattr(L);
  size_t n = 0;
  if (!lua_isnoneornil(L, 4))
    n = (size_t)kl_checkrange(L, 4, "size", 1, ATTR_ROOM);
  char *data = lua_newuserdatauv(L, ATTR_ROOM, 0);
  memset(data, 0, ATTR_ROOM);
  a.addr = (uint64_t)(uintptr_t)data;
  if (kl_ioctl(L, h, KVM_GET_DEVICE_ATTR, &a) < 0)
    return fail(L, "KVM_GET_DEVICE_ATTR", &a);
  if (n > 0)
    lua_pushlstring(L, data, n);
  else
    lua_pushinteger(L, (lua_Integer)kl_loaduint(data, 8));
  return 1;
}

/* has_device_attr(group, attr) -> boolean */
int kl_handle_has_device_attr(lua_State *L) {
  struct kl_handle *h = kl_checkhandle(L, 1);
  kl_maxargs(L, 3);
  struct kvm_device_attr a = toattr(L);
  int r = kl_ioctl(L, h, KVM_HAS_DEVICE_ATTR, &a);
  if (r < 0 && errno != ENXIO && errno != EPERM && errno != ENOTTY &&
      errno != EINVAL)
    return fail(L, "KVM_HAS_DEVICE_ATTR", &a);
  lua_pushboolean(L, r >= 0);
  return 1;
}

static int device_vm(lua_State *L) {
  kl_check(L, 1, &kl_device_class);
  lua_getiuservalue(L, 1, 1);
  return 1;
}

static int device_type(lua_State *L) {
  struct kl_device *d = kl_check(L, 1, &kl_device_class);
  if (kl_constantname(L, "DEVICE", d->type) == LUA_TNIL)
    lua_pushinteger(L, d->type);
  return 1;
}

static const luaL_Reg methods[] = {
    {"close", kl_handle_close}, {"ioctl", kl_rawioctl}, {NULL, NULL}};
static const luaL_Reg getters[] = {{"fd", kl_handle_fd},
                                   {"vm", device_vm},
                                   {"type", device_type},
                                   {NULL, NULL}};
static const luaL_Reg meta[] = {{"__tostring", kl_handle_tostring},
                                {NULL, NULL}};

const struct kl_class kl_device_class = {
    .name = "kvm.device",
    .size = sizeof(struct kl_device),
    .methods = methods,
    .getters = getters,
    .meta = meta,
    .close = kl_handle_close,
};

void kl_opendevice(lua_State *L) {
  const luaL_Reg *const more[] = {NULL};
  kl_setmethods(L, &kl_device_class, KL_DEVICE, more);
}
