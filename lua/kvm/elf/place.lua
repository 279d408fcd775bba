-- SPDX-License-Identifier: MIT
-- Relocatable objects: give every section an address and relocate it there.
-- The work of a linker for one object.

local labels = require "kvm.elf.labels"
local layouts = require "kvm.elf.layout"
local problem = require "kvm.elf.problem"
local reloc = require "kvm.elf.reloc"
local raise, raise_with = problem.raise, problem.raise_with

local M = {}

-- The relocations of sections in memory; those of debug data are not applied.
local function relocations_in_memory(object)
  local list = {}
  for _, relocation in ipairs(object.relocations) do
    local section = object.sections[relocation.section]
    if section and layouts.in_memory(section)
      and relocation.type ~= object.machine.none then
      list[#list + 1] = relocation
    end
  end
  return list
end

-- The address of a symbol that the object defines; nil when not in memory.
local function defined_value(layout, symbol)
  local where = symbol.section
  if where == "abs" then return symbol.value end
  if where == "common" then return layout.commons[symbol].gpa end
  local placed = layout.sections[where]
  return placed and placed.gpa + symbol.value
end

local function given_value(layout, given, symbol)
  local value = given[symbol.name]
  if value then return value end
  if symbol.name == "_GLOBAL_OFFSET_TABLE_" and layout.got then
    return layout.got.gpa
  end
  return symbol.bind == "weak" and 0 or nil
end

-- The symbol's address, or nil when it is unknown.
local function symbol_value(layout, given, symbol, where)
  if not symbol then return 0 end
  if symbol.section == "undef" then
    return given_value(layout, given, symbol)
  end
  if symbol.kind == "tls" or symbol.kind == "ifunc" then
    raise_with(where, "symbol %s is of kind %s, which only a program's own"
      .. " start code can resolve", symbol.name, symbol.kind)
  end
  local value = defined_value(layout, symbol)
  if not value then
    raise_with(where, "%s+%#x refers to symbol %s in section %s, which is"
      .. " not in memory", where.section, where.offset, symbol.name,
      symbol.section)
  end
  return value
end

local function report_unknown(unknown, where)
  local names, samples = {}, {}
  for name in pairs(unknown) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do samples[i] = name .. " = ..." end
  local many = #names > 1
  raise_with(where,
    "unknown symbol%s %s: define %s, or pass symbols = { %s }",
    many and "s" or "", table.concat(names, ", "), many and "them" or "it",
    table.concat(samples, ", "))
end

local function edit_of(layout, placed, relocation, value)
  local edit = {
    offset = relocation.offset,
    type = relocation.type,
    target = relocation.symbol,
    S = value,
    A = relocation.addend,
    P = placed.gpa + relocation.offset,
  }
  if layout.got then
    local slot = layout.slots[relocation.symbol] or 0
    edit.GOT = layout.got.gpa
    edit.G = edit.GOT + slot * layout.machine.pointer.size
  end
  return edit
end

-- Hand every placed section its edits, or say which symbols are unknown.
local function resolve(layout, given, relocations)
  local unknown, first = {}, nil
  for _, relocation in ipairs(relocations) do
    local placed = layout.sections[relocation.section]
    local symbol = relocation.symbol
    local where = { section = placed.name, offset = relocation.offset,
      symbol = symbol and symbol.name }
    local value = symbol_value(layout, given, symbol, where)
    if value then
      placed.edits[#placed.edits + 1] =
        edit_of(layout, placed, relocation, value)
    else
      unknown[symbol.name] = true
      first = first or where
    end
  end
  if first then report_unknown(unknown, first) end
end

local function fill_got(layout, given)
  local values, pointer = {}, layout.machine.pointer
  for i = 1, layout.got.size // pointer.size do values[i] = 0 end
  for symbol, slot in pairs(layout.slots) do
    values[slot + 1] = symbol_value(layout, given, symbol, {})
  end
  for i, value in ipairs(values) do
    values[i] = string.pack("<I" .. pointer.size, pointer.insert(0, value))
  end
  layout.got.bytes = table.concat(values)
end

-- The name and value of an edit's symbol. A section symbol stands for whatever
-- lies at the addend: name that.
local function naming(object)
  return function(edit)
    local target = edit.target
    if not target then return "no symbol", 0 end
    if target.kind ~= "section" then return target.name, edit.S end
    for _, symbol in ipairs(object.symbols) do
      if symbol.section == target.section and symbol.value == edit.A
        and symbol.kind ~= "section" and symbol.name ~= "" then
        return symbol.name, edit.S + edit.A
      end
    end
    return object.sections[target.section].name, edit.S
  end
end

local function segments_of(object, layout)
  local segments, name_of = {}, naming(object)
  for _, placed in ipairs(layout.list) do
    local bytes = reloc.apply(object.machine, placed.bytes, placed.edits,
      placed.name, name_of)
    if placed.size ~= 0 then
      segments[#segments + 1] = {
        name = placed.name,
        gpa = placed.gpa,
        vaddr = placed.gpa,
        bytes = bytes,
        memsize = placed.size,
        flags = layouts.permissions(placed.flags),
      }
    end
  end
  return segments
end

local function check_given(machine, given)
  for name, value in pairs(given) do
    if machine.class == 32
      and (value < -(1 << 31) or value > 0xffffffff) then
      raise("%s = %#x does not fit in 32 bits", name, value)
    end
  end
end

--- Place a parsed relocatable object at an address.
---@param object kvm.elf.object
---@param origin integer
---@param given table<string, integer> symbols that it does not define
---@return kvm.elf.image
function M.place(object, origin, given)
  check_given(object.machine, given)
  local relocations = relocations_in_memory(object)
  local layout = layouts.arrange(object, origin, relocations)
  resolve(layout, given, relocations)
  if layout.got then fill_got(layout, given) end
  local segments = segments_of(object, layout)
  local symbols = labels.values(object.symbols, function(symbol)
    return defined_value(layout, symbol)
  end)
  return {
    machine = object.header.machine,
    entry = symbols._start or origin,
    segments = segments,
    symbols = symbols,
  }
end

return M
