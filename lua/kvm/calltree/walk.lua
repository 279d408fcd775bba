-- SPDX-License-Identifier: MIT
--- The walk through KVM on arm64 with VHE, as Linux 4.19 did it, and what
--- became of each of its functions. Pure.
---
--- Which functions a compiler puts into their callers differs between kernels:
--- `inside` says where one is that has no name of its own in Debian's 6.1 and
--- 6.12. A spec compares every row with the kernel that it runs on.
local check = require "kvm.check"

local M = {}

---@class kvm.calltree.walk.row
---@field step string the ioctl
---@field was string the function's name in 4.19
---@field now? string[] its later names, the newest first
---@field since? string what happened, and when
---@field inside? string the function that it is compiled into
---@field untraced? string why the tracer never sees it

---The functions, in the order of the walk.
---@type kvm.calltree.walk.row[]
M.rows = {
  { step = "KVM_CREATE_VM", was = "kvm_dev_ioctl_create_vm",
    inside = "kvm_dev_ioctl" },
  { step = "KVM_CREATE_VM", was = "kvm_create_vm", inside = "kvm_dev_ioctl" },
  { step = "KVM_CREATE_VM", was = "kvm_arch_alloc_vm" },
  { step = "KVM_CREATE_VM", was = "kvm_arch_init_vm" },
  { step = "KVM_CREATE_VM", was = "kvm_vgic_early_init" },
  { step = "KVM_CREATE_VM", was = "kvm_eventfd_init" },

  { step = "KVM_SET_USER_MEMORY_REGION",
    was = "kvm_vm_ioctl_set_memory_region", inside = "kvm_vm_ioctl" },

  { step = "KVM_CREATE_VCPU", was = "kvm_vm_ioctl_create_vcpu",
    inside = "kvm_vm_ioctl" },
  { step = "KVM_CREATE_VCPU", was = "kvm_arch_vcpu_create" },
  { step = "KVM_CREATE_VCPU", was = "kvm_timer_vcpu_init" },
  { step = "KVM_CREATE_VCPU", was = "kvm_vgic_vcpu_init" },

  { step = "KVM_ARM_VCPU_INIT", was = "kvm_arch_vcpu_ioctl_vcpu_init",
    inside = "kvm_arch_vcpu_ioctl" },
  { step = "KVM_ARM_VCPU_INIT", was = "kvm_vcpu_set_target",
    inside = "kvm_arch_vcpu_ioctl" },

  { step = "KVM_SET_ONE_REG", was = "kvm_arm_set_reg" },

  { step = "KVM_RUN", was = "kvm_vcpu_first_run_init",
    now = { "kvm_arch_vcpu_run_pid_change" },
    since = "merged into it in Linux 5.17" },
  { step = "KVM_RUN", was = "vcpu_load" },
  { step = "KVM_RUN", was = "kvm_arch_vcpu_load" },
  { step = "KVM_RUN", was = "kvm_vgic_load" },
  { step = "KVM_RUN", was = "kvm_vcpu_load_sysregs",
    now = { "__vcpu_load_switch_sysregs", "kvm_vcpu_load_sysregs_vhe" },
    since = "kvm_vcpu_load_sysregs_vhe since Linux 5.9, where the code for VHE "
      .. "went its own way; __vcpu_load_switch_sysregs since 6.7" },
  { step = "KVM_RUN", was = "kvm_vcpu_run_vhe",
    now = { "__kvm_vcpu_run_vhe" },
    since = "below __kvm_vcpu_run since Linux 5.9, where the code for VHE went "
      .. "its own way" },
  { step = "KVM_RUN", was = "__activate_traps" },
  { step = "KVM_RUN", was = "sysreg_restore_guest_state_vhe" },
  { step = "KVM_RUN", was = "__guest_enter", inside = "__kvm_vcpu_run_vhe",
    untraced = "assembly, called right after sysreg_restore_guest_state_vhe" },
  { step = "KVM_RUN", was = "handle_exit" },
  { step = "KVM_RUN", was = "vcpu_put" },
  { step = "KVM_RUN", was = "kvm_arch_vcpu_put" },
  { step = "KVM_RUN", was = "kvm_vgic_put" },
}

---The rows of a step, in the order of 4.19.
---Usage: `for _, row in ipairs(walk.of "KVM_RUN") do print(row.was) end`
---@param step string
---@return kvm.calltree.walk.row[]
function M.of(step)
  check.argument(1, "of", "step", "string", step)
  local rows = {}
  for _, row in ipairs(M.rows) do
    if row.step == step then rows[#rows + 1] = row end
  end
  return rows
end

local renamed = {}
for _, row in ipairs(M.rows) do
  for _, name in ipairs(row.now or {}) do renamed[name] = row.was end
end

---A remark on a function of today that had another name in 4.19, for the printed
---tree.
---Usage: `print(trees:text { note = walk.note })`
---@param name string
---@return string?
function M.note(name)
  check.argument(1, "note", "name", "string", name)
  return renamed[name] and "4.19: " .. renamed[name]
end

local function is_row(name, row)
  return check.problem(name, "table", row)
    or check.problem(name .. ".was", "string", row.was)
    or row.now ~= nil and check.problem(name .. ".now", "table", row.now) or nil
end

---What became of a row's function: its name of today if that was called;
---otherwise nil, and where it is.
---Usage: `local name, where = walk.resolve(row, called)`
---@param row kvm.calltree.walk.row
---@param called table<string, any> what was called, by name
---@return string?
---@return string? where
function M.resolve(row, called)
  check.argument(1, "resolve", "row", is_row, row)
  check.argument(2, "resolve", "called", "table", called)
  for _, name in ipairs { row.was, table.unpack(row.now or {}) } do
    if called[name] then return name end
  end
  if row.untraced then return nil, row.untraced end
  if row.inside and called[row.inside] then
    return nil, "compiled into " .. row.inside
  end
  return nil, row.since or "not called by this kernel"
end

---The functions of 4.19 that a step does not show under any name: a line each.
---Usage: `for _, line in ipairs(walk.missing("KVM_RUN", called)) do print(line) end`
---@param step string
---@param called table<string, any>
---@return string[]
function M.missing(step, called)
  check.argument(1, "missing", "step", "string", step)
  check.argument(2, "missing", "called", "table", called)
  local lines = {}
  for _, row in ipairs(M.of(step)) do
    local name, where = M.resolve(row, called)
    if not name then
      lines[#lines + 1] = ("4.19's %s: %s"):format(row.was, where)
    end
  end
  return lines
end

return M
