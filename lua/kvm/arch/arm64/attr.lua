-- SPDX-License-Identifier: MIT
--- Device attributes of arm64 by name: of vCPUs (PMU, timers, stolen time), of
--- VMs (SMCCC filter) and of vGIC devices.
---
---     local attr = require "kvm.arch.arm64.attr"
---     attr.set(vcpu, "timer_irq_vtimer", 27)
---     attr.set(vcpu, "pmu_v3_init")
local M = {}

-- name -> {group, attribute}, from Documentation/virt/kvm/devices/ of the
-- kernel: vcpu.rst, vm.rst, arm-vgic.rst, arm-vgic-v3.rst, arm-vgic-its.rst.
local rows = {
  -- kvm.vcpu
  pmu_v3_irq = {0, 0},          -- interrupt number, as the vGIC counts
  pmu_v3_init = {0, 1},
  pmu_v3_filter = {0, 2},       -- M.pmu_filter(...)
  pmu_v3_set_pmu = {0, 3},      -- type of a PMU of the host
  pmu_v3_set_nr_counters = {0, 4},
  timer_irq_vtimer = {1, 0},    -- PPI number, 16 to 31
  timer_irq_ptimer = {1, 1},
  timer_irq_hvtimer = {1, 2},
  timer_irq_hptimer = {1, 3},
  pvtime_ipa = {2, 0},          -- 64-byte aligned, inside memory

  -- kvm.vm
  smccc_filter = {0, 0},        -- kvm.arch.arm64.smccc fills it

  -- kvm.device
  vgic_v2_dist = {0, 0},
  vgic_v2_cpu = {0, 1},
  vgic_v3_dist = {0, 2},
  vgic_v3_redist = {0, 3},
  vgic_v3_redist_region = {0, 5},
  its_addr = {0, 4},
  vgic_nr_irqs = {3, 0},
  vgic_init = {4, 0},
  its_init = {4, 0},
  its_save_tables = {4, 1},
  its_restore_tables = {4, 2},
  its_reset = {4, 4},
  vgic_save_pending_tables = {4, 3},
  vgic_maint_irq = {9, 0},
}

local function row(name)
  local r = rows[name]
  if r then return r[1], r[2] end
  local names = {}
  for known in pairs(rows) do names[#names + 1] = known end
  table.sort(names)
  error(("no attribute is called '%s' (there are %s)")
    :format(name, table.concat(names, ", ")), 3)
end

--- Sets an attribute.
--- Usage: `attr.set(vcpu, "timer_irq_vtimer", 27)`
---@param handle kvm.vcpu|kvm.vm|kvm.device
---@param name string see the rows of this module
---@param value? integer|string nothing for an attribute that is an action
---Raises a kvm.error: KVM_SET_DEVICE_ATTR.
function M.set(handle, name, value)
  local group, number = row(name)
  handle:set_device_attr(group, number, value)
end

--- Reads an attribute.
--- Usage: `print(attr.get(vcpu, "pmu_v3_irq"))`
---@param handle kvm.vcpu|kvm.vm|kvm.device
---@param name string
---@return integer
---Raises a kvm.error: KVM_GET_DEVICE_ATTR.
function M.get(handle, name)
  local group, number = row(name)
  return handle:get_device_attr(group, number)
end

--- Whether the object takes the attribute.
--- Usage: `print(attr.has(vm, "smccc_filter"))`
---@param handle kvm.vcpu|kvm.vm|kvm.device
---@param name string
---@return boolean
function M.has(handle, name)
  local group, number = row(name)
  return handle:has_device_attr(group, number)
end

local actions = { allow = 0, deny = 1 }

--- The value of pmu_v3_filter (struct kvm_pmu_event_filter).
--- Usage: `attr.set(vcpu, "pmu_v3_filter", attr.pmu_filter("deny", 0x11))`
---@param action "allow"|"deny"
---@param first integer number of an event
---@param count? integer how many events from there on (1)
---@return string
function M.pmu_filter(action, first, count)
  local code = actions[action]
  if not code then
    error(("bad action '%s' (expected allow or deny)"):format(action), 2)
  end
  return string.pack("<I2I2I1xxx", first, count or 1, code)
end

return M
