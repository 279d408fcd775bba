/* SPDX-License-Identifier: MIT */
#include "exit.h"

#include <string.h>

#include "handle.h"

static const char methods_key = 0;

static const unsigned char *page(const struct kl_vcpu *v) {
  return (const unsigned char *)v->run;
}

static size_t pagesize(const struct kl_vcpu *v) {
  return (size_t)v->handle.machine->run_size;
}

/* The vCPU of the exit table at idx, which is pushed too: the table's metatable
 * can be changed. [-0, +1] */
static struct kl_vcpu *toexit(lua_State *L, int idx) {
  struct kl_vcpu *v = NULL;
  if (lua_istable(L, idx) && lua_getmetatable(L, idx)) {
    lua_pushliteral(L, "__vcpu");
    lua_rawget(L, -2);
    v = kl_test(L, -1, &kl_vcpu_class);
    lua_remove(L, -2);
  }
  if (v == NULL) kl_typeerror(L, idx, "kvm.exit");
  return v;
}

/* Before the page is looked at, and again wherever a finalizer or a metamethod
 * may have run: it may have closed the vCPU. */
static void checkpage(lua_State *L, const struct kl_vcpu *v) {
  if (v->run == NULL) kl_error(L, "kvm.vcpu is closed");
}

static struct kl_vcpu *checkexit(lua_State *L, int idx) {
  struct kl_vcpu *v = toexit(L, idx);
  checkpage(L, v);
  return v;
}

/* ---- the table ----------------------------------------------------------- */

/* The field that tells whether the guest reads or writes, or NULL. */
static const struct kl_exit_field *turn(const struct kl_vcpu *v) {
  const struct kl_exits *x = v->shown.exits;
  return kl_exitrow(x, v->last_reason) ? x->is_write[v->last_reason] : NULL;
}

static bool iswrite(const struct kl_vcpu *v) {
  const struct kl_exit_field *f = turn(v);
  return f != NULL && kl_loadexitfield(f, page(v), pagesize(v)) != 0;
}

/* Whether the table may hold a field now: an unsigned number that the snapshot
 * covers or that is elsewhere, and not one that would answer the guest. Finds
 * it. */
static bool holdable(const struct kl_vcpu *v, const struct kl_exit_field *f,
                     struct kl_held *h) {
  size_t size = f->size;
  if (f->kind == KL_X_AT)
    h->at = f->at(page(v), pagesize(v), &size);
  else if ((f->kind == KL_X_UINT || f->kind == KL_X_BOOL) &&
           f->offset >= KL_RUN_UNION &&
           f->offset + size <= KL_RUN_UNION + KL_SNAPSHOT)
    h->at = page(v) + f->offset;
  else
    return false;
  if (h->at == NULL || h->at > page(v) + pagesize(v) - 8) return false;
  h->field = f;
  h->mask = UINT64_MAX >> (64 - 8 * size);
  h->value = kl_loadheld(h);
  return !f->writable || iswrite(v);
}

static void pushheld(lua_State *L, const struct kl_held *h) {
  if (h->field->kind == KL_X_BOOL)
    lua_pushboolean(L, h->value != 0);
  else
    lua_pushinteger(L, (lua_Integer)h->value);
}

/* Puts what element i of held tells into the table at the top. A finalizer that
 * had the table filled anew has done so already. */
static void hold(lua_State *L, int idx, struct kl_shown *s, int i) {
  struct kl_held *h = &s->held[i];
  const struct kl_exit_field *f = h->field;
  lua_pushstring(L, f->name);
  if (i >= s->n || h->field != f) {
    lua_pop(L, 1);
    return;
  }
  if (f->kind == KL_X_AT) {
    s->loose = h;
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, idx, KL_VCPU_LOOSE);
  }
  pushheld(L, h);
  lua_rawset(L, -3);
}

/* Empties the table at the top. */
static void empty(lua_State *L, struct kl_shown *s) {
  while (s->n > 0) {
    lua_pushstring(L, s->held[--s->n].field->name);
    lua_pushnil(L);
    lua_rawset(L, -3);
  }
  s->loose = NULL;
  s->reason = KL_R_NONE;
}

void kl_hideexit(lua_State *L, int idx, struct kl_vcpu *v) {
  if (v->shown.reason == KL_R_NONE) return;
  lua_getiuservalue(L, idx, KL_VCPU_EXIT);
  empty(L, &v->shown);
  lua_pop(L, 1);
}

static void snap(struct kl_vcpu *v) {
  memcpy(v->shown.snapshot, page(v) + KL_RUN_UNION, KL_SNAPSHOT);
}

/* Finds the fields that were asked for. */
static void choose(struct kl_vcpu *v) {
  struct kl_shown *s = &v->shown;
  const struct kl_exit_row *row = kl_exitrow(s->exits, v->last_reason);
  unsigned wanted = row != NULL ? s->wanted[v->last_reason] : 0;
  for (int i = 0; wanted != 0; i++, wanted >>= 1)
    if (wanted & 1 && holdable(v, &row->fields[i], &s->held[s->n])) s->n++;
  s->is_write = iswrite(v);
  s->reason = v->last_reason;
  snap(v);
}

/* Has the table at the top hold the fields that were asked for. */
static void fill(lua_State *L, int idx, struct kl_vcpu *v) {
  struct kl_shown *s = &v->shown;
  empty(L, s);
  checkpage(L, v);
  choose(v);
  for (int i = 0; i < s->n; i++) hold(L, idx, s, i);
  lua_pushstring(L, kl_reasonname(s->exits, s->reason));
  lua_setiuservalue(L, idx, KL_VCPU_REASON);
}

/* Stores what differs in an exit of the same reason. False when other fields
 * are to be held now. */
static bool refresh(lua_State *L, struct kl_vcpu *v) {
  struct kl_shown *s = &v->shown;
  if (s->reason != v->last_reason || s->is_write != iswrite(v)) return false;
  for (int i = 0; i < s->n; i++) {
    struct kl_held *h = &s->held[i];
    uint64_t old = h->value;
    if (!holdable(v, h->field, h)) return false;
    if (h->value == old) continue;
    pushheld(L, h);
    lua_setfield(L, -2, h->field->name);
    checkpage(L, v);
  }
  snap(v);
  return true;
}

void kl_updateexit(lua_State *L, int idx, struct kl_vcpu *v) {
  if (refresh(L, v)) return;
  fill(L, idx, v);
  lua_getiuservalue(L, idx, KL_VCPU_REASON);
  lua_replace(L, -3);
}

/* ---- reading and writing ------------------------------------------------- */

static int nofield(lua_State *L, const struct kl_vcpu *v, int key) {
  const struct kl_exits *x = v->shown.exits;
  int reason = v->last_reason;
  const char *name = luaL_tolstring(L, key, NULL);
  if (reason == KL_R_NONE)
    return kl_error(L, "kvm.exit: the vCPU is at no exit, there is no '%s'",
                    name);
  const struct kl_exit_row *row = kl_exitrow(x, reason);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addstring(&b, "reason, code");
  const struct kl_exit_field *f = row != NULL ? row->fields : NULL;
  for (; f != NULL && f->name != NULL; f++) {
    luaL_addstring(&b, ", ");
    luaL_addstring(&b, f->name);
  }
  luaL_pushresult(&b);
  return kl_error(L, "exit '%s' has no field '%s' (it has %s)",
                  kl_reasonname(x, reason), name, lua_tostring(L, -1));
}

/* reason and code, which every exit has. */
static bool pushcommon(lua_State *L, const struct kl_vcpu *v, const char *key) {
  int reason = v->last_reason;
  if (strcmp(key, "reason") == 0) {
    if (reason == KL_R_NONE)
      lua_pushnil(L);
    else
      lua_pushstring(L, kl_reasonname(v->shown.exits, reason));
  } else if (strcmp(key, "code") == 0) {
    if (reason == KL_R_NONE || reason == KL_R_TIMEOUT)
      lua_pushnil(L);
    else
      lua_pushinteger(L, reason);
  } else {
    return false;
  }
  return true;
}

/* Reads a field, and has run() keep it in the table (index 1, the vCPU is at 3)
 * from now on.
 * Not inside a handler: there the table is empty, and the page is read. */
static void pushfield(lua_State *L, struct kl_vcpu *v, int i) {
  struct kl_shown *s = &v->shown;
  const struct kl_exit_field *f = &s->exits->rows[v->last_reason]->fields[i];
  struct kl_held h;
  if (!v->is_running && i < KL_EXIT_FIELDS && holdable(v, f, &h)) {
    s->wanted[v->last_reason] |= (uint16_t)(1u << i);
    lua_pushvalue(L, 1);
    fill(L, 3, v);
    checkpage(L, v);
  }
  kl_pushexitfield(L, f, page(v), pagesize(v));
}

/* What the table does not hold. */
static int exit_index(lua_State *L) {
  lua_settop(L, 2);
  struct kl_vcpu *v = checkexit(L, 1);
  if (lua_type(L, 2) == LUA_TSTRING) {
    const char *key = lua_tostring(L, 2);
    int i = kl_findexitfield(v->shown.exits, v->last_reason, key);
    if (i >= 0) {
      pushfield(L, v, i);
      return 1;
    }
    if (pushcommon(L, v, key)) return 1;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &methods_key);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, -2) != LUA_TNIL) return 1;
  }
  return nofield(L, v, 2);
}

static bool isheld(const struct kl_shown *s, const struct kl_exit_field *f) {
  for (int i = 0; i < s->n; i++)
    if (s->held[i].field == f) return true;
  return false;
}

static int exit_newindex(lua_State *L) {
  lua_settop(L, 3);
  kl_checkstring(L, 2);
  struct kl_vcpu *v = checkexit(L, 1);
  kl_checkowner(L, &v->handle);
  int reason = v->last_reason;
  int i = kl_findexitfield(v->shown.exits, reason, lua_tostring(L, 2));
  if (i < 0) return nofield(L, v, 2);
  const struct kl_exit_row *row = v->shown.exits->rows[reason];
  lua_settop(L, 4); /* the vCPU stays */
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 3);
  if (isheld(&v->shown, &row->fields[i]))
    lua_rawset(L, 1); /* a script had taken it out of the table */
  else
    kl_storeexitfield(L, row, &row->fields[i], (unsigned char *)v->run,
                      pagesize(v));
  return 0;
}

/* Pushes a copy of the page, for what makes many Lua values of it. */
static const unsigned char *pushpage(lua_State *L, const struct kl_vcpu *v) {
  size_t n = pagesize(v);
  unsigned char *copy = lua_newuserdatauv(L, n, 0);
  checkpage(L, v);
  return memcpy(copy, page(v), n);
}

/* exit:copy() -> table */
static int exit_copy(lua_State *L) {
  kl_maxargs(L, 1);
  struct kl_vcpu *v = checkexit(L, 1);
  if (v->last_reason == KL_R_NONE)
    return kl_error(L, "kvm.exit: the vCPU is at no exit");
  size_t n = pagesize(v);
  const unsigned char *copy = pushpage(L, v);
  kl_pushexitcopy(L, v->shown.exits, v->last_reason, copy, n);
  return 1;
}

static int exit_pairs(lua_State *L) {
  lua_settop(L, 1);
  exit_copy(L);
  lua_getglobal(L, "next");
  lua_insert(L, -2);
  return 2;
}

/* ---- printing ------------------------------------------------------------ */

bool kl_awaitsanswer(const struct kl_vcpu *v) {
  return turn(v) != NULL && !iswrite(v);
}

/* What the guest is to be answered is not there yet. */
static bool isanswer(const struct kl_vcpu *v, const struct kl_exit_field *f) {
  return f->writable && kl_awaitsanswer(v);
}

static int exit_tostring(lua_State *L) {
  struct kl_vcpu *v = toexit(L, 1);
  int reason = v->last_reason;
  if (v->run == NULL || reason == KL_R_NONE) {
    lua_pushstring(L, v->run ? "kvm.exit (no exit)" : "kvm.exit (closed)");
    return 1;
  }
  size_t n = pagesize(v);
  const unsigned char *copy = pushpage(L, v);
  lua_pushnil(L); /* the field's value */
  int value = lua_gettop(L);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addstring(&b, kl_reasonname(v->shown.exits, reason));
  const struct kl_exit_row *row = kl_exitrow(v->shown.exits, reason);
  const struct kl_exit_field *f = row != NULL ? row->fields : NULL;
  for (; f != NULL && f->name != NULL; f++) {
    checkpage(L, v);
    if (isanswer(v, f)) continue;
    kl_pushexitfield(L, f, copy, n);
    lua_replace(L, value);
    if (lua_isnil(L, value)) continue;
    luaL_addchar(&b, ' ');
    luaL_addstring(&b, f->name);
    luaL_addchar(&b, '=');
    kl_addexitvalue(&b, f->name, value);
  }
  luaL_pushresult(&b);
  return 1;
}

/* ---- making it ----------------------------------------------------------- */

static const luaL_Reg methods[] = {{"copy", exit_copy}, {NULL, NULL}};
static const luaL_Reg meta[] = {{"__index", exit_index},
                                {"__newindex", exit_newindex},
                                {"__pairs", exit_pairs},
                                {"__tostring", exit_tostring},
                                {NULL, NULL}};

void kl_newexit(lua_State *L, struct kl_vcpu *v) {
  v->shown.exits = kl_exitrows(L);
  v->shown.reason = KL_R_NONE;
  lua_createtable(L, 0, 16);
  lua_createtable(L, 0, 8);
  luaL_setfuncs(L, meta, 0);
  lua_pushliteral(L, "kvm.exit");
  lua_setfield(L, -2, "__name");
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "__vcpu");
  lua_setmetatable(L, -2);
}

void kl_openexits(lua_State *L) {
  kl_openexitrows(L);
  lua_getfield(L, -1, "class");
  luaL_newlib(L, methods);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &methods_key);
  lua_setfield(L, -2, "kvm.exit");
  lua_pop(L, 1);
  lua_pushcfunction(L, kl_core_decode_exit);
  lua_setfield(L, -2, "decode_exit");
}
