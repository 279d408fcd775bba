-- SPDX-License-Identifier: MIT
-- The options of kvm.calltree, checked.
local filter = require "kvm.calltree.filter"

local M = {}

---@class kvm.calltree.options: kvm.calltree.filter
---@field buffer_kb? integer of the kernel's buffer for each CPU, in KiB

local OPTIONS <const> = { depth = "integer", hide = "list", only = "string",
  functions = "list", min_ns = "integer", buffer_kb = "integer" }

local function fits(kind, value)
  if kind == "integer" then
    return math.type(value) == "integer" and value > 0
  end
  return type(value) == "string" or kind == "list"
    and (type(value) == "table" or value == false)
end

---The options; raises for the caller of who calls this what is wrong with them.
---Usage: `options.check({ depth = 3 }, "calltree")`
---@param options table
---@param who string the function that was given them
---@return kvm.calltree.options
function M.check(options, who)
  for name, value in pairs(options) do
    local kind = OPTIONS[name]
    if not kind then
      error(("bad argument to '%s' (no option '%s': depth, hide, only, "
        .. "functions, min_ns, buffer_kb)"):format(who, tostring(name)), 3)
    elseif not fits(kind, value) then
      error(("bad argument to '%s' (%s: %s expected, got %s)"):format(who, name,
        kind == "integer" and "positive integer" or kind == "list"
        and "name or list of names" or "name", tostring(value)), 3)
    end
  end
  if options.only and not filter.groups[options.only] then
    error(("bad argument to '%s' (only: no group '%s')"):format(who,
      options.only), 3)
  end
  return options
end

return M
