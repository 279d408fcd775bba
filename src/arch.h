/* SPDX-License-Identifier: MIT */
/* What an architecture provides. Each src/<arch>/ defines all of this, mostly
 * as tables; CMake compiles one of them, and what is missing does not link:
 * what is hidden is looked for in this library only. */
#ifndef KL_ARCH_H
#define KL_ARCH_H

#include "exit_row.h"
#include "ioctls.h"

#pragma GCC visibility push(hidden)

/* The kernel's and our own name of it, as in kvm.arch. */
extern const char kl_arch_name[];

/* Whether run{interrupt_window = true} means something here. */
extern const bool kl_arch_interrupt_window;

/* Its ioctls, as kl_ioctls (ioctls.c). */
extern const struct kl_ioctl kl_arch_ioctls[];

/* Its struct layouts, by name (structs.c). Ends with NULL. */
extern const struct kl_layout *const kl_arch_layouts[];

/* Those of them that common structs and rows refer to. */
extern const struct kl_layout kl_kvm_guest_debug_arch;
#ifdef __KVM_HAVE_VCPU_EVENTS
extern const struct kl_layout kl_kvm_vcpu_events;
#endif

/* Its constants (consts.c): groups as kl_newconstants takes them. Ends with a
 * NULL name. A group that the common part has too is extended. */
struct kl_group {
  const char *name;
  const struct kl_constant *rows;
};
extern const struct kl_group kl_arch_groups[];

/* Capabilities of its own whose first argument is flags, and the constants that
 * name them. Ends with a NULL group. */
struct kl_cap_flags {
  uint32_t cap;
  const char *group;
};
extern const struct kl_cap_flags kl_arch_cap_flags[];

/* Exits that are its own or that carry more here: a row with the reason of a
 * common row replaces that one. Ends with a NULL name. */
extern const struct kl_exit_row kl_arch_exits[];

/* Bit mask (1 << KL_MMIO, ...) of the accesses that exist here. */
extern const unsigned kl_arch_buses;

/* Describes the exit of v->last_reason, when it is an access other than MMIO
 * and ports. */
bool kl_arch_access(struct kl_vcpu *v, struct kl_access *access);

/* What to do next when an ioctl fails here, of its own or a common one
 * (hints.c). These come before the common hints; ends with a NULL text. */
extern const struct kl_hint kl_arch_hints[];

/* ---- registers ----------------------------------------------------------- */

struct kl_reg;

/* The widest register and the largest struct of a group, in bytes; the most
 * groups. */
enum { KL_REG_MAX = 256, KL_REG_GROUP_MAX = 4096, KL_REG_GROUPS = 32 };

/* Registers that travel together in a struct, or (size 0) one at a time. A
 * struct is moved by its ioctls get and set; where one of them is 0, and for
 * single registers, by read and write, whose data is the struct (r is NULL) or
 * one register. They return -1 with errno set. The groups are in the order in
 * which they are written when many registers are set at once. One that lies in
 * the kvm_run page and is not written through has set: kl_flushregs. */
struct kl_reg_group {
  const char *name;
  uint32_t size; /* up to KL_REG_GROUP_MAX */
  unsigned long get, set;
  uint64_t sync;        /* bit in kvm_valid_regs; 0: none */
  uint32_t sync_offset; /* in kvm_run */
  int (*read)(lua_State *L, struct kl_vcpu *v, const struct kl_reg *r,
              void *data);
  int (*write)(lua_State *L, struct kl_vcpu *v, const struct kl_reg *r,
               const void *data);
  bool forgets_reads; /* setting it makes KVM lose the answer to a read of the
                       * guest's that it has not finished yet */
  bool write_through; /* the kernel may refuse values: tell it at once */
  /* Otherwise: does to the struct what the kernel will do to it. NULL: nothing
   */
  void (*settle)(void *data);
  const char *ioctls[2]; /* what reading and writing call, for errors */
};

struct kl_reg {
  const char *name;
  uint8_t group;   /* index in kl_arch_reg_groups */
  uint16_t size;   /* in bytes: up to 8 an integer, above a byte string */
  uint8_t bits;    /* of an integer that may be set; 0: all of size */
  uint32_t offset; /* in the group's struct */
  uint64_t id;     /* for groups without one: MSR index, one-reg id */
  bool quiet;      /* tostring() leaves it out */
};

/* read and write of groups whose ids are those of KVM_GET_ONE_REG. */
int kl_reg_read_onereg(lua_State *L, struct kl_vcpu *v, const struct kl_reg *r,
                       void *data);
int kl_reg_write_onereg(lua_State *L, struct kl_vcpu *v, const struct kl_reg *r,
                        const void *data);

/* The size in bytes of the register that a one-reg id encodes. */
size_t kl_reg_size(uint64_t id);

/* Pushes a list of the names that pushname gives to the ids of
 * KVM_GET_REG_LIST which have no row: what kl_arch_moreregs is where all
 * registers are of that kind. pushname: [-0, +1]. [-0, +1] */
void kl_reg_pushlist(lua_State *L, struct kl_vcpu *v,
                     void (*pushname)(lua_State *L, uint64_t id));

/* An id without a name is called by its number in hex: pushes that, and the id
 * of such a name that belongs to arch (a part of ids: KVM_REG_ARCH_MASK), 0
 * when it is none. [-0, +1], [-0, +0] */
void kl_reg_pushhex(lua_State *L, uint64_t id);
uint64_t kl_reg_fromhex(const char *name, uint64_t arch);

/* The number that follows prefix and ends the name; -1 when it is not there or
 * above max. One spelling: no sign, no leading zero. */
int kl_reg_number(const char *name, const char *prefix, int max);

extern const struct kl_reg_group kl_arch_reg_groups[];
extern const size_t kl_arch_nreg_groups;

/* Stands behind the table of groups. */
/* clang-format off */
#define KL_REG_GROUPS_END                                              \
  _Static_assert(KL_COUNT(kl_arch_reg_groups) <= KL_REG_GROUPS,        \
                 "more groups than a batch has bits");                 \
  const size_t kl_arch_nreg_groups = KL_COUNT(kl_arch_reg_groups)
/* clang-format on */

/* In the manual's order. Ends with a NULL name. */
extern const struct kl_reg kl_arch_regs[];

/* Finds a register that has no row (by an encoding, a number): fills r and
 * returns true. The name is what the user wrote; it outlives r. v is NULL where
 * no vCPU is meant. Raises nothing and leaves the stack as it is. */
bool kl_arch_findreg(lua_State *L, struct kl_vcpu *v, const char *name,
                     struct kl_reg *r);

/* Pushes a list of names of the registers of this vCPU that have no row, for
 * pairs(), each of which kl_arch_findreg finds; an empty one when there are
 * none. [-0, +1] */
void kl_arch_moreregs(lua_State *L, struct kl_vcpu *v);

#pragma GCC visibility pop

#endif
