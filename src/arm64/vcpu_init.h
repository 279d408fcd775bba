/* SPDX-License-Identifier: MIT */
#ifndef KL_ARM64_VCPU_INIT_H
#define KL_ARM64_VCPU_INIT_H

#include "arch.h"

/* vcpu:init(features?) */
int kl_arm64_vcpu_init(lua_State *L);

#endif
