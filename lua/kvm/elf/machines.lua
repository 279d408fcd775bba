-- SPDX-License-Identifier: MIT
-- The machines by their ELF number. A new one is a file of relocations and a
-- row here.

local M = {
  [3] = require "kvm.elf.x86_32",
  [62] = require "kvm.elf.x86_64",
  [183] = require "kvm.elf.arm64",
  names = "x86_32 (3), x86_64 (62), arm64 (183)",
}

return M
