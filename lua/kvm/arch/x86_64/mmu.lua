-- SPDX-License-Identifier: MIT
--- Page tables of x86-64: builds them, and walks those of a guest. Intel SDM,
--- volume 3, chapter 4.
---
---     local mmu = require "kvm.arch.x86_64.mmu"
---     local tables = mmu.new { base = 0x10000 }
---     tables:map(0, 0, 1 << 30)
---     vm:write(0x10000, tables:bytes())
---     cpu.regs(tables:registers())
---
--- Options of map and results of walk are those of kvm.arch.arm64.mmu; it has
--- no is_dirty.
local check = require "kvm.check"
local paging = require "kvm.arch.paging"

local M = {}
local Tables = {}
Tables.__index = Tables
Tables.__name = "kvm.arch.x86_64.tables"

local PRESENT <const>, WRITABLE <const>, USER <const> = 1, 2, 4
local WRITE_THROUGH <const>, UNCACHED <const> = 8, 16
local ACCESSED <const>, DIRTY <const>, LARGE <const> = 32, 64, 128
local NX <const> = 1 << 63
local ADDRESS <const> = 0x000ffffffffff000

local function geometry(entry, width, pages, pa_bits)
  local g = paging.geometry { entry = entry, width = width, size = 0x1000,
    unit = "the page size", pages = {}, pa_bits = pa_bits,
    level = function(n) return n end }
  for n = 1, pages do g.pages[n] = true end
  return g
end

-- How a mode splits an address, and which levels may hold a page.
local modes = {
  long = geometry(8, { 9, 9, 9, 9 }, 3, 52),
  long5 = geometry(8, { 9, 9, 9, 9, 9 }, 3, 52),
  pae = geometry(8, { 9, 9, 2 }, 2, 52),
  legacy = geometry(4, { 10, 10 }, 2, 32),
}
modes.long.va_bits, modes.long5.va_bits = 48, 57
modes.pae.va_bits, modes.legacy.va_bits = 32, 32
for _, g in pairs(modes) do g.map_options = paging.options(g) end

-- ---- building ---------------------------------------------------------------

local NEW_OPTIONS <const> = { "base",
  base = check.multiple(0x1000, "the page size"),
  mode = { "long", "long5", "pae", "legacy" } }

---Makes an empty set of tables.
---Usage: `local tables = mmu.new { base = 0x10000 }`
---@param options table `base`: the gpa where bytes() will lie (a multiple of
---0x1000); `mode`: "long" (default), "long5", "pae" or "legacy" (32-bit)
---@return table tables
function M.new(options)
  options = check.options(1, "new", options, NEW_OPTIONS)
  return setmetatable(paging.tables(modes[options.mode or "long"],
    options.base), Tables)
end

-- Memory types in bits of an entry, with the PAT as it is at reset.
local memory_bits = { normal = 0, writethrough = WRITE_THROUGH,
  noncached = UNCACHED, device = WRITE_THROUGH | UNCACHED }
local memory_of = {}
for name, bits in pairs(memory_bits) do memory_of[bits] = name end

-- The low bits of the entries that map options stand for.
local function attributes(self, options)
  local bits = PRESENT | memory_bits[options.memory or "normal"]
  if options.write ~= false then bits = bits | WRITABLE end
  if options.user then bits = bits | USER end
  if options.execute == false then
    if self.geometry.entry == 4 then
      check.bad(4, "map",
        "execute = false needs entries of 64 bits: mode pae or long")
    end
    self.has_nx = true
    bits = bits | NX
  end
  return bits
end

-- Whether all addresses of a range are canonical, and in the same half.
local function fits(g)
  return function(va, size)
    local low = g.va_bits > 32 and g.va_bits - 1 or 32
    local top, last = va >> low, va + size - 1
    return last >> low == top and (top == 0
      or g.va_bits > 32 and top == (1 << 64 - low) - 1)
  end
end

---Maps size bytes at va to pa, with the largest pages that fit.
---Usage: `tables:map(0xffffffff80000000, 0x100000, 0x200000, { user = false })`
---@param va integer
---@param pa integer
---@param size integer all three multiples of 0x1000
---@param options? table `page`: the largest page to use (default 0x200000, or
---0x400000 in mode legacy; 0x1000, or 1 << 30 where the processor has it);
---`write` (true); `user` (false): ring 3 may too; `execute` (true); `memory`:
---"normal" (default), "device", "noncached" or "writethrough"
function Tables:map(va, pa, size, options)
  check.method("map", Tables.__name, self)
  local g = self.geometry
  paging.check(g, va, pa, size, fits(g), g.va_bits)
  options = check.options(4, "map", options, g.map_options)
  local bits = attributes(self, options)
  -- An access is allowed when every level allows it: the tables allow all, the
  -- pages decide.
  paging.map(self, va, pa, size, options.page or 1 << g.shift[2], options.user,
    function(page, n) return bits | page | (n > 1 and LARGE or 0) end)
end

---The tables as one byte string, to be written at base.
---Usage: `vm:write(0x10000, tables:bytes())`
---@return string
function Tables:bytes()
  check.method("bytes", Tables.__name, self)
  local pae = self.geometry == modes.pae
  return paging.bytes(self, function(gpa, level, below)
    -- Entries of PAE's top level have no such bits.
    if pae and level == 3 then return gpa | PRESENT end
    return gpa | PRESENT | WRITABLE | (below.user and USER or 0)
  end)
end

---The values of cr0, cr3, cr4 and efer that turn paging on with these tables.
---Usage: `cpu.regs(tables:registers())`
---@return table registers
function Tables:registers()
  check.method("registers", Tables.__name, self)
  local g = self.geometry
  local long = g.va_bits > 32
  return {
    cr0 = 0x80010033, -- PG, WP, NE, ET, MP, PE
    cr3 = self.base,
    cr4 = (g.entry == 8 and 0x20 or 0x10) | (g.top == 5 and 0x1000 or 0),
    efer = (long and 0x500 or 0) | (self.has_nx and 0x800 or 0),
  }
end

-- ---- walking ----------------------------------------------------------------

-- The mode that the registers select; nil: paging is off.
local function mode_of(regs)
  local register = paging.register
  if register(regs, "cr0") & 0x80000000 == 0 then return nil end
  local cr4, efer = register(regs, "cr4"), register(regs, "efer")
  if cr4 & 0x20 == 0 then return modes.legacy end
  if efer & 0x400 == 0 then return modes.pae end
  return cr4 & 0x1000 ~= 0 and modes.long5 or modes.long
end

-- The gpa of a large page of 32-bit paging can have 40 bits (PSE-36).
local function page_address(g, entry, level)
  local size = 1 << g.shift[level]
  if g.entry == 4 and level == 2 then
    return entry & 0xffc00000 | (entry >> 13 & 0xff) << 32, size
  end
  return entry & ADDRESS & -size, size
end

local function result(g, regs, entry, rights, level, va)
  local base, size = page_address(g, entry, level)
  local nx = regs.efer & 0x800 ~= 0 and rights.nx
  local is_user = rights.allow & USER ~= 0
  return {
    pa = base | va & size - 1, level = level, size = size, entry = entry,
    is_writable = rights.allow & WRITABLE ~= 0, is_user = is_user,
    is_executable = not nx, is_user_executable = is_user and not nx,
    is_accessed = entry & ACCESSED ~= 0, is_dirty = entry & DIRTY ~= 0,
    memory = memory_of[entry & (WRITE_THROUGH | UNCACHED)],
  }
end

local function descend(g, regs, read, va)
  local root = paging.register(regs, "cr3")
    & (g == modes.pae and 0xffffffe0 or ADDRESS)
  local rights = { allow = -1, nx = false }
  return paging.walk(g, root, read, va, function(entry, level, at)
    if entry & PRESENT == 0 then
      return nil, paging.fault(g, "not present", level, at)
    end
    if g ~= modes.pae or level < 3 then rights.allow = rights.allow & entry end
    rights.nx = rights.nx or entry & NX ~= 0
    local large = level > 1 and entry & LARGE ~= 0
      and (g.entry == 8 or regs.cr4 & 0x10 ~= 0)
    if large and not g.pages[level] then
      return nil, paging.fault(g, "reserved bit", level, at)
    end
    if large or level == 1 then
      return nil, result(g, regs, entry, rights, level, va)
    end
    return entry & ADDRESS
  end)
end

---Translates an address of a guest as its MMU would.
---Usage: `local page = mmu.walk(cpu.regs, vm, cpu.regs.rip)`
---@param regs table cpu.regs, or a table with cr0, cr3, cr4 and efer
---@param read function|kvm.vm read(gpa, size) returns bytes, or nil where there
---is no memory; a VM reads its own
---@param va integer a linear address
---@return table? page pa, level, size of the page, entry, memory (by the PAT of
---a reset), is_writable, is_user, is_executable, is_user_executable,
---is_accessed, is_dirty; nil when there is none
---@return table? fault fault ("not present", "not canonical", "reserved bit",
---"no memory"), level, and the address of the entry
function M.walk(regs, read, va)
  read = paging.reader(regs, read, va)
  local g = mode_of(regs)
  if not g then
    return { pa = va & 0xffffffff, level = 0, size = 1 << 32,
             is_writable = true, is_user = true, is_executable = true,
             is_user_executable = true, is_accessed = true, is_dirty = true,
             memory = "normal" }
  end
  if g.va_bits == 32 then
    va = va & 0xffffffff
  else
    local top = va >> g.va_bits - 1
    if top ~= 0 and top ~= (1 << 65 - g.va_bits) - 1 then
      return paging.fault(g, "not canonical", g.top)
    end
  end
  return descend(g, regs, read, va)
end

return M
