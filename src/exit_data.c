/* SPDX-License-Identifier: MIT */
/* The data of MMIO and port accesses: as a number and as bytes, to be read and
 * to be answered with. */
#include <string.h>

#include "exit_row.h"

/* The bytes at the top of the stack. */
static const char *tobytes(lua_State *L, size_t *n) {
  if (lua_type(L, -1) != LUA_TSTRING)
    kl_error(L,
             "exit.data: a byte string expected, got %s (exit.value takes a "
             "number)",
             luaL_typename(L, -1));
  return lua_tolstring(L, -1, n);
}

/* ---- MMIO ---------------------------------------------------------------- */

static size_t mmiolen(const struct kvm_run *run) {
  size_t n = KL_ONCE(run->mmio.len);
  return n < sizeof run->mmio.data ? n : sizeof run->mmio.data;
}

static void getdata(lua_State *L, const unsigned char *page, size_t n) {
  const struct kvm_run *run = (const void *)page;
  (void)n;
  lua_pushlstring(L, (const char *)run->mmio.data, mmiolen(run));
}

static void setdata(lua_State *L, unsigned char *page, size_t n) {
  struct kvm_run *run = (void *)page;
  size_t given, len = mmiolen(run);
  const char *bytes = tobytes(L, &given);
  (void)n;
  if (given != len)
    kl_error(L, "exit.data: %d bytes given, the access has %d", (int)given,
             (int)len);
  memcpy(run->mmio.data, bytes, len);
}

static const unsigned char *valueat(const unsigned char *page, size_t n,
                                    size_t *size) {
  const struct kvm_run *run = (const void *)page;
  (void)n;
  *size = mmiolen(run);
  return *size > 0 ? run->mmio.data : NULL;
}

static void setvalue(lua_State *L, unsigned char *page, size_t n) {
  struct kvm_run *run = (void *)page;
  uint64_t v = kl_exitinteger(L, "value");
  size_t len = mmiolen(run);
  (void)n;
  if (len < 8 && v >> (8 * len) != 0)
    kl_error(L, "exit.value: %I does not fit in %d bytes", (lua_Integer)v,
             (int)len);
  memcpy(run->mmio.data, &v, len);
}

const struct kl_exit_field kl_mmio_fields[] = {
    KL_XU("gpa", mmio.phys_addr),
    KL_XU("size", mmio.len),
    KL_XTURN("is_write", mmio.is_write),
    KL_XANSWER_AT("value", valueat, setvalue),
    KL_XANSWER("data", getdata, setdata),
    KL_XEND};

/* ---- ports --------------------------------------------------------------- */

/* The data of a port access: count elements of size bytes, in the page behind
 * kvm_run. NULL when it is not inside the mapping: kvm_run is shared memory,
 * and a page given to decode_exit can hold anything. */
static unsigned char *iodata(const unsigned char *page, size_t run_size,
                             size_t *n) {
  const struct kvm_run *run = (const void *)page;
  uint64_t at = KL_ONCE(run->io.data_offset);
  *n = (size_t)KL_ONCE(run->io.size) * KL_ONCE(run->io.count);
  if (at > run_size || *n > run_size - at) return NULL;
  return (unsigned char *)page + at;
}

static void getiodata(lua_State *L, const unsigned char *page,
                      size_t run_size) {
  size_t n;
  const unsigned char *p = iodata(page, run_size, &n);
  if (p != NULL)
    lua_pushlstring(L, (const char *)p, n);
  else
    lua_pushnil(L);
}

static void setiodata(lua_State *L, unsigned char *page, size_t run_size) {
  size_t n, given;
  unsigned char *p = iodata(page, run_size, &n);
  const char *bytes = tobytes(L, &given);
  if (p == NULL || given != n)
    kl_error(L, "exit.data: %I bytes given, the access has %I",
             (lua_Integer)given, (lua_Integer)(p != NULL ? n : 0));
  memcpy(p, bytes, n);
}

/* The first element. */
static const unsigned char *iovalueat(const unsigned char *page,
                                      size_t run_size, size_t *size) {
  const struct kvm_run *run = (const void *)page;
  size_t n;
  const unsigned char *p = iodata(page, run_size, &n);
  *size = KL_ONCE(run->io.size);
  return n >= *size && *size >= 1 && *size <= 4 ? p : NULL;
}

static void setiovalue(lua_State *L, unsigned char *page, size_t run_size) {
  const struct kvm_run *run = (const void *)page;
  size_t n, size = KL_ONCE(run->io.size);
  unsigned char *p = iodata(page, run_size, &n);
  uint64_t v = kl_exitinteger(L, "value");
  if (p == NULL || n < size || size > 4)
    kl_error(L, "exit.value: the access has no data");
  if (v >> (8 * size) != 0)
    kl_error(L, "exit.value: %I does not fit in %d bits", (lua_Integer)v,
             (int)(8 * size));
  for (size_t i = 0; i < size; i++) p[i] = (unsigned char)(v >> (8 * i));
}

/* KVM_EXIT_IO_OUT is 1. */
const struct kl_exit_field kl_io_fields[] = {
    KL_XU("port", io.port),
    KL_XU("size", io.size),
    KL_XU("count", io.count),
    KL_XTURN("is_write", io.direction),
    KL_XANSWER_AT("value", iovalueat, setiovalue),
    KL_XANSWER("data", getiodata, setiodata),
    KL_XEND};
