-- SPDX-License-Identifier: MIT
-- The places in memory that relocations fill: a whole number, or some bits of
-- an instruction. A field checks that a value fits and inserts it.

local M = {}

---@class kvm.elf.field
---@field size integer bytes that are read and written
---@field check? "signed"|"unsigned"|"either"|"wrap" what must hold of the value
---@field bits? integer for how many bits it must hold
---@field align? integer the value must be a multiple of this
---@field insert fun(word: integer, value: integer): integer

-- "either" is a number that may be meant signed or unsigned; "wrap" is a
-- distance inside a space of 2^bits bytes, in which addresses wrap around.
local fits = {
  signed = function(value, bits)
    local half = 1 << (bits - 1)
    return -half <= value and value < half
  end,
  unsigned = function(value, bits) return value >> bits == 0 end,
  wrap = function(value, bits)
    return -(1 << bits) < value and value < 1 << bits
  end,
}

function fits.either(value, bits)
  return fits.signed(value, bits) or fits.unsigned(value, bits)
end

local function mask(bits)
  return bits >= 64 and -1 or (1 << bits) - 1
end

-- Insert value >> shift into `width` bits of the word, from bit `at`.
local function inserter(shift, width, at)
  local hole = ~(mask(width) << at)
  return function(word, value)
    return word & hole | (value >> shift & mask(width)) << at
  end
end

--- A whole little-endian number.
function M.number(size, check)
  return { size = size, check = check, bits = check and 8 * size,
    insert = inserter(0, 8 * size, 0) }
end

--- A distance in an arm64 instruction: `width` bits from bit `at`, in words.
function M.branch(width, at)
  return { size = 4, check = "signed", bits = width + 2, align = 4,
    insert = inserter(2, width, at) }
end

--- The low 12 bits of an address as the offset of an access of 2^scale bytes.
function M.low12(scale)
  return { size = 4, align = 1 << scale,
    insert = inserter(scale, 12 - scale, 10) }
end

--- The group-th 16 bits in a move instruction.
function M.move(group, check)
  return { size = 4, check = check, bits = check and 16 * (group + 1),
    insert = inserter(16 * group, 16, 5) }
end

--- The same of a signed value: MOVZ becomes MOVN for a negative one.
function M.signed_move(group, check)
  local insert = inserter(16 * group, 16, 5)
  return {
    size = 4, check = check, bits = check and 16 * (group + 1) + 1,
    insert = function(word, value)
      if value < 0 then return insert(word & ~(1 << 30), ~value) end
      return insert(word | 1 << 30, value)
    end,
  }
end

--- The immediate of ADR (shift 0) and ADRP (shift 12), in two pieces.
function M.adr(shift, check)
  return {
    size = 4, check = check, bits = 21 + shift,
    insert = function(word, value)
      value = value >> shift
      return word & 0x9f00001f | (value & 3) << 29
        | (value >> 2 & 0x7ffff) << 5
    end,
  }
end

--- Why `value` cannot go into a field, or nil.
function M.objection(field, value)
  if field.check and not fits[field.check](value, field.bits) then
    local kind = field.check == "signed" and "signed " or ""
    return ("does not fit in %s%d bits"):format(kind, field.bits)
  end
  if field.align and value % field.align ~= 0 then
    return ("is not a multiple of %d"):format(field.align)
  end
end

return M
