/* SPDX-License-Identifier: MIT */
/*
 * overlay(base, overlay) -> blob: fdt_overlay_apply, behind a guard.
 *
 * libfdt takes the offsets in /__fixups__ and /__local_fixups__ and the paths
 * in them, in target-path and in the base's /__symbols__ at their word: an
 * offset beyond its property is read and written there, a relative path that
 * is its own alias recurses for ever. So all of them are checked first, and
 * fixups may not touch the nodes that hold fixups.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "fdt_blob.h"

static int is_string(const char *value, int length) {
  return value && length > 0 &&
         memchr(value, '\0', (size_t)length) == value + length - 1;
}

static int is_path(const char *value, int length) {
  return is_string(value, length) && value[0] == '/';
}

/* Whether the path component NAME[0..LENGTH) leads to a node that describes
 * the overlay. libfdt finds "x@1" by "x" too. */
static int is_reserved(const char *name, size_t length) {
  static const char *const names[] = {"__fixups__", "__local_fixups__",
                                      "__symbols__"};
  const char *unit = memchr(name, '@', length);
  size_t i, base = unit ? (size_t)(unit - name) : length;
  for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    if (strlen(names[i]) == base && !memcmp(name, names[i], base)) return 1;
  return 0;
}

/* Properties that fixups must leave alone: libfdt adds to phandles before it
 * looks at the fixups, and target-path has been checked by then. */
static int is_fixed(const char *name, size_t length) {
  static const char *const names[] = {"phandle", "linux,phandle",
                                      "target-path"};
  size_t i;
  for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    if (strlen(names[i]) == length && !memcmp(name, names[i], length)) return 1;
  return 0;
}

/* A fixup at OFFSET of the property NAME of NODE must find a cell there. */
static void check_cell(lua_State *L, const void *fdto, int node,
                       const char *name, size_t name_length,
                       unsigned long offset) {
  int length = -FDT_ERR_NOTFOUND;
  if (node >= 0)
    fdt_getprop_namelen(fdto, node, name, (int)name_length, &length);
  if (length < (int)sizeof(fdt32_t) || is_fixed(name, name_length) ||
      offset > (unsigned long)length - sizeof(fdt32_t))
    kl_fdt_fail(L,
                "bad overlay: a fixup at offset %I of the property '%s', "
                "which has no reference there",
                (LUAI_UACINT)offset, lua_pushlstring(L, name, name_length));
}

static void check_local_property(lua_State *L, const void *fdto, int node,
                                 int property) {
  const char *name;
  int i, length;
  const fdt32_t *cells = fdt_getprop_by_offset(fdto, property, &name, &length);
  if (!cells || length % (int)sizeof(fdt32_t))
    kl_fdt_fail(L, "bad overlay: the local fixup of '%s' is malformed",
                cells ? name : "?");
  for (i = 0; i < length / (int)sizeof(fdt32_t); i++)
    check_cell(L, fdto, node, name, strlen(name), fdt32_ld(cells + i));
}

/* The tree below FIXUPS mirrors the one below NODE. */
static void check_local_fixups(lua_State *L, const void *fdto, int node,
                               int fixups) {
  int property, child;
  luaL_checkstack(L, 4, "overlay");
  fdt_for_each_property_offset(property, fdto, fixups)
      check_local_property(L, fdto, node, property);
  fdt_for_each_subnode(child, fdto, fixups) {
    int length;
    const char *name = fdt_get_name(fdto, child, &length);
    int twin = fdt_subnode_offset(fdto, node, name);
    if (twin < 0 || is_reserved(name, (size_t)length))
      kl_fdt_fail(L, "bad overlay: local fixups for '%s', which is not there",
                  name);
    check_local_fixups(L, fdto, twin, child);
  }
}

/* One "path:property:offset" of /__fixups__. */
static void check_fixup(lua_State *L, const void *fdto, const char *text) {
  const char *colon = strchr(text, ':');
  const char *second = colon ? strchr(colon + 1, ':') : NULL;
  const char *digits = second ? second + 1 : "";
  size_t length = strspn(digits, "0123456789");
  const char *slash;
  if (text[0] != '/' || !second || second == colon + 1 || length == 0 ||
      length > 9 || digits[length])
    kl_fdt_fail(L, "bad overlay: malformed fixup '%s'", text);
  for (slash = text + 1; *slash == '/';) slash++;
  if (is_reserved(slash, strcspn(slash, "/:")))
    kl_fdt_fail(L, "bad overlay: fixup '%s' of the fixups themselves", text);
  check_cell(L, fdto, fdt_path_offset_namelen(fdto, text, (int)(colon - text)),
             colon + 1, (size_t)(second - colon - 1),
             strtoul(digits, NULL, 10));
}

/* LABEL must lead to a node with a phandle in the base. */
static void check_symbol(lua_State *L, const void *fdt, const char *label) {
  int length, node;
  const char *path;
  int symbols = fdt_path_offset(fdt, "/__symbols__");
  if (symbols < 0)
    kl_fdt_fail(L,
                "the overlay refers to the label '%s', but the base has no "
                "/__symbols__: build it with symbols (dtc -@)",
                label);
  path = fdt_getprop(fdt, symbols, label, &length);
  if (!path)
    kl_fdt_fail(L,
                "the overlay refers to the label '%s', which the base "
                "does not have",
                label);
  if (!is_path(path, length))
    kl_fdt_fail(L, "bad base: the symbol '%s' is not a path", label);
  node = fdt_path_offset(fdt, path);
  if (node < 0 || fdt_get_phandle(fdt, node) == 0)
    kl_fdt_fail(L,
                "bad base: the symbol '%s' (%s) is not a node with a "
                "phandle",
                label, path);
}

static void check_fixups(lua_State *L, const void *fdt, const void *fdto) {
  int property, fixups = fdt_path_offset(fdto, "/__fixups__");
  fdt_for_each_property_offset(property, fdto, fixups) {
    const char *label, *end;
    int length;
    const char *text = fdt_getprop_by_offset(fdto, property, &label, &length);
    if (!text || length < 1 || text[length - 1])
      kl_fdt_fail(L, "bad overlay: malformed fixups of a label");
    check_symbol(L, fdt, label);
    for (end = text + length; text < end; text += strlen(text) + 1)
      check_fixup(L, fdto, text);
  }
}

/* Fragments say where they go: by a target phandle or a full path. */
static void check_targets(lua_State *L, const void *fdto) {
  int fragment, count = 0;
  fdt_for_each_subnode(fragment, fdto, 0) {
    const char *name = fdt_get_name(fdto, fragment, NULL);
    int length;
    const char *path = fdt_getprop(fdto, fragment, "target-path", &length);
    if (fdt_subnode_offset(fdto, fragment, "__overlay__") < 0) continue;
    count++;
    if (path && !is_path(path, length))
      kl_fdt_fail(L, "bad overlay: the target-path of '%s' is not a full path",
                  name);
    if (!path && !fdt_getprop(fdto, fragment, "target", NULL))
      kl_fdt_fail(L, "bad overlay: '%s' has neither target nor target-path",
                  name);
  }
  if (count == 0)
    kl_fdt_fail(L, "not an overlay: no node of its root has an __overlay__");
}

/* Pushes a copy of FDT with SIZE bytes in all, in the layout of version 17. */
static void *push_copy(lua_State *L, const void *fdt, int size) {
  void *copy = kl_fdt_buffer(L, (size_t)size);
  kl_fdt_check(L, "device tree", fdt_open_into(fdt, copy, size));
  return copy;
}

/*
 * Applying damages both blobs, so each attempt starts from fresh copies. How
 * much room the result needs is known only afterwards: its symbols grow by
 * the length of the path that their fragment goes to.
 */
static void *apply(lua_State *L, const void *fdt, const void *fdto) {
  int room = (int)fdt_totalsize(fdto);
  int base_size = (int)fdt_totalsize(fdt) + 1024;
  for (;;) {
    void *result = push_copy(L, fdt, base_size + room);
    void *overlay = push_copy(L, fdto, (int)fdt_totalsize(fdto) + 1024);
    int err = fdt_overlay_apply(result, overlay);
    if (err == 0) return result;
    if (err != -FDT_ERR_NOSPACE || room >= KL_FDT_MAX_SIZE)
      kl_fdt_check(L, "the overlay does not apply", err);
    lua_pop(L, 2);
    room *= 2;
  }
}

int kl_fdt_overlay(lua_State *L) {
  const void *fdt, *fdto;
  void *result;
  int fixups;
  lua_settop(L, 2);
  fdt = kl_fdt_checkblob(L, 1);
  fdto = kl_fdt_checkblob(L, 2);
  check_targets(L, fdto);
  check_fixups(L, fdt, fdto);
  fixups = fdt_path_offset(fdto, "/__local_fixups__");
  if (fixups >= 0) check_local_fixups(L, fdto, 0, fixups);
  result = apply(L, fdt, fdto);
  kl_fdt_checkshape(L, result);
  kl_fdt_check(L, "device tree", fdt_pack(result));
  lua_pushlstring(L, result, fdt_totalsize(result));
  return 1;
}
