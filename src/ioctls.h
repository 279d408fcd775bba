/* SPDX-License-Identifier: MIT */
/* One row of data per ioctl, and the functions of the rows that no kind
 * describes. */
#ifndef KL_IOCTLS_H
#define KL_IOCTLS_H

#include "internal.h"

enum kl_ioctl_kind {
  KL_NONE,    /* no argument */
  KL_VALUE,   /* an integer by value, 0 when not given */
  KL_GET,     /* out: a struct (or u64) */
  KL_SET,     /* in: a table (or u64), patched over what getter reads */
  KL_INOUT,   /* in and out: a table gives a table */
  KL_GETLIST, /* out: header and entries; grows as the kernel asks (E2BIG) */
  KL_SETLIST, /* in: header and entries */
  KL_CUSTOM,  /* a function of its own */
};

enum kl_ioctl_result {
  KL_NOTHING, /* 0 */
  KL_INTEGER, /* the ioctl's own result */
};

/* A struct that ends in an array: where its count is, what an entry is. */
struct kl_flex {
  uint32_t header;       /* bytes before the first entry */
  uint32_t count_offset; /* of the count, in the header */
  uint32_t count_size;
  uint32_t entry_size;
  const struct kl_layout *entry; /* NULL: unsigned integers */
  uint32_t guess;                /* entries to offer first */
  uint32_t max;                  /* entries the kernel can take or give */
};

struct kl_ioctl {
  const char *name; /* "KVM_GET_REGS"; the method is get_regs */
  unsigned long request;
  unsigned scopes; /* KL_SYSTEM | ... */
  enum kl_ioctl_kind kind;
  enum kl_ioctl_result result;
  const struct kl_layout *layout; /* NULL with KL_GET/SET/INOUT: a u64 */
  const struct kl_flex *flex;
  unsigned long getter;   /* KL_SET: what reads the struct; 0: zeros */
  const char *capability; /* "SET_GUEST_DEBUG"; NULL: basic */
  lua_CFunction call;     /* KL_CUSTOM */
  bool pointer;           /* the struct holds a pointer: no raw ioctl() */
};

extern const struct kl_ioctl kl_ioctls[]; /* both end with a NULL name */

/* Adds the methods of a scope's rows to the table at the top. [-0, +0] */
void kl_addioctls(lua_State *L, unsigned scope);

/* The row of a request in a scope, or NULL. */
const struct kl_ioctl *kl_findioctl(unsigned long request, unsigned scope);

/* obj:ioctl(request, bytes | integer), in each class. */
int kl_rawioctl(lua_State *L);

/* Pushes the reference of all ioctls: name -> {request, kind, ...}. */
void kl_pushioctls(lua_State *L);

/* The first four members of a row; the rest follows by name. */
#define KL_ROW(ioctl, where, how) \
  .name = "KVM_" #ioctl, .request = KVM_##ioctl, .scopes = where, .kind = how

/* ---- methods: the object is argument 1 ----------------------------------- */

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
