/* SPDX-License-Identifier: MIT */
/* Ownership. Lua runs finalizers in an order that ignores references, so what
 * the kernel can still reach is owned by counts, not by user values: a mapping
 * is unmapped when the last slot, view and memory object let go of it, and
 * the slots of a VM let go when its last descriptor is closed. */
#ifndef KL_REFS_H
#define KL_REFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A range of this process's memory. */
struct kl_mapping {
  int refs;
  int pins;   /* slots that a VM has in it: close() is refused while any */
  void *addr; /* NULL: guest_memfd without a mapping */
  size_t size;
  int fd;                    /* the file behind it, owned; -1: none */
  off_t file_offset;         /* of addr in that file */
  const char *backing;       /* a literal, for people: "memfd" */
  bool read_only;            /* the host may not write */
  struct kl_machine *pinner; /* one that pins it; NULL: none is known */
};

/* Takes over addr and fd. NULL when out of memory (nothing is taken then). */
struct kl_mapping *kl_newmapping(void *addr, size_t size, int fd);
void kl_refmapping(struct kl_mapping *m);
void kl_unrefmapping(struct kl_mapping *m); /* NULL is allowed */

/* One memory slot as the kernel was told. */
struct kl_slot {
  uint32_t slot; /* number, address space in the upper half */
  uint32_t flags;
  uint64_t gpa, size;
  uint64_t offset;           /* of gpa in the mapping */
  struct kl_mapping *memory; /* pinned */
  struct kl_mapping *guest;  /* guest_memfd, pinned; or NULL */
};

/* What the descriptors of one VM share: the kernel keeps a VM alive until its
 * vCPU and device descriptors are closed too. */
struct kl_machine {
  int refs;
  pid_t pid;    /* the process that made it: the only one that may use it */
  int run_size; /* of a vCPU's mapping */
  uint32_t next_vcpu;    /* above every id so far */
  struct kl_slot *slots; /* sorted by number */
  size_t nslots, room;
};

/* A slot that pins the mapping, or NULL: m->pins may count others. */
const struct kl_slot *kl_pinningslot(const struct kl_mapping *m);

struct kl_machine *kl_newmachine(int run_size); /* NULL: out of memory */
void kl_refmachine(struct kl_machine *m);
void kl_unrefmachine(struct kl_machine *m); /* NULL is allowed */

/* The slot of a number, or NULL. */
struct kl_slot *kl_findslot(struct kl_machine *m, uint32_t slot);
/* The slot whose range overlaps [gpa, gpa + size) in an address space, other
 * than the one numbered except, or NULL. */
struct kl_slot *kl_overlap(struct kl_machine *m, uint32_t space, uint64_t gpa,
                           uint64_t size, int64_t except);
/* Makes room for one more slot; false when out of memory. */
bool kl_reserveslot(struct kl_machine *m);
/* Records a slot the kernel has accepted (room must be reserved): replaces the
 * one of that number, and pins its mappings. */
void kl_putslot(struct kl_machine *m, const struct kl_slot *slot);
/* Forgets a deleted slot and unpins its mappings. */
void kl_dropslot(struct kl_machine *m, uint32_t slot);

#endif
