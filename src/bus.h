/* SPDX-License-Identifier: MIT */
/* The devices of a VM: which Lua object answers for which addresses. */
#ifndef KL_BUS_H
#define KL_BUS_H

#include "internal.h"

struct kl_range {
  uint64_t first, last;
  int ref; /* of the device, in the VM's table of devices */
};

struct kl_ranges {
  struct kl_range *at; /* sorted, disjoint */
  size_t n, room;
  const struct kl_range *hit; /* what was found last, or NULL */
};

struct kl_bus {
  struct kl_ranges kinds[KL_BUSES];
  int refs; /* the last one given out */
};

extern const char *const kl_bus_names[]; /* "mmio", by kind */

/* The range that has an address, or NULL. */
const struct kl_range *kl_searchrange(struct kl_ranges *r, uint64_t address);
static inline const struct kl_range *kl_findrange(struct kl_ranges *r,
                                                  uint64_t address) {
  const struct kl_range *hit = r->hit;
  if (hit != NULL && hit->first <= address && address <= hit->last) return hit;
  return kl_searchrange(r, address);
}

/* Hands the exit that v->last_reason names to its device, enters again, and so
 * on until an exit that no device takes. False leaves a device's error on the
 * stack. The vCPU is at an absolute index, and its VM has a bus. */
bool kl_serve(lua_State *L, struct kl_vcpu *v, int idx);

#endif
