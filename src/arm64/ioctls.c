/* SPDX-License-Identifier: MIT */
#include "arch.h"
#include "arch_ioctls.h"
#include "arch_structs.h"

/* clang-format off */

const struct kl_ioctl kl_arch_ioctls[] = {
  /* ---- the VM ----------------------------------------------------------- */
  {KL_ROW(ARM_PREFERRED_TARGET, KL_VM, KL_GET),
   .layout = &kl_kvm_vcpu_init},
  {KL_ROW(ARM_SET_DEVICE_ADDR, KL_VM, KL_SET),
   .layout = &kl_kvm_arm_device_addr, .capability = "ARM_SET_DEVICE_ADDR"},
  {KL_ROW(ARM_SET_COUNTER_OFFSET, KL_VM, KL_SET),
   .layout = &kl_kvm_arm_counter_offset, .capability = "COUNTER_OFFSET"},
  {KL_ROW(ARM_MTE_COPY_TAGS, KL_VM, KL_CUSTOM),
   .layout = &kl_kvm_arm_copy_mte_tags, .capability = "ARM_MTE",
   .call = kl_arm64_mte_copy_tags, .pointer = true},
  {KL_ROW(ARM_GET_REG_WRITABLE_MASKS, KL_VM, KL_CUSTOM),
   .layout = &kl_reg_mask_range,
   .capability = "ARM_SUPPORTED_REG_MASK_RANGES",
   .call = kl_arm64_get_reg_writable_masks, .pointer = true},

  /* ---- vCPUs ------------------------------------------------------------ */
  {KL_ROW(ARM_VCPU_INIT, KL_VCPU, KL_CUSTOM), .layout = &kl_kvm_vcpu_init,
   .call = kl_arm64_vcpu_init},
  {KL_ROW(ARM_VCPU_FINALIZE, KL_VCPU, KL_CUSTOM), .capability = "ARM_SVE",
   .call = kl_arm64_vcpu_finalize},
  {.name = NULL},
};
