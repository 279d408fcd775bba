/* SPDX-License-Identifier: MIT */
/* vcpu:arm_vcpu_init(init?): KVM_ARM_VCPU_INIT with features by name.
 *
 *   arm_vcpu_init()                     preferred target, psci_0_2
 *   arm_vcpu_init{"psci_0_2", "sve"}    preferred target, these features
 *   arm_vcpu_init{target = 5, features = {4}}   the struct's own fields */
#include <errno.h>
#include <string.h>

#include "arch.h"
#include "arch_ioctls.h"
#include "arch_structs.h"

/* By bit number. */
static const char *const names[] = {
    "power_off",       "el1_32bit",       "psci_0_2", "pmu_v3",      "sve",
    "ptrauth_address", "ptrauth_generic", "has_el2",  "has_el2_e2h0"};

static int unknown(lua_State *L, const char *name) {
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addstring(&b, "unknown feature '");
  luaL_addstring(&b, name);
  luaL_addstring(&b, "' (expected ");
  for (size_t i = 0; i < KL_COUNT(names); i++) {
    if (i > 0) luaL_addstring(&b, ", ");
    luaL_addstring(&b, names[i]);
  }
  luaL_addchar(&b, ')');
  luaL_pushresult(&b);
  return kl_argerror(L, 2, lua_tostring(L, -1));
}

/* Sets the bit of the feature whose name is at the top of the stack. */
static void setfeature(lua_State *L, struct kvm_vcpu_init *init) {
  if (lua_type(L, -1) != LUA_TSTRING) {
    kl_argerror(L, 2,
                lua_pushfstring(L, "a feature's name expected, got %s",
                                luaL_typename(L, -1)));
  }
  const char *name = lua_tostring(L, -1);
  for (uint32_t i = 0; i < KL_COUNT(names); i++) {
    if (strcmp(name, names[i]) != 0) continue;
    init->features[i / 32] |= 1U << i % 32;
    return;
  }
  unknown(L, name);
}

/* Whether argument 2 has the fields of the struct. */
static bool isstruct(lua_State *L) {
  bool is = lua_getfield(L, 2, "target") != LUA_TNIL ||
            lua_getfield(L, 2, "features") != LUA_TNIL;
  lua_settop(L, 2);
  return is;
}

static void setlist(lua_State *L, struct kvm_vcpu_init *init) {
  for (lua_Integer i = 1, n = luaL_len(L, 2); i <= n; i++) {
    lua_geti(L, 2, i);
    setfeature(L, init);
    lua_pop(L, 1);
  }
}

/* PSCI 0.2 and later can switch vCPUs on and off and end the machine: what
 * every guest wants. */
static void setfeatures(lua_State *L, struct kvm_vcpu_init *init) {
  memset(init->features, 0, sizeof init->features);
  if (lua_isnil(L, 2))
    init->features[0] = 1U << KVM_ARM_VCPU_PSCI_0_2;
  else if (!lua_istable(L, 2))
    setfeature(L, init);
  else if (isstruct(L))
    kl_setstruct(L, 2, &kl_kvm_vcpu_init, init);
  else
    setlist(L, init);
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
  const char *comma = "";
  lua_pushliteral(L, "features");
  for (uint32_t i = 0; i < KL_COUNT(names); i++) {
    if (!(init->features[i / 32] >> i % 32 & 1)) continue;
    lua_pushfstring(L, "%s %s", comma, names[i]);
    comma = ",";
    lua_concat(L, 2);
  }
  return *comma != '\0' ? lua_tostring(L, -1) : "no features";
}

int kl_arm64_vcpu_init(lua_State *L) {
  struct kl_vcpu *v = kl_checkvcpu(L, 1);
  struct kvm_vcpu_init init;
  kl_maxargs(L, 2);
  lua_settop(L, 2);
  preferred(L, &init);
  setfeatures(L, &init);
  if (kl_ioctl(L, &v->handle, KVM_ARM_VCPU_INIT, &init) < 0) {
    int err = errno;
    const char *features = pushfeatures(L, &init);
    return kl_failargs(L, 2, "KVM_ARM_VCPU_INIT", err, "%s: %s", features,
                       strerror(err));
  }
  return 0;
}
