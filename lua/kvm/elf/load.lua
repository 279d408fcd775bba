-- SPDX-License-Identifier: MIT
-- Linked programs: their loadable segments, moved to a base and relocated
-- where the program is position-independent.

local dynamic = require "kvm.elf.dynamic"
local labels = require "kvm.elf.labels"
local problem = require "kvm.elf.problem"
local reader = require "kvm.elf.reader"
local raise = problem.raise

local M = {}

local PAGE = 0x1000
local READ, WRITE, EXEC = 4, 2, 1

local function check_segment(segment, base, last)
  if math.ult(segment.memsize, segment.filesize) then
    raise("segment %d has %#x bytes in the file and only %#x in memory",
      segment.index, segment.filesize, segment.memsize)
  end
  for _, address in ipairs { segment.vaddr, segment.paddr } do
    local first = address + base
    local final = first + segment.memsize - 1
    if math.ult(final, first) or math.ult(last, final)
      or math.ult(first, base) then
      raise("segment %d (address %#x, size %#x, base %#x) exceeds the"
        .. " address space", segment.index, address, segment.memsize, base)
    end
  end
end

local function by(key)
  return function(a, b) return math.ult(a[key], b[key]) end
end

-- The segments to load in order of vaddr, and the dynamic one.
local function loadable(object, base)
  local last = object.machine.class == 32 and 0xffffffff or -1
  local list, dynamic_segment = {}, nil
  for _, segment in ipairs(object.segments) do
    if segment.type == "interp" then
      raise("the program needs a dynamic linker: link it with -static")
    elseif segment.type == "dynamic" then
      dynamic_segment = segment
    elseif segment.type == "load" and segment.memsize ~= 0 then
      check_segment(segment, base, last)
      list[#list + 1] = segment
    end
  end
  table.sort(list, by "vaddr")
  return list, dynamic_segment
end

local function check_overlap(segments)
  local sorted = table.move(segments, 1, #segments, 1, {})
  table.sort(sorted, by "gpa")
  for i = 2, #sorted do
    local a, b = sorted[i - 1], sorted[i]
    if math.ult(b.gpa - a.gpa, a.memsize) then
      raise("segments %s and %s overlap in memory: [%#x, %#x) and"
        .. " [%#x, %#x)", a.name, b.name, a.gpa, a.gpa + a.memsize, b.gpa,
        b.gpa + b.memsize)
    end
  end
end

local function flags_of(segment)
  local function letter(bit, name)
    return segment.flags & bit ~= 0 and name or "-"
  end
  return letter(READ, "r") .. letter(WRITE, "w") .. letter(EXEC, "x")
end

local function symbols_of(object, base)
  local list = object.symbols
  if #list == 0 then list = object.dynamic_symbols end
  return labels.values(list, function(symbol)
    return symbol.section == "abs" and symbol.value or symbol.value + base
  end)
end

local function check_base(object, base)
  if base == 0 then return end
  if object.header.type == "exec" then
    raise("base %#x: a program linked to fixed addresses cannot be moved"
      .. " (link it with -static-pie)", base)
  elseif base % PAGE ~= 0 then
    raise("base %#x is not a multiple of %#x", base, PAGE)
  end
end

--- Load a parsed program.
---@param object kvm.elf.object
---@param base integer
---@param relocate boolean
---@return kvm.elf.image
function M.program(object, base, relocate)
  check_base(object, base)
  local machine = object.machine
  local file = reader.new(object.bytes, machine.class)
  local list, dynamic_segment = loadable(object, base)
  if #list == 0 then raise("the program has nothing to load") end
  local edits = {}
  if relocate and object.header.type == "dyn" then
    edits = dynamic.edits(file, machine, list, dynamic_segment, base)
  end
  local segments = {}
  for i, segment in ipairs(list) do
    local name = ("segment %d"):format(segment.index)
    local bytes = file:slice(segment.offset, segment.filesize, name)
    if edits[segment] then
      bytes = dynamic.relocate(machine, bytes, edits[segment], name)
    end
    segments[i] = {
      name = name,
      gpa = segment.paddr + base,
      vaddr = segment.vaddr + base,
      bytes = bytes,
      memsize = segment.memsize,
      flags = flags_of(segment),
    }
  end
  check_overlap(segments)
  return {
    machine = object.header.machine,
    entry = object.header.entry + base,
    segments = segments,
    symbols = symbols_of(object, base),
  }
end

return M
