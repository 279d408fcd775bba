-- SPDX-License-Identifier: MIT
--- Stage-1 page tables of AArch64 EL1&0 (VMSAv8-64, DDI 0487 chapter D8):
--- builds them, and walks those of a guest.
---
---     local mmu = require "kvm.arch.arm64.mmu"
---     local tables = mmu.new{granule = "4k", va_bits = 39, base = 0x80000}
---     tables:map(0x40000000, 0x10000, 0x10000)
---     vm:write(0x80000, tables:bytes())
---     cpu.regs(tables:registers())
local M = {}
local Tables = {}
Tables.__index = Tables
Tables.__name = "kvm.arch.arm64.tables"

-- Offset bits of a page, and how TCR_EL1 says it for TTBR0 and for TTBR1.
local granules = {
  ["4k"] = { bits = 12, tg0 = 0, tg1 = 2, top = 1 },
  ["16k"] = { bits = 14, tg0 = 2, tg1 = 1, top = 2 },
  ["64k"] = { bits = 16, tg0 = 1, tg1 = 3, top = 2 },
} -- top: the first level that has blocks, without the 52-bit extensions

local VALID <const>, TABLE <const> = 1, 2
local ACCESSED <const>, INNER_SHAREABLE <const> = 1 << 10, 3 << 8
local USER <const>, READ_ONLY <const> = 1 << 6, 1 << 7
local PXN <const>, UXN <const> = 1 << 53, 1 << 54
local ADDRESS <const> = 0x0000fffffffff000
local PA_LIMIT <const> = 1 << 48

--- Memory types: what MAIR_EL1 says of each, in the order of its bytes.
M.memory = { "normal", "device", "noncached" }
M.mair = 0xff | 0x04 << 8 | 0x44 << 16
local memory_index = { normal = 0, device = 1, noncached = 2 }

local function bad(...) error(string.format(...), 3) end

-- ---- geometry ---------------------------------------------------------------

-- The lowest bit of the address that a level's index is made of.
local function shift(bits, level) return bits + (3 - level) * (bits - 3) end

-- The level at which a walk of va_bits starts.
local function start(bits, va_bits)
  return 4 - math.ceil((va_bits - bits) / (bits - 3))
end

-- ---- building ---------------------------------------------------------------

local option_names = { granule = 1, va_bits = 1, pa_bits = 1, base = 1,
                       high = 1 }

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
  for name in pairs(options) do
    if not option_names[name] then bad("unknown option '%s'", name) end
  end
  local granule = granules[options.granule or "4k"]
  if not granule then
    bad("granule '%s' (expected 4k, 16k or 64k)", options.granule)
  end
  local va_bits, base = options.va_bits or 39, options.base
  if va_bits < 25 or va_bits > 48 then
    bad("va_bits %d is outside 25..48", va_bits)
  end
  local size = 1 << granule.bits
  if math.type(base) ~= "integer" or base % size ~= 0 then
    bad("base %s is not a multiple of the granule 0x%x", tostring(base), size)
  end
  local self = setmetatable({
    granule = granule, va_bits = va_bits, base = base, size = size,
    pa_bits = options.pa_bits or 40, high = options.high or false,
    start = start(granule.bits, va_bits), tables = { {} },
  }, Tables)
  self.first = self.high and -1 << va_bits or 0
  return self
end

local function attributes(options)
  local memory = memory_index[options.memory or "normal"]
  if not memory then
    error(("memory '%s' (expected normal, device or noncached)")
      :format(tostring(options.memory)), 4)
  end
  local d = VALID | ACCESSED | memory << 2
  if memory ~= 1 then d = d | INNER_SHAREABLE end
  if options.user then d = d | USER end
  if options.write == false then d = d | READ_ONLY end
  local execute = options.execute == nil and memory == 0 or options.execute
  if not execute then return d | PXN | UXN end
  return d | (options.user and PXN or UXN)
end

-- The table below an entry, made when it is not there.
local function below(self, parent, index, va)
  local entry = parent[index]
  if type(entry) == "table" then return entry end
  if entry then
    error(("va 0x%x is mapped already, by a larger block"):format(va), 4)
  end
  local child = {}
  self.tables[#self.tables + 1] = child
  child.number = #self.tables - 1
  parent[index] = child
  return child
end

local function index_of(self, va, level)
  local g = self.granule.bits
  local width = level == self.start and self.va_bits - shift(g, level) or g - 3
  return va >> shift(g, level) & (1 << width) - 1
end

local function put(self, va, level, descriptor)
  local t = self.tables[1]
  for l = self.start, level - 1 do
    t = below(self, t, index_of(self, va, l), va)
  end
  local index = index_of(self, va, level)
  if t[index] then error(("va 0x%x is mapped already"):format(va), 4) end
  t[index] = descriptor
end

-- The largest block that fits at an address.
local function level_for(self, va, pa, size)
  for level = math.max(self.granule.top, self.start), 2 do
    local block = 1 << shift(self.granule.bits, level)
    if va % block == 0 and pa % block == 0 and size >= block then
      return level, block
    end
  end
  return 3, self.size
end

---@class kvm.arch.arm64.tables.mapping
---@field memory? "normal"|"device"|"noncached" normal by default
---@field write? boolean true by default
---@field user? boolean EL0 may use it too; EL1 does not execute it then
---@field execute? boolean by default true for normal memory

--- Maps size bytes at va to pa, with blocks where they fit.
--- Usage: `t:map(0x9000000, 0x9000000, 0x1000, {memory = "device"})`
---@param va integer these three are multiples of the granule
---@param pa integer
---@param size integer
---@param options? kvm.arch.arm64.tables.mapping
function Tables:map(va, pa, size, options)
  for name, value in pairs { va = va, pa = pa, size = size } do
    if value % self.size ~= 0 then
      bad("%s 0x%x is not a multiple of the granule 0x%x", name, value,
        self.size)
    end
  end
  if math.ult(PA_LIMIT - size, pa) then bad("pa 0x%x is too high", pa) end
  local room = 1 << self.va_bits
  if math.ult(room, va - self.first + size) or
     not math.ult(va - self.first, room) then
    bad("va 0x%x and 0x%x bytes do not fit in %d bits", va, size, self.va_bits)
  end
  local bits = attributes(options or {})
  while size > 0 do
    local level, block = level_for(self, va, pa, size)
    put(self, va, level, bits | pa | (level == 3 and TABLE or 0))
    va, pa, size = va + block, pa + block, size - block
  end
end

--- The tables as one byte string, to be written at base.
--- Usage: `vm:write(t.base, t:bytes())`
---@return string
function Tables:bytes()
  local out = {}
  for _, t in ipairs(self.tables) do
    for index = 0, self.size // 8 - 1 do
      local entry = t[index] or 0
      if type(entry) == "table" then
        entry = self.base + entry.number * self.size | TABLE | VALID
      end
      out[#out + 1] = string.pack("<i8", entry)
    end
  end
  return table.concat(out)
end

local IPS = { [32] = 0, [36] = 1, [40] = 2, [42] = 3, [44] = 4, [48] = 5 }
local WALKS <const> = 1 | 1 << 2 | 3 << 4 -- write-back, inner shareable

--- The values of ttbr0_el1 (or ttbr1_el1), tcr_el1, mair_el1 and sctlr_el1 that
--- turn the MMU on with these tables.
--- Usage: `cpu.regs(t:registers())`
---@param other? kvm.arch.arm64.tables of the other half
---@return table<string, integer>
function Tables:registers(other)
  local r = { mair_el1 = M.mair, sctlr_el1 = 0x30d0199d }
  local tcr = (IPS[self.pa_bits] or bad("pa_bits %s", self.pa_bits)) << 32
  local halves = { [self.high] = self }
  if other then halves[other.high] = other end
  local low, high = halves[false], halves[true]
  tcr = tcr | (low and 64 - low.va_bits | WALKS << 8 | low.granule.tg0 << 14
    or 1 << 7)
  tcr = tcr | (high and (64 - high.va_bits) << 16 | WALKS << 24 |
    high.granule.tg1 << 30 or 1 << 23)
  r.tcr_el1 = tcr
  if low then r.ttbr0_el1 = low.base end
  if high then r.ttbr1_el1 = high.base end
  return r
end

-- ---- walking ----------------------------------------------------------------

local by_tg0 = { [0] = "4k", "64k", "16k" }
local by_tg1 = { "16k", "4k", "64k" }

-- What TCR_EL1 says of the half an address is in; nil: walks are off there.
local function regime(regs, va)
  local tcr = regs.tcr_el1
  local high = va >> 55 & 1 == 1
  if tcr >> (high and 23 or 7) & 1 == 1 then return nil end
  local tsz = tcr >> (high and 16 or 0) & 0x3f
  local name = high and by_tg1[tcr >> 30 & 3] or by_tg0[tcr >> 14 & 3]
  return {
    va_bits = 64 - tsz, bits = granules[name or "4k"].bits, high = high,
    ignores_top_byte = tcr >> (high and 38 or 37) & 1 == 1,
    root = (high and regs.ttbr1_el1 or regs.ttbr0_el1) & 0x0000fffffffffffe,
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

local function result(regs, d, tables, va, bits, level)
  local block = 1 << shift(bits, level)
  local ap = d >> 6 & 3 | tables >> 61 & 2
  local user = ap & 1 == 1 and tables >> 61 & 1 == 0
  local attr = regs.mair_el1 >> (8 * (d >> 2 & 7)) & 0xff
  return {
    pa = d & ADDRESS & -block | va & block - 1, level = level, size = block,
    is_user = user, is_writable = ap & 2 == 0, attr = attr,
    is_device = attr & 0xf0 == 0,
    is_executable = (d | tables >> 6) & PXN == 0 and
      not (user and ap & 2 == 0),
    is_user_executable = (d | tables >> 6) & UXN == 0,
    is_accessed = d & ACCESSED ~= 0, descriptor = d,
  }
end

local function fault(kind, level, address)
  return nil, { fault = kind, level = level, address = address }
end

local function descend(regs, r, read, va)
  local g, base, tables = r.bits, r.root, 0
  local first = start(g, r.va_bits)
  for level = first, 3 do
    local width = level == first and r.va_bits - shift(g, level) or g - 3
    local at = base + 8 * (va >> shift(g, level) & (1 << width) - 1)
    local bytes = read(at, 8)
    if not bytes then return fault("external abort", level, at) end
    local d = string.unpack("<i8", bytes)
    if d & VALID == 0 or (level == 3 and d & TABLE == 0) then
      return fault("translation fault", level, at)
    end
    if level == 3 or d & TABLE == 0 then
      return result(regs, d, tables, va, g, level)
    end
    base, tables = d & ADDRESS & -(1 << g), tables | d
  end
end

---@class kvm.arch.arm64.translation
---@field pa integer
---@field level integer of the descriptor
---@field size integer of the page or block
---@field is_writable boolean
---@field is_user boolean EL0 may use it
---@field is_executable boolean by EL1
---@field is_user_executable boolean by EL0
---@field is_device boolean
---@field is_accessed boolean
---@field attr integer its byte of MAIR_EL1
---@field descriptor? integer

--- Translates an address of a guest as its MMU would for EL1.
--- Usage: `mmu.walk(cpu.regs, function(...) return vm:read(...) end, va)`
---@param regs table cpu.regs, or tcr_el1, ttbr0_el1, ttbr1_el1, mair_el1 and
---sctlr_el1 by name
---@param read fun(gpa: integer, size: integer): string? nil: no memory there
---@param va integer
---@return kvm.arch.arm64.translation?
---@return {fault: string, level: integer, address?: integer}? why there is none
function M.walk(regs, read, va)
  if regs.sctlr_el1 & 1 == 0 then
    return { pa = va, level = 0, size = PA_LIMIT, is_writable = true,
             is_user = true, is_executable = true, is_user_executable = true,
             is_device = true, attr = 0, is_accessed = true }
  end
  local r = regime(regs, va)
  if not r or not in_range(r, va) then
    return fault("translation fault", 0)
  end
  return descend(regs, r, read, va)
end

return M
