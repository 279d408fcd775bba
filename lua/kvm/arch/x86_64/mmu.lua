-- SPDX-License-Identifier: MIT
--- Page tables of x86-64: builds them, and walks those of a guest. Intel SDM,
--- volume 3, chapter 4.
---
---     local mmu = require "kvm.arch.x86_64.mmu"
---     local tables = mmu.new { base = 0x10000 }
---     tables:map(0, 0, 1 << 30)
---     vm:write(0x10000, tables:bytes())
---     cpu.regs(tables:registers())
local M = {}
local Tables = {}
Tables.__index = Tables
Tables.__name = "kvm.arch.x86_64.tables"

local PRESENT <const>, WRITABLE <const>, USER <const> = 1, 2, 4
local WRITE_THROUGH <const>, UNCACHED <const> = 8, 16
local ACCESSED <const>, DIRTY <const>, LARGE <const> = 32, 64, 128
local NX <const> = 1 << 63
local ADDRESS <const> = 0x000ffffffffff000

-- How a mode splits an address: entries of so many bytes, bits of index for
-- each level from the top, and which levels may hold a page.
local modes = {
  long = { entry = 8, widths = { 9, 9, 9, 9 }, va_bits = 48,
           pages = { [1] = true, [2] = true, [3] = true } },
  long5 = { entry = 8, widths = { 9, 9, 9, 9, 9 }, va_bits = 57,
            pages = { [1] = true, [2] = true, [3] = true } },
  pae = { entry = 8, widths = { 2, 9, 9 }, va_bits = 32,
          pages = { [1] = true, [2] = true } },
  legacy = { entry = 4, widths = { 10, 10 }, va_bits = 32,
             pages = { [1] = true, [2] = true } },
}
for _, m in pairs(modes) do
  m.top = #m.widths
  m.shift = {}
  local shift = 12
  for level = 1, m.top do
    m.shift[level] = shift
    shift = shift + m.widths[m.top - level + 1]
  end
end

local function bad(level, ...) error(string.format(...), level + 1) end

-- The index of an address in the table of a level.
local function index_of(m, va, level)
  return va >> m.shift[level] & (1 << m.widths[m.top - level + 1]) - 1
end

-- ---- building --------------------------------------------------------------

---Makes an empty set of tables.
---Usage: `local tables = mmu.new { base = 0x10000 }`
---@param options table `base`: the gpa where bytes() will lie (a multiple of
---0x1000); `mode`: "long" (default), "long5", "pae" or "legacy" (32-bit)
---@return table tables
function M.new(options)
  for name in pairs(options) do
    if name ~= "base" and name ~= "mode" then
      bad(2, "unknown option '%s' (expected base or mode)", name)
    end
  end
  local mode, base = modes[options.mode or "long"], options.base
  if not mode then
    bad(2, "mode '%s' (expected long, long5, pae or legacy)", options.mode)
  elseif math.type(base) ~= "integer" or base & 0xfff ~= 0 then
    bad(2, "base %s is not a multiple of the page size 0x1000", tostring(base))
  end
  return setmetatable({ mode = mode, base = base, tables = { { number = 0 } } },
    Tables)
end

local caches = { wb = 0, wt = WRITE_THROUGH, uc = WRITE_THROUGH | UNCACHED }
local map_options = { write = 1, user = 1, execute = 1, page = 1, cache = 1 }

-- The low bits of the entries that map options stand for.
local function attributes(self, options)
  for name in pairs(options) do
    if not map_options[name] then
      bad(3, "unknown option '%s' (expected write, user, execute, page or "
        .. "cache)", name)
    end
  end
  local bits = PRESENT | (caches[options.cache or "wb"]
    or bad(3, "cache '%s' (expected wb, wt or uc)", options.cache))
  if options.write ~= false then bits = bits | WRITABLE end
  if options.user then bits = bits | USER end
  if options.execute == false then
    if self.mode.entry == 4 then
      bad(3, "execute = false needs entries of 64 bits: mode pae or long")
    end
    self.has_nx = true
    bits = bits | NX
  end
  return bits
end

-- The table below an entry, made when it is not there.
local function below(self, parent, index, va)
  local child = parent[index]
  if not child then
    child = { number = #self.tables }
    self.tables[#self.tables + 1] = child
    parent[index] = child
  elseif math.type(child) then
    bad(4, "va 0x%x is mapped already, by a larger page", va)
  end
  return child
end

local function put(self, va, level, entry)
  local m, t = self.mode, self.tables[1]
  for l = m.top, level + 1, -1 do
    t = below(self, t, index_of(m, va, l), va)
    -- An access is allowed when every level allows it: the tables allow all,
    -- the pages decide. Entries of PAE's top level have no such bits.
    t.user = t.user or entry & USER ~= 0
  end
  local index = index_of(m, va, level)
  if t[index] then bad(3, "va 0x%x is mapped already", va) end
  t[index] = entry
end

-- The level of the largest page that fits at an address.
local function level_for(m, va, pa, size, largest)
  for level = m.top, 2, -1 do
    local page = 1 << m.shift[level]
    if m.pages[level] and page <= largest and (va | pa) & page - 1 == 0
       and not math.ult(size, page) then
      return level, page
    end
  end
  return 1, 0x1000
end

local function check(m, va, pa, size)
  for name, value in pairs { va = va, pa = pa, size = size } do
    if math.type(value) ~= "integer" or value & 0xfff ~= 0 then
      bad(3, "%s %s is not a multiple of the page size 0x1000", name,
        math.type(value) == "integer" and ("0x%x"):format(value)
        or tostring(value))
    end
  end
  local low = m.va_bits - (m.va_bits > 32 and 1 or 0)
  local top = va >> low
  local last = va + size - 1
  if size <= 0 or last >> low ~= top
     or not (top == 0 or (m.va_bits > 32 and top == (1 << 64 - low) - 1)) then
    bad(3, "va 0x%x and 0x%x bytes do not fit in %d bits", va, size, m.va_bits)
  elseif math.ult((m.entry == 4 and 1 << 32 or 1 << 52) - size, pa) then
    bad(3, "pa 0x%x is too high", pa)
  end
end

---Maps size bytes at va to pa, with the largest pages that fit.
---Usage: `tables:map(0xffffffff80000000, 0x100000, 0x200000, { user = false })`
---@param va integer
---@param pa integer
---@param size integer all three multiples of 0x1000
---@param options? table `page`: the largest page to use (default 0x200000;
---0x1000, or 1 << 30 where the processor has it); `write` (true); `user`
---(false): ring 3 may too; `execute` (true); `cache`: "wb" (default), "wt" or
---"uc"
function Tables:map(va, pa, size, options)
  options = options or {}
  local m, largest = self.mode, options.page or 0x400000
  if m.entry == 8 and not options.page then largest = 0x200000 end
  check(m, va, pa, size)
  local bits = attributes(self, options)
  while size > 0 do
    local level, page = level_for(m, va, pa, size, largest)
    put(self, va, level, bits | pa | (level > 1 and LARGE or 0))
    va, pa, size = va + page, pa + page, size - page
  end
end

-- The entry that points to a table.
local function pointer(self, t, level)
  local address = self.base + t.number * 0x1000 | PRESENT
  if self.mode.va_bits == 32 and self.mode.entry == 8 and level == 3 then
    return address
  end
  return address | WRITABLE | (t.user and USER or 0)
end

---The tables as one byte string, to be written at base.
---Usage: `vm:write(0x10000, tables:bytes())`
---@return string
function Tables:bytes()
  local m, out = self.mode, {}
  local format = m.entry == 8 and "<i8" or "<I4"
  local function add(t, level)
    local entries = {}
    for index = 0, 0x1000 // m.entry - 1 do
      local entry = t[index] or 0
      if type(entry) == "table" then
        add(entry, level - 1)
        entry = pointer(self, entry, level)
      end
      entries[index + 1] = format:pack(entry)
    end
    out[t.number + 1] = table.concat(entries)
  end
  add(self.tables[1], m.top)
  return table.concat(out)
end

---The values of cr0, cr3, cr4 and efer that turn paging on with these tables.
---Usage: `cpu.regs(tables:registers())`
---@return table registers
function Tables:registers()
  local m = self.mode
  local long = m.va_bits > 32
  return {
    cr0 = 0x80010033, -- PG, WP, NE, ET, MP, PE
    cr3 = self.base,
    cr4 = (m.entry == 8 and 0x20 or 0x10) | (m.top == 5 and 0x1000 or 0),
    efer = (long and 0x500 or 0) | (self.has_nx and 0x800 or 0),
  }
end

-- ---- walking ---------------------------------------------------------------

-- The mode that the registers select; nil: paging is off.
local function mode_of(regs)
  if regs.cr0 & 0x80000000 == 0 then return nil end
  if regs.cr4 & 0x20 == 0 then return modes.legacy end
  if regs.efer & 0x400 == 0 then return modes.pae end
  return regs.cr4 & 0x1000 ~= 0 and modes.long5 or modes.long
end

local function fault(kind, level, address)
  return nil, { fault = kind, level = level, address = address }
end

-- The gpa of a large page of 32-bit paging can have 40 bits (PSE-36).
local function page_address(m, entry, level)
  local size = 1 << m.shift[level]
  if m.entry == 4 and level == 2 then
    return entry & 0xffc00000 | (entry >> 13 & 0xff) << 32, size
  end
  return entry & ADDRESS & -size, size
end

local function result(m, regs, entry, rights, level, va)
  local base, size = page_address(m, entry, level)
  local nx = regs.efer & 0x800 ~= 0 and rights.nx
  return {
    pa = base | va & size - 1, level = level, size = size, entry = entry,
    is_writable = rights.allow & WRITABLE ~= 0,
    is_user = rights.allow & USER ~= 0, is_executable = not nx,
    is_accessed = entry & ACCESSED ~= 0, is_dirty = entry & DIRTY ~= 0,
  }
end

local function descend(m, regs, read, va)
  local table_at = regs.cr3 & (m.top == 3 and 0xffffffe0 or ADDRESS)
  local rights = { allow = -1, nx = false }
  for level = m.top, 1, -1 do
    local at = table_at + m.entry * index_of(m, va, level)
    local bytes = read(at, m.entry)
    if not bytes then return fault("no memory", level, at) end
    local entry = string.unpack(m.entry == 8 and "<i8" or "<I4", bytes)
    if entry & PRESENT == 0 then return fault("not present", level, at) end
    if m.top ~= 3 or level < 3 then rights.allow = rights.allow & entry end
    rights.nx = rights.nx or entry & NX ~= 0
    local large = level > 1 and entry & LARGE ~= 0
      and (m.entry == 8 or regs.cr4 & 0x10 ~= 0)
    if large and not m.pages[level] then
      return fault("reserved bit", level, at)
    end
    if large or level == 1 then
      return result(m, regs, entry, rights, level, va)
    end
    table_at = entry & ADDRESS
  end
end

---Translates an address of a guest as its MMU would.
---Usage: `local page = mmu.walk(cpu.regs, function(gpa, n) return vm:read(gpa,
---n) end, cpu.regs.rip)`
---@param regs table cpu.regs, or a table with cr0, cr3, cr4 and efer
---@param read function read(gpa, size) returns bytes, or nil where there is no
---memory
---@param va integer a linear address
---@return table? page pa, level, size of the page, entry, is_writable, is_user,
---is_executable, is_accessed, is_dirty; nil when there is none
---@return table? fault fault ("not present", "not canonical", "reserved bit",
---"no memory"), level, and the address of the entry
function M.walk(regs, read, va)
  local m = mode_of(regs)
  if not m then
    return { pa = va & 0xffffffff, level = 0, size = 1 << 32,
             is_writable = true, is_user = true, is_executable = true,
             is_accessed = true, is_dirty = true }
  end
  if m.va_bits == 32 then
    va = va & 0xffffffff
  else
    local top = va >> m.va_bits - 1
    if top ~= 0 and top ~= (1 << 65 - m.va_bits) - 1 then
      return fault("not canonical", m.top)
    end
  end
  return descend(m, regs, read, va)
end

return M
