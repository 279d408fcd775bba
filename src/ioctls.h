/* SPDX-License-Identifier: MIT */
/* The functions of the rows that no kind describes, and how rows are written.
 * All of them are methods: the object is argument 1. */
#ifndef KL_IOCTLS_H
#define KL_IOCTLS_H

#include "internal.h"

/* The first four members of a row; the rest follows by name. */
#define KL_ROW(ioctl, where, how) \
  .name = "KVM_" #ioctl, .request = KVM_##ioctl, .scopes = where, .kind = how

/* Of several classes of object. */
int kl_handle_check_extension(lua_State *L);
int kl_handle_enable_cap(lua_State *L);
int kl_handle_get_device_attr(lua_State *L);
int kl_handle_get_stats_fd(lua_State *L);
int kl_handle_has_device_attr(lua_State *L);
int kl_handle_set_device_attr(lua_State *L);

int kl_system_create_vm(lua_State *L);

int kl_vm_clear_dirty_log(lua_State *L);
int kl_vm_create_device(lua_State *L);
int kl_vm_create_guest_memfd(lua_State *L);
int kl_vm_create_vcpu(lua_State *L);
int kl_vm_get_dirty_log(lua_State *L);
int kl_vm_ioeventfd(lua_State *L);
int kl_vm_irqfd(lua_State *L);
int kl_vm_set_user_memory_region(lua_State *L);
int kl_vm_set_user_memory_region2(lua_State *L);

int kl_vcpu_get_one_reg(lua_State *L);
int kl_vcpu_set_one_reg(lua_State *L);
int kl_vcpu_set_signal_mask(lua_State *L);

#endif
