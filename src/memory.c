/* SPDX-License-Identifier: MIT */
/* kvm.memory: a range of host memory that slots, views and scripts share. */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "option.h"

/* ---- objects ------------------------------------------------------------- */

struct kl_memory *kl_checkmemory(lua_State *L, int idx) {
  struct kl_memory *m = kl_check(L, idx, &kl_memory_class);
  if (m->mapping == NULL) kl_error(L, "kvm.memory is closed");
  return m;
}

struct kl_memory *kl_newmemory(lua_State *L) {
  return kl_new(L, &kl_memory_class, 0);
}

void kl_ownmapping(lua_State *L, struct kl_memory *m, void *addr, uint64_t size,
                   int fd, const char *backing) {
  m->mapping = kl_newmapping(addr, size, fd);
  if (m->mapping == NULL) {
    if (addr != NULL) munmap(addr, size);
    if (fd >= 0) close(fd);
    kl_error(L, "not enough memory");
  }
  m->mapping->backing = backing;
  m->size = size;
}

void kl_sharemapping(struct kl_memory *m, struct kl_mapping *mapping,
                     uint64_t offset, uint64_t n) {
  kl_refmapping(mapping);
  m->mapping = mapping;
  m->offset = offset;
  m->size = n;
  m->is_view = true;
}

void kl_checkpages(lua_State *L, int arg, const char *what, uint64_t value) {
  uint64_t page = (uint64_t)kl_context(L)->page_size;
  if (value % page == 0) return;
  kl_badarg(L, arg,
            "%s 0x%" PRIx64 " is not a multiple of the page size 0x%" PRIx64,
            what, value, page);
}

/* core.memory(size, options?) */
int kl_core_memory(lua_State *L) {
  kl_maxargs(L, 2);
  lua_settop(L, 2);
  if (!lua_isnil(L, 2)) kl_checktype(L, 2, LUA_TTABLE);
  uint64_t size = 0;
  if (!lua_isnil(L, 1)) {
    size = (uint64_t)kl_checkinteger(L, 1);
    kl_argcheck(L, size != 0, 1, "size is 0");
    kl_argcheck(L, size <= INT64_MAX, 1, "size is negative");
    kl_checkpages(L, 1, "size", size);
  }
  struct kl_memory *m = kl_newmemory(L);
  kl_openbacking(L, m, size, 2);
  lua_settop(L, 3);
  return 1;
}

/* ---- views and copies ---------------------------------------------------- */

/* The length at argument 3, by default the rest; checked. */
static uint64_t optrest(lua_State *L, const struct kl_memory *m,
                        uint64_t offset) {
  bool given = !lua_isnoneornil(L, 3);
  uint64_t n = offset <= m->size ? m->size - offset : 0;
  if (given) n = (uint64_t)kl_checkinteger(L, 3);
  kl_checkbounds(L, given ? 3 : 2, m, offset, n);
  return n;
}

static int memory_view(lua_State *L) {
  kl_maxargs(L, 3);
  lua_settop(L, 3);
  uint64_t offset = (uint64_t)kl_checkinteger(L, 2);
  struct kl_memory *view = kl_newmemory(L);
  struct kl_memory *m = kl_checkmemory(L, 1);
  uint64_t n = optrest(L, m, offset);
  kl_sharemapping(view, m->mapping, m->offset + offset, n);
  return 1;
}

/* Somebody else may take a huge page that is not reserved, and an access that
 * then finds none ends this process. */
static bool ishuge(const struct kl_mapping *m) {
  return strcmp(m->backing, "hugetlb") == 0;
}

/* The pages are shared with the original until the copy is written. */
static int memory_clone(lua_State *L) {
  kl_maxargs(L, 1);
  struct kl_memory *copy = kl_newmemory(L);
  struct kl_memory *m = kl_checkmemory(L, 1);
  struct kl_mapping *from = m->mapping;
  if (from->fd < 0 || strcmp(from->backing, "guest_memfd") == 0)
    return kl_error(L,
                    "memory of backing '%s' cannot be cloned: make it "
                    "with backing = 'memfd'",
                    from->backing);
  void *addr = mmap(NULL, from->size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | (ishuge(from) ? 0 : MAP_NORESERVE), from->fd,
                    from->file_offset);
  if (addr == MAP_FAILED)
    return kl_fail(L, "mmap", errno, "a copy of 0x%zx bytes of %s memory",
                   from->size, from->backing);
  kl_ownmapping(L, copy, addr, from->size, -1, "clone");
  copy->offset = m->offset;
  copy->size = m->size;
  return 1;
}

/* Gives pages back: they read as zeros next, or as the file or original where
 * this is a private copy of one. Huge pages stay, as zeros. */
static int memory_discard(lua_State *L) {
  kl_maxargs(L, 3);
  uint64_t offset = (uint64_t)kl_integeror(L, 2, 0);
  struct kl_memory *m = kl_checkmemory(L, 1);
  uint64_t n = optrest(L, m, offset);
  kl_checkpages(L, 2, "offset", m->offset + offset);
  kl_checkpages(L, 3, "size", n);
  if (n == 0) return 0;
  struct kl_mapping *map = m->mapping;
  offset += m->offset;
  if (ishuge(map)) {
    memset((char *)map->addr + offset, 0, n);
  } else if (map->fd >= 0) {
    if (fallocate(map->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  map->file_offset + (off_t)offset, (off_t)n) < 0)
      return kl_fail(L, "fallocate", errno, NULL);
  } else if (madvise((char *)map->addr + offset, n, MADV_DONTNEED) < 0) {
    return kl_fail(L, "madvise", errno, NULL);
  }
  return 0;
}

/* ---- closing ------------------------------------------------------------- */

/* "slot 0 of a VM (gpa 0x1000) and 2 more slots" */
static void describepins(const struct kl_mapping *m, char text[120]) {
  const struct kl_slot *s = kl_pinningslot(m);
  int more = m->pins, used = 0;
  if (s != NULL) {
    more--;
    used = snprintf(text, 120, "slot %" PRIu32 " of a VM (gpa 0x%" PRIx64 ")%s",
                    s->slot, s->gpa, more > 0 ? " and " : "");
  }
  if (more > 0)
    snprintf(text + used, 120 - (size_t)used, "%d %sslot%s", more,
             s != NULL ? "more " : "", more > 1 ? "s" : "");
}

/* __gc and __close: lets go. A slot keeps the mapping it needs. */
static int memory_release(lua_State *L) {
  struct kl_memory *m = kl_check(L, 1, &kl_memory_class);
  struct kl_mapping *mapping = m->mapping;
  m->mapping = NULL;
  kl_unrefmapping(mapping);
  return 0;
}

static int memory_close(lua_State *L) {
  struct kl_memory *m = kl_check(L, 1, &kl_memory_class);
  kl_maxargs(L, 1);
  if (m->mapping != NULL && m->mapping->pins > 0 && !m->is_view) {
    char pins[120];
    describepins(m->mapping, pins);
    return kl_error(L, "memory is mapped as %s: vm:unmap it first", pins);
  }
  return memory_release(L);
}

/* ---- what it tells ------------------------------------------------------- */

static int memory_tostring(lua_State *L) {
  struct kl_memory *m = kl_check(L, 1, &kl_memory_class);
  if (m->mapping == NULL) {
    lua_pushliteral(L, "kvm.memory (closed)");
    return 1;
  }
  char text[240], pins[120] = "";
  if (m->mapping->pins > 0) describepins(m->mapping, pins);
  snprintf(text, sizeof text, "kvm.memory: 0x%" PRIx64 " bytes, %s%s%s%s%s",
           m->size, m->is_view ? "view of " : "", m->mapping->backing,
           m->mapping->read_only ? ", read-only" : "",
           *pins != '\0' ? ", " : "", pins);
  lua_pushstring(L, text);
  return 1;
}

static int memory_size(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)kl_checkmemory(L, 1)->size);
  return 1;
}

static int memory_backing(lua_State *L) {
  lua_pushstring(L, kl_checkmemory(L, 1)->mapping->backing);
  return 1;
}

static int memory_readonly(lua_State *L) {
  lua_pushboolean(L, kl_checkmemory(L, 1)->mapping->read_only);
  return 1;
}

static int memory_mapped(lua_State *L) {
  lua_pushboolean(L, kl_checkmemory(L, 1)->mapping->addr != NULL);
  return 1;
}

static int memory_fd(lua_State *L) {
  int fd = kl_checkmemory(L, 1)->mapping->fd;
  if (fd < 0)
    lua_pushnil(L);
  else
    lua_pushinteger(L, fd);
  return 1;
}

static const luaL_Reg methods[] = {{"read", kl_memory_read},
                                   {"write", kl_memory_write},
                                   {"fill", kl_memory_fill},
                                   {"find", kl_memory_find},
                                   {"u8", kl_memory_u8},
                                   {"u16", kl_memory_u16},
                                   {"u32", kl_memory_u32},
                                   {"u64", kl_memory_u64},
                                   {"pack", kl_memory_pack},
                                   {"unpack", kl_memory_unpack},
                                   {"view", memory_view},
                                   {"clone", memory_clone},
                                   {"discard", memory_discard},
                                   {"close", memory_close},
                                   {NULL, NULL}};

static const luaL_Reg getters[] = {{"size", memory_size},
                                   {"backing", memory_backing},
                                   {"readonly", memory_readonly},
                                   {"mapped", memory_mapped},
                                   {"fd", memory_fd},
                                   {NULL, NULL}};

static const luaL_Reg meta[] = {
    {"__len", memory_size}, {"__tostring", memory_tostring}, {NULL, NULL}};

const struct kl_class kl_memory_class = {
    "kvm.memory",  sizeof(struct kl_memory), methods, getters, NULL, meta,
    memory_release};
