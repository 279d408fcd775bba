/* SPDX-License-Identifier: MIT */
/* Why the kernel refused a slot: it says EINVAL for a dozen reasons. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "slots.h"

struct refusal {
  lua_State *L;
  struct kl_vm *vm;
  const struct kl_slot *new, *old; /* old: the one of that number, or NULL */
  const struct kl_region *region;
  uint64_t page;
  char *why;
  size_t n;
};

/* ---- single rules: true when it is this one ------------------------------ */

static bool unaligned(struct refusal *r, const char *what, uint64_t value) {
  if (value % r->page == 0) return false;
  snprintf(r->why, r->n,
           "%s 0x%" PRIx64 " is not a multiple of the page size "
           "0x%" PRIx64,
           what, value, r->page);
  return true;
}

static bool anyunaligned(struct refusal *r) {
  return unaligned(r, "guest_phys_addr", r->new->gpa) ||
         unaligned(r, "memory_size", r->new->size) ||
         unaligned(r, "offset of the memory", r->new->offset) ||
         unaligned(r, "guest_memfd_offset", r->region->guest_offset);
}

static bool wraps(struct refusal *r) {
  if (r->new->gpa <= UINT64_MAX - r->new->size) return false;
  snprintf(r->why, r->n,
           "0x%" PRIx64 " bytes at guest_phys_addr 0x%" PRIx64
           " go past the end of 64 bits",
           r->new->size, r->new->gpa);
  return true;
}

static bool missing(struct refusal *r) {
  if (r->new->size != 0 || r->old != NULL) return false;
  snprintf(r->why, r->n,
           "slot %" PRIu32 " cannot be deleted: it does not "
           "exist",
           r->new->slot);
  return true;
}

static bool resized(struct refusal *r) {
  if (r->old == NULL || r->new->size == r->old->size) return false;
  snprintf(r->why, r->n,
           "slot %" PRIu32 " has 0x%" PRIx64 " bytes and cannot "
           "change to 0x%" PRIx64 ": vm:unmap(0x%" PRIx64 ") first",
           r->new->slot, r->old->size, r->new->size, r->old->gpa);
  return true;
}

static bool changed(struct refusal *r) {
  if (r->old == NULL) return false;
  const char *what = "its memory";
  if ((r->old->flags ^ r->new->flags) & KVM_MEM_READONLY)
    what = "the flag READONLY";
  else if (r->old->guest != NULL || r->new->guest != NULL)
    what = "a slot with guest_memfd";
  else if (r->old->memory == r->new->memory && r->old->offset == r->new->offset)
    return false;
  snprintf(r->why, r->n,
           "slot %" PRIu32 " exists, and %s cannot change: "
           "vm:unmap(0x%" PRIx64 ") first",
           r->new->slot, what, r->old->gpa);
  return true;
}

/* The upper 16 bits of a slot's number are an address space. */
static bool outside(struct refusal *r) {
  uint32_t space = r->new->slot >> 16;
  int n = kl_extension(r->L, &r->vm->handle, KVM_CAP_MULTI_ADDRESS_SPACE);
  if (space < (uint32_t)(n > 0 ? n : 1)) return false;
  snprintf(r->why, r->n,
           "slot 0x%" PRIx32 " is slot %" PRIu32 " of address space %" PRIu32
           ", which this machine does not have",
           r->new->slot, r->new->slot & 0xffff, space);
  return true;
}

static bool beyond(struct refusal *r) {
  int max = kl_extension(r->L, &r->vm->handle, KVM_CAP_NR_MEMSLOTS);
  if (max <= 0 || (r->new->slot & 0xffff) < (uint32_t)max) return false;
  snprintf(r->why, r->n,
           "slot %" PRIu32 " is beyond the %d that this host "
           "has",
           r->new->slot, max);
  return true;
}

static bool overlaps(struct refusal *r) {
  const struct kl_slot *s =
      kl_overlap(r->vm->handle.machine, r->new->slot >> 16, r->new->gpa,
                 r->new->size, r->new->slot);
  if (s == NULL) return false;
  snprintf(r->why, r->n,
           "slot %" PRIu32 " [0x%" PRIx64 ",0x%" PRIx64 ") "
           "overlaps slot %" PRIu32 " [0x%" PRIx64 ",0x%" PRIx64 ")",
           r->new->slot, r->new->gpa, r->new->gpa + r->new->size, s->slot,
           s->gpa, s->gpa + s->size);
  return true;
}

/* ---- all of them --------------------------------------------------------- */

void kl_explainslot(lua_State *L, struct kl_vm *vm, const struct kl_region *g,
                    int err, char *why, size_t n) {
  struct refusal r = {.L = L,
                      .vm = vm,
                      .new = &g->slot,
                      .region = g,
                      .page = (uint64_t)vm->handle.context->page_size,
                      .why = why,
                      .n = n};
  r.old = kl_findslot(vm->handle.machine, g->slot.slot);
  if (err == EEXIST && overlaps(&r)) return;
  if (err == EINVAL && (anyunaligned(&r) || outside(&r) || missing(&r) ||
                        wraps(&r) || resized(&r) || changed(&r) || beyond(&r)))
    return;
  snprintf(why, n,
           "slot %" PRIu32 " [0x%" PRIx64 ",0x%" PRIx64 ") with flags "
           "0x%" PRIx32 ": %s%s",
           g->slot.slot, g->slot.gpa, g->slot.gpa + g->slot.size, g->slot.flags,
           strerror(err),
           err == EFAULT ? " (beyond the guest's physical address size?)" : "");
}
