-- SPDX-License-Identifier: MIT
-- The options of kvm.calltree, checked.
local check = require "kvm.check"
local filter = require "kvm.calltree.filter"

local M = {}

---@class kvm.calltree.options: kvm.calltree.filter
---@field buffer_kb? integer of the kernel's buffer for each CPU, in KiB

local function positive(name, value)
  if math.type(value) ~= "integer" or value < 1 then
    return ("%s: positive integer expected, got %s"):format(name,
      check.show(value))
  end
end

local function hidden(name, value)
  return value ~= false and check.names(name, value) or nil
end

local groups = {}
for name in pairs(filter.groups) do groups[#groups + 1] = name end
table.sort(groups)

local FILTER <const> = { depth = positive, hide = hidden, only = groups,
                         functions = check.names, min_ns = positive }
local OPTIONS <const> = { buffer_kb = positive }
for name, kind in pairs(FILTER) do OPTIONS[name] = kind end

---The options of a recording, checked: the n-th argument of fn.
---@param n integer
---@param fn string
---@param options? table
---@return kvm.calltree.options
function M.check(n, fn, options)
  return check.options(n, fn, options, OPTIONS)
end

---The same for those of a filter.
---@param n integer
---@param fn string
---@param options? table
---@return kvm.calltree.filter
function M.filter(n, fn, options)
  return check.options(n, fn, options, FILTER)
end

return M
