-- SPDX-License-Identifier: MIT
--- SMC and HVC calls (SMCCC, DEN 0028) and PSCI (DEN 0022): function ids by
--- name, which of them come to the script, and their arguments and results.
---
---     smccc.filter(vm, 0xc6000000, 1, "forward")
---     for reason, exit in cpu:exits() do
---       if reason == "hypercall" and exit.nr == 0xc6000000 then
---         smccc.result(cpu, smccc.SUCCESS, (smccc.arguments(cpu, 1)))
local attr = require "kvm.arch.arm64.attr"
local check = require "kvm.check"
local numbers = require "kvm.arch.arm64.numbers"

local M = {}

local FAST <const>, SMC64 <const> = 1 << 31, 1 << 30

--- Function ids. Those with _64 take 64-bit arguments.
M.id = {
  -- PSCI
  psci_version = 0x84000000,
  psci_cpu_suspend = 0x84000001, psci_cpu_suspend_64 = 0xc4000001,
  psci_cpu_off = 0x84000002,
  psci_cpu_on = 0x84000003, psci_cpu_on_64 = 0xc4000003,
  psci_affinity_info = 0x84000004, psci_affinity_info_64 = 0xc4000004,
  psci_migrate = 0x84000005, psci_migrate_64 = 0xc4000005,
  psci_migrate_info_type = 0x84000006,
  psci_migrate_info_up_cpu = 0x84000007,
  psci_migrate_info_up_cpu_64 = 0xc4000007,
  psci_system_off = 0x84000008,
  psci_system_reset = 0x84000009,
  psci_features = 0x8400000a,
  psci_cpu_freeze = 0x8400000b,
  psci_cpu_default_suspend = 0x8400000c,
  psci_cpu_default_suspend_64 = 0xc400000c,
  psci_node_hw_state = 0x8400000d, psci_node_hw_state_64 = 0xc400000d,
  psci_system_suspend = 0x8400000e, psci_system_suspend_64 = 0xc400000e,
  psci_set_suspend_mode = 0x8400000f,
  psci_stat_residency = 0x84000010, psci_stat_residency_64 = 0xc4000010,
  psci_stat_count = 0x84000011, psci_stat_count_64 = 0xc4000011,
  psci_system_reset2 = 0x84000012, psci_system_reset2_64 = 0xc4000012,
  psci_mem_protect = 0x84000013,
  psci_mem_protect_check_range = 0x84000014,
  psci_mem_protect_check_range_64 = 0xc4000014,
  psci_system_off2 = 0x84000015, psci_system_off2_64 = 0xc4000015,
  -- Arm architecture service
  smccc_version = 0x80000000,
  smccc_arch_features = 0x80000001,
  smccc_arch_soc_id = 0x80000002,
  smccc_arch_workaround_1 = 0x80008000,
  smccc_arch_workaround_2 = 0x80007fff,
  smccc_arch_workaround_3 = 0x80003fff,
  -- TRNG (DEN 0098)
  trng_version = 0x84000050,
  trng_features = 0x84000051,
  trng_get_uuid = 0x84000052,
  trng_rnd = 0x84000053, trng_rnd_64 = 0xc4000053,
  -- paravirtualized time (DEN 0057)
  pv_time_features_64 = 0xc5000020,
  pv_time_st_64 = 0xc5000021,
  -- KVM's own
  vendor_hyp_call_uid = 0x8600ff01,
  vendor_hyp_features = 0x86000000,
  vendor_hyp_ptp = 0x86000001,
}

local names = {}
for name, id in pairs(M.id) do names[id] = name end

--- Results (SMCCC and PSCI).
M.SUCCESS = 0
M.NOT_SUPPORTED = -1
M.INVALID_PARAMETERS = -2
M.DENIED = -3
M.ALREADY_ON = -4
M.ON_PENDING = -5
M.INTERNAL_FAILURE = -6
M.NOT_PRESENT = -7
M.DISABLED = -8
M.INVALID_ADDRESS = -9

local services = { [0] = "arch", "cpu", "sip", "oem", "standard",
                   "standard_hyp", "vendor_hyp" }

local function service(owner)
  if services[owner] then return services[owner] end
  if owner >= 50 then return "trusted_os" end
  return owner >= 48 and "trusted_application" or "reserved"
end

---@class kvm.arch.arm64.smccc.function
---@field name? string
---@field is_fast boolean
---@field is_64bit boolean
---@field service string "arch", "standard", "vendor_hyp", ...
---@field number integer of the function in its service

--- Takes a function id apart.
--- Usage: `print(smccc.decode(exit.nr).name)`
---@param id integer
---@return kvm.arch.arm64.smccc.function
function M.decode(id)
  id = check.argument(1, "decode", "id", check.bits(32), id)
  return {
    name = names[id], is_fast = id & FAST ~= 0, is_64bit = id & SMC64 ~= 0,
    service = service(id >> 24 & 0x3f), number = id & 0xffff,
  }
end

-- The id in the n-th argument of fn.
local function id_of(n, fn, name, id)
  if type(id) ~= "string" then
    return check.argument(n, fn, name, check.bits(32), id)
  elseif M.id[id] then
    return M.id[id]
  end
  local known = {}
  for of in pairs(M.id) do known[#known + 1] = of end
  table.sort(known)
  local near = check.nearest(id, known)
  check.bad(n, fn, "no SMCCC function is called '%s' (%sthe names are the keys "
    .. "of smccc.id)", id, near and ("did you mean '%s'? "):format(near) or "")
end

--- The id that a name stands for; an integer is returned as it is.
--- Usage: `smccc.number "psci_cpu_on_64"`
---@param id string|integer
---@return integer
function M.number(id)
  local number = id_of(1, "number", "id", id)
  return number
end

local FILTER <const> = numbers.SMCCC_FILTER
local actions = { handle = FILTER.HANDLE, deny = FILTER.DENY,
                  forward = FILTER.FWD_TO_USER }

--- Says what happens to a range of function ids. Before any vCPU runs; ranges
--- do not overlap. Needs Linux 6.4.
--- Usage: `smccc.filter(vm, 0xc6000000, 16, "forward")`
---@param vm kvm.vm
---@param first string|integer the first id
---@param count integer how many
---@param action "handle"|"deny"|"forward" by the kernel, as without a filter;
---the guest gets NOT_SUPPORTED; or a hypercall exit
---Raises a kvm.error: KVM_SET_DEVICE_ATTR.
function M.filter(vm, first, count, action)
  check.argument(1, "filter", "vm",
    check.object("kvm.vm", "set_device_attr"), vm)
  first = id_of(2, "filter", "first", first)
  count = check.argument(3, "filter", "count", check.integer(1, 0xffffffff),
    count)
  check.argument(4, "filter", "action", { "handle", "deny", "forward" }, action)
  attr.set(vm, "smccc_filter", string.pack("<I4I4I1", first, count,
    actions[action]) .. ("\0"):rep(15))
end

local has_registers = check.object("kvm.vcpu", "regs")

--- The arguments of a call: x1 and on.
--- Usage: `local a, b = smccc.arguments(cpu, 2)`
---@param vcpu kvm.vcpu
---@param n integer how many, at most 17
---@return integer ...
function M.arguments(vcpu, n)
  check.argument(1, "arguments", "vcpu", has_registers, vcpu)
  n = check.argument(2, "arguments", "n", check.integer(0, 17), n)
  local regs, out = vcpu.regs, {}
  for i = 1, n do out[i] = regs["x" .. i] end
  return table.unpack(out, 1, n)
end

--- Answers a call: its results go to x0 and on.
--- Usage: `smccc.result(cpu, smccc.SUCCESS)`
---@param vcpu kvm.vcpu
---@param ... integer at most 18, usually one
function M.result(vcpu, ...)
  check.argument(1, "result", "vcpu", has_registers, vcpu)
  local changes, n = {}, select("#", ...)
  if n > 18 then check.surplus(19, "result", n) end
  for i = 1, n do
    changes["x" .. i - 1] = check.argument(i + 1, "result", "x" .. i - 1,
      "integer", (select(i, ...)))
  end
  vcpu.regs(changes)
end

return M
