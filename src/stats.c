/* SPDX-License-Identifier: MIT */
/* kvm.stats: the kernel's binary statistics of a VM or vCPU. The descriptor
 * describes itself: a header, descriptors with names, values. Nothing in it is
 * believed before it is checked. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"
#include "ioctls.h"

/* More than any kernel has: what is larger is damage. */
enum { MAX_BLOCK = 1 << 20 };

struct kl_stats {
  struct kl_object object;
  bool is_open;
  int fd;
};

/* A descriptor and the name behind it; from a block of them. */
struct entry {
  struct kvm_stats_desc d;
  const char *name;
  size_t name_length;
};

struct block {
  struct kvm_stats_header h;
  const char *descs;
};

static struct kl_stats *checkstats(lua_State *L) {
  struct kl_stats *s = kl_check(L, 1, &kl_stats_class);
  if (!s->is_open) kl_error(L, "kvm.stats is closed");
  return s;
}

/* ---- reading, checked ---------------------------------------------------- */

static void readat(lua_State *L, void *to, size_t n, uint64_t offset,
                   const char *what) {
  struct kl_stats *s = checkstats(L);
  size_t done = 0;
  while (done < n) {
    ssize_t r =
        pread(s->fd, (char *)to + done, n - done, (off_t)(offset + done));
    if (r < 0 && errno == EINTR) continue;
    if (r < 0) kl_fail(L, "pread", errno, "statistics: %s", what);
    if (r == 0)
      kl_error(L, "statistics are truncated: %d of %d bytes of the %s",
               (int)done, (int)n, what);
    done += (size_t)r;
  }
}

static size_t entrysize(const struct block *b) {
  return sizeof(struct kvm_stats_desc) + b->h.name_size;
}

/* Reads header and descriptors; the latter into a userdata that is pushed. */
static void readblock(lua_State *L, struct block *b) {
  readat(L, &b->h, sizeof b->h, 0, "header");
  if (b->h.name_size == 0 || b->h.name_size > MAX_BLOCK ||
      b->h.num_desc > MAX_BLOCK / entrysize(b))
    kl_error(L,
             "statistics are damaged: %d descriptors with names of %d "
             "bytes",
             (int)b->h.num_desc, (int)b->h.name_size);
  size_t n = b->h.num_desc * entrysize(b);
  char *descs = lua_newuserdatauv(L, n, 0);
  readat(L, descs, n, b->h.desc_offset, "descriptors");
  b->descs = descs;
}

static struct entry entryat(const struct block *b, uint32_t i) {
  struct entry e;
  const char *p = b->descs + i * entrysize(b);
  memcpy(&e.d, p, sizeof e.d);
  e.name = p + sizeof e.d;
  e.name_length = strnlen(e.name, b->h.name_size);
  return e;
}

/* How far the values reach. All of them together are not more, or a block of
 * descriptors that share values would make much of little. */
static size_t datasize(lua_State *L, const struct block *b) {
  uint64_t end = 0, total = 0;
  for (uint32_t i = 0; i < b->h.num_desc; i++) {
    struct entry e = entryat(b, i);
    uint64_t n = (uint64_t)e.d.offset + e.d.size * sizeof(uint64_t);
    if (n > end) end = n;
    total += e.d.size * sizeof(uint64_t);
  }
  if (total > end) end = total;
  if (end > MAX_BLOCK)
    kl_error(L, "statistics are damaged: values up to byte %I",
             (lua_Integer)end);
  return end;
}

/* ---- values and descriptions --------------------------------------------- */

static bool ishistogram(const struct entry *e) {
  uint32_t type = e->d.flags & KVM_STATS_TYPE_MASK;
  return type == KVM_STATS_TYPE_LINEAR_HIST || type == KVM_STATS_TYPE_LOG_HIST;
}

static void pushvalue(lua_State *L, const struct entry *e, const char *data) {
  const char *p = data + e->d.offset;
  if (e->d.size == 1 && !ishistogram(e)) {
    lua_pushinteger(L, (lua_Integer)kl_loaduint(p, 8));
    return;
  }
  lua_createtable(L, e->d.size, 0);
  for (int i = 0; i < e->d.size; i++) {
    lua_pushinteger(L, (lua_Integer)kl_loaduint(p + 8 * i, 8));
    lua_rawseti(L, -2, i + 1);
  }
}

/* read() -> name -> value; a histogram is the list of its buckets. */
static int stats_read(lua_State *L) {
  struct block b;
  kl_maxargs(L, 1);
  readblock(L, &b);
  size_t n = datasize(L, &b);
  char *data = lua_newuserdatauv(L, n, 0);
  readat(L, data, n, b.h.data_offset, "values");
  lua_createtable(L, 0, (int)b.h.num_desc);
  for (uint32_t i = 0; i < b.h.num_desc; i++) {
    struct entry e = entryat(&b, i);
    lua_pushlstring(L, e.name, e.name_length);
    pushvalue(L, &e, data);
    lua_rawset(L, -3);
  }
  return 1;
}

static void setinteger(lua_State *L, const char *name, lua_Integer v) {
  lua_pushinteger(L, v);
  lua_setfield(L, -2, name);
}

/* A name from a list, or the number when the kernel is newer than it. */
static void setname(lua_State *L, const char *name, uint32_t i,
                    const char *const *names, size_t n) {
  if (i < n)
    lua_pushstring(L, names[i]);
  else
    lua_pushinteger(L, i);
  lua_setfield(L, -2, name);
}

static void pushdescription(lua_State *L, const struct entry *e) {
  static const char *const types[] = {"cumulative", "instant", "peak",
                                      "linear_histogram", "log_histogram"};
  static const char *const units[] = {"none", "bytes", "seconds", "cycles",
                                      "boolean"};
  uint32_t f = e->d.flags;
  uint32_t base = (f & KVM_STATS_BASE_MASK) >> KVM_STATS_BASE_SHIFT;
  lua_createtable(L, 0, 6);
  setname(L, "type", (f & KVM_STATS_TYPE_MASK) >> KVM_STATS_TYPE_SHIFT, types,
          KL_COUNT(types));
  setname(L, "unit", (f & KVM_STATS_UNIT_MASK) >> KVM_STATS_UNIT_SHIFT, units,
          KL_COUNT(units));
  setinteger(L, "base", base == 0 ? 10 : 2);
  setinteger(L, "exponent", e->d.exponent);
  setinteger(L, "size", e->d.size);
  setinteger(L, "bucket_size", e->d.bucket_size);
}

/* describe() -> name -> {type, unit, base, exponent, size, bucket_size}: a
 * value counts in base ^ exponent of the unit. */
static int stats_describe(lua_State *L) {
  struct block b;
  kl_maxargs(L, 1);
  readblock(L, &b);
  lua_createtable(L, 0, (int)b.h.num_desc);
  for (uint32_t i = 0; i < b.h.num_desc; i++) {
    struct entry e = entryat(&b, i);
    lua_pushlstring(L, e.name, e.name_length);
    pushdescription(L, &e);
    lua_rawset(L, -3);
  }
  return 1;
}

/* "kvm-1234/vcpu-0" */
static int stats_id(lua_State *L) {
  struct kvm_stats_header h;
  readat(L, &h, sizeof h, 0, "header");
  if (h.name_size == 0 || h.name_size > MAX_BLOCK)
    return kl_error(L, "statistics are damaged: an id of %d bytes",
                    (int)h.name_size);
  char *id = lua_newuserdatauv(L, h.name_size, 0);
  readat(L, id, h.name_size, h.id_offset, "id");
  lua_pushlstring(L, id, strnlen(id, h.name_size));
  return 1;
}

/* ---- objects ------------------------------------------------------------- */

static struct kl_stats *newstats(lua_State *L) {
  return kl_new(L, &kl_stats_class, 0);
}

/* get_stats_fd() of a VM or vCPU -> kvm.stats */
int kl_handle_get_stats_fd(lua_State *L) {
  kl_maxargs(L, 1);
  struct kl_stats *s = newstats(L);
  struct kl_handle *h = kl_tohandle(L, 1);
  if (h == NULL) return kl_typeerror(L, 1, "kvm.vm or kvm.vcpu");
  kl_checkopen(L, 1, h->object.class);
  int fd = kl_ioctlvalue(L, h, KVM_GET_STATS_FD, 0);
  if (fd < 0) return kl_fail(L, "KVM_GET_STATS_FD", errno, NULL);
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  s->fd = fd;
  s->is_open = true;
  return 1;
}

/* core.stats(fd): of a descriptor that another process passed on. */
int kl_core_stats(lua_State *L) {
  kl_maxargs(L, 1);
  int fd = (int)kl_checkrange(L, 1, "descriptor", 0, INT32_MAX);
  struct kl_stats *s = newstats(L);
  s->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (s->fd < 0) return kl_fail(L, "fcntl", errno, "descriptor %d", fd);
  s->is_open = true;
  return 1;
}

static int stats_close(lua_State *L) {
  struct kl_stats *s = kl_check(L, 1, &kl_stats_class);
  if (s->is_open) close(s->fd);
  s->is_open = false;
  return 0;
}

static int stats_fd(lua_State *L) {
  lua_pushinteger(L, checkstats(L)->fd);
  return 1;
}

static int stats_tostring(lua_State *L) {
  struct kl_stats *s = kl_check(L, 1, &kl_stats_class);
  if (s->is_open)
    lua_pushfstring(L, "kvm.stats (fd %d)", s->fd);
  else
    lua_pushliteral(L, "kvm.stats (closed)");
  return 1;
}

static const luaL_Reg methods[] = {{"read", stats_read},
                                   {"describe", stats_describe},
                                   {"close", stats_close},
                                   {NULL, NULL}};
static const luaL_Reg getters[] = {
    {"fd", stats_fd}, {"id", stats_id}, {NULL, NULL}};
static const luaL_Reg meta[] = {{"__tostring", stats_tostring}, {NULL, NULL}};

const struct kl_class kl_stats_class = {
    .name = "kvm.stats",
    .size = sizeof(struct kl_stats),
    .methods = methods,
    .getters = getters,
    .meta = meta,
    .close = stats_close,
};
