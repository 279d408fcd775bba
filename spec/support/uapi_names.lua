-- SPDX-License-Identifier: MIT
-- How names of the core are spelled in C.

local M = {}

--- Unions: their views are fields of the struct itself in Lua. A view that the
--- older headers have not stands for the one it overlays.
M.paths = {
  kvm_irqchip = { pic = "chip.pic", ioapic = "chip.ioapic" },
  kvm_irq_routing_entry = {
    irqchip = "u.irqchip", msi = "u.msi", adapter = "u.adapter",
    hv_sint = "u.hv_sint", xen_evtchn = "u.xen_evtchn",
  },
  kvm_nested_state = { vmx = "hdr.vmx", svm = "hdr.svm" },
  kvm_xen_hvm_attr = {
    long_mode = "u.long_mode", vector = "u.vector", evtchn = "u.evtchn",
    runstate_update_flag = "u.long_mode", xen_version = "u.xen_version",
    gfn = "u.shared_info.gfn", hva = "u.shared_info.gfn",
  },
  ["kvm_xen_hvm_attr.u.evtchn"] = {
    port = "deliver.port", eventfd = "deliver.eventfd",
  },
  kvm_xen_vcpu_attr = {
    gpa = "u.gpa", hva = "u.gpa", runstate = "u.runstate",
    vcpu_id = "u.vcpu_id", timer = "u.timer", vector = "u.vector",
  },
}

--- The expressions for a layout "struct" or "struct.member": its size, and for
--- a field the offset, size and sign.
function M.expressions(layout)
  local tag, member = layout:match("^([%w_]+)%.(.+)$")
  tag = tag or layout
  local prefix = member and member .. "." or ""
  local paths = M.paths[layout] or {}
  local e = {
    size = member and ("SIZE(%s, %s)"):format(tag, member)
      or ("sizeof(struct %s)"):format(tag),
  }
  function e.offset(field)
    local path = prefix .. (paths[field] or field)
    local offset = ("offsetof(struct %s, %s)"):format(tag, path)
    if not member then return offset end
    return ("%s - offsetof(struct %s, %s)"):format(offset, tag, member)
  end
  function e.field_size(field)
    return ("SIZE(%s, %s)"):format(tag, prefix .. (paths[field] or field))
  end
  function e.is_signed(field, is_array)
    return ("IS_SIGNED(%s, %s%s)"):format(tag,
      prefix .. (paths[field] or field), is_array and "[0]" or "")
  end
  return e
end

local function under(...) return { prefixes = { ... } } end

--- The groups of constants: what stands before (and behind) the names in C. Of
--- several prefixes the first that makes a macro counts.
M.groups = {
  ARM_DEVICE = under "KVM_ARM_DEVICE_",
  ARM_SEA = under "KVM_EXIT_ARM_SEA_FLAG_",
  BUS_LOCK = under "KVM_BUS_LOCK_DETECTION_",
  CAP = under "KVM_CAP_",
  CLOCK = under "KVM_CLOCK_",
  CPUID_FLAG = under "KVM_CPUID_FLAG_",
  CREATE_DEVICE = under "KVM_CREATE_DEVICE_",
  DEVICE = under "KVM_DEV_TYPE_",
  DEVICE_ATTR = under("KVM_DEV_VFIO_", "KVM_VCPU_", "KVM_X86_", "KVM_VGIC_",
    "KVM_DEV_ARM_", "KVM_ARM_VCPU_", "KVM_ARM_VM_"),
  DEVICE_GROUP = under("KVM_DEV_VFIO_", "KVM_VCPU_", "KVM_X86_",
    "KVM_DEV_ARM_VGIC_GRP_", "KVM_ARM_VCPU_", "KVM_ARM_VM_"),
  DEVICE_IRQ = under "KVM_ARM_DEV_",
  DIRTY_GFN = under "KVM_DIRTY_GFN_F_",
  DIRTY_LOG = under "KVM_DIRTY_LOG_",
  DISABLE_EXITS = under "KVM_X86_DISABLE_EXITS_",
  EMULATION = under "KVM_INTERNAL_ERROR_EMULATION_FLAG_",
  EXIT = under "KVM_EXIT_",
  FAIL_ENTRY = under "KVM_EXIT_FAIL_ENTRY_",
  FW_BIT = under "KVM_REG_ARM_",
  GUESTDBG = under "KVM_GUESTDBG_",
  GUEST_MEMFD = under "GUEST_MEMFD_FLAG_",
  HC = under "KVM_HC_",
  HYPERCALL = under("KVM_EXIT_HYPERCALL_", "KVM_HYPERCALL_EXIT_"),
  HYPERV = under "KVM_EXIT_HYPERV_",
  HYPERV_EVENTFD = under "KVM_HYPERV_EVENTFD_",
  INTERNAL_ERROR = under "KVM_INTERNAL_ERROR_",
  IO = under "KVM_EXIT_IO_",
  IOEVENTFD = under "KVM_IOEVENTFD_FLAG_",
  IRQ = under "KVM_ARM_IRQ_",
  IRQCHIP = under "KVM_IRQCHIP_",
  IRQFD = under "KVM_IRQFD_FLAG_",
  IRQ_ROUTING = under "KVM_IRQ_ROUTING_",
  IRQ_TYPE = under "KVM_ARM_IRQ_TYPE_",
  MAP_GPA_RANGE = under "KVM_MAP_GPA_RANGE_",
  MEM = under "KVM_MEM_",
  MEMORY_FAULT = under "KVM_MEMORY_EXIT_FLAG_",
  MEM_ATTR = under "KVM_MEMORY_ATTRIBUTE_",
  MP_STATE = under "KVM_MP_STATE_",
  MSI = under "KVM_MSI_",
  MSR_EXIT = under "KVM_MSR_EXIT_REASON_",
  MSR_FILTER = under "KVM_MSR_FILTER_",
  MSR_FILTER_DEFAULT = under "KVM_MSR_FILTER_DEFAULT_",
  MTE_TAGS = under "KVM_ARM_TAGS_",
  NESTED = under "KVM_STATE_NESTED_",
  NESTED_FORMAT = under "KVM_STATE_NESTED_FORMAT_",
  NESTED_SMM = under "KVM_STATE_NESTED_SMM_",
  NESTED_VMX = under "KVM_STATE_VMX_",
  NOTIFY = under "KVM_NOTIFY_",
  NOTIFY_VMEXIT = under "KVM_X86_NOTIFY_VMEXIT_",
  PIT = under "KVM_PIT_",
  PIT_FLAGS = under "KVM_PIT_FLAGS_",
  PMU_CAP = under "KVM_PMU_CAP_",
  PMU_EVENT = under "KVM_PMU_EVENT_",
  PMU_EVENT_FLAG = under "KVM_PMU_EVENT_FLAG_",
  PSCI = under("PSCI_0_2_FN_", "PSCI_1_0_FN_", "PSCI_1_1_FN_",
    "PSCI_1_3_FN_"),
  PSCI64 = under("PSCI_0_2_FN64_", "PSCI_1_0_FN64_", "PSCI_1_1_FN64_",
    "PSCI_1_3_FN64_"),
  PSCI_AFFINITY = under "PSCI_0_2_AFFINITY_LEVEL_",
  PSCI_RET = under "PSCI_RET_",
  PV_FEATURE = under "KVM_FEATURE_",
  PV_MSR = under "MSR_KVM_",
  QUIRKS = under "KVM_X86_QUIRK_",
  REG = under("KVM_REG_", "KVM_"),
  RUN = under "KVM_RUN_X86_",
  SEV = under "KVM_SEV_",
  SHADOW = under "KVM_X86_SHADOW_INT_",
  SMCCC_FILTER = under "KVM_SMCCC_FILTER_",
  SNP_PAGE_TYPE = under "KVM_SEV_SNP_PAGE_TYPE_",
  SREGS2 = under "KVM_SREGS2_FLAGS_",
  STATS_BASE = under "KVM_STATS_BASE_",
  STATS_TYPE = under "KVM_STATS_TYPE_",
  STATS_UNIT = under "KVM_STATS_UNIT_",
  SYNC = under "KVM_SYNC_X86_",
  SYSTEM_EVENT = under "KVM_SYSTEM_EVENT_",
  SYSTEM_EVENT_FLAG = under "KVM_SYSTEM_EVENT_",
  TARGET = under "KVM_ARM_TARGET_",
  TDX = under "KVM_TDX_",
  TDX_MEM_REGION = under "KVM_TDX_",
  VCPUEVENT = under "KVM_VCPUEVENT_VALID_",
  VCPU_INIT = under "KVM_ARM_VCPU_",
  VECTOR = { prefixes = { "" }, suffix = "_VECTOR" },
  VGIC = under("KVM_DEV_ARM_VGIC_", "VGIC_"),
  VM_TYPE = {
    x86_64 = { prefixes = { "KVM_X86_" }, suffix = "_VM" },
    arm64 = under "KVM_VM_TYPE_ARM_",
  },
  WORKAROUND_1 = under "KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1_",
  WORKAROUND_2 = under "KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_",
  WORKAROUND_3 = under "KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3_",
  X2APIC = under "KVM_X2APIC_",
  XEN = under "KVM_EXIT_XEN_",
  XEN_ATTR = under "KVM_XEN_ATTR_TYPE_",
  XEN_EVTCHN = under "KVM_XEN_EVTCHN_",
  XEN_HVM_CONFIG = under "KVM_XEN_HVM_CONFIG_",
  XEN_VCPU_ATTR = under "KVM_XEN_VCPU_ATTR_TYPE_",
}

return M
