-- SPDX-License-Identifier: MIT
-- The machines by their ELF number. A new one is a row here and a file of its
-- relocations: each changes one field, and no two are at one place (RISC-V's
-- pairs would need more of kvm.elf.reloc).

local M = {
  [3] = require "kvm.elf.x86_32",
  [62] = require "kvm.elf.x86_64",
  [183] = require "kvm.elf.arm64",
}

local list = {}
for number, machine in pairs(M) do
  list[#list + 1] = { number, ("%s (%d)"):format(machine.name, number) }
end
table.sort(list, function(a, b) return a[1] < b[1] end)
for i, entry in ipairs(list) do list[i] = entry[2] end
M.names = table.concat(list, ", ")

return M
