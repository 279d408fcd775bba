/* SPDX-License-Identifier: MIT */
/* Ioctls of kvm.vm whose structs point to the caller's memory. */
#include <errno.h>
#include <string.h>

#include "arch.h"
#include "arch_ioctls.h"
#include "arch_uapi.h"
#include "option.h"
#include "regids.h"
#include "sysregs.h"

/* ---- arm_get_reg_writable_masks() ---------------------------------------- */

/* The feature ID registers: op0 3, op1 0, 1 or 3, CRn 0, CRm 0 to 7. */
static uint64_t feature_id(uint32_t index) {
  static const uint8_t op1[] = {0, 1, 3};
  uint64_t encoding =
      KL_SYSREG(3, op1[index >> 6], 0, index >> 3 & 7, index & 7);
  return KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM64_SYSREG | encoding;
}

/* vm:arm_get_reg_writable_masks() -> {name = mask, ...}: the bits of ID
 * registers that a script may set. Registers with none are left out. */
int kl_arm64_get_reg_writable_masks(lua_State *L) {
  struct kl_vm *vm = kl_checkvm(L, 1);
  uint64_t masks[KVM_ARM_FEATURE_ID_RANGE_SIZE] = {0};
  struct reg_mask_range range = {.addr = (uintptr_t)masks,
                                 .range = KVM_ARM_FEATURE_ID_RANGE};
  kl_maxargs(L, 1);
  if (kl_ioctl(L, &vm->handle, KVM_ARM_GET_REG_WRITABLE_MASKS, &range) < 0)
    return kl_fail(L, "KVM_ARM_GET_REG_WRITABLE_MASKS", errno, NULL);
  lua_newtable(L);
  for (uint32_t i = 0; i < KL_COUNT(masks); i++) {
    if (masks[i] == 0) continue;
    kl_arm64_pushregname(L, feature_id(i));
    lua_pushinteger(L, (lua_Integer)masks[i]);
    lua_rawset(L, -3);
  }
  return 1;
}

/* ---- arm_mte_copy_tags(gpa, size, tags?) --------------------------------- */

/* A tag is four bits, kept in a byte, of this many bytes of memory. */
enum { MTE_GRANULE = 16 };

/* vm:arm_mte_copy_tags(gpa, size) -> tags, a byte each; or with tags sets them
 * and returns how many bytes of memory they now cover. */
int kl_arm64_mte_copy_tags(lua_State *L) {
  struct kl_vm *vm = kl_checkvm(L, 1);
  kl_maxargs(L, 4);
  struct kvm_arm_copy_mte_tags arg = {
      .guest_ipa = (uint64_t)kl_checkinteger(L, 2),
      .length = kl_checkrange(L, 3, "size", MTE_GRANULE, INT32_MAX)};
  size_t given, n = arg.length / MTE_GRANULE;
  bool set = !lua_isnoneornil(L, 4);
  unsigned char *tags = memset(lua_newuserdatauv(L, n, 0), 0, n);
  if (set) {
    const char *bytes = kl_checklstring(L, 4, &given);
    if (given != n)
      kl_badarg(L, 4, "%zu tags for 0x%llx bytes, %zu expected", given,
                (unsigned long long)arg.length, n);
    memcpy(tags, bytes, n);
  }
  arg.addr = tags;
  arg.flags = set ? KVM_ARM_TAGS_TO_GUEST : KVM_ARM_TAGS_FROM_GUEST;
  int done = kl_ioctl(L, &vm->handle, KVM_ARM_MTE_COPY_TAGS, &arg);
  if (done < 0)
    return kl_fail(L, "KVM_ARM_MTE_COPY_TAGS", errno,
                   "gpa 0x%llx, 0x%llx "
                   "bytes: %s",
                   (unsigned long long)arg.guest_ipa,
                   (unsigned long long)arg.length, strerror(errno));
  if (set)
    lua_pushinteger(L, done);
  else
    lua_pushlstring(L, (const char *)tags, (size_t)done / MTE_GRANULE);
  return 1;
}
