-- SPDX-License-Identifier: MIT
-- Call trees as text, with an arrow before each call. Pure.
--
--     -> kvm_dev_ioctl 2730.4 us
--       -> kvm_arch_alloc_vm 108.3 us
--       -> kvm_arch_init_vm 343.3 us
--         -> kvm_vgic_early_init 4.8 us
local M = {}

-- Longest run of different calls whose repetition is found.
local LONGEST <const> = 64

---What a call and all below it are, without the times: equal for equal trees.
---Usage: `local are_alike = print.shape(a) == print.shape(b)`
---@param call kvm.calltree.node
---@return string
function M.shape(call)
  local parts = { call.name }
  for i, child in ipairs(call.children) do parts[i + 1] = M.shape(child) end
  return #parts == 1 and parts[1] or "(" .. table.concat(parts, " ") .. ")"
end

-- How often the calls before `at` come again there, in the same order.
local function repeats(shapes, at, length)
  local count = 0
  while at + length - 1 <= #shapes do
    for i = at, at + length - 1 do
      if shapes[i] ~= shapes[at - length + (i - at)] then return count end
    end
    count, at = count + 1, at + length
  end
  return count
end

-- The shortest run of several calls before `at` that is repeated there.
local function find_repeat(shapes, at)
  for length = 2, math.min(at - 1, LONGEST) do
    local count = repeats(shapes, at, length)
    if count > 0 then return length, count end
  end
end

local function microseconds(ns) return ("%.1f us"):format(ns / 1000) end

local function total(calls, from, to)
  local sum
  for i = from, to do
    if calls[i].ns then sum = (sum or 0) + calls[i].ns end
  end
  return sum
end

local Writer = {}
Writer.__index = Writer

function Writer:line(depth, text, ns)
  local time = self.times and ns and " " .. microseconds(ns) or ""
  self[#self + 1] = ("  "):rep(depth) .. text .. time
end

-- A call and those after it that are like it; how many these are.
function Writer:call(calls, shapes, at, depth)
  local call, times = calls[at], 1
  if self.fold then times = 1 + repeats(shapes, at + 1, 1) end
  local note = self.note(call.name)
  self:line(depth, ("-> %s%s%s"):format(call.name,
    times > 1 and " x" .. times or "", note and " (" .. note .. ")" or ""),
    total(calls, at, at + times - 1))
  self:calls(call.children, depth + 1)
  return times
end

function Writer:calls(calls, depth)
  local shapes, at = {}, 1
  for i, call in ipairs(calls) do shapes[i] = M.shape(call) end
  while at <= #calls do
    local length, count
    if self.fold then length, count = find_repeat(shapes, at) end
    if length then
      local all = length * count
      self:line(depth, ("   the last %d again%s"):format(length,
        count > 1 and (", %d times"):format(count) or ""),
        total(calls, at, at + all - 1))
      at = at + all
    else
      at = at + self:call(calls, shapes, at, depth)
    end
  end
end

local function no_note() end

---@class kvm.calltree.style
---@field times? boolean false: no durations
---@field fold? boolean false: what is repeated is written each time
---@field note? fun(name: string): string? a remark on a function
---@field indent? integer columns to the right

---Calls as lines.
---Usage: `io.write(table.concat(print.lines(step.tree), "\n"), "\n")`
---@param calls kvm.calltree.node[]
---@param style? kvm.calltree.style
---@return string[]
function M.lines(calls, style)
  style = style or {}
  local writer = setmetatable({ times = style.times ~= false,
    fold = style.fold ~= false, note = style.note or no_note }, Writer)
  writer:calls(calls, 0)
  return table.move(writer, 1, #writer, 1, {})
end

return M
