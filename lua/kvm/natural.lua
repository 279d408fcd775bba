-- SPDX-License-Identifier: MIT
-- The order of names that people expect: r8 before r10.
local M = {}

-- A number in a name, so that more digits come later.
local function padded(digits)
  digits = digits:gsub("^0+(%d)", "%1")
  return ("%03d%s"):format(#digits, digits)
end

--- Whether a name comes before another, for table.sort.
---@param a string
---@param b string
---@return boolean
function M.before(a, b)
  local x, y = a:gsub("%d+", padded), b:gsub("%d+", padded)
  if x ~= y then return x < y end
  return a < b
end

return M
