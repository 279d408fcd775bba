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

/* Calls the device; the table of devices is at index 2. May raise. */
void kl_calldevice(lua_State *L, const struct kl_target *target);

#endif
