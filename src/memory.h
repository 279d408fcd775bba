/* SPDX-License-Identifier: MIT */
/* kvm.memory, for its own files and for slots. */
#ifndef KL_MEMORY_H
#define KL_MEMORY_H

#include "internal.h"

struct kl_memory {
  struct kl_object object;
  struct kl_mapping *mapping; /* NULL: closed */
  uint64_t offset, size;      /* a view's part of the mapping */
  bool is_view;
};

struct kl_memory *kl_checkmemory(lua_State *L, int idx);
int kl_core_memory(lua_State *L);
/* Keeps Lua's own string.pack and string.unpack for memory objects, whatever
 * a script does to the string table later. [-0, +0] */
void kl_openmemory(lua_State *L);

/* Whether n bytes at offset lie in size bytes. Nothing overflows. */
static inline bool kl_inside(uint64_t offset, uint64_t n, uint64_t size) {
  return n <= size && offset <= size - n;
}

/* Pushes a closed kvm.memory, to be filled by one of the next two. Made before
 * anything is acquired, so that no error can jump over what is. [-0, +1] */
struct kl_memory *kl_newmemory(lua_State *L);

/* Gives a closed object a mapping of its own and takes over addr and fd; when
 * there is no memory for it, both are closed and it raises. */
void kl_ownmapping(lua_State *L, struct kl_memory *m, void *addr, uint64_t size,
                   int fd, const char *backing);

/* Makes a closed object share n bytes at offset of a mapping. */
void kl_sharemapping(struct kl_memory *m, struct kl_mapping *mapping,
                     uint64_t offset, uint64_t n);

/* Raises, for argument arg, unless n bytes at offset lie in the memory. */
void kl_checkbounds(lua_State *L, int arg, const struct kl_memory *m,
                    uint64_t offset, uint64_t n);

/* Those bytes. Raises too when the host cannot see them. The guest may write
 * them at any time: read nothing twice. */
unsigned char *kl_memorybytes(lua_State *L, int arg, const struct kl_memory *m,
                              uint64_t offset, uint64_t n);

/* Those bytes for writing. */
unsigned char *kl_writablebytes(lua_State *L, int arg,
                                const struct kl_memory *m, uint64_t offset,
                                uint64_t n);

/* Pushes n bytes as a string: one copy, whatever the guest does meanwhile.
 * [-0, +1] */
void kl_pushbytes(lua_State *L, const unsigned char *bytes, size_t n);

/* The byte string at argument 3, the last one. A table may follow it: the
 * symbols that an assembler returns behind the code. */
const char *kl_checkcode(lua_State *L, size_t *n);

/* Gives a closed object the guest_memfd that the VM makes (guest_memfd.c). */
void kl_openguestmemfd(lua_State *L, int vm, struct kl_memory *m, uint64_t size,
                       uint64_t flags);

/* Opens what the option table at opts asks for (backing.c). size 0: all of a
 * file. */
void kl_openbacking(lua_State *L, struct kl_memory *m, uint64_t size, int opts);

/* Raises for argument arg unless value is a multiple of the page size. */
void kl_checkpages(lua_State *L, int arg, const char *what, uint64_t value);

/* Methods of kvm.memory (memory_access.c). */
int kl_memory_read(lua_State *L);
int kl_memory_write(lua_State *L);
int kl_memory_fill(lua_State *L);
int kl_memory_find(lua_State *L);
int kl_memory_u8(lua_State *L);
int kl_memory_u16(lua_State *L);
int kl_memory_u32(lua_State *L);
int kl_memory_u64(lua_State *L);
int kl_memory_pack(lua_State *L);
int kl_memory_unpack(lua_State *L);

#endif
