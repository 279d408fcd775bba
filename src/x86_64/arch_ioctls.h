/* SPDX-License-Identifier: MIT */
/* The functions of this machine's rows that no kind describes. */
#ifndef KL_ARCH_IOCTLS_H
#define KL_ARCH_IOCTLS_H

#include "ioctls.h"

int kl_x86_get_msrs(lua_State *L); /* of kvm.system too */
int kl_x86_get_nested_state(lua_State *L);
int kl_x86_get_xsave2(lua_State *L);
int kl_x86_memory_encrypt_op(lua_State *L); /* of VMs and vCPUs */
int kl_x86_set_msr_filter(lua_State *L);
int kl_x86_set_msrs(lua_State *L);
int kl_x86_set_nested_state(lua_State *L);
int kl_x86_set_xsave(lua_State *L);

#endif
