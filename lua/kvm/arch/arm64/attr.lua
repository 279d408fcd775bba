-- SPDX-License-Identifier: MIT
--- Device attributes of arm64 by name: of vCPUs (PMU, timers, stolen time), of
--- VMs (SMCCC filter) and of vGIC devices.
---
---     local attr = require "kvm.arch.arm64.attr"
---     attr.set(vcpu, "timer_irq_vtimer", 27)
---     attr.set(vcpu, "pmu_v3_init")
local check = require "kvm.check"
local numbers = require "kvm.arch.arm64.numbers"

local M = {}

local GROUP <const>, ATTR <const> = numbers.DEVICE_GROUP, numbers.DEVICE_ATTR

-- name -> {group, attribute}, from Documentation/virt/kvm/devices/ of the
-- kernel: vcpu.rst, vm.rst, arm-vgic.rst, arm-vgic-v3.rst, arm-vgic-its.rst.
local rows = {
  -- kvm.vcpu
  pmu_v3_irq = {GROUP.PMU_V3_CTRL, ATTR.PMU_V3_IRQ}, -- as the vGIC counts
  pmu_v3_init = {GROUP.PMU_V3_CTRL, ATTR.PMU_V3_INIT},
  pmu_v3_filter = {GROUP.PMU_V3_CTRL, ATTR.PMU_V3_FILTER}, -- M.pmu_filter(...)
  pmu_v3_set_pmu = {GROUP.PMU_V3_CTRL, ATTR.PMU_V3_SET_PMU}, -- the host's type
  pmu_v3_set_nr_counters = {GROUP.PMU_V3_CTRL, ATTR.PMU_V3_SET_NR_COUNTERS},
  timer_irq_vtimer = {GROUP.TIMER_CTRL, ATTR.TIMER_IRQ_VTIMER}, -- 16 to 31
  timer_irq_ptimer = {GROUP.TIMER_CTRL, ATTR.TIMER_IRQ_PTIMER},
  timer_irq_hvtimer = {GROUP.TIMER_CTRL, ATTR.TIMER_IRQ_HVTIMER},
  timer_irq_hptimer = {GROUP.TIMER_CTRL, ATTR.TIMER_IRQ_HPTIMER},
  pvtime_ipa = {GROUP.PVTIME_CTRL, ATTR.PVTIME_IPA}, -- 64-byte aligned memory

  -- kvm.vm
  smccc_filter = {GROUP.SMCCC_CTRL, ATTR.SMCCC_FILTER}, -- smccc.filter sets it

  -- kvm.device
  vgic_v2_dist = {GROUP.ADDR, ATTR.V2_ADDR_TYPE_DIST},
  vgic_v2_cpu = {GROUP.ADDR, ATTR.V2_ADDR_TYPE_CPU},
  vgic_v3_dist = {GROUP.ADDR, ATTR.V3_ADDR_TYPE_DIST},
  vgic_v3_redist = {GROUP.ADDR, ATTR.V3_ADDR_TYPE_REDIST},
  vgic_v3_redist_region = {GROUP.ADDR, ATTR.V3_ADDR_TYPE_REDIST_REGION},
  its_addr = {GROUP.ADDR, ATTR.ITS_ADDR_TYPE},
  vgic_nr_irqs = {GROUP.NR_IRQS, 0},
  vgic_init = {GROUP.CTRL, ATTR.VGIC_CTRL_INIT},
  its_init = {GROUP.CTRL, ATTR.VGIC_CTRL_INIT},
  its_save_tables = {GROUP.CTRL, ATTR.ITS_SAVE_TABLES},
  its_restore_tables = {GROUP.CTRL, ATTR.ITS_RESTORE_TABLES},
  its_reset = {GROUP.CTRL, ATTR.ITS_CTRL_RESET},
  vgic_save_pending_tables = {GROUP.CTRL, ATTR.VGIC_SAVE_PENDING_TABLES},
  vgic_maint_irq = {GROUP.MAINT_IRQ, 0},
}

local has_attributes = check.object("kvm.vcpu, kvm.vm or kvm.device",
  "set_device_attr")

-- Group and number of a name.
local function row(fn, handle, name)
  check.argument(1, fn, "handle", has_attributes, handle)
  local r = rows[name]
  if r then return r[1], r[2] end
  local names = {}
  for known in pairs(rows) do names[#names + 1] = known end
  table.sort(names)
  check.bad(2, fn, "%s", check.unknown("attribute", name, names))
end

--- Sets an attribute.
--- Usage: `attr.set(vcpu, "timer_irq_vtimer", 27)`
---@param handle kvm.vcpu|kvm.vm|kvm.device
---@param name string see the rows of this module
---@param value? integer|string nothing for an attribute that is an action
---Raises a kvm.error: KVM_SET_DEVICE_ATTR.
function M.set(handle, name, value)
  local group, number = row("set", handle, name)
  handle:set_device_attr(group, number, value)
end

--- Reads an attribute.
--- Usage: `print(attr.get(vcpu, "pmu_v3_irq"))`
---@param handle kvm.vcpu|kvm.vm|kvm.device
---@param name string
---@return integer
---Raises a kvm.error: KVM_GET_DEVICE_ATTR.
function M.get(handle, name)
  local group, number = row("get", handle, name)
  return handle:get_device_attr(group, number)
end

--- Whether the object takes the attribute.
--- Usage: `print(attr.has(vm, "smccc_filter"))`
---@param handle kvm.vcpu|kvm.vm|kvm.device
---@param name string
---@return boolean
function M.has(handle, name)
  local group, number = row("has", handle, name)
  return handle:has_device_attr(group, number)
end

local actions = { allow = numbers.PMU_EVENT.ALLOW,
                  deny = numbers.PMU_EVENT.DENY }

--- The value of pmu_v3_filter (struct kvm_pmu_event_filter).
--- Usage: `attr.set(vcpu, "pmu_v3_filter", attr.pmu_filter("deny", 0x11))`
---@param action "allow"|"deny"
---@param first integer number of an event
---@param count? integer how many events from there on (1)
---@return string
function M.pmu_filter(action, first, count)
  check.argument(1, "pmu_filter", "action", { "allow", "deny" }, action)
  first = check.argument(2, "pmu_filter", "first", check.bits(16), first)
  count = check.optional(3, "pmu_filter", "count", check.integer(1, 0xffff),
    count)
  return string.pack("<I2I2I1xxx", first, count or 1, actions[action])
end

return M
