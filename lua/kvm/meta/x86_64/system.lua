-- SPDX-License-Identifier: MIT
---@meta _

---@class kvm.system
local system = {}

---The CPUID entries that host and KVM support: what `vcpu:set_cpuid2` may get.
---`kvm.arch.x86_64.cpuid` reads and edits such lists.
---KVM_GET_SUPPORTED_CPUID, KVM_CAP_EXT_CPUID (api.rst 4.46).
---Usage: `cpu:set_cpuid2(system:get_supported_cpuid())`
---@return table[] list of kvm_cpuid_entry2
---Raises a kvm.error: ENOMEM.
function system:get_supported_cpuid() end

---The CPUID bits of features that KVM emulates, slowly, and that the list of
---supported ones leaves out.
---KVM_GET_EMULATED_CPUID, KVM_CAP_EXT_EMUL_CPUID (api.rst 4.88).
---Usage: `print(#system:get_emulated_cpuid())`
---@return table[] list of kvm_cpuid_entry2
function system:get_emulated_cpuid() end

---The CPUID entries of Hyper-V's interface, which lie where KVM's own are.
---KVM_GET_SUPPORTED_HV_CPUID, KVM_CAP_HYPERV_CPUID and KVM_CAP_SYS_HYPERV_CPUID
---(api.rst 4.118).
---Usage: `local list = system:get_supported_hv_cpuid()`
---@return table[] list of kvm_cpuid_entry2
---Raises a kvm.error: ENOTTY, EINVAL (no Hyper-V emulation here).
function system:get_supported_hv_cpuid() end

---The indices of the MSRs that make up a guest's state: what to save.
---KVM_GET_MSR_INDEX_LIST, basic (api.rst 4.3).
---Usage: `local state = cpu:get_msrs(system:get_msr_index_list())`
---@return integer[] indices
function system:get_msr_index_list() end

---The indices of the MSRs that describe features: `system:get_msrs` reads them.
---KVM_GET_MSR_FEATURE_INDEX_LIST, KVM_CAP_GET_MSR_FEATURES (api.rst 4.3).
---Usage: `local features = system:get_msrs(system:get_msr_feature_index_list())`
---@return integer[] indices
function system:get_msr_feature_index_list() end

---Reads MSRs that describe features of the host.
---KVM_GET_MSRS, basic for a vCPU; here KVM_CAP_GET_MSR_FEATURES (api.rst 4.18).
---Usage: `local value = system:get_msrs({ 0x10a })[0x10a]`
---@param list (integer|string)[] indices, or names as in `vcpu.regs`; at most 255
---@return table<integer|string, integer> values by what the list holds
---Raises a kvm.error: EINVAL (names the first MSR that is refused; `args` has its
---`index`, and how many are `done`), E2BIG.
function system:get_msrs(list) end

---The machine check capabilities that a guest may get, as MCG_CAP has them.
---KVM_X86_GET_MCE_CAP_SUPPORTED, KVM_CAP_MCE (api.rst 4.104).
---Usage: `print(system:x86_get_mce_cap_supported())`
---@return integer
function system:x86_get_mce_cap_supported() end
