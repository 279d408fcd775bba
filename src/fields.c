/* SPDX-License-Identifier: MIT */
#include "fields.h"

#include <inttypes.h>
#include <lauxlib.h>
#include <string.h>

#include "aux.h"

uint64_t kl_loaduint(const void *p, size_t size) {
  uint64_t v = 0;
  switch (size) {
    case 1: return *(const uint8_t *)p;
    case 2: {
      uint16_t x;
      memcpy(&x, p, 2);
      return x;
    }
    case 4: {
      uint32_t x;
      memcpy(&x, p, 4);
      return x;
    }
    default: memcpy(&v, p, 8); return v;
  }
}

void kl_storeuint(void *p, size_t size, uint64_t value) {
  switch (size) {
    case 1: {
      uint8_t x = (uint8_t)value;
      memcpy(p, &x, 1);
      break;
    }
    case 2: {
      uint16_t x = (uint16_t)value;
      memcpy(p, &x, 2);
      break;
    }
    case 4: {
      uint32_t x = (uint32_t)value;
      memcpy(p, &x, 4);
      break;
    }
    default: memcpy(p, &value, 8);
  }
}

const struct kl_field *kl_findfield(const struct kl_layout *layout,
                                    const char *name) {
  for (size_t i = 0; i < layout->nfields; i++) {
    const struct kl_field *f = &layout->fields[i];
    if (f->kind != KL_PAD && strcmp(f->name, name) == 0) return f;
  }
  return NULL;
}

/* ---- struct to table ----------------------------------------------------- */

static int64_t loadint(const void *p, size_t size) {
  uint64_t v = kl_loaduint(p, size);
  uint64_t sign = (uint64_t)1 << (size * 8 - 1);
  return size == 8 ? (int64_t)v : (int64_t)((v ^ sign) - sign);
}

static void getelement(lua_State *L, const struct kl_field *f, const char *p) {
  switch (f->kind) {
    case KL_UINT:
    case KL_ADDRESS:
      lua_pushinteger(L, (lua_Integer)kl_loaduint(p, f->size));
      break;
    case KL_INT: lua_pushinteger(L, loadint(p, f->size)); break;
    case KL_BYTES: lua_pushlstring(L, p, f->size); break;
    case KL_TABLE: kl_getstruct(L, f->sub, p); break;
    case KL_PAD: lua_pushnil(L); break;
  }
}

void kl_getfield(lua_State *L, const struct kl_field *f, const void *data) {
  const char *p = (const char *)data + f->offset;
  if (f->count == 0) {
    getelement(L, f, p);
    return;
  }
  lua_createtable(L, (int)f->count, 0);
  for (uint32_t i = 0; i < f->count; i++) {
    getelement(L, f, p + i * f->size);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

/* A field that is a view of a union shows when it is the one that counts. */
static bool shown(const struct kl_layout *layout, const struct kl_field *f,
                  const void *data) {
  if (f->kind == KL_PAD || f->when == 0) return f->kind != KL_PAD;
  const struct kl_field *tag = &layout->fields[f->tag];
  uint64_t v = kl_loaduint((const char *)data + tag->offset, tag->size);
  return v < 32 && (f->when >> v & 1);
}

void kl_getstruct(lua_State *L, const struct kl_layout *layout,
                  const void *data) {
  luaL_checkstack(L, 4, NULL);
  lua_createtable(L, 0, (int)layout->nfields);
  for (size_t i = 0; i < layout->nfields; i++) {
    const struct kl_field *f = &layout->fields[i];
    if (!shown(layout, f, data)) continue;
    kl_getfield(L, f, data);
    lua_setfield(L, -2, f->name);
  }
}

void kl_checkaddresses(lua_State *L, const struct kl_layout *layout,
                       const void *data) {
  for (size_t i = 0; i < layout->nfields; i++) {
    const struct kl_field *f = &layout->fields[i];
    if (f->kind == KL_ADDRESS && shown(layout, f, data) &&
        kl_loaduint((const char *)data + f->offset, f->size) != 0)
      kl_error(L,
               "%s.%s: scripts have no addresses of this process, it can "
               "only be 0",
               layout->name, f->name);
  }
}

/* ---- table to struct ----------------------------------------------------- */

static int badtype(lua_State *L, const char *what, const char *expected) {
  return kl_error(L, "%s: %s expected, got %s", what, expected,
                  luaL_typename(L, -1));
}

/* "struct.field", or "struct.field[i]" for the element of an array. */
static const char *describe(lua_State *L, const struct kl_layout *layout,
                            const struct kl_field *f, uint32_t i) {
  if (f->count == 0) return lua_pushfstring(L, "%s.%s", layout->name, f->name);
  return lua_pushfstring(L, "%s.%s[%d]", layout->name, f->name, (int)i + 1);
}

static uint64_t tofit(lua_State *L, const struct kl_field *f,
                      const char *what) {
  if (lua_isboolean(L, -1)) return (uint64_t)lua_toboolean(L, -1);
  int is_int;
  uint64_t v = (uint64_t)lua_tointegerx(L, -1, &is_int);
  bool is_number = lua_type(L, -1) == LUA_TNUMBER;
  if (is_number ? !is_int : f->group == NULL) badtype(L, what, "an integer");
  if (!is_number) v = kl_toflags(L, -1, f->group, what);
  if (f->size == 8) return v;
  unsigned bits = f->size * 8;
  int64_t s = (int64_t)v;
  bool fits = f->kind == KL_INT ? s >= -((int64_t)1 << (bits - 1)) &&
                                      s < (int64_t)1 << (bits - 1)
                                : v >> bits == 0;
  if (!fits)
    kl_error(L, "%s: %I does not fit in %d bits", what, (lua_Integer)v,
             (int)bits);
  return v;
}

/* Stores the value at the top of the stack; what is at top - 1. */
static void setelement(lua_State *L, const struct kl_field *f, const char *what,
                       char *p) {
  size_t n;
  const char *bytes;
  switch (f->kind) {
    case KL_UINT:
    case KL_ADDRESS:
    case KL_INT: kl_storeuint(p, f->size, tofit(L, f, what)); break;
    case KL_BYTES:
      if (lua_type(L, -1) != LUA_TSTRING) badtype(L, what, "a byte string");
      bytes = lua_tolstring(L, -1, &n);
      if (n != f->size)
        kl_error(L, "%s: %I bytes given, it takes %d", what, (lua_Integer)n,
                 (int)f->size);
      memcpy(p, bytes, n);
      break;
    case KL_TABLE:
      if (!lua_istable(L, -1)) badtype(L, what, "a table");
      kl_setstruct(L, -1, f->sub, p);
      break;
    case KL_PAD: break;
  }
}

static void setarray(lua_State *L, const struct kl_layout *layout,
                     const struct kl_field *f, char *p) {
  int list = lua_gettop(L);
  if (!lua_istable(L, list))
    kl_error(L, "%s.%s: a list expected, got %s", layout->name, f->name,
             luaL_typename(L, list));
  for (lua_pushnil(L); lua_next(L, list); lua_pop(L, 2)) {
    int is_int;
    uint64_t i = (uint64_t)lua_tointegerx(L, -2, &is_int) - 1;
    if (!is_int || i >= f->count)
      kl_error(L, "%s.%s has %d elements, no [%s]", layout->name, f->name,
               (int)f->count, luaL_tolstring(L, -2, NULL));
    const char *what = describe(L, layout, f, (uint32_t)i);
    lua_insert(L, -2);
    setelement(L, f, what, p + i * f->size);
  }
}

void kl_setfield(lua_State *L, const struct kl_layout *layout,
                 const struct kl_field *f, void *data) {
  char *p = (char *)data + f->offset;
  int top = lua_gettop(L);
  if (f->count > 0) {
    setarray(L, layout, f, p);
  } else {
    const char *what = describe(L, layout, f, 0);
    lua_insert(L, -2);
    setelement(L, f, what, p);
  }
  lua_settop(L, top - 1);
}

/* The key at the top is no field. */
static int nofield(lua_State *L, const struct kl_layout *layout) {
  luaL_Buffer b;
  const char *key = luaL_tolstring(L, -1, NULL), *comma = "";
  luaL_buffinit(L, &b);
  for (size_t i = 0; i < layout->nfields; i++) {
    if (layout->fields[i].kind == KL_PAD) continue;
    luaL_addstring(&b, comma);
    luaL_addstring(&b, layout->fields[i].name);
    comma = ", ";
  }
  luaL_pushresult(&b);
  return kl_error(L, "%s has no field '%s' (it has %s)", layout->name, key,
                  lua_tostring(L, -1));
}

void kl_setstruct(lua_State *L, int idx, const struct kl_layout *layout,
                  void *data) {
  idx = lua_absindex(L, idx);
  luaL_checkstack(L, 10, layout->name);
  kl_checktype(L, idx, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, idx);) {
    const struct kl_field *f = lua_type(L, -2) == LUA_TSTRING
                                   ? kl_findfield(layout, lua_tostring(L, -2))
                                   : NULL;
    if (f == NULL) {
      lua_pop(L, 1);
      nofield(L, layout);
    }
    kl_setfield(L, layout, f, data);
  }
}
