/* SPDX-License-Identifier: MIT */
/*
 * kvm.fdt.core: device tree blobs, by libfdt. No policy: names, references
 * and values are the business of kvm.fdt.
 *
 *   read(blob) -> root, reservations, boot_cpuid
 *   write(root, reservations, boot_cpuid) -> blob
 *   overlay(base, overlay) -> blob
 *
 * A node is {name = "uart@0", properties = {name, bytes, name, bytes, ...},
 * children = {node, ...}}; reservations are {{address, size}, ...}.
 *
 * A blob may come from anywhere. It is copied into aligned memory with zeros
 * behind it and checked whole before anything else looks at it. Every buffer
 * is a userdata on the Lua stack, so an error may be raised at any point.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "fdt_blob.h"
#include "kvmlua.h"

enum {
  MAX_NAME = 1024,
  OLDEST_VERSION = 16, /* older ones store full paths as names */
  LATEST_VERSION = 17
};

static const char *meaning(int err) {
  static const char *const text[FDT_ERR_MAX + 1] = {
      [FDT_ERR_NOTFOUND] = "a node or property it needs is not there",
      [FDT_ERR_EXISTS] = "it is there already",
      [FDT_ERR_NOSPACE] = "no room",
      [FDT_ERR_BADOFFSET] = "an offset points outside its block",
      [FDT_ERR_BADPATH] = "a path is malformed",
      [FDT_ERR_BADPHANDLE] = "a phandle is malformed or leads nowhere",
      [FDT_ERR_TRUNCATED] = "a block ends before its data does",
      [FDT_ERR_BADVERSION] = "the version fields are wrong",
      [FDT_ERR_BADSTRUCTURE] = "the structure block is damaged",
      [FDT_ERR_BADLAYOUT] = "the blocks are in the wrong order",
      [FDT_ERR_BADVALUE] = "a property has an unexpected value",
      [FDT_ERR_BADOVERLAY] = "the overlay is malformed",
      [FDT_ERR_NOPHANDLES] = "no phandle is left",
      [FDT_ERR_ALIGNMENT] = "the blob is misaligned",
  };
  const char *words = err > 0 && err <= FDT_ERR_MAX ? text[err] : NULL;
  return words ? words : "unexpected";
}

void kl_fdt_check(lua_State *L, const char *what, int err) {
  if (err < 0)
    kl_fdt_fail(L, "%s: %s (%s)", what, meaning(-err), fdt_strerror(err));
}

/* Checks of a blob ********************************************************/

void *kl_fdt_buffer(lua_State *L, size_t size) {
  void *buffer = lua_newuserdatauv(L, size + KL_FDT_PADDING, 0);
  memset(buffer, 0, size + KL_FDT_PADDING);
  return buffer;
}

static void check_header(lua_State *L, const void *fdt, size_t size) {
  char magic[16];
  snprintf(magic, sizeof(magic), "0x%08x", (unsigned)fdt_magic(fdt));
  if (fdt_magic(fdt) != FDT_MAGIC)
    kl_fdt_fail(L, "not a device tree blob: begins with %s, not 0xd00dfeed",
                magic);
  if (fdt_last_comp_version(fdt) > LATEST_VERSION ||
      fdt_version(fdt) < OLDEST_VERSION)
    kl_fdt_fail(L, "device tree blob of version %I: only 16 and 17 are read",
                (LUAI_UACINT)fdt_version(fdt));
  if (fdt_totalsize(fdt) > size)
    kl_fdt_fail(L, "truncated device tree blob: %I bytes, its header says %I",
                (LUAI_UACINT)size, (LUAI_UACINT)fdt_totalsize(fdt));
  if (fdt_off_dt_struct(fdt) % sizeof(fdt32_t) ||
      fdt_off_mem_rsvmap(fdt) % sizeof(fdt64_t))
    kl_fdt_fail(L,
                "misaligned device tree blob: structure block at offset %I, "
                "reservations at offset %I",
                (LUAI_UACINT)fdt_off_dt_struct(fdt),
                (LUAI_UACINT)fdt_off_mem_rsvmap(fdt));
  kl_fdt_check(L, "bad device tree header", fdt_check_header(fdt));
}

/* The structure block, walked without libfdt: it takes a property of -12
 * bytes at its word and never gets past it. */
typedef struct {
  const char *block;
  size_t size;
  size_t at;        /* where the next tag begins */
  const char *name; /* of the node that began last */
} walk;

static uint32_t next_tag(lua_State *L, walk *w) {
  size_t left = w->at < w->size ? w->size - w->at : 0;
  const char *p = w->block + w->at;
  size_t length = FDT_TAGSIZE;
  uint32_t tag = left < length ? FDT_END : fdt32_ld((const fdt32_t *)p);
  if (left < length || (tag == FDT_PROP && left < sizeof(struct fdt_property)))
    kl_fdt_fail(L, "bad device tree blob: the structure block has no end");
  if (tag == FDT_PROP) {
    uint32_t size = fdt32_ld(&((const struct fdt_property *)p)->len);
    length = sizeof(struct fdt_property) + size;
  } else if (tag == FDT_BEGIN_NODE) {
    const char *end = memchr(p + FDT_TAGSIZE, '\0', left - FDT_TAGSIZE);
    w->name = p + FDT_TAGSIZE;
    length = end ? (size_t)(end - p) + 1 : left + 1;
  }
  if (length > left)
    kl_fdt_fail(L,
                "bad device tree blob: at offset %I something of %I bytes "
                "in a structure block of %I",
                (LUAI_UACINT)w->at, (LUAI_UACINT)length, (LUAI_UACINT)w->size);
  w->at += (length + FDT_TAGSIZE - 1) & ~(size_t)(FDT_TAGSIZE - 1);
  return tag;
}

/* The name of a node must be fit to stand in a path. */
static void check_name(lua_State *L, const char *name, int depth) {
  size_t length = strlen(name);
  if (depth > KL_FDT_MAX_DEPTH)
    kl_fdt_fail(L, "device tree nested deeper than %d levels",
                KL_FDT_MAX_DEPTH);
  if ((length == 0) != (depth == 1) || length > MAX_NAME || strchr(name, '/'))
    kl_fdt_fail(L, "bad device tree blob: a node at level %d has the name '%s'",
                depth, length > MAX_NAME ? "(too long)" : name);
}

void kl_fdt_checkshape(lua_State *L, const void *fdt) {
  walk w = {.block = (const char *)fdt + fdt_off_dt_struct(fdt)};
  int depth = 0, ended = 0; /* whether the last tag but NOPs ended a node */
  w.size = fdt_version(fdt) >= LATEST_VERSION
               ? fdt_size_dt_struct(fdt)
               : fdt_totalsize(fdt) - fdt_off_dt_struct(fdt);
  for (;;) {
    uint32_t tag = next_tag(L, &w);
    int in_node = depth > 0;
    switch (tag) {
      case FDT_BEGIN_NODE:
        if (ended && !in_node)
          kl_fdt_fail(L, "bad device tree blob: it has more than one root");
        check_name(L, w.name, ++depth);
        break;
      case FDT_PROP:
        if (ended || !in_node)
          kl_fdt_fail(L, "bad device tree blob: a property outside its node");
        break;
      case FDT_END_NODE:
        if (depth-- == 0)
          kl_fdt_fail(L,
                      "bad device tree blob: a node ends that did not begin");
        break;
      case FDT_NOP: continue;
      case FDT_END:
        if (!ended || in_node)
          kl_fdt_fail(L, "bad device tree blob: it ends without a whole root");
        return;
      default:
        kl_fdt_fail(L, "bad device tree blob: unknown tag %I",
                    (LUAI_UACINT)tag);
    }
    ended = tag == FDT_END_NODE;
  }
}

const void *kl_fdt_checkblob(lua_State *L, int arg) {
  size_t size;
  int length;
  const char *bytes;
  void *fdt;
  luaL_checktype(L, arg, LUA_TSTRING);
  bytes = lua_tolstring(L, arg, &size);
  if (size > KL_FDT_MAX_SIZE)
    kl_fdt_fail(L, "device tree blob of %I bytes: the limit is %d",
                (LUAI_UACINT)size, KL_FDT_MAX_SIZE);
  if (size < sizeof(struct fdt_header))
    kl_fdt_fail(L,
                "truncated device tree blob: %I bytes, a header alone has %d",
                (LUAI_UACINT)size, (int)sizeof(struct fdt_header));
  fdt = kl_fdt_buffer(L, size);
  memcpy(fdt, bytes, size);
  check_header(L, fdt, size);
  kl_fdt_checkshape(L, fdt);
  /* libfdt 1.6.1's fdt_check_full dereferences the root's name unseen. */
  if (!fdt_get_name(fdt, fdt_next_node(fdt, -1, NULL), &length))
    kl_fdt_fail(L, "bad device tree blob: it has no root");
  kl_fdt_check(L, "bad device tree blob", fdt_check_full(fdt, size));
  return fdt;
}

/* Reading *****************************************************************/

/* Pushes {name =, properties = {}, children = {}}. */
static void push_node(lua_State *L, const char *name) {
  luaL_checkstack(L, 8, "device tree");
  lua_createtable(L, 0, 3);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "name");
  lua_newtable(L);
  lua_setfield(L, -2, "properties");
  lua_newtable(L);
  lua_setfield(L, -2, "children");
}

/* Appends name and bytes to the properties of the node on top. */
static void add_property(lua_State *L, const void *fdt, int offset) {
  const char *name;
  int length;
  const char *value = fdt_getprop_by_offset(fdt, offset, &name, &length);
  lua_Integer n;
  if (!value) kl_fdt_check(L, "bad device tree blob", length);
  lua_getfield(L, -1, "properties");
  n = (lua_Integer)lua_rawlen(L, -1);
  lua_pushstring(L, name);
  lua_rawseti(L, -2, n + 1);
  lua_pushlstring(L, value, (size_t)length);
  lua_rawseti(L, -2, n + 2);
  lua_pop(L, 1);
}

/* Moves the node on top into the children of the one below it. */
static void add_child(lua_State *L) {
  lua_getfield(L, -2, "children");
  lua_insert(L, -2);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  lua_pop(L, 1);
}

/* Pushes the root. kl_fdt_checkshape has seen to it that the tags match. */
static void push_tree(lua_State *L, const void *fdt) {
  int offset, next = 0, depth = 0;
  for (;;) {
    offset = next;
    switch (fdt_next_tag(fdt, offset, &next)) {
      case FDT_BEGIN_NODE:
        depth++;
        push_node(L, fdt_get_name(fdt, offset, NULL));
        break;
      case FDT_PROP: add_property(L, fdt, offset); break;
      case FDT_END_NODE:
        if (--depth == 0) return;
        add_child(L);
        break;
    }
  }
}

static void push_reservations(lua_State *L, const void *fdt) {
  int i, count = fdt_num_mem_rsv(fdt);
  lua_newtable(L);
  for (i = 0; i < count; i++) {
    uint64_t address, size;
    kl_fdt_check(L, "bad memory reservation",
                 fdt_get_mem_rsv(fdt, i, &address, &size));
    lua_createtable(L, 2, 0);
    lua_pushinteger(L, (lua_Integer)address);
    lua_rawseti(L, -2, 1);
    lua_pushinteger(L, (lua_Integer)size);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, i + 1);
  }
}

static int core_read(lua_State *L) {
  const void *fdt = kl_fdt_checkblob(L, 1);
  push_tree(L, fdt);
  push_reservations(L, fdt);
  lua_pushinteger(L, fdt_boot_cpuid_phys(fdt));
  return 3;
}

/* Writing *****************************************************************/

enum { ROOT = 1, RESERVATIONS, BOOT_CPUID, BUFFER };

typedef struct {
  lua_State *L;
  void *fdt; /* the userdata at stack index BUFFER */
  size_t size;
} writer;

/*
 * Makes room for NEED more bytes before libfdt is called: its sequential
 * writer miscounts names that are longer than the whole buffer. The new
 * buffer is zeroed, because the gaps that alignment leaves are part of the
 * blob and fdt_resize does not write them.
 */
static void reserve(writer *w, size_t need) {
  size_t used = (size_t)fdt_off_dt_struct(w->fdt) + fdt_size_dt_struct(w->fdt) +
                fdt_size_dt_strings(w->fdt);
  size_t size = w->size;
  void *fdt;
  if (need <= size - used) return;
  while (size - used < need) size *= 2;
  if (size > KL_FDT_MAX_SIZE)
    kl_fdt_fail(w->L, "the device tree is larger than %d bytes",
                KL_FDT_MAX_SIZE);
  fdt = kl_fdt_buffer(w->L, size);
  kl_fdt_check(w->L, "device tree", fdt_resize(w->fdt, fdt, (int)size));
  lua_replace(w->L, BUFFER);
  w->fdt = fdt;
  w->size = size;
}

/* The string at INDEX, whole: libfdt would stop at a NUL inside. */
static const char *check_string(lua_State *L, int index, size_t *length) {
  const char *s;
  if (lua_type(L, index) != LUA_TSTRING)
    kl_fdt_fail(L, "device tree: a name is a %s, not a string",
                luaL_typename(L, index));
  s = lua_tolstring(L, index, length);
  if (*length > MAX_NAME || strlen(s) != *length)
    kl_fdt_fail(L, "device tree: a name holds a NUL or is longer than %d",
                MAX_NAME);
  return s;
}

/* Writes the property whose name and value are on top of the stack. */
static void write_property(writer *w) {
  size_t name_length, length;
  const char *name = check_string(w->L, -2, &name_length);
  const char *value;
  if (lua_type(w->L, -1) != LUA_TSTRING)
    kl_fdt_fail(w->L, "device tree: property '%s' is a %s, not a string", name,
                luaL_typename(w->L, -1));
  value = lua_tolstring(w->L, -1, &length);
  if (length > KL_FDT_MAX_SIZE)
    kl_fdt_fail(w->L, "device tree: property '%s' has %I bytes", name,
                (LUAI_UACINT)length);
  reserve(w,
          sizeof(struct fdt_property) + length + name_length + KL_FDT_PADDING);
  kl_fdt_check(w->L, name, fdt_property(w->fdt, name, value, (int)length));
}

/* Pushes the table in the field NAME of the node on top. */
static void push_list(writer *w, const char *name) {
  lua_pushstring(w->L, name);
  lua_rawget(w->L, -2);
  if (!lua_istable(w->L, -1))
    kl_fdt_fail(w->L, "device tree: '%s' of a node is a %s, not a table", name,
                luaL_typename(w->L, -1));
}

/* Writes the node table on top of the stack, and pops nothing. */
static void write_node(writer *w, int depth) {
  lua_State *L = w->L;
  size_t length;
  const char *name;
  lua_Integer i;
  luaL_checkstack(L, 8, "device tree");
  if (depth > KL_FDT_MAX_DEPTH || !lua_istable(L, -1))
    kl_fdt_fail(L,
                depth > KL_FDT_MAX_DEPTH
                    ? "device tree nested deeper than %d levels"
                    : "device tree: a node is not a table",
                KL_FDT_MAX_DEPTH);
  lua_pushliteral(L, "name");
  lua_rawget(L, -2);
  name = check_string(L, -1, &length);
  reserve(w, 2 * FDT_TAGSIZE + length + KL_FDT_PADDING);
  kl_fdt_check(L, name, fdt_begin_node(w->fdt, name));
  lua_pop(L, 1);
  push_list(w, "properties");
  for (i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i += 2) {
    lua_rawgeti(L, -2, i + 1);
    write_property(w);
    lua_pop(L, 2);
  }
  lua_pop(L, 2);
  push_list(w, "children");
  for (i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i++) {
    write_node(w, depth + 1);
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
  reserve(w, FDT_TAGSIZE);
  kl_fdt_check(L, "device tree", fdt_end_node(w->fdt));
}

static void write_reservations(writer *w) {
  lua_State *L = w->L;
  lua_Integer i;
  for (i = 1; lua_rawgeti(L, RESERVATIONS, i) != LUA_TNIL; i++) {
    uint64_t address, size;
    luaL_argcheck(L, lua_istable(L, -1), RESERVATIONS,
                  "a reservation is {address, size}");
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    luaL_argcheck(L, lua_isinteger(L, -2) && lua_isinteger(L, -1), RESERVATIONS,
                  "a reservation is {address, size}");
    address = (uint64_t)lua_tointeger(L, -2);
    size = (uint64_t)lua_tointeger(L, -1);
    reserve(w, 2 * sizeof(struct fdt_reserve_entry));
    kl_fdt_check(L, "memory reservation",
                 fdt_add_reservemap_entry(w->fdt, address, size));
    lua_pop(L, 3);
  }
  lua_pop(L, 1);
}

static int core_write(lua_State *L) {
  lua_Integer cpu = luaL_checkinteger(L, BOOT_CPUID);
  writer w = {.L = L, .size = 4096};
  luaL_checktype(L, ROOT, LUA_TTABLE);
  luaL_checktype(L, RESERVATIONS, LUA_TTABLE);
  luaL_argcheck(L, cpu >= 0 && cpu <= UINT32_MAX, BOOT_CPUID,
                "a boot CPU id has 32 bits");
  lua_settop(L, BOOT_CPUID);
  w.fdt = kl_fdt_buffer(L, w.size);
  kl_fdt_check(L, "device tree", fdt_create(w.fdt, (int)w.size));
  write_reservations(&w);
  reserve(&w, sizeof(struct fdt_reserve_entry));
  kl_fdt_check(L, "device tree", fdt_finish_reservemap(w.fdt));
  lua_pushvalue(L, ROOT);
  write_node(&w, 1);
  reserve(&w, FDT_TAGSIZE);
  kl_fdt_check(L, "device tree", fdt_finish(w.fdt));
  fdt_set_boot_cpuid_phys(w.fdt, (uint32_t)cpu);
  lua_pushlstring(L, w.fdt, fdt_totalsize(w.fdt));
  return 1;
}

int luaopen_kvm_fdt_core(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"read", core_read},
      {"write", core_write},
      {"overlay", kl_fdt_overlay},
      {NULL, NULL},
  };
  luaL_checkversion(L);
  luaL_newlib(L, functions);
  return 1;
}
