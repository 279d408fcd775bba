/* SPDX-License-Identifier: MIT */
/* The layouts of the kernel's structs. A struct of two machines stands here,
 * one of a single machine in <arch>/arch_structs.h. All are named kl_<tag>. */
#ifndef KL_STRUCTS_H
#define KL_STRUCTS_H

#include "fields.h"
#include "uapi.h"

#define KL_COMMON_LAYOUTS(X)      \
  X(kvm_clear_dirty_log)          \
  X(kvm_coalesced_mmio)           \
  X(kvm_coalesced_mmio_zone)      \
  X(kvm_create_device)            \
  X(kvm_create_guest_memfd)       \
  X(kvm_device_attr)              \
  X(kvm_dirty_gfn)                \
  X(kvm_dirty_log)                \
  X(kvm_enable_cap)               \
  X(kvm_guest_debug)              \
  X(kvm_interrupt)                \
  X(kvm_ioeventfd)                \
  X(kvm_irq_level)                \
  X(kvm_irq_routing)              \
  X(kvm_irq_routing_entry)        \
  X(kvm_irq_routing_hv_sint)      \
  X(kvm_irq_routing_irqchip)      \
  X(kvm_irq_routing_msi)          \
  X(kvm_irq_routing_s390_adapter) \
  X(kvm_irq_routing_xen_evtchn)   \
  X(kvm_irqfd)                    \
  X(kvm_memory_attributes)        \
  X(kvm_mp_state)                 \
  X(kvm_msi)                      \
  X(kvm_one_reg)                  \
  X(kvm_pre_fault_memory)         \
  X(kvm_reg_list)                 \
  X(kvm_signal_mask)              \
  X(kvm_stats_desc)               \
  X(kvm_stats_header)             \
  X(kvm_userspace_memory_region)  \
  X(kvm_userspace_memory_region2)

#define KL_EXTERN_LAYOUT(s) extern const struct kl_layout kl_##s;
#define KL_LAYOUT_ADDRESS(s) &kl_##s,

KL_COMMON_LAYOUTS(KL_EXTERN_LAYOUT)

extern const struct kl_layout *const kl_layouts[]; /* ends with NULL */

/* The layout of a struct's tag on this architecture, or NULL. */
const struct kl_layout *kl_findlayout(const char *name);

/* ---- rows for the list macros of fields.h -------------------------------- */

/* A view f of the union u: a field of the struct itself in Lua, as if the union
 * had no name. It counts when row number tag holds one of the values of w. */
#define KL_WHEN(value) (1u << (value))
#define KL_VIEW_F(k, s, u, f, t, w) \
  {.name = #f, KL_AT(s, u.f), KL_F_##k(s, u.f), .tag = t, .when = w},
#define KL_VIEW_T(k, s, u, f, l, t, w) \
  {.name = #f, KL_AT(s, u.f), KL_T_##k(s, u.f, l), .tag = t, .when = w},

/* The layout l of the member m of struct s, a struct without a tag. Its list
 * macro has rows F(kind, s, m, field). */
#define KL_INNER_ROW(k, s, m, f)                              \
  {.name = #f,                                                \
   .offset = offsetof(struct s, m.f) - offsetof(struct s, m), \
   KL_F_##k(s, m.f)},
#define KL_INNER_SUM(k, s, m, f) +KL_SIZEOF(s, m.f)

/* clang-format off */
#define KL_INNER_PARTIAL(l, s, m, LIST)                                \
  static const struct kl_field kl_##l##_fields[] = {                   \
      LIST(KL_INNER_ROW, s, m)};                                       \
  const struct kl_layout kl_##l = {                                    \
      #s "." #m, KL_SIZEOF(s, m), kl_##l##_fields,                     \
      sizeof kl_##l##_fields / sizeof kl_##l##_fields[0]}
/* clang-format on */

#define KL_INNER(l, s, m, LIST)                                    \
  _Static_assert((0 LIST(KL_INNER_SUM, s, m)) == KL_SIZEOF(s, m),  \
                 #s "." #m ": fields and padding do not fill it"); \
  KL_INNER_PARTIAL(l, s, m, LIST)

#endif
