-- SPDX-License-Identifier: MIT
-- An image as one string.

local raise = require "kvm.elf.problem".raise

local M = {}

-- A few segments far apart would otherwise ask for all of memory.
local LIMIT = 256 << 20

--- The bytes from `origin` (or the lowest segment) to the last segment's end.
---@param image kvm.elf.image
---@param origin? integer
---@return string bytes
---@return integer gpa
function M.flatten(image, origin)
  local segments = table.move(image.segments, 1, #image.segments, 1, {})
  table.sort(segments, function(a, b) return math.ult(a.gpa, b.gpa) end)
  local first = segments[1]
  origin = origin or first and first.gpa or 0
  local pieces, done = {}, 0
  for _, segment in ipairs(segments) do
    local start = segment.gpa - origin
    if math.ult(segment.gpa, origin) or math.ult(start, done) then
      raise("%s at %#x lies before %#x", segment.name, segment.gpa,
        origin + done)
    end
    if math.ult(LIMIT, start) or math.ult(LIMIT - start, segment.memsize) then
      raise("%s (%#x bytes at %#x) ends more than %#x bytes after %#x",
        segment.name, segment.memsize, segment.gpa, LIMIT, origin)
    end
    pieces[#pieces + 1] = ("\0"):rep(start - done)
    pieces[#pieces + 1] = segment.bytes
    pieces[#pieces + 1] = ("\0"):rep(segment.memsize - #segment.bytes)
    done = start + segment.memsize
  end
  return table.concat(pieces), origin
end

return M
