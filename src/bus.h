/* SPDX-License-Identifier: MIT */
/* The devices of a VM: which Lua object answers for which addresses. */
#ifndef KL_BUS_H
#define KL_BUS_H

#include "internal.h"

/* Where an exit goes: found without touching Lua. */
struct kl_target {
  struct kl_access access;
  uint64_t first; /* of the range */
  int ref;        /* of the device, in the VM's table of devices */
};

/* Whether a device takes the exit that v->last_reason names. */
bool kl_finddevice(struct kl_vcpu *v, struct kl_target *target);

/* The stack of the function that serves devices: the vCPU as a light userdata,
 * the VM's table of devices, the names of the methods, the device that was
 * called last. */
enum {
  KL_SERVE_VCPU = 1,
  KL_SERVE_DEVICES,
  KL_SERVE_READ,
  KL_SERVE_WRITE,
  KL_SERVE_CALL,
  KL_SERVE_DEVICE
};

/* Pushes what lies above the table of devices. [-0, +4] */
void kl_pushmethods(lua_State *L);

/* Calls the device of a target; *current is the ref of the one at
 * KL_SERVE_DEVICE. May raise. */
void kl_calldevice(lua_State *L, const struct kl_target *target,
                   int *current);

#endif
