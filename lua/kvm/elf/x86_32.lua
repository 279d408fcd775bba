-- SPDX-License-Identifier: MIT
-- Relocations of i386 (System V ABI, i386 supplement, "Relocation Types"):
-- number = { name, what is computed, where it goes }. Addresses are modulo
-- 2^32, so 32-bit fields hold every distance.

local field = require "kvm.elf.field"

local word = field.number(4)

-- The slot's own address where the instruction has no base register (mod 0,
-- r/m 5 in the byte before the field), else its offset from the GOT.
local function got32x(bytes, offset)
  local modrm = bytes:byte(offset) or 0
  return modrm & 0xc7 == 5 and "G + A" or "G + A - GOT"
end

return {
  name = "x86_32",
  class = 32,
  none = 0,
  pointer = word,
  relocations = {
    [1] = { "R_386_32", "S + A", word },
    [2] = { "R_386_PC32", "S + A - P", word },
    [3] = { "R_386_GOT32", "G + A - GOT", word },
    [4] = { "R_386_PLT32", "S + A - P", word },
    [6] = { "R_386_GLOB_DAT", "S", word },
    [7] = { "R_386_JMP_SLOT", "S", word },
    [8] = { "R_386_RELATIVE", "B + A", word },
    [9] = { "R_386_GOTOFF", "S + A - GOT", word },
    [10] = { "R_386_GOTPC", "GOT + A - P", word },
    [20] = { "R_386_16", "S + A", field.number(2, "either") },
    [21] = { "R_386_PC16", "S + A - P", field.number(2, "wrap") },
    [22] = { "R_386_8", "S + A", field.number(1, "either") },
    [23] = { "R_386_PC8", "S + A - P", field.number(1, "signed") },
    [43] = { "R_386_GOT32X", got32x, word },
  },
}
