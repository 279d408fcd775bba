-- SPDX-License-Identifier: MIT
--- Recorded call trees, as a value: filtered, searched, printed, as JSON.
local check = require "kvm.check"
local filter = require "kvm.calltree.filter"
local printer = require "kvm.calltree.print"

local M = {}

---One ioctl.
---@class kvm.calltree.step
---@field name string "KVM_CREATE_VM"
---@field title string the ioctl with its arguments, as kvm.trace has it
---@field call kvm.trace.event
---@field tree kvm.calltree.node[] what the kernel called: the ioctl's entry
---@field lost? integer events that the kernel's buffer had no room for

---A list of steps, in the order of the ioctls. `tostring` gives it as text.
---@class kvm.calltree.trees
---@field [integer] kvm.calltree.step
local Trees = { __name = "kvm.calltree.trees" }
Trees.__index = Trees

local LOST <const> = "   (%d events lost: the kernel's buffer was full; "
  .. "buffer_kb = %d makes it larger)"
local NOTHING <const> = "   (nothing was recorded)"

local STYLE <const> = { times = "boolean", fold = "boolean", note = "function",
                        indent = check.integer(0, 1000) }

-- A kind: a step, its calls unseen.
local function is_step(name, step)
  local text = check.problem(name, "table", step)
    or check.problem(name .. ".name", "string", step.name)
    or check.problem(name .. ".tree", "table", step.tree)
  if text then return text end
  for i, call in ipairs(step.tree) do
    local at = ("%s.tree[%d]"):format(name, i)
    text = check.problem(at, "table", call)
      or check.problem(at .. ".name", "string", call.name)
      or check.problem(at .. ".children", "table", call.children)
    if text then return text end
  end
end

local function shape_of(step)
  local shapes = {}
  for i, call in ipairs(step.tree) do shapes[i] = printer.shape(call) end
  return step.name .. " " .. table.concat(shapes, " ")
end

---A step as lines. `seen` has the shapes of the steps before it: a tree that was
---there already is not written again.
---Usage: `for _, line in ipairs(trees.lines(step, {}, {})) do print(line) end`
---@param step kvm.calltree.step
---@param style kvm.calltree.style
---@param seen table<string, boolean>
---@return string[]
function M.lines(step, style, seen)
  check.argument(1, "lines", "step", is_step, step)
  style = check.options(2, "lines", style, STYLE)
  check.argument(3, "lines", "seen", "table", seen)
  local lines, shape = { step.title or step.name }, shape_of(step)
  if step.lost then lines[2] = LOST:format(step.lost, 16384) end
  if #step.tree == 0 then
    lines[#lines + 1] = NOTHING
  elseif seen[shape] and style.fold ~= false then
    lines[#lines + 1] = "   (the same calls as before)"
  else
    seen[shape] = true
    local calls = printer.lines(step.tree, style)
    table.move(calls, 1, #calls, #lines + 1, lines)
  end
  return lines
end

---The trees as text: an arrow before each call, calls that are repeated folded.
---Usage: `print(trees:text { times = false })`
---@param style? kvm.calltree.style
---@return string
function Trees:text(style)
  check.method("text", Trees.__name, self)
  style = check.options(1, "text", style, STYLE)
  local lines, seen, indent = {}, {}, (" "):rep(style.indent or 0)
  for _, step in ipairs(self) do
    for _, line in ipairs(M.lines(step, style, seen)) do
      lines[#lines + 1] = indent .. line
    end
  end
  return table.concat(lines, "\n")
end

function Trees:__tostring() return self:text() end

-- kvm.json takes an empty table for an object: a call without children has none.
local function plain_call(call)
  local children
  for i, child in ipairs(call.children) do
    children = children or {}
    children[i] = plain_call(child)
  end
  return { name = call.name, module = call.module, ns = call.ns,
    children = children }
end

---A step as kvm.json takes it: `children` and `tree` are left out when empty.
---Usage: `file:write(json.encode(trees.plain(step)), "\n")`
---@param step kvm.calltree.step
---@return table
function M.plain(step)
  check.argument(1, "plain", "step", is_step, step)
  local tree
  for i, call in ipairs(step.tree) do
    tree = tree or {}
    tree[i] = plain_call(call)
  end
  return { name = step.name, title = step.title, call = step.call,
    lost = step.lost, tree = tree }
end

---The trees as JSON text: an array of steps.
---Usage: `io.open("trees.json", "w"):write(trees:json())`
---@return string
function Trees:json()
  check.method("json", Trees.__name, self)
  local list = {}
  for i, step in ipairs(self) do
    list[i] = require "kvm.json".encode(M.plain(step))
  end
  return "[" .. table.concat(list, ",") .. "]"
end

---The trees without what a filter takes away.
---Usage: `print(trees:filter { depth = 3, hide = { "rcu", "debugfs_*" } })`
---@param options kvm.calltree.filter
---@return kvm.calltree.trees
function Trees:filter(options)
  check.method("filter", Trees.__name, self)
  options = require "kvm.calltree.options".filter(1, "filter", options)
  local kept = setmetatable({}, Trees)
  for i, step in ipairs(self) do
    kept[i] = { name = step.name, title = step.title, call = step.call,
      lost = step.lost, tree = filter.calls(step.tree, options) }
  end
  return kept
end

---The steps of one ioctl.
---Usage: `print(trees:of "KVM_CREATE_VM")`
---@param name string
---@return kvm.calltree.trees
function Trees:of(name)
  check.method("of", Trees.__name, self)
  check.argument(1, "of", "name", "string", name)
  local kept = setmetatable({}, Trees)
  for _, step in ipairs(self) do
    if step.name == name then kept[#kept + 1] = step end
  end
  return kept
end

---Every function that was called: name -> its first call.
---Usage: `assert(trees:called().kvm_arch_init_vm)`
---@return table<string, kvm.calltree.node>
function Trees:called()
  check.method("called", Trees.__name, self)
  local found = {}
  local function visit(calls)
    for _, call in ipairs(calls) do
      found[call.name] = found[call.name] or call
      visit(call.children)
    end
  end
  for _, step in ipairs(self) do visit(step.tree) end
  return found
end

---A list of steps as this class.
---Usage: `local list = trees.new { step }`
---@param steps kvm.calltree.step[]
---@return kvm.calltree.trees
function M.new(steps)
  check.argument(1, "new", "steps", check.list(is_step, "list of steps"),
    steps)
  return setmetatable(steps, Trees)
end

return M
