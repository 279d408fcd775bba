/* SPDX-License-Identifier: MIT */
/* kvm.core: the whole uapi and no policy. */
#include "exit.h"
#include "handle.h"
#include "kvmlua.h"
#include "memory.h"
#include "option.h"
#include "structs.h"
#include "trace.h"

static const char *const kinds[] = {"uint",    "int",   "bytes",
                                    "address", "table", "pad"};

static void pushlayout(lua_State *L, const struct kl_layout *layout) {
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, (lua_Integer)layout->size);
  lua_setfield(L, -2, "size");
  lua_createtable(L, (int)layout->nfields, 0);
  for (size_t i = 0; i < layout->nfields; i++) {
    const struct kl_field *f = &layout->fields[i];
    lua_createtable(L, 0, 7);
    lua_pushstring(L, f->name);
    lua_setfield(L, -2, "name");
    lua_pushinteger(L, f->offset);
    lua_setfield(L, -2, "offset");
    lua_pushinteger(L, f->size);
    lua_setfield(L, -2, "size");
    lua_pushinteger(L, f->count);
    lua_setfield(L, -2, "count");
    lua_pushstring(L, kinds[f->kind]);
    lua_setfield(L, -2, "kind");
    lua_pushstring(L, f->group);
    lua_setfield(L, -2, "group");
    lua_pushstring(L, f->sub != NULL ? f->sub->name : NULL);
    lua_setfield(L, -2, "struct");
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "fields");
}

static void addlayouts(lua_State *L, const struct kl_layout *const *l) {
  for (; *l != NULL; l++) {
    pushlayout(L, *l);
    lua_setfield(L, -2, (*l)->name);
  }
}

/* The reference tables are made when somebody asks: start-up pays nothing. */
static int core_ioctls(lua_State *L) {
  kl_pushioctls(L);
  return 1;
}

static int core_layouts(lua_State *L) {
  lua_newtable(L);
  addlayouts(L, kl_layouts);
  addlayouts(L, kl_arch_layouts);
  return 1;
}

/* decode(struct name, bytes) -> table */
static int core_decode(lua_State *L) {
  const char *name = kl_checkstring(L, 1);
  size_t n;
  const char *bytes = kl_checklstring(L, 2, &n);
  kl_maxargs(L, 2);
  const struct kl_layout *layout = kl_findlayout(name);
  if (layout == NULL)
    return kl_badarg(L, 1, "no struct '%s': kvm.layouts() has the names", name);
  if (n < layout->size)
    return kl_badarg(L, 2, "%zu bytes, struct %s has %u", n, name,
                     (unsigned)layout->size);
  kl_getstruct(L, layout, bytes);
  return 1;
}

/* clock() -> seconds of the monotonic clock, as timeouts use it */
static int core_clock(lua_State *L) {
  kl_maxargs(L, 0);
  lua_pushnumber(L, (lua_Number)kl_now() / 1e9);
  return 1;
}

static const luaL_Reg functions[] = {
    {"open", kl_core_open},       {"memory", kl_core_memory},
    {"eventfd", kl_core_eventfd}, {"stats", kl_core_stats},
    {"trace", kl_core_trace},     {"clock", core_clock},
    {"layer", kl_core_layer},     {"errname", kl_core_errname},
    {"decode", core_decode},      {"ioctls", core_ioctls},
    {"layouts", core_layouts},    {NULL, NULL}};

/* Classes without ioctls; the core table is at the top. */
static void openclasses(lua_State *L) {
  static const struct kl_class *const classes[] = {
      &kl_memory_class, &kl_eventfd_class, &kl_stats_class, &kl_regs_class};
  lua_getfield(L, -1, "class");
  for (size_t i = 0; i < KL_COUNT(classes); i++) {
    kl_newclass(L, classes[i]);
    lua_setfield(L, -2, classes[i]->name);
  }
  lua_pop(L, 1);
}

/* Classes are registered by name: those of another copy of this library in the
 * same state would get our methods, which do not know their objects. */
static void checkcopies(lua_State *L) {
  if (luaL_getmetatable(L, kl_vm_class.name) == LUA_TTABLE) {
    lua_getfield(L, -1, "__gc");
    if (lua_tocfunction(L, -1) != kl_vm_class.close)
      kl_error(L, "this Lua state has another copy of kvm.core: use that one");
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

KVMLUA_API int luaopen_kvm_core(lua_State *L) {
  luaL_checkversion(L);
  checkcopies(L);
  luaL_newlib(L, functions);
  lua_newtable(L);
  lua_setfield(L, -2, "class");
  lua_pushstring(L, kl_arch_name);
  lua_setfield(L, -2, "arch");
  lua_pushinteger(L, kl_context(L)->page_size);
  lua_setfield(L, -2, "page_size");
  kl_openerror(L);
  kl_openconsts(L);
  kl_openexits(L);
  kl_opensystem(L);
  kl_openvm(L);
  kl_openvcpu(L);
  kl_openregs(L);
  kl_opendevice(L);
  kl_openmemory(L);
  openclasses(L);
  return 1;
}
