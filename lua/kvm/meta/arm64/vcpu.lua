-- SPDX-License-Identifier: MIT
---@meta _

---@class kvm.vcpu
local vcpu = {}

---Makes the vCPU usable: comes before anything else. Again, it is a reset.
---KVM_ARM_VCPU_INIT, basic (api.rst 4.82).
---Usage: `cpu:arm_vcpu_init { "psci_0_2", "pmu_v3" }`
---@param init? string|string[]|table features: "power_off" (waits for PSCI's CPU_ON),
---"el1_32bit", "psci_0_2", "pmu_v3", "sve" (then arm_vcpu_finalize), "ptrauth_address"
---with "ptrauth_generic", "has_el2", "has_el2_e2h0"; {"psci_0_2"} by default. Or
---kvm_vcpu_init: {target =, features =}, where features are those names or the struct's
---words; what is left out is as by default
---Raises a kvm.error: EINVAL (not on this host, or not as the other vCPUs or the first
---init), ENOENT (unknown feature).
function vcpu:arm_vcpu_init(init) end

---Fixes a feature's configuration: 4, SVE's vector lengths (`vcpu.regs.vls`). Before the
---first run.
---KVM_ARM_VCPU_FINALIZE, KVM_CAP_ARM_SVE (api.rst 4.119).
---Usage: `cpu:arm_vcpu_finalize "sve"`
---@param feature integer|string a value of `kvm.VCPU_INIT`, or a name as in arm_vcpu_init
---Raises a kvm.error: EPERM (not among the features, or fixed already), EINVAL.
function vcpu:arm_vcpu_finalize(feature) end

---SErrors and data aborts that wait to be taken.
---KVM_GET_VCPU_EVENTS, KVM_CAP_VCPU_EVENTS (api.rst 4.31).
---Usage: `print(cpu:get_vcpu_events().exception.serror_pending)`
---@return table kvm_vcpu_events
function vcpu:get_vcpu_events() end

---Changes what waits; fields that are left out stay.
---KVM_SET_VCPU_EVENTS, KVM_CAP_VCPU_EVENTS (api.rst 4.32).
---Usage: `local events = cpu:get_vcpu_events(); cpu:set_vcpu_events(events)`
---@param events table kvm_vcpu_events
---Raises a kvm.error: EINVAL.
function vcpu:set_vcpu_events(events) end
