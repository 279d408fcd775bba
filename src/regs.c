/* SPDX-License-Identifier: MIT */
/* vcpu.regs: one namespace for all registers of a vCPU. Which ioctl carries a
 * register is said by the tables of the architecture. */
#include "regs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "handle.h"
#include "suggest.h"

/* Key of the registry: name -> row, as a light userdata. */
static const char rows_key = 0;

/* ---- finding ------------------------------------------------------------- */

static void pushrows(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &rows_key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  for (const struct kl_reg *r = kl_arch_regs; r->name != NULL; r++) {
    lua_pushlightuserdata(L, (void *)r);
    lua_setfield(L, -2, r->name);
  }
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &rows_key);
}

/* "cs": not a register, but the start of some. */
static const char *firstof(const char *name) {
  size_t n = strlen(name);
  for (const struct kl_reg *r = kl_arch_regs; r->name != NULL && n > 1; r++)
    if (strncmp(r->name, name, n) == 0 && r->name[n] == '_') return r->name;
  return NULL;
}

static int unknown(lua_State *L, const char *name) {
  struct kl_suggestion s = kl_suggest(name);
  s.best = firstof(name);
  if (s.best == NULL)
    for (const struct kl_reg *r = kl_arch_regs; r->name != NULL; r++)
      kl_consider(&s, r->name);
  return kl_error(L, "kvm.regs has no register '%s'%s", name,
                  kl_pushsuggestion(L, &s));
}

const struct kl_reg *kl_findreg(lua_State *L, struct kl_vcpu *v, int idx,
                                struct kl_reg *extra) {
  if (lua_type(L, idx) != LUA_TSTRING) {
    kl_error(L, "kvm.regs: a register's name expected, got %s",
             luaL_typename(L, idx));
  }
  lua_pushvalue(L, idx);
  pushrows(L);
  lua_insert(L, -2);
  lua_rawget(L, -2);
  const struct kl_reg *row = lua_touserdata(L, -1);
  lua_pop(L, 2);
  if (row != NULL) return row;
  const char *name = lua_tostring(L, idx);
  *extra = (struct kl_reg){.name = name};
  bool is_whole = strlen(name) == lua_rawlen(L, idx); /* no zero inside */
  if (!is_whole || !kl_arch_findreg(L, v, name, extra)) unknown(L, name);
  return extra;
}

/* ---- values -------------------------------------------------------------- */

void kl_pushreg(lua_State *L, const struct kl_reg *r, const void *data) {
  if (r->size > 8)
    lua_pushlstring(L, data, r->size);
  else
    lua_pushinteger(L, (lua_Integer)kl_loaduint(data, r->size));
}

static void towide(lua_State *L, const struct kl_reg *r, int idx, void *data) {
  size_t n;
  if (lua_type(L, idx) != LUA_TSTRING) {
    kl_error(L,
             "%s: a string of %d bytes (the lowest first) expected, got "
             "%s",
             r->name, (int)r->size, luaL_typename(L, idx));
  }
  const char *bytes = lua_tolstring(L, idx, &n);
  if (n != r->size) {
    kl_error(L, "%s: %I bytes given, it takes %d", r->name, (lua_Integer)n,
             (int)r->size);
  }
  memcpy(data, bytes, n);
}

static int notinteger(lua_State *L, const struct kl_reg *r, int idx) {
  if (lua_type(L, idx) == LUA_TSTRING)
    return kl_error(L,
                    "%s has %d bits and takes an integer, got a string "
                    "of %d bits",
                    r->name, (int)r->size * 8, (int)lua_rawlen(L, idx) * 8);
  return kl_error(L, "%s: an integer expected, got %s", r->name,
                  luaL_tolstring(L, idx, NULL));
}

void kl_toreg(lua_State *L, const struct kl_reg *r, int idx, void *data) {
  if (r->size > 8) {
    towide(L, r, idx, data);
    return;
  }
  int bits = r->bits ? r->bits : r->size * 8;
  int is_int = lua_isboolean(L, idx) && bits == 1;
  uint64_t v = (uint64_t)lua_toboolean(L, idx);
  if (lua_type(L, idx) == LUA_TNUMBER)
    v = (uint64_t)lua_tointegerx(L, idx, &is_int);
  if (!is_int) notinteger(L, r, idx);
  if (bits < 64 && v >> bits != 0) {
    kl_error(L, "%s: %I does not fit in %d bit%s", r->name, (lua_Integer)v,
             bits, bits == 1 ? "" : "s");
  }
  kl_storeuint(data, r->size, v);
}

/* ---- the object ---------------------------------------------------------- */

static struct kl_regs *checkregs(lua_State *L, int idx) {
  struct kl_regs *o = kl_check(L, idx, &kl_regs_class);
  if (o->vcpu->run == NULL) kl_error(L, "kvm.vcpu is closed");
  kl_checkowner(L, &o->vcpu->handle);
  return o;
}

/* The groups that the kernel can keep in the kvm_run page of a vCPU. */
static uint64_t syncable(lua_State *L, int vcpu_idx) {
  uint64_t groups = 0;
  lua_getiuservalue(L, vcpu_idx, KL_VCPU_VM);
  struct kl_handle *vm = kl_tohandle(L, -1);
  if (vm != NULL && vm->fd >= 0)
    groups = (uint64_t)kl_extension(L, vm, KVM_CAP_SYNC_REGS);
  lua_pop(L, 1);
  return groups;
}

void kl_pushregs(lua_State *L, int vcpu_idx) {
  vcpu_idx = lua_absindex(L, vcpu_idx);
  struct kl_vcpu *v = kl_check(L, vcpu_idx, &kl_vcpu_class);
  if (lua_getiuservalue(L, vcpu_idx, KL_VCPU_REGS) == LUA_TUSERDATA) return;
  lua_pop(L, 1);
  struct kl_regs *o = kl_new(L, &kl_regs_class, 1);
  o->vcpu = v;
  lua_pushvalue(L, vcpu_idx);
  lua_setiuservalue(L, -2, 1);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, vcpu_idx, KL_VCPU_REGS);
  o->syncable = syncable(L, vcpu_idx);
}

static int regs_index(lua_State *L) {
  struct kl_regs *o = checkregs(L, 1);
  struct kl_reg extra;
  unsigned char data[KL_REG_MAX];
  const struct kl_reg *r = kl_findreg(L, o->vcpu, 2, &extra);
  int err = kl_readreg(L, o, NULL, r, data);
  if (err != 0) return kl_unreadable(L, r, err);
  kl_pushreg(L, r, data);
  return 1;
}

static int regs_newindex(lua_State *L) {
  struct kl_regs *o = checkregs(L, 1);
  struct kl_reg extra;
  unsigned char data[KL_REG_MAX];
  const struct kl_reg *r = kl_findreg(L, o->vcpu, 2, &extra);
  kl_toreg(L, r, 3, data);
  kl_writereg(L, o, r, data);
  return 0;
}

/* ---- many at once -------------------------------------------------------- */

/* Puts what the table at 2 names into the batch; returns how many registers
 * are left, which are written one at a time. */
static int checkall(lua_State *L, struct kl_batch *b) {
  struct kl_reg extra;
  unsigned char data[KL_REG_MAX];
  int left = 0;
  for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
    const struct kl_reg *r = kl_findreg(L, b->regs->vcpu, -2, &extra);
    kl_toreg(L, r, -1, data);
    left += !kl_putreg(L, b, r, data);
  }
  return left;
}

/* Writes the register with the value at the top, which is popped. */
static void writesingle(lua_State *L, struct kl_regs *o,
                        const struct kl_reg *r) {
  unsigned char data[KL_REG_MAX];
  if (kl_arch_reg_groups[r->group].size == 0) {
    kl_toreg(L, r, -1, data);
    kl_writereg(L, o, r, data);
  }
  lua_pop(L, 1);
}

/* The ones with rows in the manual's order, then the others. */
static void writesingles(lua_State *L, struct kl_regs *o) {
  struct kl_reg extra;
  for (const struct kl_reg *r = kl_arch_regs; r->name != NULL; r++) {
    lua_pushstring(L, r->name);
    lua_rawget(L, 2);
    if (lua_isnil(L, -1))
      lua_pop(L, 1);
    else
      writesingle(L, o, r);
  }
  for (lua_pushnil(L); lua_next(L, 2);) {
    const struct kl_reg *r = kl_findreg(L, o->vcpu, -2, &extra);
    if (r == &extra)
      writesingle(L, o, r);
    else
      lua_pop(L, 1);
  }
}

static int regs_call(lua_State *L) {
  struct kl_regs *o = checkregs(L, 1);
  if (lua_gettop(L) != 2 || !lua_istable(L, 2))
    return kl_error(L, "kvm.regs is called with a dot and one table: "
                       "cpu.regs { name = value }");
  struct kl_batch *b = kl_newbatch(L, o);
  int left = checkall(L, b);
  kl_commit(L, b);
  if (left > 0) writesingles(L, o);
  return 0;
}

/* Upvalues: the registers, a batch, the names, how many have been visited. */
static int next_reg(lua_State *L) {
  struct kl_regs *o = checkregs(L, lua_upvalueindex(1));
  struct kl_batch *b = lua_touserdata(L, lua_upvalueindex(2));
  lua_Integer i = lua_tointeger(L, lua_upvalueindex(4));
  struct kl_reg extra;
  unsigned char data[KL_REG_MAX];
  for (;; lua_settop(L, 0)) {
    if (lua_geti(L, lua_upvalueindex(3), ++i) == LUA_TNIL) return 1;
    const struct kl_reg *r = kl_findreg(L, o->vcpu, -1, &extra);
    if (kl_readreg(L, o, b, r, data) != 0) continue;
    kl_pushreg(L, r, data);
    lua_pushinteger(L, i);
    lua_replace(L, lua_upvalueindex(4));
    return 2;
  }
}

/* The names with rows, then the others, into a table at the top. */
static void listnames(lua_State *L, struct kl_vcpu *v) {
  lua_Integer n = 0;
  lua_newtable(L);
  for (const struct kl_reg *r = kl_arch_regs; r->name != NULL; r++) {
    lua_pushstring(L, r->name);
    lua_rawseti(L, -2, ++n);
  }
  kl_arch_moreregs(L, v);
  for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i++)
    lua_rawseti(L, -3, ++n);
  lua_pop(L, 2);
}

static int regs_pairs(lua_State *L) {
  struct kl_regs *o = checkregs(L, 1);
  lua_pushvalue(L, 1);
  kl_newbatch(L, o);
  listnames(L, o->vcpu);
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, next_reg, 4);
  return 1;
}

/* ---- dump ---------------------------------------------------------------- */

static int regs_tostring(lua_State *L) {
  enum { CELL = 27, WIDTH = 80 };
  struct kl_regs *o = kl_check(L, 1, &kl_regs_class);
  unsigned char data[KL_REG_MAX];
  luaL_Buffer text;
  int column = 0;
  if (o->vcpu->run == NULL) {
    lua_pushliteral(L, "kvm.regs (closed)");
    return 1;
  }
  struct kl_batch *b = kl_newbatch(L, o);
  luaL_buffinit(L, &text);
  for (const struct kl_reg *r = kl_arch_regs; r->name != NULL; r++) {
    char cell[80];
    if (r->quiet || r->size > 8 || kl_readreg(L, o, b, r, data) != 0) continue;
    int n = snprintf(cell, sizeof cell, "%.40s=%0*" PRIx64, r->name,
                     2 * r->size, kl_loaduint(data, r->size));
    if (column > 0) {
      int gap = CELL - column % CELL;
      bool fits = column + gap + n <= WIDTH;
      luaL_addlstring(&text, fits ? "                           " : "\n",
                      fits ? (size_t)gap : 1);
      column = fits ? column + gap : 0;
    }
    luaL_addlstring(&text, cell, (size_t)n);
    column += n;
  }
  luaL_pushresult(&text);
  return 1;
}

static const luaL_Reg meta[] = {
    {"__index", regs_index},       {"__newindex", regs_newindex},
    {"__call", regs_call},         {"__pairs", regs_pairs},
    {"__tostring", regs_tostring}, {NULL, NULL}};

const struct kl_class kl_regs_class = {
    .name = "kvm.regs", .size = sizeof(struct kl_regs), .meta = meta};

void kl_openregs(lua_State *L) {
  kl_newclass(L, &kl_regs_class);
  lua_pop(L, 1);
}
