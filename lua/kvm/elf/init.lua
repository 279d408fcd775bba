-- SPDX-License-Identifier: MIT
--- ELF files as byte strings: read them, place relocatable objects, load
--- programs. Little-endian i386, x86-64 and AArch64. Nothing here touches a
--- file or a guest, and no input can make it do more than work in proportion to
--- the input's size.

local check = require "kvm.check"
local parse = require "kvm.elf.parse"
local place = require "kvm.elf.place"
local load_ = require "kvm.elf.load"
local flatten = require "kvm.elf.flatten"
local problem = require "kvm.elf.problem"

local M = {}

---What the file is.
---@class kvm.elf.header
---@field class 32|64 bits of an address
---@field machine "x86_32"|"x86_64"|"arm64" that runs it
---@field type "rel"|"exec"|"dyn"|"core"|integer object, program, or one that can move
---@field entry integer the address where the program begins
---@field flags integer e_flags

---A section: what linkers see.
---@class kvm.elf.section
---@field index integer its number in the file
---@field name string
---@field type string|integer "progbits", "nobits", "symtab", ...
---@field flags integer SHF_* bits
---@field addr integer where the program expects it
---@field offset integer in the file
---@field size integer in bytes
---@field link integer another section's index, as the type has it
---@field info integer as the type has it
---@field align integer what addr is a multiple of
---@field entsize integer bytes of an entry, of a table

---A segment of the file: what loaders see.
---@class kvm.elf.program_header
---@field type string|integer "load", "dynamic", "interp", "note", ...
---@field flags integer PF_* bits
---@field offset integer in the file
---@field vaddr integer where the program expects it
---@field paddr integer where it goes in physical memory
---@field filesize integer bytes in the file
---@field memsize integer bytes in memory; those beyond filesize are zero
---@field align integer what the addresses agree in with offset

---A name and what it stands for.
---@class kvm.elf.symbol
---@field name string
---@field value integer an address, or of an object an offset in its section
---@field size integer in bytes
---@field kind string|integer "notype", "object", "func", "section", ...
---@field bind string|integer "local", "global", "weak"
---@field section integer|"undef"|"abs"|"common" the index of the section it is in

---A place that is changed once addresses are known.
---@class kvm.elf.relocation
---@field section integer the index of the section it changes
---@field offset integer in that section
---@field type integer R_* of the machine
---@field symbol? kvm.elf.symbol what it refers to
---@field addend? integer nil where it stands in the section itself

---A file as `elf.parse` reads it.
---@class kvm.elf.object
---@field header kvm.elf.header what the file is
---@field sections kvm.elf.section[] by their index in the file
---@field segments kvm.elf.program_header[] in the order of the file
---@field symbols kvm.elf.symbol[] by their index in the file
---@field dynamic_symbols kvm.elf.symbol[] those for a dynamic linker
---@field relocations kvm.elf.relocation[] in the order of the file
---@field bytes string the file

---A part of an image, to be written to guest memory.
---@class kvm.elf.segment
---@field name string the section's, or "segment N"
---@field gpa integer where it goes in guest memory
---@field vaddr integer where the program expects it
---@field bytes string what the file has of it
---@field memsize integer at least #bytes; the rest is zero
---@field flags string such as "r-x"

---How `elf.load` places a file.
---@class kvm.elf.load_options
---@field base? integer what is added to its addresses (0); an object begins there
---@field symbols? table<string, integer> addresses of what an object does not define
---@field relocate? boolean false: the program's own start code does it (true)

---What a loader puts into guest memory.
---@class kvm.elf.image
---@field machine "x86_32"|"x86_64"|"arm64" that runs it
---@field entry integer the address where the program begins
---@field segments kvm.elf.segment[] in the order of their vaddr
---@field symbols table<string, integer> absolute values

-- Run a step; a problem of the file is an error at the script's line.
local function attempt(step, ...)
  local ok, result, extra = pcall(step, ...)
  if ok then return result, extra end
  if problem.is(result) then check.fail("elf: %s", result.message) end
  error(result, 0)
end

local function check_object(name, object)
  if type(object) ~= "table" or type(object.sections) ~= "table"
    or type(object.bytes) ~= "string" then
    check.bad(1, name, "what elf.parse returned expected, got %s",
      check.show(object))
  end
end

local symbols = check.named("integer")
local PLACE <const> = { origin = "integer", symbols = symbols }
local LOAD <const> = { base = "integer", symbols = symbols,
                       relocate = "boolean" }

--- Read an ELF file into tables, without placing anything.
--- Usage: `for _, s in ipairs(elf.parse(bytes).sections) do print(s.name) end`
---@param bytes string the whole file
---@return kvm.elf.object
function M.parse(bytes, ...)
  check.argument(1, "parse", "bytes", "string", bytes)
  check.surplus(1, "parse", ...)
  local object = attempt(parse.object, bytes)
  return object
end

--- Place a relocatable object (from `as` or `gcc -c`): give its sections
--- addresses from `origin` (0) on, and relocate them. `symbols` are the
--- addresses of names that the object does not define itself.
--- Usage: `local image = elf.place(elf.parse(bytes), { origin = 0x1000 })`
---@param object kvm.elf.object what elf.parse returned
---@param options? {origin?: integer, symbols?: table<string, integer>}
---@return kvm.elf.image
function M.place(object, options, ...)
  check_object("place", object)
  options = check.options(2, "place", options, PLACE)
  check.surplus(2, "place", ...)
  if object.header.type ~= "rel" then
    check.bad(1, "place", "a relocatable object expected, got type %s",
      object.header.type)
  end
  local image = attempt(place.place, object, options.origin or 0,
    options.symbols or {})
  return image
end

local function load_any(bytes, options)
  local object = parse.object(bytes)
  local base = options.base or 0
  local kind = object.header.type
  if kind == "rel" then
    return place.place(object, base, options.symbols or {})
  elseif kind == "exec" or kind == "dyn" then
    return load_.program(object, base, options.relocate ~= false)
  end
  problem.raise("a file of type %s cannot be loaded", kind)
end

--- What a loader puts into guest memory for an ELF file: a program, a
--- position-independent program (moved by `base` and relocated), or an object
--- of `gcc -c` (placed at `base`, with `symbols` for what it does not define).
--- `relocate = false` leaves the relocations to the program's own start code.
--- Nothing is written: write each segment to its gpa, and zeros for what memsize
--- has beyond the bytes (fresh memory has them).
--- Usage: `local image = elf.load(bytes);
--- for _, s in ipairs(image.segments) do
--- vm:write(s.gpa, s.bytes .. ("\0"):rep(s.memsize - #s.bytes)) end;
--- cpu.regs.rip = image.entry`
---@param bytes string the whole file
---@param options? kvm.elf.load_options
---@return kvm.elf.image
function M.load(bytes, options, ...)
  check.argument(1, "load", "bytes", "string", bytes)
  options = check.options(2, "load", options, LOAD)
  check.surplus(2, "load", ...)
  local image = attempt(load_any, bytes, options)
  return image
end

--- The segments of an image as one string, with zeros between them and for
--- what has no bytes, and the address of its first byte. It begins at `origin`
--- when that is given, else at the lowest segment.
--- Usage: `local bytes, gpa = elf.flatten(elf.load(file))`
---@param image kvm.elf.image
---@param origin? integer
---@return string bytes
---@return integer gpa
function M.flatten(image, origin, ...)
  if type(image) ~= "table" or type(image.segments) ~= "table" then
    check.bad(1, "flatten", "an image expected, got %s", check.show(image))
  end
  origin = check.optional(2, "flatten", "origin", "integer", origin)
  check.surplus(2, "flatten", ...)
  local bytes, gpa = attempt(flatten.flatten, image, origin)
  return bytes, gpa
end

return M
