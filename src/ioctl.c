/* SPDX-License-Identifier: MIT */
/* Calls ioctls by their rows: one function per kind, none per ioctl. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "handle.h"
#include "trace.h"

/* ---- the system call ----------------------------------------------------- */

static int prepare(struct kl_handle *h) {
  if (h->object.class != &kl_vcpu_class) return 0;
  struct kl_vcpu *v = (struct kl_vcpu *)h;
  if (v->run == NULL) return 0;
  v->sync_valid = 0;
  return v->run->kvm_dirty_regs ? kl_flushregs(v) : 0;
}

static int call(struct kl_handle *h, unsigned long request, unsigned long arg) {
  int r;
  do r = ioctl(h->fd, request, arg);
  while (r < 0 && errno == EINTR);
  return r;
}

int kl_ioctlvalue(lua_State *L, struct kl_handle *h, unsigned long request,
                  unsigned long value) {
  if (prepare(h) < 0) return -1;
  if (!h->context->tracing) return call(h, request, value);
  int64_t start = kl_now();
  int r = call(h, request, value);
  kl_trace(L, h, request, value, r, start);
  return r;
}

int kl_ioctl(lua_State *L, struct kl_handle *h, unsigned long request,
             const void *arg) {
  return kl_ioctlvalue(L, h, request, (unsigned long)(uintptr_t)arg);
}

int kl_extension(lua_State *L, struct kl_handle *h, int capability) {
  int r = kl_ioctlvalue(L, h, KVM_CHECK_EXTENSION, (unsigned long)capability);
  return r < 0 ? 0 : r;
}

/* ---- the kinds ----------------------------------------------------------- */

static void *scratch(lua_State *L, size_t size) {
  return memset(lua_newuserdatauv(L, size, 0), 0, size);
}

static size_t argsize(const struct kl_ioctl *row) {
  return row->layout != NULL ? row->layout->size : sizeof(uint64_t);
}

static int result(lua_State *L, const struct kl_ioctl *row, int r) {
  if (row->result == KL_NOTHING) return 0;
  lua_pushinteger(L, r);
  return 1;
}

/* Whether the capability of a row is missing. A vCPU cannot be asked: its VM,
 * when that is open. */
static bool lacks(lua_State *L, struct kl_handle *h, const char *capability) {
  if (h->object.class == &kl_vcpu_class) h = &((struct kl_vcpu *)h)->vm->handle;
  if (h->fd < 0 || kl_scope(h) & KL_DEVICE) return false;
  lua_pushstring(L, capability);
  int cap = (int)kl_toconstant(L, -1, "CAP", "capability", INT32_MAX);
  lua_pop(L, 1);
  return kl_extension(L, h, cap) == 0;
}

/* Raises for a call of a row; args is an index or 0. */
static int refused(lua_State *L, struct kl_handle *h,
                   const struct kl_ioctl *row, int args, int err) {
  const char *hint = NULL;
  if (row->capability != NULL && lacks(L, h, row->capability))
    hint = lua_pushfstring(L,
                           "this host has no KVM_CAP_%s: "
                           "check_extension('%s') is 0",
                           row->capability, row->capability);
  return kl_failhint(L, args, row->name, err, hint, NULL);
}

static int call_value(lua_State *L, struct kl_handle *h,
                      const struct kl_ioctl *row) {
  unsigned long value = 0;
  kl_maxargs(L, row->kind == KL_NONE ? 1 : 2);
  if (row->kind == KL_VALUE) value = (unsigned long)kl_checkinteger(L, 2);
  int r = kl_ioctlvalue(L, h, row->request, value);
  if (r < 0) return refused(L, h, row, lua_gettop(L), errno);
  return result(L, row, r);
}

static void pushvalue(lua_State *L, const struct kl_ioctl *row,
                      const void *data) {
  if (row->layout != NULL)
    kl_getstruct(L, row->layout, data);
  else
    lua_pushinteger(L, (lua_Integer)kl_loaduint(data, sizeof(uint64_t)));
}

static int call_get(lua_State *L, struct kl_handle *h,
                    const struct kl_ioctl *row) {
  kl_maxargs(L, 1);
  void *data = scratch(L, argsize(row));
  if (kl_ioctl(L, h, row->request, data) < 0)
    return refused(L, h, row, 0, errno);
  pushvalue(L, row, data);
  return 1;
}

/* Fills data from argument 2. */
static void tovalue(lua_State *L, const struct kl_ioctl *row, void *data) {
  if (row->layout == NULL) {
    kl_storeuint(data, sizeof(uint64_t), (uint64_t)kl_checkinteger(L, 2));
    return;
  }
  kl_checktype(L, 2, LUA_TTABLE);
  kl_setstruct(L, 2, row->layout, data);
}

/* Whether the kernel says that this object has no such thing: the setter will
 * say so, too. Anything else may have passed by then, and zeros be set. */
static bool isrefusal(int err) {
  return err == EINVAL || err == ENOTTY || err == ENXIO || err == ENODEV ||
         err == EOPNOTSUPP || err == EPERM || err == ENOENT;
}

static int call_set(lua_State *L, struct kl_handle *h,
                    const struct kl_ioctl *row) {
  kl_maxargs(L, 2);
  lua_settop(L, 2);
  void *data = scratch(L, argsize(row));
  if (row->getter != 0) {
    if (_IOC_DIR(row->getter) & _IOC_WRITE) tovalue(L, row, data); /* which */
    if (kl_ioctl(L, h, row->getter, data) < 0 && !isrefusal(errno))
      return kl_failargs(L, 2, row->name, errno,
                         "what it has now, for the fields that are not given, "
                         "cannot be read: %s",
                         strerror(errno));
  }
  tovalue(L, row, data);
  if (row->pointer) kl_checkaddresses(L, row->layout, data);
  int r = kl_ioctl(L, h, row->request, data);
  if (r < 0) return refused(L, h, row, 2, errno);
  if (row->kind == KL_SET) return result(L, row, r);
  pushvalue(L, row, data);
  return 1;
}

/* ---- lists --------------------------------------------------------------- */

/* Older kernels leave the count as it was offered (KVM_GET_CPUID2 of 6.1):
 * what they did not fill is zeros then. */
static uint64_t filled(const struct kl_flex *x, const char *data, uint64_t n) {
  const char *entries = data + x->header;
  uint64_t end = n * x->entry_size;
  while (end > 0 && entries[end - 1] == 0) end--;
  return (end + x->entry_size - 1) / x->entry_size;
}

static int call_getlist(lua_State *L, struct kl_handle *h,
                        const struct kl_ioctl *row) {
  const struct kl_flex *x = row->flex;
  kl_maxargs(L, 1);
  for (uint64_t n = x->guess;;) {
    char *data = scratch(L, x->header + n * x->entry_size);
    kl_storeuint(data + x->count_offset, x->count_size, n);
    int r = kl_ioctl(L, h, row->request, data);
    uint64_t count = kl_loaduint(data + x->count_offset, x->count_size);
    if (r >= 0) {
      kl_pushlist(L, row, data, count < n ? count : filled(x, data, n));
      return 1;
    }
    if (errno != E2BIG || n >= x->max) return refused(L, h, row, 0, errno);
    lua_pop(L, 1);
    n = count > n ? count : n * 2;
    if (n > x->max) n = x->max;
  }
}

void kl_pushlist(lua_State *L, const struct kl_ioctl *row, const char *data,
                 uint64_t count) {
  const struct kl_flex *x = row->flex;
  if (row->layout != NULL)
    kl_getstruct(L, row->layout, data);
  else
    lua_createtable(L, (int)count, 0);
  for (uint64_t i = 0; i < count; i++) {
    const char *entry = data + x->header + i * x->entry_size;
    if (x->entry != NULL)
      kl_getstruct(L, x->entry, entry);
    else
      lua_pushinteger(L, (lua_Integer)kl_loaduint(entry, x->entry_size));
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

/* Whether the value at idx is the index of one of n entries. */
static bool isindex(lua_State *L, int idx, uint64_t n) {
  return lua_isinteger(L, idx) && (uint64_t)lua_tointeger(L, idx) - 1 < n;
}

/* Patches the header with the named fields of the list at argument 2, which has
 * n entries. */
static void toheader(lua_State *L, const struct kl_ioctl *row, char *data,
                     uint64_t n) {
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, 2);) {
    if (isindex(L, -2, n)) {
      lua_pop(L, 1);
      continue;
    }
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
  if (row->layout != NULL) {
    kl_setstruct(L, -1, row->layout, data);
  } else if (lua_pushnil(L), lua_next(L, -2)) {
    kl_error(L, "%s: a list has no field '%s'", row->name,
             luaL_tolstring(L, -2, NULL));
  }
  lua_pop(L, 1);
}

static void toentry(lua_State *L, const struct kl_ioctl *row, uint64_t i,
                    char *entry) {
  const struct kl_flex *x = row->flex;
  int type = lua_rawgeti(L, 2, (lua_Integer)i + 1);
  if (x->entry != NULL) {
    if (type != LUA_TTABLE)
      kl_error(L, "%s: entry %I is a %s, a table expected", row->name,
               (lua_Integer)i + 1, luaL_typename(L, -1));
    kl_setstruct(L, -1, x->entry, entry);
  } else {
    int is_int;
    uint64_t v = (uint64_t)lua_tointegerx(L, -1, &is_int);
    if (!is_int || (x->entry_size < 8 && v >> (8 * x->entry_size)))
      kl_error(L, "%s: entry %I (%s) is not an integer of %d bits", row->name,
               (lua_Integer)i + 1, luaL_tolstring(L, -1, NULL),
               (int)(8 * x->entry_size));
    kl_storeuint(entry, x->entry_size, v);
  }
  lua_pop(L, 1);
}

static int call_setlist(lua_State *L, struct kl_handle *h,
                        const struct kl_ioctl *row) {
  const struct kl_flex *x = row->flex;
  kl_maxargs(L, 2);
  kl_checktype(L, 2, LUA_TTABLE);
  uint64_t n = lua_rawlen(L, 2);
  if (n > x->max)
    return kl_argerror(L, 2,
                       lua_pushfstring(L, "%I entries, %s takes %d",
                                       (lua_Integer)n, row->name, (int)x->max));
  char *data = scratch(L, x->header + n * x->entry_size);
  toheader(L, row, data, n);
  kl_storeuint(data + x->count_offset, x->count_size, n);
  for (uint64_t i = 0; i < n; i++)
    toentry(L, row, i, data + x->header + i * x->entry_size);
  int r = kl_ioctl(L, h, row->request, data);
  if (r < 0) return refused(L, h, row, 2, errno);
  return result(L, row, r);
}

/* ---- methods ------------------------------------------------------------- */

/* Every method made of a row. Upvalue: the row. */
static int call_row(lua_State *L) {
  const struct kl_ioctl *row = lua_touserdata(L, lua_upvalueindex(1));
  struct kl_handle *h = kl_checkhandle(L, 1);
  if (!(kl_scope(h) & row->scopes))
    return kl_argerror(L, 1,
                       lua_pushfstring(L, "%s is no ioctl of a %s", row->name,
                                       h->object.class->name));
  switch (row->kind) {
    case KL_NONE:
    case KL_VALUE: return call_value(L, h, row);
    case KL_GET: return call_get(L, h, row);
    case KL_SET:
    case KL_INOUT: return call_set(L, h, row);
    case KL_GETLIST: return call_getlist(L, h, row);
    case KL_SETLIST: return call_setlist(L, h, row);
    case KL_CUSTOM: break;
  }
  return kl_error(L, "%s has no function", row->name);
}

static void methodname(const struct kl_ioctl *row, char name[64]) {
  snprintf(name, 64, "%s", row->name + strlen("KVM_"));
  for (char *p = name; *p; p++) *p = (char)tolower((unsigned char)*p);
}

static void addrows(lua_State *L, const struct kl_ioctl *row, unsigned scope) {
  for (; row->name != NULL; row++) {
    char name[64];
    if (!(row->scopes & scope)) continue;
    methodname(row, name);
    if (row->kind == KL_CUSTOM) {
      lua_pushcfunction(L, row->call);
    } else {
      lua_pushlightuserdata(L, (void *)row);
      lua_pushcclosure(L, call_row, 1);
    }
    lua_setfield(L, -2, name);
  }
}

void kl_addioctls(lua_State *L, unsigned scope) {
  addrows(L, kl_ioctls, scope);
  addrows(L, kl_arch_ioctls, scope);
}

const struct kl_ioctl *kl_findioctl(unsigned long request, unsigned scope) {
  const struct kl_ioctl *tables[] = {kl_ioctls, kl_arch_ioctls};
  for (size_t i = 0; i < KL_COUNT(tables); i++) {
    for (const struct kl_ioctl *r = tables[i]; r->name != NULL; r++)
      if (r->request == request && (r->scopes & scope)) return r;
  }
  return NULL;
}

/* ---- reflection ---------------------------------------------------------- */

static const char *const kind_names[] = {
    "none", "value", "get", "set", "inout", "getlist", "setlist", "custom"};
static const char *const scope_names[] = {"system", "vm", "vcpu", "device"};

static void pushrow(lua_State *L, const struct kl_ioctl *r) {
  char name[64];
  lua_createtable(L, 0, 8);
  methodname(r, name);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "method");
  lua_pushinteger(L, (lua_Integer)r->request);
  lua_setfield(L, -2, "request");
  lua_pushstring(L, kind_names[r->kind]);
  lua_setfield(L, -2, "kind");
  lua_pushstring(L, r->capability);
  lua_setfield(L, -2, "capability");
  lua_pushstring(L, r->layout != NULL ? r->layout->name : NULL);
  lua_setfield(L, -2, "struct");
  lua_pushstring(L, r->flex && r->flex->entry ? r->flex->entry->name : NULL);
  lua_setfield(L, -2, "entry");
  lua_pushboolean(L, r->pointer);
  lua_setfield(L, -2, "pointer");
  lua_newtable(L);
  for (size_t i = 0, n = 0; i < KL_COUNT(scope_names); i++) {
    if (!(r->scopes & 1u << i)) continue;
    lua_pushstring(L, scope_names[i]);
    lua_rawseti(L, -2, (lua_Integer)++n);
  }
  lua_setfield(L, -2, "scopes");
}

void kl_pushioctls(lua_State *L) {
  const struct kl_ioctl *tables[] = {kl_ioctls, kl_arch_ioctls};
  lua_newtable(L);
  for (size_t i = 0; i < KL_COUNT(tables); i++) {
    for (const struct kl_ioctl *r = tables[i]; r->name != NULL; r++) {
      pushrow(L, r);
      lua_setfield(L, -2, r->name);
    }
  }
}
