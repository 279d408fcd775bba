-- SPDX-License-Identifier: MIT
-- What the kernel's header has and the core has no row for, each with the
-- reason. Raw ioctl() reaches them all the same.

local ioctls = {}

local function exempt(reason, names)
  for name in names:gmatch("%S+") do ioctls["KVM_" .. name] = reason end
end

exempt("of s390 only", [[
  S390_CLEAR_RESET S390_ENABLE_SIE S390_GET_CMMA_BITS S390_GET_IRQ_STATE
  S390_GET_SKEYS S390_INITIAL_RESET S390_INTERRUPT S390_IRQ S390_KEYOP
  S390_MEM_OP S390_NORMAL_RESET S390_PV_COMMAND S390_PV_CPU_COMMAND
  S390_SET_CMMA_BITS S390_SET_INITIAL_PSW S390_SET_IRQ_STATE S390_SET_SKEYS
  S390_STORE_STATUS S390_UCAS_MAP S390_UCAS_UNMAP S390_VCPU_FAULT
  S390_ZPCI_OP]])

exempt("of PowerPC only", [[
  ALLOCATE_RMA CREATE_SPAPR_TCE CREATE_SPAPR_TCE_64 DIRTY_TLB
  PPC_ALLOCATE_HTAB PPC_CONFIGURE_V3_MMU PPC_GET_CPU_CHAR PPC_GET_HTAB_FD
  PPC_GET_PVINFO PPC_GET_RMMU_INFO PPC_GET_SMMU_INFO PPC_RESIZE_HPT_COMMIT
  PPC_RESIZE_HPT_PREPARE PPC_RTAS_DEFINE_TOKEN PPC_SVM_OFF]])

exempt("taken out of the kernel, and of the headers since 6.2", [[
  ASSIGN_DEV_IRQ ASSIGN_IRQ ASSIGN_PCI_DEVICE ASSIGN_SET_INTX_MASK
  ASSIGN_SET_MSIX_ENTRY ASSIGN_SET_MSIX_NR DEASSIGN_DEV_IRQ
  DEASSIGN_PCI_DEVICE DEBUG_GUEST SET_MEMORY_ALIAS SET_MEMORY_REGION
  TRACE_DISABLE TRACE_ENABLE TRACE_PAUSE]])

--- KVM_EXIT_* that are no reasons to exit.
local exits = {
  ARM_SEA_FLAG_GPA_VALID = "a flag in the payload of ARM_SEA",
  FAIL_ENTRY_CPU_UNSUPPORTED = "a flag in the payload of FAIL_ENTRY",
  HYPERCALL_LONG_MODE = "a flag in the payload of HYPERCALL",
  HYPERV_HCALL = "a type in the payload of HYPERV",
  HYPERV_SYNDBG = "a type in the payload of HYPERV",
  HYPERV_SYNIC = "a type in the payload of HYPERV",
  IO_IN = "a direction in the payload of IO",
  IO_OUT = "a direction in the payload of IO",
  XEN_HCALL = "a type in the payload of XEN",
}

return { ioctls = ioctls, exits = exits, capabilities = {} }
