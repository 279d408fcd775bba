-- SPDX-License-Identifier: MIT
-- Bounded reading of an ELF file: every offset and size that the file claims is
-- checked here, and here only. All reads together may cost a few times the
-- file's size, so that tables which overlap cannot multiply the work.

local problem = require "kvm.elf.problem"
local raise = problem.raise

local M = {}

-- Record layouts by class: the format of string.unpack and the field names
-- (gABI, chapters "ELF Header", "Sections", "Symbol Table", "Relocation",
-- "Program Header").
local layouts = {
  [32] = {
    header = { "<I2I2I4I4I4I4I4I2I2I2I2I2I2", "type", "machine", "version",
      "entry", "phoff", "shoff", "flags", "ehsize", "phentsize", "phnum",
      "shentsize", "shnum", "shstrndx" },
    section = { "<I4I4I4I4I4I4I4I4I4I4", "name", "type", "flags", "addr",
      "offset", "size", "link", "info", "align", "entsize" },
    segment = { "<I4I4I4I4I4I4I4I4", "type", "offset", "vaddr", "paddr",
      "filesize", "memsize", "flags", "align" },
    symbol = { "<I4I4I4BBI2", "name", "value", "size", "info", "other",
      "section" },
    rel = { "<I4I4", "offset", "info" },
    rela = { "<I4I4i4", "offset", "info", "addend" },
    dynamic = { "<I4I4", "tag", "value" },
    word = { "<I4", "value" },
    index = { "<I4", "value" },
  },
  [64] = {
    header = { "<I2I2I4I8I8I8I4I2I2I2I2I2I2", "type", "machine", "version",
      "entry", "phoff", "shoff", "flags", "ehsize", "phentsize", "phnum",
      "shentsize", "shnum", "shstrndx" },
    section = { "<I4I4I8I8I8I8I4I4I8I8", "name", "type", "flags", "addr",
      "offset", "size", "link", "info", "align", "entsize" },
    segment = { "<I4I4I8I8I8I8I8I8", "type", "flags", "offset", "vaddr",
      "paddr", "filesize", "memsize", "align" },
    symbol = { "<I4BBI2I8I8", "name", "info", "other", "section", "value",
      "size" },
    rel = { "<I8I8", "offset", "info" },
    rela = { "<I8I8i8", "offset", "info", "addend" },
    dynamic = { "<I8I8", "tag", "value" },
    word = { "<I8", "value" },
    index = { "<I4", "value" },
  },
}

local Reader = {}
Reader.__index = Reader

--- A reader of `bytes`, a file of class 32 or 64.
function M.new(bytes, class)
  return setmetatable({
    bytes = bytes,
    class = class,
    layout = layouts[class],
    names = {},
    left = 3 * #bytes + 4096,
  }, Reader)
end

--- The size of one record of a kind.
function Reader:sizeof(kind)
  return string.packsize(self.layout[kind][1])
end

--- Count `size` bytes of work.
function Reader:spend(size, what)
  self.left = self.left - size
  if self.left < 0 then
    raise("%s overlaps other tables (all of them together are larger than"
      .. " the file)", what)
  end
end

--- Check that [offset, offset + size) lies in the file.
function Reader:span(offset, size, what)
  local length = #self.bytes
  if math.ult(length, offset) or math.ult(length - offset, size) then
    raise("%s (offset %#x, size %#x) is outside the file of %#x bytes",
      what, offset, size, length)
  end
end

--- The bytes of a span.
function Reader:slice(offset, size, what)
  self:span(offset, size, what)
  self:spend(size, what)
  return self.bytes:sub(offset + 1, offset + size)
end

local function unpack_record(layout, bytes, offset)
  local values = table.pack(string.unpack(layout[1], bytes, offset + 1))
  local record = {}
  for i = 2, #layout do record[layout[i]] = values[i - 1] end
  return record
end

--- One record.
function Reader:record(kind, offset, what)
  self:span(offset, self:sizeof(kind), what)
  return unpack_record(self.layout[kind], self.bytes, offset)
end

--- An array of records that fills `size` bytes.
function Reader:array(kind, offset, size, what)
  local each = self:sizeof(kind)
  self:span(offset, size, what)
  if size % each ~= 0 then
    raise("%s has size %#x, which is not a multiple of its entries' %d",
      what, size, each)
  end
  self:spend(size, what)
  local records = {}
  for at = offset, offset + size - each, each do
    records[#records + 1] = unpack_record(self.layout[kind], self.bytes, at)
  end
  return records
end

--- The NUL-terminated string at `index` of a string table {offset, size}.
function Reader:string(strings, index, what)
  local start = strings.offset + index
  local known = self.names[start]
  if known then return known end
  if index >= strings.size then
    raise("%s: name at %#x is outside its string table of %#x bytes", what,
      index, strings.size)
  end
  local stop = self.bytes:find("\0", start + 1, true)
  if not stop or stop > strings.offset + strings.size then
    raise("%s: name at %#x is not terminated", what, index)
  end
  self:spend(stop - start, what)
  local name = self.bytes:sub(start + 1, stop - 1)
  self.names[start] = name
  return name
end

return M
