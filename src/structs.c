/* SPDX-License-Identifier: MIT */
/* Layouts of the structs that every machine has. A count that is the length of
 * a list is padding here: the list says it. */
#include "structs.h"

#include <string.h>

#include "arch.h"

/* clang-format off */

/* ---- memory -------------------------------------------------------------- */

#define USERSPACE_MEMORY_REGION(F, T, s)                                   \
  F(U, s, slot) F(G("MEM"), s, flags) F(U, s, guest_phys_addr)             \
  F(U, s, memory_size) F(U, s, userspace_addr)
KL_LAYOUT(kvm_userspace_memory_region, USERSPACE_MEMORY_REGION);

#define USERSPACE_MEMORY_REGION2(F, T, s)                                  \
  USERSPACE_MEMORY_REGION(F, T, s) F(U, s, guest_memfd_offset)             \
  F(U, s, guest_memfd) F(P, s, pad1) F(P, s, pad2)
KL_LAYOUT(kvm_userspace_memory_region2, USERSPACE_MEMORY_REGION2);

#define CREATE_GUEST_MEMFD(F, T, s) \
  F(U, s, size) F(G("GUEST_MEMFD"), s, flags) F(P, s, reserved)
KL_LAYOUT(kvm_create_guest_memfd, CREATE_GUEST_MEMFD);

#define MEMORY_ATTRIBUTES(F, T, s)                                         \
  F(U, s, address) F(U, s, size) F(G("MEM_ATTR"), s, attributes)           \
  F(U, s, flags)
KL_LAYOUT(kvm_memory_attributes, MEMORY_ATTRIBUTES);

#define PRE_FAULT_MEMORY(F, T, s) \
  F(U, s, gpa) F(U, s, size) F(U, s, flags) F(P, s, padding)
KL_LAYOUT(kvm_pre_fault_memory, PRE_FAULT_MEMORY);

#define DIRTY_LOG(F, T, s) \
  F(U, s, slot) F(P, s, padding1) F(U, s, dirty_bitmap)
KL_LAYOUT(kvm_dirty_log, DIRTY_LOG);

#define CLEAR_DIRTY_LOG(F, T, s)                                           \
  F(U, s, slot) F(U, s, num_pages) F(U, s, first_page)                     \
  F(U, s, dirty_bitmap)
KL_LAYOUT(kvm_clear_dirty_log, CLEAR_DIRTY_LOG);

#define DIRTY_GFN(F, T, s) \
  F(G("DIRTY_GFN"), s, flags) F(U, s, slot) F(U, s, offset)
KL_LAYOUT(kvm_dirty_gfn, DIRTY_GFN);

#define COALESCED_MMIO_ZONE(F, T, s) \
  F(U, s, addr) F(U, s, size) F(U, s, pio)
KL_LAYOUT(kvm_coalesced_mmio_zone, COALESCED_MMIO_ZONE);

#define COALESCED_MMIO(F, T, s) \
  F(U, s, phys_addr) F(U, s, len) F(U, s, pio) F(B, s, data)
KL_LAYOUT(kvm_coalesced_mmio, COALESCED_MMIO);

/* ---- interrupts and events ----------------------------------------------- */

/* status is what KVM_IRQ_LINE_STATUS leaves where irq was. */
#define IRQ_LEVEL(F, T, s) F(U, s, irq) F(S, s, status) F(U, s, level)
KL_LAYOUT_PARTIAL(kvm_irq_level, IRQ_LEVEL);

#define INTERRUPT(F, T, s) F(U, s, irq)
KL_LAYOUT(kvm_interrupt, INTERRUPT);

#define IRQFD(F, T, s)                                                     \
  F(U, s, fd) F(U, s, gsi) F(G("IRQFD"), s, flags) F(U, s, resamplefd)     \
  F(P, s, pad)
KL_LAYOUT(kvm_irqfd, IRQFD);

#define IOEVENTFD(F, T, s)                                                 \
  F(U, s, datamatch) F(U, s, addr) F(U, s, len) F(S, s, fd)                \
  F(G("IOEVENTFD"), s, flags) F(P, s, pad)
KL_LAYOUT(kvm_ioeventfd, IOEVENTFD);

#define MSI(F, T, s)                                                       \
  F(U, s, address_lo) F(U, s, address_hi) F(U, s, data)                    \
  F(G("MSI"), s, flags) F(U, s, devid) F(P, s, pad)
KL_LAYOUT(kvm_msi, MSI);

#define ROUTING_IRQCHIP(F, T, s) F(G("IRQCHIP"), s, irqchip) F(U, s, pin)
KL_LAYOUT(kvm_irq_routing_irqchip, ROUTING_IRQCHIP);

#define ROUTING_MSI(F, T, s) \
  F(U, s, address_lo) F(U, s, address_hi) F(U, s, data) F(U, s, devid)
KL_LAYOUT(kvm_irq_routing_msi, ROUTING_MSI);

#define ROUTING_ADAPTER(F, T, s)                                           \
  F(U, s, ind_addr) F(U, s, summary_addr) F(U, s, ind_offset)              \
  F(U, s, summary_offset) F(U, s, adapter_id)
KL_LAYOUT(kvm_irq_routing_s390_adapter, ROUTING_ADAPTER);

#define ROUTING_HV_SINT(F, T, s) F(U, s, vcpu) F(U, s, sint)
KL_LAYOUT(kvm_irq_routing_hv_sint, ROUTING_HV_SINT);

#define ROUTING_XEN_EVTCHN(F, T, s) \
  F(U, s, port) F(U, s, vcpu) F(U, s, priority)
KL_LAYOUT(kvm_irq_routing_xen_evtchn, ROUTING_XEN_EVTCHN);

enum { ROUTING_TYPE = 1 }; /* the row */

#define ROUTING_VIEW(s, view, layout, type) \
  KL_VIEW_T(ONE, s, u, view, layout, ROUTING_TYPE, KL_WHEN(type))
#define IRQ_ROUTING_ENTRY(F, T, s)                                         \
  F(U, s, gsi) F(G("IRQ_ROUTING"), s, type) F(G("MSI"), s, flags)          \
  F(P, s, pad)                                                             \
  ROUTING_VIEW(s, irqchip, kvm_irq_routing_irqchip,                        \
               KVM_IRQ_ROUTING_IRQCHIP)                                    \
  ROUTING_VIEW(s, msi, kvm_irq_routing_msi, KVM_IRQ_ROUTING_MSI)           \
  ROUTING_VIEW(s, adapter, kvm_irq_routing_s390_adapter,                   \
               KVM_IRQ_ROUTING_S390_ADAPTER)                               \
  ROUTING_VIEW(s, hv_sint, kvm_irq_routing_hv_sint,                        \
               KVM_IRQ_ROUTING_HV_SINT)                                    \
  ROUTING_VIEW(s, xen_evtchn, kvm_irq_routing_xen_evtchn,                  \
               KVM_IRQ_ROUTING_XEN_EVTCHN)
KL_LAYOUT_PARTIAL(kvm_irq_routing_entry, IRQ_ROUTING_ENTRY);

#define IRQ_ROUTING(F, T, s) F(P, s, nr) F(U, s, flags)
KL_LAYOUT(kvm_irq_routing, IRQ_ROUTING);

/* ---- capabilities and devices -------------------------------------------- */

#define ENABLE_CAP(F, T, s) \
  F(G("CAP"), s, cap) F(U, s, flags) F(UA, s, args) F(P, s, pad)
KL_LAYOUT(kvm_enable_cap, ENABLE_CAP);

#define CREATE_DEVICE(F, T, s) \
  F(G("DEVICE"), s, type) F(U, s, fd) F(G("CREATE_DEVICE"), s, flags)
KL_LAYOUT(kvm_create_device, CREATE_DEVICE);

#define DEVICE_ATTR(F, T, s) \
  F(U, s, flags) F(U, s, group) F(U, s, attr) F(U, s, addr)
KL_LAYOUT(kvm_device_attr, DEVICE_ATTR);

/* ---- vCPUs --------------------------------------------------------------- */

#define MP_STATE(F, T, s) F(G("MP_STATE"), s, mp_state)
KL_LAYOUT(kvm_mp_state, MP_STATE);

#define GUEST_DEBUG(F, T, s)                                               \
  F(G("GUESTDBG"), s, control) F(P, s, pad)                                \
  T(ONE, s, arch, kvm_guest_debug_arch)
KL_LAYOUT(kvm_guest_debug, GUEST_DEBUG);

#define ONE_REG(F, T, s) F(U, s, id) F(U, s, addr)
KL_LAYOUT(kvm_one_reg, ONE_REG);

#define REG_LIST(F, T, s) F(P, s, n)
KL_LAYOUT(kvm_reg_list, REG_LIST);

#define SIGNAL_MASK(F, T, s) F(U, s, len)
KL_LAYOUT(kvm_signal_mask, SIGNAL_MASK);

/* ---- statistics ---------------------------------------------------------- */

#define STATS_HEADER(F, T, s)                                              \
  F(U, s, flags) F(U, s, name_size) F(U, s, num_desc) F(U, s, id_offset)   \
  F(U, s, desc_offset) F(U, s, data_offset)
KL_LAYOUT(kvm_stats_header, STATS_HEADER);

#define STATS_DESC(F, T, s)                                                \
  F(U, s, flags) F(S, s, exponent) F(U, s, size) F(U, s, offset)           \
  F(U, s, bucket_size)
KL_LAYOUT(kvm_stats_desc, STATS_DESC);

/* clang-format on */

/* ---- by name ------------------------------------------------------------- */

const struct kl_layout *const kl_layouts[] = {
    KL_COMMON_LAYOUTS(KL_LAYOUT_ADDRESS) NULL};

const struct kl_layout *kl_findlayout(const char *name) {
  const struct kl_layout *const *tables[] = {kl_layouts, kl_arch_layouts};
  for (size_t i = 0; i < KL_COUNT(tables); i++)
    for (const struct kl_layout *const *l = tables[i]; *l != NULL; l++)
      if (strcmp((*l)->name, name) == 0) return *l;
  return NULL;
}
