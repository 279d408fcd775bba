-- SPDX-License-Identifier: MIT
-- The symbols of a file that a user would look up by name.

local M = {}

local not_labels = { section = true, file = true, tls = true }

-- Mapping symbols ($x, $d) mark code and data for arm64 tools.
local function is_label(symbol)
  local name = symbol.name
  return name ~= "" and symbol.section ~= "undef"
    and not not_labels[symbol.kind] and not name:find("^%$[xd]%f[%.\0]")
end

--- Values by name; a global name wins over local ones of the same name.
---@param symbols table[]
---@param value_of fun(symbol: table): integer?
---@return table<string, integer>
function M.values(symbols, value_of)
  local values = {}
  for _, symbol in ipairs(symbols) do
    if is_label(symbol)
      and (symbol.bind ~= "local" or not values[symbol.name]) then
      values[symbol.name] = value_of(symbol)
    end
  end
  return values
end

return M
