-- SPDX-License-Identifier: MIT
--- Stage-1 page tables of AArch64 EL1&0 (VMSAv8-64, DDI 0487 chapter D8):
--- builds them, and walks those of a guest.
---
---     local mmu = require "kvm.arch.arm64.mmu"
---     local tables = mmu.new{granule = "4k", va_bits = 39, base = 0x80000}
---     tables:map(0x40000000, 0x10000, 0x10000)
---     vm:write(0x80000, tables:bytes())
---     cpu.regs(tables:registers())
---
--- Options of map and results of walk are those of kvm.arch.x86_64.mmu, and
--- more: attr, and a fault's syndrome.
local check = require "kvm.check"
local esr = require "kvm.arch.arm64.esr"
local paging = require "kvm.arch.paging"

local M = {}
local Tables = {}
Tables.__index = Tables
Tables.__name = "kvm.arch.arm64.tables"

-- Offset bits of a page, and how TCR_EL1 says it for TTBR0 and for TTBR1.
local granules = {
  ["4k"] = { bits = 12, tg0 = 0, tg1 = 2, blocks = 3 },
  ["16k"] = { bits = 14, tg0 = 2, tg1 = 1, blocks = 2 },
  ["64k"] = { bits = 16, tg0 = 1, tg1 = 3, blocks = 2 },
} -- blocks: how many tables hold pages or blocks, without 52-bit extensions

local VALID <const>, TABLE <const> = 1, 2
local ACCESSED <const>, INNER_SHAREABLE <const> = 1 << 10, 3 << 8
local USER <const>, READ_ONLY <const> = 1 << 6, 1 << 7
local PXN <const>, UXN <const> = 1 << 53, 1 << 54
local ADDRESS <const> = 0x0000fffffffff000
local PA_LIMIT <const> = 1 << 48

--- Memory types: what MAIR_EL1 says of each, in the order of its bytes.
M.memory = paging.MEMORY
M.mair = 0xff | 0x04 << 8 | 0x44 << 16 | 0xbb << 24
local memory_index = {}
for i, name in ipairs(M.memory) do memory_index[name] = i - 1 end

-- ---- geometry ---------------------------------------------------------------

-- Levels are counted to 3, that of pages.
local function level_of(n) return 4 - n end

local function geometry(granule, va_bits, pa_bits)
  local g = { entry = 8, size = 1 << granule.bits, unit = "the granule",
    width = {}, pages = {}, pa_bits = pa_bits, level = level_of }
  local left = va_bits - granule.bits
  while left > 0 do
    local n = #g.width + 1
    g.width[n] = math.min(left, granule.bits - 3)
    g.pages[n] = n <= granule.blocks
    left = left - g.width[n]
  end
  return paging.geometry(g)
end

-- ---- building ---------------------------------------------------------------

local IPS = { [32] = 0, [36] = 1, [40] = 2, [42] = 3, [44] = 4, [48] = 5 }

local NEW_OPTIONS <const> = { "base", granule = { "4k", "16k", "64k" },
  va_bits = check.integer(25, 48), pa_bits = { 32, 36, 40, 42, 44, 48 },
  base = check.integer(0, PA_LIMIT - 1), high = "boolean" }

---@class kvm.arch.arm64.tables.options
---@field base integer guest physical address where bytes() will lie, a multiple
---of the granule
---@field granule? "4k"|"16k"|"64k" "4k" by default
---@field va_bits? integer 25 to 48, 39 by default
---@field pa_bits? 32|36|40|42|44|48 40 by default
---@field high? boolean the upper half of the address space (TTBR1_EL1)

--- Makes an empty set of tables.
--- Usage: `local t = mmu.new{base = 0x40100000, granule = "64k"}`
---@param options kvm.arch.arm64.tables.options
---@return kvm.arch.arm64.tables
function M.new(options)
  options = check.options(1, "new", options, NEW_OPTIONS)
  local granule = granules[options.granule or "4k"]
  local va_bits, pa_bits = options.va_bits or 39, options.pa_bits or 40
  local g = geometry(granule, va_bits, pa_bits)
  check.argument(1, "new", "base", check.multiple(g.size, g.unit), options.base)
  local self = setmetatable(paging.tables(g, options.base), Tables)
  self.granule, self.va_bits, self.pa_bits = granule, va_bits, pa_bits
  self.high = options.high or false
  self.first = self.high and -1 << va_bits or 0
  return self
end

local function attributes(options)
  local memory = memory_index[options.memory or "normal"]
  local d = VALID | ACCESSED | memory << 2
  if options.memory ~= "device" then d = d | INNER_SHAREABLE end
  if options.user then d = d | USER end
  if options.write == false then d = d | READ_ONLY end
  local execute = options.execute == nil and memory == 0 or options.execute
  if not execute then return d | PXN | UXN end
  return d | (options.user and PXN or UXN)
end

---@class kvm.arch.arm64.tables.mapping
---@field memory? "normal"|"device"|"noncached"|"writethrough" normal by default
---@field write? boolean true by default
---@field user? boolean EL0 may use it too; EL1 does not execute it then
---@field execute? boolean by default true for normal memory
---@field page? integer the largest page or block to use, by default any

--- Maps size bytes at va to pa, with blocks where they fit.
--- Usage: `t:map(0x9000000, 0x9000000, 0x1000, {memory = "device"})`
---@param va integer these three are multiples of the granule
---@param pa integer
---@param size integer
---@param options? kvm.arch.arm64.tables.mapping
function Tables:map(va, pa, size, options)
  check.method("map", Tables.__name, self)
  local g, room = self.geometry, 1 << self.va_bits
  paging.check(g, va, pa, size, function(first, bytes)
    local at = first - self.first
    return math.ult(at, room) and not math.ult(room - at, bytes)
  end, self.va_bits)
  options = check.options(4, "map", options, paging.options(g))
  local bits = attributes(options)
  paging.map(self, va, pa, size, options.page or PA_LIMIT, false,
    function(page, n) return bits | page | (n == 1 and TABLE or 0) end)
end

--- The tables as one byte string, to be written at base.
--- Usage: `vm:write(t.base, t:bytes())`
---@return string
function Tables:bytes()
  check.method("bytes", Tables.__name, self)
  return paging.bytes(self, function(gpa) return gpa | TABLE | VALID end)
end

local WALKS <const> = 1 | 1 << 2 | 3 << 4 -- write-back, inner shareable

--- The values of ttbr0_el1 (or ttbr1_el1), tcr_el1, mair_el1 and sctlr_el1 that
--- turn the MMU on with these tables.
--- Usage: `cpu.regs(t:registers())`
---@param other? kvm.arch.arm64.tables of the other half
---@return table<string, integer>
function Tables:registers(other)
  check.method("registers", Tables.__name, self)
  local halves = { [self.high] = self }
  if other ~= nil then
    check.argument(1, "registers", "other", Tables.__name, other)
    if other.high == self.high then
      check.bad(1, "registers", "both tables are of the %s half",
        self.high and "upper" or "lower")
    end
    halves[other.high] = other
  end
  local low, high = halves[false], halves[true]
  local tcr = IPS[self.pa_bits] << 32
  tcr = tcr | (low and 64 - low.va_bits | WALKS << 8 | low.granule.tg0 << 14
    or 1 << 7)
  tcr = tcr | (high and (64 - high.va_bits) << 16 | WALKS << 24 |
    high.granule.tg1 << 30 or 1 << 23)
  return { mair_el1 = M.mair, sctlr_el1 = 0x30d0199d, tcr_el1 = tcr,
           ttbr0_el1 = low and low.base, ttbr1_el1 = high and high.base }
end

-- ---- walking ----------------------------------------------------------------

local by_tg0 = { [0] = "4k", "64k", "16k" }
local by_tg1 = { "16k", "4k", "64k" }

-- What TCR_EL1 says of the half an address is in; nil: walks are off there, or
-- no walk can be of that size.
local function regime(regs, va)
  local tcr = paging.register(regs, "tcr_el1")
  local high = va >> 55 & 1 == 1
  if tcr >> (high and 23 or 7) & 1 == 1 then return nil end
  local va_bits = 64 - (tcr >> (high and 16 or 0) & 0x3f)
  local name = high and by_tg1[tcr >> 30 & 3] or by_tg0[tcr >> 14 & 3]
  local granule = granules[name or "4k"]
  if va_bits <= granule.bits or va_bits > 52 then return nil end
  return {
    va_bits = va_bits, high = high, geometry = geometry(granule, va_bits),
    ignores_top_byte = tcr >> (high and 38 or 37) & 1 == 1,
    root = paging.register(regs, high and "ttbr1_el1" or "ttbr0_el1")
      & 0x0000fffffffffffe,
  }
end

-- Whether the bits above va_bits are those of the half.
local function in_range(r, va)
  local top = va >> r.va_bits
  local width = 64 - r.va_bits
  if r.ignores_top_byte then
    width = width - 8
    top = top & (1 << width) - 1
  end
  return top == (r.high and (1 << width) - 1 or 0)
end

-- The word for a byte of MAIR_EL1.
local function memory_of(attr)
  if attr & 0xf0 == 0 then return "device" end
  if attr & 0xf0 == 0x40 then return "noncached" end
  return attr & 0x40 == 0 and "writethrough" or "normal"
end

local function result(regs, g, d, tables, va, n)
  local block = 1 << g.shift[n]
  local ap = d >> 6 & 3 | tables >> 61 & 2
  local user = ap & 1 == 1 and tables >> 61 & 1 == 0
  local attr = paging.register(regs, "mair_el1") >> (8 * (d >> 2 & 7)) & 0xff
  return {
    pa = d & ADDRESS & -block | va & block - 1, level = level_of(n),
    size = block, entry = d, attr = attr, memory = memory_of(attr),
    is_user = user, is_writable = ap & 2 == 0,
    is_executable = (d | tables >> 6) & PXN == 0 and
      not (user and ap & 2 == 0),
    is_user_executable = (d | tables >> 6) & UXN == 0,
    is_accessed = d & ACCESSED ~= 0,
  }
end

-- DFSC of faults by level.
local TRANSLATION <const> = { [-1] = 0x2b, [0] = 4, 5, 6, 7 }
local EXTERNAL <const> = { [-1] = 0x13, [0] = 0x14, 0x15, 0x16, 0x17 }

-- Adds what ESR_EL1 would say.
local function explained(page, fault)
  if fault then
    local codes = fault.fault == "no memory" and EXTERNAL or TRANSLATION
    fault.syndrome = esr.fault(codes[fault.level])
  end
  return page, fault
end

local function descend(regs, r, read, va)
  local g, tables = r.geometry, 0
  return paging.walk(g, r.root, read, va, function(d, n, at)
    local is_last = n == 1 or d & TABLE == 0
    if d & VALID == 0 or n == 1 and d & TABLE == 0 then
      return nil, paging.fault(g, "not present", n, at)
    elseif is_last and not g.pages[n] then
      return nil, paging.fault(g, "reserved bit", n, at)
    elseif is_last then
      return nil, result(regs, g, d, tables, va, n)
    end
    tables = tables | d
    return d & ADDRESS & -g.size
  end)
end

---@class kvm.arch.arm64.translation
---@field pa integer
---@field level integer of the entry
---@field size integer of the page or block
---@field entry? integer the descriptor
---@field memory "normal"|"device"|"noncached"|"writethrough"
---@field is_writable boolean
---@field is_user boolean EL0 may use it
---@field is_executable boolean by EL1
---@field is_user_executable boolean by EL0
---@field is_accessed boolean
---@field attr integer its byte of MAIR_EL1

---@class kvm.arch.arm64.translation.fault
---@field fault "not present"|"not canonical"|"reserved bit"|"no memory"
---@field level integer
---@field address? integer of the entry
---@field syndrome string in the words of kvm.arch.arm64.esr

--- Translates an address of a guest as its MMU would for EL1.
--- Usage: `print(mmu.walk(cpu.regs, vm, cpu.regs.pc).pa)`
---@param regs table cpu.regs, or tcr_el1, ttbr0_el1, ttbr1_el1, mair_el1 and
---sctlr_el1 by name
---@param read kvm.vm|fun(gpa: integer, size: integer): string? nil: no memory
---there
---@param va integer
---@return kvm.arch.arm64.translation?
---@return kvm.arch.arm64.translation.fault? why there is none
function M.walk(regs, read, va)
  read = paging.reader(regs, read, va)
  if paging.register(regs, "sctlr_el1") & 1 == 0 then
    return { pa = va, level = 0, size = PA_LIMIT, is_writable = true,
             is_user = true, is_executable = true, is_user_executable = true,
             is_accessed = true, memory = "device", attr = 0 }
  end
  local r = regime(regs, va)
  if not r or not in_range(r, va) then
    return explained(nil, { level = 0,
      fault = r and "not canonical" or "not present" })
  end
  return explained(descend(regs, r, read, va))
end

return M
