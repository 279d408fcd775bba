/* SPDX-License-Identifier: MIT */
/* The functions of this machine's rows that no kind describes. */
#ifndef KL_ARCH_IOCTLS_H
#define KL_ARCH_IOCTLS_H

#include "ioctls.h"

int kl_arm64_get_reg_writable_masks(lua_State *L);
int kl_arm64_mte_copy_tags(lua_State *L);
int kl_arm64_vcpu_finalize(lua_State *L);
int kl_arm64_vcpu_init(lua_State *L);

/* kvm.VCPU_INIT: the features of a vCPU, by bit number (consts.c). */
extern const struct kl_constant kl_arm64_features[];

#endif
