-- SPDX-License-Identifier: MIT
-- Where the sections of a relocatable object go: code from the origin on, then
-- data, a global offset table where the code uses one, and what has no bytes.

local problem = require "kvm.elf.problem"
local reader = require "kvm.elf.reader"
local reloc = require "kvm.elf.reloc"
local raise = problem.raise

local M = {}

local WRITE, ALLOC, EXEC = 1, 2, 4

--- Whether a section occupies memory.
function M.in_memory(section)
  return section.flags & ALLOC ~= 0
end

--- Section flags as "rwx".
function M.permissions(flags)
  return "r" .. (flags & WRITE ~= 0 and "w" or "-")
    .. (flags & EXEC ~= 0 and "x" or "-")
end

local function rank(section)
  if section.type == "nobits" then return 3 end
  return section.flags & EXEC ~= 0 and 1 or 2
end

local function sections_in_memory(object)
  local list = {}
  for _, section in ipairs(object.sections) do
    if M.in_memory(section) then list[#list + 1] = section end
  end
  table.sort(list, function(a, b)
    local ra, rb = rank(a), rank(b)
    if ra ~= rb then return ra < rb end
    return a.index < b.index
  end)
  return list
end

-- The next address for something of that size and alignment. All numbers are
-- unsigned, and of the width of the machine.
local function reserve(layout, size, align, what)
  if align == 0 then align = 1 end
  if align & (align - 1) ~= 0 then
    raise("%s: alignment %#x is not a power of two", what, align)
  end
  local gpa = layout.cursor + align - 1 & -align
  if size == 0 then return gpa end
  if not layout.started and gpa ~= layout.origin then
    raise("origin %#x is not a multiple of %#x, the alignment of %s",
      layout.origin, align, what)
  end
  local last = gpa + size - 1
  if math.ult(gpa, layout.cursor) or math.ult(last, gpa)
    or math.ult(layout.last, last) then
    raise("%s (%#x bytes, aligned to %#x) does not fit between %#x and the"
      .. " end of the %d-bit address space", what, size, align,
      layout.cursor, layout.machine.class)
  end
  layout.cursor, layout.started = last + 1, true
  return gpa
end

local function add(layout, name, size, align, flags, bytes)
  local placed = { name = name, gpa = reserve(layout, size, align, name),
    size = size, flags = flags, bytes = bytes, edits = {} }
  layout.list[#layout.list + 1] = placed
  return placed
end

local function add_section(layout, file, section)
  local name = section.name
  local bytes = ""
  if section.type ~= "nobits" then
    bytes = file:slice(section.offset, section.size, name)
  end
  layout.sections[section.index] =
    add(layout, name, section.size, section.align, section.flags, bytes)
end

-- Slots of the global offset table, for code that was compiled to use one.
local function got_slots(machine, relocations)
  local slots, count, needed = {}, 0, false
  for _, relocation in ipairs(relocations) do
    local slot, got = reloc.got_needs(machine, relocation.type)
    needed = needed or got
    local symbol = relocation.symbol
    if slot and symbol and not slots[symbol] then
      slots[symbol], count = count, count + 1
    end
  end
  return needed and slots, count
end

local function add_got(layout, relocations)
  local slots, count = got_slots(layout.machine, relocations)
  if not slots then return end
  local each = layout.machine.pointer.size
  layout.got = add(layout, ".got", math.max(count, 1) * each, each,
    WRITE | ALLOC, "")
  layout.slots = slots
end

-- `.comm` names: the value of the symbol is its alignment.
local function add_commons(layout, symbols)
  for _, symbol in ipairs(symbols) do
    if symbol.section == "common" then
      layout.commons[symbol] = add(layout, symbol.name, symbol.size,
        symbol.value, WRITE | ALLOC, "")
    end
  end
end

--- Give every section in memory an address.
---@param object kvm.elf.object
---@param origin integer
---@param relocations table[] those of sections in memory
---@return table layout {list, sections (by index), commons, got, slots}
function M.arrange(object, origin, relocations)
  local machine = object.machine
  local layout = {
    machine = machine, origin = origin, cursor = origin, list = {},
    last = machine.class == 32 and 0xffffffff or -1,
    sections = {}, commons = {},
  }
  if math.ult(layout.last, origin) then
    raise("origin %#x does not fit in %d bits", origin, machine.class)
  end
  local file = reader.new(object.bytes, machine.class)
  local without_bytes = {}
  for _, section in ipairs(sections_in_memory(object)) do
    if section.type == "nobits" then
      without_bytes[#without_bytes + 1] = section
    else
      add_section(layout, file, section)
    end
  end
  add_got(layout, relocations)
  for _, section in ipairs(without_bytes) do
    add_section(layout, file, section)
  end
  add_commons(layout, object.symbols)
  return layout
end

return M
