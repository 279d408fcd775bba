-- SPDX-License-Identifier: MIT
-- Relocations of x86-64 (System V ABI, AMD64 supplement, "Relocation Types"):
-- number = { name, what is computed, where it goes }.

local field = require "kvm.elf.field"

local word, int32 = field.number(8), field.number(4, "signed")

return {
  name = "x86_64",
  class = 64,
  none = 0,
  pointer = word,
  relocations = {
    [1] = { "R_X86_64_64", "S + A", word },
    [2] = { "R_X86_64_PC32", "S + A - P", int32 },
    [3] = { "R_X86_64_GOT32", "G + A - GOT", int32 },
    [4] = { "R_X86_64_PLT32", "S + A - P", int32 },
    [6] = { "R_X86_64_GLOB_DAT", "S", word },
    [7] = { "R_X86_64_JUMP_SLOT", "S", word },
    [8] = { "R_X86_64_RELATIVE", "B + A", word },
    [9] = { "R_X86_64_GOTPCREL", "G + A - P", int32 },
    [10] = { "R_X86_64_32", "S + A", field.number(4, "unsigned") },
    [11] = { "R_X86_64_32S", "S + A", int32 },
    [12] = { "R_X86_64_16", "S + A", field.number(2, "either") },
    [13] = { "R_X86_64_PC16", "S + A - P", field.number(2, "wrap") },
    [14] = { "R_X86_64_8", "S + A", field.number(1, "either") },
    [15] = { "R_X86_64_PC8", "S + A - P", field.number(1, "signed") },
    [24] = { "R_X86_64_PC64", "S + A - P", word },
    [25] = { "R_X86_64_GOTOFF64", "S + A - GOT", word },
    [26] = { "R_X86_64_GOTPC32", "GOT + A - P", int32 },
    [27] = { "R_X86_64_GOT64", "G + A - GOT", word },
    [28] = { "R_X86_64_GOTPCREL64", "G + A - P", word },
    [29] = { "R_X86_64_GOTPC64", "GOT + A - P", word },
    [41] = { "R_X86_64_GOTPCRELX", "G + A - P", int32 },
    [42] = { "R_X86_64_REX_GOTPCRELX", "G + A - P", int32 },
  },
}
