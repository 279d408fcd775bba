-- SPDX-License-Identifier: MIT
--- Which functions of a call tree are shown. Pure: trees in, trees out.

local check = require "kvm.check"

local M = {}

---What can be named instead of single functions. `*` and `?` mean what they
---mean to a shell; a name is matched with its module behind it: "f [kvm]".
---@type table<string, string[]>
M.groups = {
  -- KVM itself. In a module its name tells; in the kernel these do.
  kvm = { "*kvm*", "*vgic*", "*vcpu*", "*stage2*", "*sysreg*", "*sys_reg*",
    "*activate_traps*", "handle_exit*", "*memslot*", "*gfn_to_*", "irqfd_*",
    "ioeventfd_*", "coalesced_mmio_*", "timer_set_*", "timer_get_*",
    "timer_save_state", "timer_restore_state", "__debug_switch_to_*",
    "cpu_hyp_*", "cpu_set_hyp_vector", "hardware_enable*",
    "hardware_disable*", "__gic_v3_*" },
  locking = { "mutex_*", "__mutex_*", "_raw_*lock*", "down_*", "up_read",
    "up_write", "rwsem_*", "lock_*", "unlock_*", "rt_mutex_*", "osq_*",
    "queued_*lock*", "mm_take_all_locks", "mm_drop_all_locks",
    "preempt_count_*", "__init_rwsem", "__rt_spin_*", "*_lockref_*",
    "lockref_*" },
  interrupts = { "irq_*", "__irq_*", "handle_irq*", "generic_handle_*",
    "__do_softirq*", "do_softirq*", "handle_softirqs*", "do_interrupt_*",
    "gic_handle_*", "el1_interrupt", "el1h_64_*", "el1_irq*",
    "*sysvec_*", "common_interrupt*", "hrtimer_interrupt", "tick_*",
    "arch_timer_handler_*", "raise_softirq*", "__local_bh_*", "local_bh_*",
    "arch_local_irq_*", "task_work_*", "exit_to_*", "enter_from_*" },
  rcu = { "rcu_*", "__rcu_*", "call_rcu*", "__call_rcu*", "*srcu*",
    "synchronize_rcu*", "kvfree_call_rcu", "kvfree_rcu_*" },
  memory = { "kmem_cache_*", "__kmem_*", "kmalloc*", "__kmalloc*", "kfree*",
    "kvmalloc*", "kvfree*", "vmalloc*", "__vmalloc*", "vzalloc*", "vfree*",
    "alloc_pages*", "__alloc_pages*", "alloc_percpu*", "__alloc_percpu*",
    "pcpu_*", "free_percpu", "free_pages*", "__free_pages*", "*slab_*",
    "get_zeroed_page*", "__get_free_pages*", "free_unref_page*",
    "mem_cgroup_*", "__mem_cgroup_*", "memcg_*", "obj_cgroup_*",
    "get_page_from_freelist", "clear_page*", "alloc_vmap_area",
    "__get_vm_area_node*", "folio_alloc*", "__folio_alloc*", "kzalloc*",
    "krealloc*", "kasprintf", "kvasprintf*", "kstrdup*", "kmemdup*",
    "__mod_*_page_state", "__mod_*_state", "should_failslab",
    "policy_node*", "__vunmap*", "find_vm_area*" },
  scheduling = { "schedule*", "__schedule*", "__cond_resched*",
    "cond_resched*", "preempt_schedule*", "wake_up_*", "__wake_up*",
    "try_to_wake_up", "finish_task_switch*", "finish_wait", "*_swait*",
    "swake_up_*", "complete", "complete_all", "wait_for_completion*",
    "idle_cpu" },
  files = { "debugfs_*", "__debugfs_*", "fd_install", "get_unused_fd_flags",
    "alloc_file*", "anon_inode_*", "__anon_inode_*", "fput*", "dput" },
}

---The groups that are hidden unless told otherwise.
M.hidden = { "locking", "interrupts", "rcu", "memory", "scheduling" }

-- A shell's pattern as Lua's.
local function pattern(glob)
  local text = glob:gsub("[%^%$%(%)%%%.%[%]%+%-]", "%%%0")
  return "^" .. text:gsub("%*", ".*"):gsub("%?", ".") .. "%f[ \0]"
end

---The patterns that a list of groups, functions and patterns stands for.
---Usage: `filter.globs { "locking", "kvm_get_*" }`
---@param names string|string[]
---@return string[]
function M.globs(names)
  check.argument(1, "globs", "names", check.names, names)
  local list = {}
  for _, name in ipairs(type(names) == "table" and names or { names }) do
    for _, glob in ipairs(M.groups[name] or { name }) do
      list[#list + 1] = glob
    end
  end
  return list
end

---A function that tells whether a name is among the groups and patterns. What
---it found out about a name it keeps.
---Usage: `local hidden = filter.matcher { "rcu", "debugfs_*" }`
---@param names string|string[]
---@return fun(name: string, module?: string): boolean
function M.matcher(names)
  check.argument(1, "matcher", "names", check.names, names)
  local patterns, known = {}, {}
  for i, glob in ipairs(M.globs(names)) do patterns[i] = pattern(glob) end
  local function find(text)
    for i = 1, #patterns do
      if text:find(patterns[i]) then return true end
    end
    return false
  end
  return function(name, module)
    local text = module and name .. " [" .. module .. "]" or name
    if known[text] == nil then known[text] = find(text) end
    return known[text]
  end
end

-- ---- applying -------------------------------------------------------------------

local function nothing() return false end
local function anything() return true end

---@class kvm.calltree.filter
---@field depth? integer how many levels are kept; the ioctl's own is the first
---@field hide? string[]|string|false groups and patterns: functions that go
---with all they call (filter.hidden); false: none
---@field functions? string[]|string groups and patterns: only these are kept,
---and stand where they would without the others between them
---@field only? string the same for one group: "kvm"
---@field min_ns? integer what took less goes, with all it called

local apply

local function visit(into, calls, rules, depth)
  for _, call in ipairs(calls) do
    local name, module = call.name, call.module
    if rules.hide(name, module) or call.ns and call.ns < rules.min_ns then
      -- it goes, with what it called
    elseif depth == 1 or rules.keep(name, module) then
      into[#into + 1] = apply(call, rules, depth)
    else
      visit(into, call.children, rules, depth)
    end
  end
end

function apply(call, rules, depth)
  local kept = { name = call.name, module = call.module, ns = call.ns,
    children = {} }
  if depth < rules.depth then
    visit(kept.children, call.children, rules, depth + 1)
  end
  return kept
end

local NODE <const> = { "name", "children", name = "string",
  children = "table", module = "string", ns = "number" }

-- A kind: the calls that a tree has first, with what they called unseen.
local is_calls = check.list(function(name, call)
  local text = check.problem(name, "table", call)
  if text then return text end
  text = check.misfit(call, NODE, "field")
  return text and name .. ": " .. text
end, "list of calls")

---Calls without what a filter takes away. The outermost calls are never taken
---away by `functions`.
---Usage: `filter.calls(step.tree, { depth = 3, hide = "locking" })`
---@param calls kvm.calltree.node[]
---@param options kvm.calltree.filter
---@return kvm.calltree.node[]
function M.calls(calls, options)
  check.argument(1, "calls", "calls", is_calls, calls)
  options = require "kvm.calltree.options".filter(2, "calls", options)
  local hide, kept = options.hide, {}
  if hide == nil then hide = M.hidden end
  local keep = options.functions or options.only
  visit(kept, calls, { depth = options.depth or math.huge,
    min_ns = options.min_ns or 0,
    hide = hide and M.matcher(hide) or nothing,
    keep = keep and M.matcher(keep) or anything }, 1)
  return kept
end

return M
