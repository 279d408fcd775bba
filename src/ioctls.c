/* SPDX-License-Identifier: MIT */
/* One row per ioctl that the kernel's header has for every machine and that is
 * not one machine's own: where a machine does without, its kernel refuses the
 * call. Those of one machine stand in <arch>/ioctls.c. pointer marks a struct
 * that carries an address of this process: such a call has no raw form. */
#include "ioctls.h"

#include "arch.h"
#include "structs.h"

/* clang-format off */

#define SYSTEM KL_SYSTEM
#define VM KL_VM
#define VCPU KL_VCPU
#define ANY (KL_SYSTEM | KL_VM | KL_VCPU | KL_DEVICE)

/* KVM_MAX_IRQ_ROUTES of the kernel. */
static const struct kl_flex routes = {
  .header = sizeof(struct kvm_irq_routing),
  .count_offset = offsetof(struct kvm_irq_routing, nr),
  .count_size = sizeof(__u32),
  .entry_size = sizeof(struct kvm_irq_routing_entry),
  .entry = &kl_kvm_irq_routing_entry, .max = 4096,
};

/* No kernel says how many there can be; with the longest vectors it is some
 * hundreds. */
static const struct kl_flex reg_ids = {
  .header = sizeof(struct kvm_reg_list),
  .count_offset = offsetof(struct kvm_reg_list, n),
  .count_size = sizeof(__u64),
  .entry_size = sizeof(__u64), .guess = 512, .max = 65536,
};

const struct kl_ioctl kl_ioctls[] = {
  /* ---- /dev/kvm, and what several kinds of descriptor take -------------- */
  {KL_ROW(GET_API_VERSION, SYSTEM, KL_NONE), .result = KL_INTEGER},
  {KL_ROW(GET_VCPU_MMAP_SIZE, SYSTEM, KL_NONE), .result = KL_INTEGER},
  {KL_ROW(CREATE_VM, SYSTEM, KL_CUSTOM), .call = kl_system_create_vm},
  {KL_ROW(CHECK_EXTENSION, SYSTEM | VM, KL_CUSTOM),
   .call = kl_handle_check_extension},
  {KL_ROW(ENABLE_CAP, VM | VCPU, KL_CUSTOM), .layout = &kl_kvm_enable_cap,
   .capability = "ENABLE_CAP_VM", .call = kl_handle_enable_cap},
  {KL_ROW(GET_STATS_FD, VM | VCPU, KL_CUSTOM),
   .capability = "BINARY_STATS_FD", .call = kl_handle_get_stats_fd},
  {KL_ROW(SET_DEVICE_ATTR, ANY, KL_CUSTOM), .layout = &kl_kvm_device_attr,
   .capability = "DEVICE_CTRL", .call = kl_handle_set_device_attr,
   .pointer = true},
  {KL_ROW(GET_DEVICE_ATTR, ANY, KL_CUSTOM), .layout = &kl_kvm_device_attr,
   .capability = "DEVICE_CTRL", .call = kl_handle_get_device_attr,
   .pointer = true},
  {KL_ROW(HAS_DEVICE_ATTR, ANY, KL_CUSTOM), .layout = &kl_kvm_device_attr,
   .capability = "DEVICE_CTRL", .call = kl_handle_has_device_attr,
   .pointer = true},

  /* ---- memory ----------------------------------------------------------- */
  {KL_ROW(SET_USER_MEMORY_REGION, VM, KL_CUSTOM),
   .layout = &kl_kvm_userspace_memory_region, .capability = "USER_MEMORY",
   .call = kl_vm_set_user_memory_region, .pointer = true},
  {KL_ROW(SET_USER_MEMORY_REGION2, VM, KL_CUSTOM),
   .layout = &kl_kvm_userspace_memory_region2, .capability = "USER_MEMORY2",
   .call = kl_vm_set_user_memory_region2, .pointer = true},
  {KL_ROW(CREATE_GUEST_MEMFD, VM, KL_CUSTOM),
   .layout = &kl_kvm_create_guest_memfd, .capability = "GUEST_MEMFD",
   .call = kl_vm_create_guest_memfd},
  {KL_ROW(SET_MEMORY_ATTRIBUTES, VM, KL_SET),
   .layout = &kl_kvm_memory_attributes, .capability = "MEMORY_ATTRIBUTES"},
  {KL_ROW(PRE_FAULT_MEMORY, VCPU, KL_INOUT),
   .layout = &kl_kvm_pre_fault_memory, .capability = "PRE_FAULT_MEMORY"},
  {KL_ROW(GET_DIRTY_LOG, VM, KL_CUSTOM), .layout = &kl_kvm_dirty_log,
   .call = kl_vm_get_dirty_log, .pointer = true},
  {KL_ROW(CLEAR_DIRTY_LOG, VM, KL_CUSTOM),
   .layout = &kl_kvm_clear_dirty_log,
   .capability = "MANUAL_DIRTY_LOG_PROTECT2",
   .call = kl_vm_clear_dirty_log, .pointer = true},
  {KL_ROW(RESET_DIRTY_RINGS, VM, KL_NONE), .result = KL_INTEGER,
   .capability = "DIRTY_LOG_RING_ACQ_REL"},
  {KL_ROW(REGISTER_COALESCED_MMIO, VM, KL_SET),
   .layout = &kl_kvm_coalesced_mmio_zone, .capability = "COALESCED_MMIO"},
  {KL_ROW(UNREGISTER_COALESCED_MMIO, VM, KL_SET),
   .layout = &kl_kvm_coalesced_mmio_zone, .capability = "COALESCED_MMIO"},

  /* ---- interrupts and events -------------------------------------------- */
  {KL_ROW(CREATE_IRQCHIP, VM, KL_NONE), .capability = "IRQCHIP"},
  {KL_ROW(IRQ_LINE, VM, KL_SET), .layout = &kl_kvm_irq_level,
   .capability = "IRQCHIP"},
  {KL_ROW(INTERRUPT, VCPU, KL_SET), .layout = &kl_kvm_interrupt},
  {KL_ROW(SET_GSI_ROUTING, VM, KL_SETLIST), .layout = &kl_kvm_irq_routing,
   .flex = &routes, .capability = "IRQ_ROUTING"},
  {KL_ROW(SIGNAL_MSI, VM, KL_SET), .result = KL_INTEGER,
   .layout = &kl_kvm_msi, .capability = "SIGNAL_MSI"},
  {KL_ROW(IRQFD, VM, KL_CUSTOM), .layout = &kl_kvm_irqfd,
   .capability = "IRQFD", .call = kl_vm_irqfd},
  {KL_ROW(IOEVENTFD, VM, KL_CUSTOM), .layout = &kl_kvm_ioeventfd,
   .capability = "IOEVENTFD", .call = kl_vm_ioeventfd},
  {KL_ROW(CREATE_DEVICE, VM, KL_CUSTOM), .layout = &kl_kvm_create_device,
   .capability = "DEVICE_CTRL", .call = kl_vm_create_device},

  /* ---- vCPUs ------------------------------------------------------------ */
  {KL_ROW(CREATE_VCPU, VM, KL_CUSTOM), .call = kl_vm_create_vcpu},
  {KL_ROW(RUN, VCPU, KL_CUSTOM), .call = kl_vcpu_run},
  {KL_ROW(SET_SIGNAL_MASK, VCPU, KL_CUSTOM),
   .layout = &kl_kvm_signal_mask, .call = kl_vcpu_set_signal_mask},
  {KL_ROW(GET_MP_STATE, VCPU, KL_GET), .layout = &kl_kvm_mp_state,
   .capability = "MP_STATE"},
  {KL_ROW(SET_MP_STATE, VCPU, KL_SET), .layout = &kl_kvm_mp_state,
   .getter = KVM_GET_MP_STATE, .capability = "MP_STATE"},
#ifdef __KVM_HAVE_VCPU_EVENTS
  {KL_ROW(GET_VCPU_EVENTS, VCPU, KL_GET), .layout = &kl_kvm_vcpu_events,
   .capability = "VCPU_EVENTS"},
  {KL_ROW(SET_VCPU_EVENTS, VCPU, KL_SET), .layout = &kl_kvm_vcpu_events,
   .getter = KVM_GET_VCPU_EVENTS, .capability = "VCPU_EVENTS"},
#endif
  {KL_ROW(SET_GUEST_DEBUG, VCPU, KL_SET), .layout = &kl_kvm_guest_debug,
   .capability = "SET_GUEST_DEBUG"},
  {KL_ROW(GET_ONE_REG, VCPU, KL_CUSTOM), .layout = &kl_kvm_one_reg,
   .capability = "ONE_REG", .call = kl_vcpu_get_one_reg, .pointer = true},
  {KL_ROW(SET_ONE_REG, VCPU, KL_CUSTOM), .layout = &kl_kvm_one_reg,
   .capability = "ONE_REG", .call = kl_vcpu_set_one_reg, .pointer = true},
  {KL_ROW(GET_REG_LIST, VCPU, KL_GETLIST), .flex = &reg_ids,
   .capability = "ONE_REG"},
  {.name = NULL},
};
