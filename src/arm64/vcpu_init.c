/* SPDX-License-Identifier: MIT */
/* vcpu:arm_vcpu_init(init?) and arm_vcpu_finalize(feature), with features by
 * name.
 *
 *   arm_vcpu_init()                     preferred target, psci_0_2
 *   arm_vcpu_init{"psci_0_2", "sve"}    preferred target, these features
 *   arm_vcpu_init{target = 5, features = {"sve"}}
 *   arm_vcpu_init{target = 5, features = {4}}   as the struct has them: words
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "arch.h"
#include "arch_ioctls.h"
#include "arch_structs.h"
#include "option.h"

/* ---- features ------------------------------------------------------------ */

/* Adds a feature's name as scripts write it: in lower case. */
static void addname(luaL_Buffer *b, const char *name) {
  for (; *name != '\0'; name++)
    luaL_addchar(b, (char)tolower((unsigned char)*name));
}

static int unknown(lua_State *L, const char *name) {
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addstring(&b, "unknown feature '");
  luaL_addstring(&b, name);
  luaL_addstring(&b, "' (expected ");
  for (const struct kl_constant *f = kl_arm64_features; f->name != NULL; f++) {
    if (f != kl_arm64_features) luaL_addstring(&b, ", ");
    addname(&b, f->name);
  }
  luaL_addchar(&b, ')');
  luaL_pushresult(&b);
  return kl_argerror(L, 2, lua_tostring(L, -1));
}

/* The number of the feature whose name is at the top of the stack. */
static uint32_t tofeature(lua_State *L) {
  if (lua_type(L, -1) != LUA_TSTRING) {
    kl_argerror(L, 2,
                lua_pushfstring(L, "a feature's name expected, got %s",
                                luaL_typename(L, -1)));
  }
  const char *name = lua_tostring(L, -1);
  for (const struct kl_constant *f = kl_arm64_features; f->name != NULL; f++)
    if (strcasecmp(name, f->name) == 0) return (uint32_t)f->value;
  return (uint32_t)unknown(L, name);
}

static void setfeature(struct kvm_vcpu_init *init, uint32_t feature) {
  init->features[feature / 32] |= 1U << feature % 32;
}

/* A name or a list of names at idx. */
static void setnames(lua_State *L, int idx, struct kvm_vcpu_init *init) {
  if (!lua_istable(L, idx)) {
    lua_pushvalue(L, idx);
    setfeature(init, tofeature(L));
    lua_pop(L, 1);
    return;
  }
  for (lua_Integer i = 1, n = luaL_len(L, idx); i <= n; i++) {
    lua_geti(L, idx, i);
    setfeature(init, tofeature(L));
    lua_pop(L, 1);
  }
}

/* PSCI 0.2 and later can switch vCPUs on and off and end the machine: what
 * every guest wants. */
static void setdefault(struct kvm_vcpu_init *init) {
  setfeature(init, KVM_ARM_VCPU_PSCI_0_2);
}

/* ---- arguments ----------------------------------------------------------- */

/* Whether the table at 2 is a list and nothing else. */
static bool islist(lua_State *L) {
  lua_Integer n = luaL_len(L, 2);
  for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
    lua_Integer i = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
    if (i >= 1 && i <= n) continue;
    lua_pop(L, 2);
    return false;
  }
  return true;
}

/* Whether the value at the top is words of the struct, not names. */
static bool iswords(lua_State *L) {
  if (!lua_istable(L, -1)) return false;
  bool is = lua_geti(L, -1, 1) == LUA_TNUMBER;
  lua_pop(L, 1);
  return is;
}

/* {target = , features = } */
static void setstruct(lua_State *L, struct kvm_vcpu_init *init) {
  static const char *const fields[] = {"target", "features", NULL};
  kl_checkoptions(L, 2, fields);
  int type = lua_getfield(L, 2, "features");
  bool words = iswords(L);
  if (type == LUA_TNIL)
    setdefault(init);
  else if (!words)
    setnames(L, lua_gettop(L), init);
  lua_newtable(L);
  if (words) {
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "features");
  }
  lua_getfield(L, 2, "target");
  lua_setfield(L, -2, "target");
  kl_setstruct(L, lua_gettop(L), &kl_kvm_vcpu_init, init);
  lua_settop(L, 2);
}

static void toinit(lua_State *L, struct kvm_vcpu_init *init) {
  memset(init->features, 0, sizeof init->features);
  if (lua_isnil(L, 2))
    setdefault(init);
  else if (lua_istable(L, 2) && !islist(L))
    setstruct(L, init);
  else
    setnames(L, 2, init);
}

static void preferred(lua_State *L, struct kvm_vcpu_init *init) {
  lua_getiuservalue(L, 1, KL_VCPU_VM);
  struct kl_vm *vm = kl_checkvm(L, -1);
  lua_pop(L, 1);
  memset(init, 0, sizeof *init);
  if (kl_ioctl(L, &vm->handle, KVM_ARM_PREFERRED_TARGET, init) < 0)
    kl_fail(L, "KVM_ARM_PREFERRED_TARGET", errno, NULL);
}

/* Pushes the names of the features asked for. */
static const char *pushfeatures(lua_State *L,
                                const struct kvm_vcpu_init *init) {
  luaL_Buffer b;
  const char *before = "features ";
  luaL_buffinit(L, &b);
  for (const struct kl_constant *f = kl_arm64_features; f->name != NULL; f++) {
    if (!(init->features[f->value / 32] >> f->value % 32 & 1)) continue;
    luaL_addstring(&b, before);
    addname(&b, f->name);
    before = ", ";
  }
  if (before[0] == 'f') luaL_addstring(&b, "no features");
  luaL_pushresult(&b);
  return lua_tostring(L, -1);
}

/* ---- the ioctls ---------------------------------------------------------- */

int kl_arm64_vcpu_init(lua_State *L) {
  struct kl_vcpu *v = kl_checkvcpu(L, 1);
  struct kvm_vcpu_init init;
  kl_maxargs(L, 2);
  lua_settop(L, 2);
  preferred(L, &init);
  toinit(L, &init);
  if (kl_ioctl(L, &v->handle, KVM_ARM_VCPU_INIT, &init) < 0) {
    int err = errno;
    const char *features = pushfeatures(L, &init);
    return kl_failargs(L, 2, "KVM_ARM_VCPU_INIT", err, "target %u, %s: %s",
                       init.target, features, strerror(err));
  }
  return 0;
}

int kl_arm64_vcpu_finalize(lua_State *L) {
  struct kl_vcpu *v = kl_checkvcpu(L, 1);
  kl_maxargs(L, 2);
  lua_settop(L, 2);
  int feature = lua_type(L, 2) == LUA_TSTRING
                    ? (int)tofeature(L)
                    : (int)kl_checkrange(L, 2, "feature", 0, INT32_MAX);
  if (kl_ioctl(L, &v->handle, KVM_ARM_VCPU_FINALIZE, &feature) < 0)
    return kl_failargs(L, 2, "KVM_ARM_VCPU_FINALIZE", errno, NULL);
  return 0;
}
