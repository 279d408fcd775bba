-- SPDX-License-Identifier: MIT
-- Directives that read files of the host are refused before anything runs. What
-- a macro composes is only seen afterwards, by the engine.

local reads_file = require "kvm.asm.engine".reads_file

local M = {}

-- Does what stands before it on the line make it the begin of a statement?
local function begins_statement(before)
  return before:find("^%s*$") or before:find("[;:]%s*$")
    or before:find("%*/%s*$")
end

local function directive_in(line)
  for position, name in line:gmatch("()%.([%a]+)%f[^%w_.$]") do
    if (name == "incbin" or name == "include")
      and begins_statement(line:sub(1, position - 1)) then
      return position
    end
  end
end

--- The faults of a text that names such a directive.
---@param text string
---@return kvm.asm.fault[]
function M.faults(text)
  local faults, number = {}, 0
  if not text:lower():find(".inc", 1, true) then return faults end
  for line in (text .. "\n"):gmatch("([^\n]*)\n") do
    number = number + 1
    local code = line:gsub('"[^"]*"', function(s) return ("_"):rep(#s) end)
    local position = directive_in(code:lower())
    if position then
      local argument = line:sub(position):match("^%.%a+%s*([^;]*)")
      local file = argument:match('"([^"]*)"') or argument
      faults[#faults + 1] = { line = number, message = reads_file(file) }
    end
  end
  return faults
end

return M
