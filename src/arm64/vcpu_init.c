/* SPDX-License-Identifier: MIT */
/* vcpu:init(features?): KVM_ARM_VCPU_INIT with the host's preferred target and
 * features by name. */
#include <errno.h>
#include <string.h>

#include "vcpu_init.h"

/* By bit number. */
static const char *const features[] = {
    "power_off",       "el1_32bit",       "psci_0_2",
    "pmu_v3",          "sve",             "ptrauth_address",
    "ptrauth_generic", "has_el2",         "has_el2_e2h0"};

static int unknown(lua_State *L, const char *name) {
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addstring(&b, "unknown feature '");
  luaL_addstring(&b, name);
  luaL_addstring(&b, "' (expected ");
  for (size_t i = 0; i < KL_COUNT(features); i++) {
    if (i > 0) luaL_addstring(&b, ", ");
    luaL_addstring(&b, features[i]);
  }
  luaL_addchar(&b, ')');
  luaL_pushresult(&b);
  return luaL_argerror(L, 2, lua_tostring(L, -1));
}

/* Sets the bit of the feature at the top of the stack. */
static void setfeature(lua_State *L, struct kvm_vcpu_init *init) {
  if (lua_type(L, -1) != LUA_TSTRING) {
    luaL_argerror(L, 2, lua_pushfstring(L, "a feature's name expected, got %s",
                                        luaL_typename(L, -1)));
  }
  const char *name = lua_tostring(L, -1);
  for (uint32_t i = 0; i < KL_COUNT(features); i++) {
    if (strcmp(name, features[i]) != 0) continue;
    init->features[i / 32] |= 1U << i % 32;
    return;
  }
  unknown(L, name);
}

/* Nothing given: a vCPU that can be switched on and off by PSCI 0.2 and later,
 * which is what every guest wants. */
static void tofeatures(lua_State *L, struct kvm_vcpu_init *init) {
  if (lua_isnoneornil(L, 2)) {
    lua_pushliteral(L, "psci_0_2");
    setfeature(L, init);
    return;
  }
  if (!lua_istable(L, 2)) {
    lua_pushvalue(L, 2);
    setfeature(L, init);
    return;
  }
  for (lua_Integer i = 1, n = luaL_len(L, 2); i <= n; i++, lua_pop(L, 1)) {
    lua_geti(L, 2, i);
    setfeature(L, init);
  }
}

/* Pushes the names of the features asked for. */
static const char *pushfeatures(lua_State *L,
                                const struct kvm_vcpu_init *init) {
  const char *comma = "";
  lua_pushliteral(L, "features");
  for (uint32_t i = 0; i < KL_COUNT(features); i++) {
    if (!(init->features[i / 32] >> i % 32 & 1)) continue;
    lua_pushfstring(L, "%s %s", comma, features[i]);
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
  lua_getiuservalue(L, 1, KL_VCPU_VM);
  struct kl_vm *vm = kl_checkvm(L, 3);
  memset(&init, 0, sizeof init);
  if (kl_ioctl(L, &vm->handle, KVM_ARM_PREFERRED_TARGET, &init) < 0)
    return kl_fail(L, "KVM_ARM_PREFERRED_TARGET", errno, NULL);
  memset(init.features, 0, sizeof init.features);
  tofeatures(L, &init);
  if (kl_ioctl(L, &v->handle, KVM_ARM_VCPU_INIT, &init) < 0) {
    int err = errno;
    const char *names = pushfeatures(L, &init);
    return kl_failargs(L, 2, "KVM_ARM_VCPU_INIT", err, "%s: %s", names,
                       strerror(err));
  }
  return 0;
}
