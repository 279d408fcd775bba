-- SPDX-License-Identifier: MIT
-- Reads what the kernel's function-graph tracer writes. Pure: text in, trees
-- out.
--
--        108.304 us  |    kvm_arch_alloc_vm();
--                    |    kvm_arch_init_vm() {
--          4.800 us  |      kvm_vgic_early_init();
--        343.344 us  |    } /* kvm_arch_init_vm */

local M = {}

---One call of a function.
---@class kvm.calltree.node
---@field name string
---@field module? string the kernel module that has it
---@field ns? integer duration in nanoseconds; nil when its end was lost
---@field children kvm.calltree.node[] what it called, in order

-- "  108.304 us  |  " -> 108304
local function nanoseconds(text)
  local us = text:match "([%d.]+) us"
  return us and math.floor(us * 1000 + 0.5)
end

local function node(name, module, ns)
  return { name = name, module = module, ns = ns, children = {} }
end

-- Open calls stand on a stack; what is called goes into the topmost.
local Builder = {}
Builder.__index = Builder

function Builder:add(call)
  local open = self[#self]
  table.insert(open and open.children or self.roots, call)
end

function Builder:enter(call)
  self:add(call)
  self[#self + 1] = call
end

-- An end without its beginning, for that was lost: what stands before it is
-- what is left of its children.
function Builder:leave(name, ns)
  local call = table.remove(self)
  if not call then
    call = node(name or "?", nil, ns)
    call.children, self.roots = self.roots, { call }
  end
  call.ns = ns
end

local function read_line(builder, line)
  local lost = line:match "LOST (%d+) EVENTS"
  if lost then
    builder.lost = builder.lost + math.tointeger(lost)
    return
  end
  local time, rest = line:match "^([^|]*)|%s*(.*)$"
  if not time then return end
  local name, module, tail = rest:match "^([%w_.$]+) ?%[?([%w_]*)%]?%(.*%)(.*)$"
  if name then
    local call = node(name, module ~= "" and module or nil, nanoseconds(time))
    if tail:find "^ {" then builder:enter(call) else builder:add(call) end
  elseif rest:find "^}" then
    builder:leave(rest:match "/%* ([%w_.$]+)", nanoseconds(time))
  end
end

---The calls in the text of a trace, and how many events the kernel says were
---lost because its buffer was full.
---Usage: `local calls, lost = parse.trace(text)`
---@param text string
---@return kvm.calltree.node[]
---@return integer lost
function M.trace(text)
  local builder = setmetatable({ roots = {}, lost = 0 }, Builder)
  for line in text:gmatch "[^\n]+" do read_line(builder, line) end
  return builder.roots, builder.lost
end

return M
