-- SPDX-License-Identifier: MIT
-- What is wrong with a file. Internally it is a value, so that `kvm.asm` can
-- see which section and offset it is about, and so that a fault of the file is
-- never confused with a fault of this code.

local M = {}

---@class kvm.elf.problem
---@field message string
---@field section? string the placed section the problem lies in
---@field offset? integer where in that section
---@field symbol? string the symbol that could not be used

local Problem = { __name = "kvm.elf.problem" }
Problem.__tostring = function(self) return self.message end

-- Names come from the file: whatever they are, the message is one line.
local function printable(message)
  if #message > 600 then message = message:sub(1, 600) .. "..." end
  return (message:gsub("%c", function(c)
    return ("\\x%02x"):format(c:byte())
  end))
end

--- Raise a problem; `details` are further fields of it.
function M.raise_with(details, format, ...)
  details.message = printable(format:format(...))
  error(setmetatable(details, Problem), 0)
end

--- Raise a problem that has nothing but its message.
function M.raise(format, ...)
  return M.raise_with({}, format, ...)
end

--- Whether a value is a problem that was raised here.
function M.is(value)
  return getmetatable(value) == Problem
end

return M
