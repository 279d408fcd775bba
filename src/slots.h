/* SPDX-License-Identifier: MIT */
/* What the files about memory slots share. */
#ifndef KL_SLOTS_H
#define KL_SLOTS_H

#include "internal.h"

/* A slot that the kernel is to be told of. */
struct kl_region {
  struct kl_slot slot;   /* size 0: delete it */
  uint64_t guest_offset; /* in the guest_memfd */
  bool has_size;
};

/* Writes why the kernel refused: which rule, which value. */
void kl_explainslot(lua_State *L, struct kl_vm *vm, const struct kl_region *r,
                    int err, char *why, size_t n);

#endif
