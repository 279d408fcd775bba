-- SPDX-License-Identifier: MIT
-- From a place in a section to the line of the text, by the assembler's own
-- listing. Needed only to say where a relocation went wrong.

local engine = require "kvm.asm.engine"

local M = {}

-- The section that a line switches to, or nil.
local function section_switch(line)
  local name = line:match("^%s*(%.%a+)%f[^%w_.]")
  if name == ".text" or name == ".data" or name == ".bss" then return name end
  return line:match("%.section%s+\"?([%w_.$]+)")
    or line:match("%.pushsection%s+\"?([%w_.$]+)")
end

-- Listing rows: line number, offset in the section, bytes, source.
local function line_at(listing, section, offset)
  local current, best, best_start = ".text", nil, -1
  for row in listing:gmatch("[^\n]+") do
    local number, rest = row:match("^ *(%d+)(.*)$")
    local start, source = (rest or ""):match("^ (%x%x%x%x+) %x+%s*\t?(.*)$")
    start = start and tonumber(start, 16)
    if start and current == section and start <= offset
      and start >= best_start then
      best, best_start = math.tointeger(number), start
    end
    source = source or (rest or ""):match("\t(.*)$")
    current = source and section_switch(source) or current
  end
  return best
end

local function mentions(line, symbol)
  for name in line:gmatch("[%w_.$]+") do
    if name == symbol then return true end
  end
  return false
end

-- The first line with the name in it, other than as a label.
local function first_mention(lines, symbol)
  for number, line in ipairs(lines) do
    local pattern = "^%s*" .. symbol:gsub("%W", "%%%0") .. "%s*:"
    if mentions((line:gsub(pattern, "")), symbol) then return number end
  end
end

--- The line of the text that made the bytes at section+offset. What names the
--- symbol goes before what the listing says: literal pools and macros put
--- bytes elsewhere.
---@param target kvm.asm.target
---@param syntax string
---@param text string
---@param problem kvm.elf.problem
---@return integer?
function M.find(target, syntax, text, problem)
  if not problem.section then return nil end
  local lines = {}
  for line in (text .. "\n"):gmatch("([^\n]*)\n") do
    lines[#lines + 1] = line
  end
  local listing = engine.listing(target, syntax, text)
  local number = line_at(listing, problem.section, problem.offset)
  local symbol = problem.symbol
  if symbol and not mentions(lines[number] or "", symbol) then
    return first_mention(lines, symbol) or number
  end
  return number
end

return M
