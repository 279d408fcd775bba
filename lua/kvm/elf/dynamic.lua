-- SPDX-License-Identifier: MIT
-- Position-independent programs: the relocations that their dynamic section
-- asks for, found the way a loader must (by address, not by section).

local problem = require "kvm.elf.problem"
local reloc = require "kvm.elf.reloc"
local raise = problem.raise

local M = {}

-- Dynamic tags (gABI, "Dynamic Section").
local tags = {
  [1] = "needed", [2] = "pltrelsz", [5] = "strtab", [6] = "symtab",
  [7] = "rela", [8] = "relasz", [10] = "strsz", [17] = "rel", [18] = "relsz",
  [20] = "pltrel", [23] = "jmprel", [35] = "relrsz", [36] = "relr",
}
local TAG_REL, TAG_RELA = 17, 7
local WEAK, IFUNC = 2, 10

-- The segment that holds an address: `segments` are in order of vaddr.
local function segment_at(segments, vaddr)
  local low, high = 1, #segments
  while low < high do
    local middle = (low + high + 1) // 2
    if math.ult(vaddr, segments[middle].vaddr) then
      high = middle - 1
    else
      low = middle
    end
  end
  local segment = segments[low]
  if segment and math.ult(vaddr - segment.vaddr, segment.filesize) then
    return segment
  end
end

-- Where in the file the bytes at an address stand.
local function file_offset(segments, vaddr, what)
  local segment = segment_at(segments, vaddr)
  if not segment then
    raise("%s at %#x is not in the file's part of a segment", what, vaddr)
  end
  return segment.offset + vaddr - segment.vaddr
end

local function tags_of(file, dynamic)
  local found = {}
  for _, entry in ipairs(file:array("dynamic", dynamic.offset,
    dynamic.filesize, "the dynamic segment")) do
    if entry.tag == 0 then break end
    local name = tags[entry.tag]
    if name == "needed" then
      raise("the program needs shared libraries: link it with -static-pie")
    elseif name then
      found[name] = entry.value
    end
  end
  return found
end

local function records_at(file, segments, kind, vaddr, size, what)
  if not vaddr then return {} end
  local offset = file_offset(segments, vaddr, what)
  return file:array(kind, offset, size or 0, what)
end

-- The value of symbol `index`, read where the dynamic section says.
local function symbol_value(context, index)
  local file, found = context.file, context.tags
  if index == 0 then return 0 end
  local size = file:sizeof("symbol")
  file:spend(size, "the dynamic symbols")
  local at = (found.symtab or 0) + index * size
  local symbol = file:record("symbol",
    file_offset(context.segments, at, "the dynamic symbol table"),
    "dynamic symbol " .. index)
  if symbol.info & 15 == IFUNC then
    raise("dynamic symbol %d is an ifunc, which only the program's own start"
      .. " code can resolve (pass relocate = false)", index)
  end
  if symbol.section == 0xfff1 then return symbol.value end
  if symbol.section ~= 0 then return context.base + symbol.value end
  if symbol.info >> 4 == WEAK then return 0 end
  local strings = { size = found.strsz or 0,
    offset = file_offset(context.segments, found.strtab or 0,
      "the dynamic string table") }
  raise("the program needs symbol %s of a shared library: link it with"
    .. " -static-pie", file:string(strings, symbol.name, "a dynamic symbol"))
end

local function add_edit(context, vaddr, edit)
  context.file:spend(context.machine.pointer.size, "the relocations")
  local segment = segment_at(context.segments, vaddr)
  if not segment then
    raise("a relocation at %#x is not in the file's part of a segment",
      vaddr)
  end
  edit.offset = vaddr - segment.vaddr
  edit.B, edit.P = context.base, context.base + vaddr
  local edits = context.edits[segment] or {}
  context.edits[segment] = edits
  edits[#edits + 1] = edit
end

local function add_relocations(context, records)
  local shift = context.file.class == 64 and 32 or 8
  for _, record in ipairs(records) do
    local kind = record.info & (1 << shift) - 1
    if kind ~= context.machine.none then
      add_edit(context, record.offset, {
        type = kind,
        S = symbol_value(context, record.info >> shift),
        A = record.addend,
      })
    end
  end
end

-- RELR: an even word is the address of a relative relocation; an odd one is a
-- bitmap of those in the words that follow (gABI, "Relative Relocations").
local function add_relr(context, records, relative)
  local word = context.file:sizeof("word")
  local where = 0
  for _, record in ipairs(records) do
    local value = record.value
    if value & 1 == 0 then
      add_edit(context, value, { type = relative })
      where = value + word
    else
      for bit = 1, 8 * word - 1 do
        if value >> bit & 1 == 1 then
          add_edit(context, where + (bit - 1) * word, { type = relative })
        end
      end
      where = where + (8 * word - 1) * word
    end
  end
end

local function relative_type(machine)
  for number, row in pairs(machine.relocations) do
    if row[2] == "B + A" then return number end
  end
end

--- The edits that each segment of a position-independent program needs.
---@param file table reader
---@param machine table
---@param segments table[] loadable segments in order of vaddr
---@param dynamic table? the dynamic segment
---@param base integer
---@return table<table, kvm.elf.edit[]>
function M.edits(file, machine, segments, dynamic, base)
  local context = { file = file, machine = machine, segments = segments,
    base = base, edits = {} }
  if not dynamic then return context.edits end
  local found = tags_of(file, dynamic)
  context.tags = found
  local function records(kind, vaddr, size, what)
    return records_at(file, segments, kind, vaddr, size, what)
  end
  add_relocations(context, records("rela", found.rela, found.relasz,
    "DT_RELA"))
  add_relocations(context, records("rel", found.rel, found.relsz, "DT_REL"))
  local plt = found.pltrel == TAG_REL and "rel" or "rela"
  if found.pltrel and plt == "rela" and found.pltrel ~= TAG_RELA then
    raise("DT_PLTREL is %#x, neither REL nor RELA", found.pltrel)
  end
  add_relocations(context, records(plt, found.jmprel, found.pltrelsz,
    "DT_JMPREL"))
  add_relr(context, records("word", found.relr, found.relrsz, "DT_RELR"),
    relative_type(machine))
  return context.edits
end

--- Apply a segment's edits to its bytes.
function M.relocate(machine, bytes, edits, what)
  return reloc.apply(machine, bytes, edits, what, function(edit)
    return "symbol", edit.S or 0
  end)
end

return M
