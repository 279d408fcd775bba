-- SPDX-License-Identifier: MIT
-- From the bytes of an ELF file to its object: header, sections, segments,
-- symbols, relocations. Nothing is placed or interpreted here.

local machines = require "kvm.elf.machines"
local problem = require "kvm.elf.problem"
local reader = require "kvm.elf.reader"
local raise = problem.raise

local M = {}

local file_types = { "rel", "exec", "dyn", "core" }

local section_types = {
  [0] = "null", "progbits", "symtab", "strtab", "rela", "hash", "dynamic",
  "note", "nobits", "rel", "shlib", "dynsym", [14] = "init_array",
  [15] = "fini_array", [18] = "symtab_shndx", [19] = "relr",
}

local segment_types = {
  [0] = "null", "load", "dynamic", "interp", "note", "shlib", "phdr", "tls",
}

local symbol_kinds = {
  [0] = "notype", "object", "func", "section", "file", "common", "tls",
  [10] = "ifunc",
}

local symbol_binds = { [0] = "local", "global", "weak" }

-- Section indices of symbols that name no section.
local special_sections = { [0] = "undef", [0xfff1] = "abs",
  [0xfff2] = "common" }
local INDEX_IS_ELSEWHERE = 0xffff

local function header_of(bytes)
  if #bytes < 20 or bytes:sub(1, 4) ~= "\127ELF" then
    raise("not an ELF file (it begins with %s)",
      bytes == "" and "nothing" or ("'%s'"):format(bytes:sub(1, 4)))
  end
  local class, order = bytes:byte(5, 6)
  if class ~= 1 and class ~= 2 then raise("unknown ELF class %d", class) end
  if order ~= 1 then
    raise("byte order %d: only little-endian files are read", order)
  end
  local file = reader.new(bytes, class * 32)
  local header = file:record("header", 16, "the ELF header")
  local machine = machines[header.machine]
  if not machine or machine.class ~= file.class then
    raise("machine %d in a %d-bit file: not one of %s", header.machine,
      file.class, machines.names)
  end
  header.class, header.machine = file.class, machine.name
  header.type = file_types[header.type] or header.type
  return file, header, machine
end

-- Section 0 is not a section: it holds the counts too large for the header.
local function section_counts(file, header)
  local count, names, segments =
    header.shnum, header.shstrndx, header.phnum
  if header.shoff ~= 0 then
    local first = file:record("section", header.shoff, "the section table")
    if count == 0 then count = first.size end
    if names == INDEX_IS_ELSEWHERE then names = first.link end
    if segments == 0xffff then segments = first.info end
  else
    count = 0
  end
  return count, names, segments
end

local function check_entry_size(file, kind, size, what)
  if size ~= file:sizeof(kind) then
    raise("%s has entries of %d bytes, not %d", what, size, file:sizeof(kind))
  end
end

local function table_of(file, kind, offset, count, size, what)
  if count == 0 then return {} end
  check_entry_size(file, kind, size, what)
  if count < 0 or count > #file.bytes then
    raise("%s has %#x entries in a file of %#x bytes", what, count,
      #file.bytes)
  end
  return file:array(kind, offset, count * size, what)
end

local function describe(section)
  return ("section %d (%s)"):format(section.index, section.name)
end

-- The string table that section `index` is.
local function strings_of(file, sections, index, what)
  local strings = sections[index]
  if not strings or strings.type ~= "strtab" then
    raise("%s names section %d as its string table", what, index)
  end
  file:span(strings.offset, strings.size, describe(strings))
  return strings
end

local function sections_of(file, header, count, names_index)
  local records = table_of(file, "section", header.shoff, count,
    header.shentsize, "the section table")
  local sections = {}
  for i = 2, #records do
    local section = records[i]
    section.index = i - 1
    section.type = section_types[section.type] or section.type
    section.name_offset, section.name = section.name, "#" .. i - 1
    sections[i - 1] = section
  end
  if names_index == 0 then return sections end
  local strings = strings_of(file, sections, names_index, "the ELF header")
  for _, section in ipairs(sections) do
    section.name = file:string(strings, section.name_offset,
      "section " .. section.index)
  end
  return sections
end

local function segments_of(file, header, count)
  local segments = table_of(file, "segment", header.phoff, count,
    header.phentsize, "the program header table")
  for i, segment in ipairs(segments) do
    segment.index = i
    segment.type = segment_types[segment.type] or segment.type
  end
  return segments
end

-- The indices of a symbol table that has more than 0xff00 sections.
local function wide_indices(file, sections, symtab)
  for _, section in ipairs(sections) do
    if section.type == "symtab_shndx" and section.link == symtab.index then
      return file:array("index", section.offset, section.size,
        describe(section))
    end
  end
  return {}
end

local function section_of_symbol(symbol, sections, wide, i)
  local index = symbol.section
  if special_sections[index] then return special_sections[index] end
  if index == INDEX_IS_ELSEWHERE then
    index = wide[i] and wide[i].value or 0
  end
  if not sections[index] then
    raise("symbol %d (%s) lies in section %d, of %d", i - 1, symbol.name,
      index, #sections)
  end
  return index
end

-- Symbol 0 is not a symbol: the result holds the others at their own index.
local function symbols_of(file, sections, symtab)
  local what = describe(symtab)
  check_entry_size(file, "symbol", symtab.entsize, what)
  local records = file:array("symbol", symtab.offset, symtab.size, what)
  local strings = strings_of(file, sections, symtab.link, what)
  local wide = wide_indices(file, sections, symtab)
  local symbols = {}
  for i = 2, #records do
    local symbol = records[i]
    symbol.name = file:string(strings, symbol.name, "symbol " .. i - 1)
    local kind, bind = symbol.info & 15, symbol.info >> 4
    symbol.kind = symbol_kinds[kind] or kind
    symbol.bind = symbol_binds[bind] or bind
    symbol.section = section_of_symbol(symbol, sections, wide, i)
    symbols[i - 1] = symbol
  end
  return symbols
end

local function relocations_of(file, section, symtabs, list)
  local what = describe(section)
  check_entry_size(file, section.type, section.entsize, what)
  local symbols = symtabs[section.link] or {}
  local shift = file.class == 64 and 32 or 8
  for _, record in ipairs(file:array(section.type, section.offset,
    section.size, what)) do
    local index = record.info >> shift
    local symbol = symbols[index]
    if index ~= 0 and not symbol then
      raise("%s: relocation at %#x is against symbol %d, of %d", what,
        record.offset, index, #symbols)
    end
    list[#list + 1] = {
      section = section.info,
      offset = record.offset,
      type = record.info & (1 << shift) - 1,
      symbol = symbol,
      addend = record.addend,
    }
  end
end

--- Read an ELF file; problems are raised.
---@param bytes string
---@return kvm.elf.object
function M.object(bytes)
  local file, header, machine = header_of(bytes)
  local count, names, segment_count = section_counts(file, header)
  local sections = sections_of(file, header, count, names)
  local object = {
    bytes = bytes,
    header = header,
    machine = machine,
    sections = sections,
    segments = segments_of(file, header, segment_count),
    symbols = {},
    dynamic_symbols = {},
    relocations = {},
  }
  local symtabs = {}
  for _, section in ipairs(sections) do
    if section.type == "symtab" or section.type == "dynsym" then
      local symbols = symbols_of(file, sections, section)
      symtabs[section.index] = symbols
      object[section.type == "symtab" and "symbols" or "dynamic_symbols"] =
        symbols
    end
  end
  for _, section in ipairs(sections) do
    if section.type == "rel" or section.type == "rela" then
      relocations_of(file, section, symtabs, object.relocations)
    end
  end
  return object
end

return M
