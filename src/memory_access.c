/* SPDX-License-Identifier: MIT */
/* Reading and writing kvm.memory. A vCPU of another thread may write the same
 * bytes at any time, so every byte is read once. */
#include <inttypes.h>
#include <string.h>

#include "memory.h"
#include "option.h"

static const char pack_key = 0, unpack_key = 0, packsize_key = 0;

/* ---- checks -------------------------------------------------------------- */

void kl_checkbounds(lua_State *L, int arg, const struct kl_memory *m,
                    uint64_t offset, uint64_t n) {
  if (kl_inside(offset, n, m->size)) return;
  kl_badarg(L, arg,
            "0x%" PRIx64 " bytes at 0x%" PRIx64
            " are outside the memory of 0x%" PRIx64 " bytes",
            n, offset, m->size);
}

unsigned char *kl_memorybytes(lua_State *L, int arg, const struct kl_memory *m,
                              uint64_t offset, uint64_t n) {
  kl_checkbounds(L, arg, m, offset, n);
  if (m->mapping->addr == NULL)
    kl_error(L, "this guest_memfd is the guest's alone: make it with flags "
                "MMAP and INIT_SHARED to see it from the host");
  return (unsigned char *)m->mapping->addr + m->offset + offset;
}

unsigned char *kl_writablebytes(lua_State *L, int arg,
                                const struct kl_memory *m, uint64_t offset,
                                uint64_t n) {
  unsigned char *p = kl_memorybytes(L, arg, m, offset, n);
  if (m->mapping->read_only) kl_error(L, "memory is read-only");
  return p;
}

/* Lua hashes short strings before it copies them: those are copied first, so
 * that the hash is of what is kept. */
void kl_pushbytes(lua_State *L, const unsigned char *bytes, size_t n) {
  char copy[256];
  if (n > sizeof copy) {
    lua_pushlstring(L, (const char *)bytes, n);
    return;
  }
  memcpy(copy, bytes, n);
  lua_pushlstring(L, copy, n);
}

static uint64_t checkoffset(lua_State *L) {
  return (uint64_t)kl_checkinteger(L, 2);
}

/* ---- bytes --------------------------------------------------------------- */

int kl_memory_read(lua_State *L) {
  struct kl_memory *m = kl_checkmemory(L, 1);
  kl_maxargs(L, 3);
  uint64_t offset = checkoffset(L);
  uint64_t n = (uint64_t)kl_checkinteger(L, 3);
  kl_pushbytes(L, kl_memorybytes(L, 3, m, offset, n), n);
  return 1;
}

const char *kl_checkcode(lua_State *L, size_t *n) {
  kl_maxargs(L, 4);
  kl_checktype(L, 3, LUA_TSTRING);
  if (!lua_isnoneornil(L, 4)) kl_checktype(L, 4, LUA_TTABLE);
  return lua_tolstring(L, 3, n);
}

/* Returns the memory, so that calls can be chained. */
int kl_memory_write(lua_State *L) {
  struct kl_memory *m = kl_checkmemory(L, 1);
  uint64_t offset = checkoffset(L);
  size_t n;
  const char *bytes = kl_checkcode(L, &n);
  memcpy(kl_writablebytes(L, 3, m, offset, n), bytes, n);
  lua_settop(L, 1);
  return 1;
}

int kl_memory_fill(lua_State *L) {
  struct kl_memory *m = kl_checkmemory(L, 1);
  kl_maxargs(L, 4);
  uint64_t offset = checkoffset(L);
  uint64_t n = (uint64_t)kl_checkinteger(L, 3);
  uint64_t byte = 0;
  if (!lua_isnoneornil(L, 4)) byte = kl_checkrange(L, 4, "byte", 0, UINT8_MAX);
  memset(kl_writablebytes(L, 3, m, offset, n), (int)byte, n);
  lua_settop(L, 1);
  return 1;
}

/* find(bytes, init = 0): the offset of the first occurrence, or nil. */
int kl_memory_find(lua_State *L) {
  struct kl_memory *m = kl_checkmemory(L, 1);
  kl_maxargs(L, 3);
  kl_checktype(L, 2, LUA_TSTRING);
  size_t n;
  const char *bytes = lua_tolstring(L, 2, &n);
  uint64_t init = (uint64_t)kl_integeror(L, 3, 0);
  const unsigned char *start = kl_memorybytes(L, 3, m, init, 0);
  const unsigned char *hit = memmem(start, m->size - init, bytes, n);
  if (hit == NULL)
    lua_pushnil(L);
  else
    lua_pushinteger(L, (lua_Integer)(init + (uint64_t)(hit - start)));
  return 1;
}

/* ---- integers ------------------------------------------------------------ */

/* m:u16(offset) -> value; m:u16(offset, value). One access each, at any
 * alignment, so that what the guest sees is never half a value. */
#define ACCESSOR(bits)                                                     \
  typedef uint##bits##_t __attribute__((aligned(1), may_alias)) any##bits; \
  int kl_memory_u##bits(lua_State *L) {                                    \
    struct kl_memory *m = kl_checkmemory(L, 1);                            \
    kl_maxargs(L, 3);                                                      \
    uint64_t offset = checkoffset(L);                                      \
    if (lua_gettop(L) < 3) {                                               \
      const void *p = kl_memorybytes(L, 2, m, offset, bits / 8);           \
      lua_pushinteger(L, (lua_Integer) * (const volatile any##bits *)p);   \
      return 1;                                                            \
    }                                                                      \
    uint64_t value = kl_checkrange(L, 3, "value", 0, UINT##bits##_MAX);    \
    void *p = kl_writablebytes(L, 2, m, offset, bits / 8);                 \
    *(volatile any##bits *)p = (uint##bits##_t)value;                      \
    return 0;                                                              \
  }

ACCESSOR(8)
ACCESSOR(16)
ACCESSOR(32)
ACCESSOR(64)

/* ---- Lua's formats ------------------------------------------------------- */

static void keep(lua_State *L, const char *name, const char *key) {
  lua_getfield(L, -1, name);
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void kl_openmemory(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, "string");
  if (!lua_istable(L, -1)) kl_error(L, "kvm needs Lua's string library");
  keep(L, "pack", &pack_key);
  keep(L, "unpack", &unpack_key);
  keep(L, "packsize", &packsize_key);
  lua_pop(L, 2);
}

/* pack(offset, format, ...): writes; returns the offset behind. */
int kl_memory_pack(lua_State *L) {
  kl_checkmemory(L, 1);
  uint64_t offset = checkoffset(L);
  kl_checktype(L, 3, LUA_TSTRING);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &pack_key);
  lua_insert(L, 3);
  if (lua_pcall(L, lua_gettop(L) - 3, 1, 0) != LUA_OK)
    return kl_error(L, "pack: %s", luaL_tolstring(L, -1, NULL));
  size_t n;
  const char *bytes = kl_checklstring(L, 3, &n);
  /* The call may have collected garbage, whose finalizers may close. */
  struct kl_memory *m = kl_checkmemory(L, 1);
  memcpy(kl_writablebytes(L, 3, m, offset, n), bytes, n);
  lua_pushinteger(L, (lua_Integer)(offset + n));
  return 1;
}

/* Calls unpack on the n bytes at offset; leaves its results, or the error
 * message, above index 3. */
static int unpackfrom(lua_State *L, uint64_t offset, uint64_t n) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &unpack_key);
  lua_pushvalue(L, 3);
  struct kl_memory *m = kl_checkmemory(L, 1);
  kl_pushbytes(L, kl_memorybytes(L, 2, m, offset, n), n);
  return lua_pcall(L, 2, LUA_MULTRET, 0);
}

/* The bytes a format takes; false when that depends on the bytes. */
static bool packsize(lua_State *L, uint64_t *n) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &packsize_key);
  lua_pushvalue(L, 3);
  bool ok = lua_pcall(L, 1, 1, 0) == LUA_OK;
  *n = ok ? (uint64_t)lua_tointeger(L, -1) : 0;
  lua_pop(L, 1);
  return ok;
}

/* Whether unpack, whose message is at the top, wanted more bytes. */
static bool wantsmore(lua_State *L) {
  const char *message = lua_tostring(L, -1);
  return message != NULL && (strstr(message, "too short") != NULL ||
                             strstr(message, "unfinished string") != NULL);
}

/* unpack(offset, format): the values and the offset behind. */
int kl_memory_unpack(lua_State *L) {
  struct kl_memory *m = kl_checkmemory(L, 1);
  kl_maxargs(L, 3);
  uint64_t offset = checkoffset(L), n;
  kl_checktype(L, 3, LUA_TSTRING);
  kl_checkbounds(L, 2, m, offset, 0);
  uint64_t rest = m->size - offset;
  if (!packsize(L, &n)) n = rest < 256 ? rest : 256;
  /* A format with strings: takes more until there is enough. */
  while (unpackfrom(L, offset, n) != LUA_OK) {
    if (n == rest || !wantsmore(L))
      return kl_error(L, "unpack: %s", luaL_tolstring(L, -1, NULL));
    lua_settop(L, 3);
    n = n > rest / 4 ? rest : n * 4;
  }
  lua_Integer behind = lua_tointeger(L, -1) - 1 + (lua_Integer)offset;
  lua_pop(L, 1); /* many values leave no room for one more */
  lua_pushinteger(L, behind);
  return lua_gettop(L) - 3;
}
