-- SPDX-License-Identifier: MIT
-- Files that lie: each must give one clear error, in bounded time and memory.

local elf = require "kvm.elf"
local tools = require "spec.support.toolchain"

-- Offsets in a 64-bit ELF file (gABI).
local HEADER = { class = { 4, "B" }, order = { 5, "B" }, type = { 16, "I2" },
  machine = { 18, "I2" }, phoff = { 32, "I8" }, shoff = { 40, "I8" },
  phentsize = { 54, "I2" }, phnum = { 56, "I2" }, shentsize = { 58, "I2" },
  shnum = { 60, "I2" }, shstrndx = { 62, "I2" } }
local SECTION = { name = { 0, "I4" }, type = { 4, "I4" }, flags = { 8, "I8" },
  offset = { 24, "I8" }, size = { 32, "I8" }, link = { 40, "I4" },
  info = { 44, "I4" }, align = { 48, "I8" }, entsize = { 56, "I8" } }
local SEGMENT = { offset = { 8, "I8" }, vaddr = { 16, "I8" },
  paddr = { 24, "I8" }, filesize = { 32, "I8" }, memsize = { 40, "I8" } }

local function patch(bytes, base, field, value)
  local packed = string.pack("<" .. field[2], value)
  local at = base + field[1]
  return bytes:sub(1, at) .. packed .. bytes:sub(at + #packed + 1)
end

local function header(bytes, name, value)
  return patch(bytes, 0, HEADER[name], value)
end

local function section_named(bytes, name)
  for _, section in ipairs(elf.parse(bytes).sections) do
    if section.name == name then return section end
  end
  error("no section " .. name)
end

local function section(bytes, name, field, value)
  local shoff = elf.parse(bytes).header.shoff
  return patch(bytes, shoff + 64 * section_named(bytes, name).index,
    SECTION[field], value)
end

local function segment(bytes, index, field, value)
  return patch(bytes, elf.parse(bytes).header.phoff + 56 * (index - 1),
    SEGMENT[field], value)
end

-- Run with a limit on instructions and a look at memory: never a hang, never
-- an allocation out of proportion.
local function bounded(bytes, call)
  collectgarbage()
  collectgarbage("stop")
  local before = collectgarbage("count")
  debug.sethook(function() error("HANG", 0) end, "", 50000000)
  local ok, result = pcall(call, bytes)
  debug.sethook()
  local used = collectgarbage("count") - before
  collectgarbage("restart")
  local allowed = 4096 + 64 * #bytes / 1024
  assert(used < allowed, ("%.0f KiB for a file of %d bytes"):format(
    used, #bytes))
  return ok, result
end

local function refused(expected, bytes)
  local ok, message = bounded(bytes, elf.load)
  assert.is_false(ok)
  assert.matches("elf: ", message, 1, true)
  assert.matches(expected, message, 1, true)
  assert.is_nil(message:find("\n"))
end

local text = [[
  .globl _start
  _start: call f
  f: mov d, %eax
  .data
  d: .quad _start, f
  .bss
  .skip 64
]]

describe("elf refuses", function()
  local object, program

  setup(function()
    if not tools.has("ld", "x86_64") then return end
    object = tools.object("x86_64", text)
    program = tools.link("x86_64", object, "-Ttext 0x100000 -Tdata 0x200000")
  end)

  before_each(function() tools.need("ld", "x86_64") end)

  it("what is no ELF file", function()
    refused("not an ELF file (it begins with nothing)", "")
    refused("not an ELF file (it begins with '\\x7fEL')", "\127EL")
    refused("not an ELF file", ("x"):rep(100))
    refused("not an ELF file", "\127ELF")
    refused("unknown ELF class 3", header(object, "class", 3))
    refused("byte order 2: only little-endian", header(object, "order", 2))
    refused("machine 243 in a 64-bit file: not one of x86_32 (3)",
      header(object, "machine", 243))
    refused("machine 3 in a 64-bit file", header(object, "machine", 3))
    refused("a file of type core cannot be loaded", header(object, "type", 4))
  end)

  it("truncation at every length", function()
    for length = 0, #object - 1 do
      local ok, message =
        bounded(object:sub(1, length), elf.load)
      assert.is_false(ok)
      assert.matches("elf: ", message, 1, true)
    end
  end)

  it("tables outside of the file", function()
    refused("the section table (offset 0xffffffffffffff00",
      header(object, "shoff", -256))
    refused("the section table", header(object, "shoff", #object - 10))
    refused("the program header table",
      header(program, "phoff", 0x7fffffffffffffff))
    refused("the section table has entries of 63 bytes, not 64",
      header(object, "shentsize", 63))
    refused("the section table", header(object, "shnum", 0xfeff))
  end)

  it("counts that no file could hold", function()
    local wide = header(object, "shnum", 0)
    wide = patch(wide, elf.parse(object).header.shoff, SECTION.size, 1 << 40)
    refused("the section table has 0x10000000000 entries", wide)
    refused("has 0x8000000000000000 entries",
      patch(wide, elf.parse(object).header.shoff, SECTION.size, 1 << 63))
  end)

  it("sections outside of the file", function()
    refused(".text (offset", section(object, ".text", "offset", 1 << 40))
    refused(".data (offset", section(object, ".data", "size", -1))
    refused("(.symtab)", section(object, ".symtab", "offset", -8))
    refused("(.rela.text) has size 0x11",
      section(object, ".rela.text", "size", 17))
    refused("(.symtab) has entries of 0 bytes, not 24",
      section(object, ".symtab", "entsize", 0))
  end)

  it("names outside of their table, or without an end", function()
    refused("is outside its string table",
      section(object, ".text", "name", 0xffffff))
    refused("names section 1 as its string table",
      header(object, "shstrndx", 1))
    refused("names section 60000 as its string table",
      header(object, "shstrndx", 60000))
    refused("is not terminated", section(object, ".strtab", "size", 4))
  end)

  it("links to the wrong section", function()
    refused("as its string table", section(object, ".symtab", "link", 99))
    refused("is against symbol", section(object, ".rela.text", "link", 1))
  end)

  it("alignments that are none, or beyond memory", function()
    refused("alignment 0x3 is not a power of two",
      section(object, ".text", "align", 3))
    refused("does not fit between",
      section(section(object, ".data", "align", 1 << 63), ".bss", "align",
        1 << 63))
    refused("does not fit between", section(object, ".bss", "size", -16))
  end)

  it("to make a huge .bss into bytes, but gives its size", function()
    local huge = section(object, ".bss", "size", 1 << 40)
    local ok, image = bounded(huge, elf.load)
    assert.is_true(ok)
    assert.equal(1 << 40, image.segments[3].memsize)
    local flat, message = pcall(elf.flatten, image)
    assert.is_false(flat)
    assert.matches("ends more than 0x10000000 bytes", message, 1, true)
  end)

  it("relocations outside of their section, unknown, or overlapping",
    function()
      local rela = section_named(object, ".rela.text").offset
      local offset, info = { 0, "I8" }, { 8, "I8" }
      refused("a relocation outside of the", patch(object, rela, offset, -1))
      refused("a relocation outside of the",
        patch(object, rela, offset, 0x1000))
      refused("relocation type 77 of x86_64 is not supported",
        patch(object, rela, info, 77))
      refused("is against symbol 268435456",
        patch(object, rela, info, 1 << 60 | 4))
      local data = section_named(object, ".rela.data").offset
      refused(".data+0x4: relocations overlap",
        patch(object, data + 24, offset, 4))
      refused("R_X86_64_RELATIVE has no meaning in a file of this type",
        patch(object, data, info, 8))
    end)

  it("relocations of sections that are not in memory", function()
    refused("which is not in memory", tools.object("x86_64",
      '.section .hidden\nh: .long 0\n.text\n.quad h'))
  end)

  it("segments that lie", function()
    refused("segment 2 (offset", segment(program, 2, "offset", 1 << 62))
    refused("bytes in the file and only 0x1 in memory",
      segment(program, 2, "memsize", 1))
    refused("exceeds the address space", segment(program, 2, "memsize", -1))
    refused("exceeds the address space", segment(program, 2, "vaddr", -1))
    local other = elf.parse(program).segments[3].paddr
    refused("overlap in memory", segment(program, 2, "paddr", other))
  end)

  it("tables that overlap a thousand times", function()
    -- Many sections, each a relocation table in the same zeros: work in the
    -- square of the file's size if nobody counts.
    local count, size = 2000, 240000
    local one = string.pack("<I4I4I8I8I8I8I4I4I8I8", 0, 4, 0, 0,
      64 + count * 64, size, 0, 0, 1, 24)
    local first = string.pack("<I4I4I8I8I8I8I4I4I8I8", 0, 0, 0, 0, 0, count,
      0, 0, 0, 0)
    local bytes = header(header(object:sub(1, 64), "shoff", 64), "shnum", 0)
    refused("overlaps other tables", header(bytes, "shstrndx", 0) .. first
      .. one:rep(count - 1) .. ("\0"):rep(size))
  end)

  it("names that overlap a thousand times", function()
    -- Every section's name is another end of the same long string.
    local count, length = 2000, 100000
    local headers = { string.pack("<I4I4I8I8I8I8I4I4I8I8", 0, 0, 0, 0, 0,
      count, 1, 0, 0, 0) }
    for i = 2, count do
      headers[i] = string.pack("<I4I4I8I8I8I8I4I4I8I8", i, 3, 0, 0,
        64 + count * 64, length, 0, 0, 1, 0)
    end
    local bytes = header(header(object:sub(1, 64), "shoff", 64), "shnum", 0)
    refused("overlaps other tables", header(bytes, "shstrndx", 1)
      .. table.concat(headers) .. ("n"):rep(length - 1) .. "\0")
  end)
end)
