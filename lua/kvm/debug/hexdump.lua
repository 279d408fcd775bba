-- SPDX-License-Identifier: MIT
--- Bytes as text, sixteen to a line, as `hexdump -C` prints them.
local check = require "kvm.check"

local M = {}

local WIDTH = 16

local function line(bytes, at)
  local hex = bytes:gsub(".", function(c) return ("%02x "):format(c:byte()) end)
  local left, right = hex:sub(1, WIDTH * 3 / 2), hex:sub(WIDTH * 3 / 2 + 1)
  return ("%08x  %-24s %-24s |%s|"):format(at, left, right,
    (bytes:gsub("[^\x20-\x7e]", ".")))
end

---The dump of a byte string. A line like the one before is left out; one "*"
---stands for all that follow each other. The last line is the end address.
---Usage: `print(hexdump.format("hello", 0x1000))`
---@param bytes string
---@param start? integer address of the first byte, 0 by default
---@return string lines without a newline at the end
function M.format(bytes, start)
  check.argument(1, "format", "bytes", "string", bytes)
  start = check.optional(2, "format", "start", "integer", start) or 0
  local lines, last, squeezed = {}, nil, false
  for at = 1, #bytes, WIDTH do
    local row = bytes:sub(at, at + WIDTH - 1)
    if row ~= last or at + WIDTH > #bytes then
      lines[#lines + 1] = line(row, start + at - 1)
      squeezed = false
    elseif not squeezed then
      lines[#lines + 1] = "*"
      squeezed = true
    end
    last = row
  end
  lines[#lines + 1] = ("%08x"):format(start + #bytes)
  return table.concat(lines, "\n")
end

return M
