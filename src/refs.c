/* SPDX-License-Identifier: MIT */
#include "refs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct kl_mapping *kl_newmapping(void *addr, size_t size, int fd) {
  struct kl_mapping *m = calloc(1, sizeof *m);
  if (m == NULL) return NULL;
  m->refs = 1;
  m->addr = addr;
  m->size = size;
  m->fd = fd;
  return m;
}

void kl_refmapping(struct kl_mapping *m) {
  m->refs++;
}

void kl_unrefmapping(struct kl_mapping *m) {
  if (m == NULL || --m->refs > 0) return;
  if (m->addr != NULL) munmap(m->addr, m->size);
  if (m->fd >= 0) close(m->fd);
  free(m);
}

static const struct kl_slot *slotof(const struct kl_machine *machine,
                                    const struct kl_mapping *m) {
  for (size_t i = 0; i < machine->nslots; i++) {
    const struct kl_slot *s = &machine->slots[i];
    if (s->memory == m || s->guest == m) return s;
  }
  return NULL;
}

const struct kl_slot *kl_pinningslot(const struct kl_mapping *m) {
  return m->pinner != NULL ? slotof(m->pinner, m) : NULL;
}

static void pin(struct kl_machine *machine, struct kl_mapping *m) {
  if (m == NULL) return;
  kl_refmapping(m);
  m->pins++;
  m->pinner = machine;
}

/* The slot must be gone from the machine's already. */
static void unpin(struct kl_machine *machine, struct kl_mapping *m) {
  if (m == NULL) return;
  m->pins--;
  if (m->pinner == machine && slotof(machine, m) == NULL) m->pinner = NULL;
  kl_unrefmapping(m);
}

struct kl_machine *kl_newmachine(int run_size) {
  struct kl_machine *m = calloc(1, sizeof *m);
  if (m == NULL) return NULL;
  m->refs = 1;
  m->pid = getpid();
  m->run_size = run_size;
  return m;
}

void kl_refmachine(struct kl_machine *m) {
  m->refs++;
}

void kl_unrefmachine(struct kl_machine *m) {
  if (m == NULL || --m->refs > 0) return;
  size_t n = m->nslots;
  m->nslots = 0;
  for (size_t i = 0; i < n; i++) {
    unpin(m, m->slots[i].memory);
    unpin(m, m->slots[i].guest);
  }
  free(m->slots);
  free(m);
}

/* The index of the first slot whose number is not below slot. */
static size_t position(const struct kl_machine *m, uint32_t slot) {
  size_t lo = 0, hi = m->nslots;
  while (lo < hi) {
    size_t mid = (lo + hi) / 2;
    if (m->slots[mid].slot < slot)
      lo = mid + 1;
    else
      hi = mid;
  }
  return lo;
}

struct kl_slot *kl_findslot(struct kl_machine *m, uint32_t slot) {
  size_t i = position(m, slot);
  return i < m->nslots && m->slots[i].slot == slot ? &m->slots[i] : NULL;
}

struct kl_slot *kl_overlap(struct kl_machine *m, uint32_t space, uint64_t gpa,
                           uint64_t size, int64_t except) {
  for (size_t i = 0; i < m->nslots; i++) {
    struct kl_slot *s = &m->slots[i];
    if (s->slot >> 16 != space || s->slot == except) continue;
    if (gpa - s->gpa < s->size || s->gpa - gpa < size) return s;
  }
  return NULL;
}

bool kl_reserveslot(struct kl_machine *m) {
  if (m->nslots < m->room) return true;
  size_t room = m->room ? m->room * 2 : 4;
  struct kl_slot *slots = realloc(m->slots, room * sizeof *slots);
  if (slots == NULL) return false;
  m->slots = slots;
  m->room = room;
  return true;
}

void kl_putslot(struct kl_machine *m, const struct kl_slot *slot) {
  struct kl_slot new = *slot;
  pin(m, new.memory); /* before the old one lets go: it may be the same */
  pin(m, new.guest);
  struct kl_slot *old = kl_findslot(m, new.slot);
  if (old != NULL) {
    struct kl_slot gone = *old;
    *old = new;
    unpin(m, gone.memory);
    unpin(m, gone.guest);
    return;
  }
  size_t i = position(m, new.slot);
  memmove(&m->slots[i + 1], &m->slots[i], (m->nslots - i) * sizeof *m->slots);
  m->slots[i] = new;
  m->nslots++;
}

void kl_dropslot(struct kl_machine *m, uint32_t slot) {
  struct kl_slot *s = kl_findslot(m, slot);
  if (s == NULL) return;
  struct kl_slot gone = *s;
  size_t i = (size_t)(s - m->slots);
  memmove(s, s + 1, (m->nslots - i - 1) * sizeof *s);
  m->nslots--;
  unpin(m, gone.memory);
  unpin(m, gone.guest);
}
