-- SPDX-License-Identifier: MIT
-- Which pages does a guest write? KVM keeps a log of a slot; the map below has
-- one character for each of its 64 pages.
local kvm, asm = require "kvm", require "kvm.asm"
local modes = require "kvm.arch.x86_64.modes"

local BASE <const>, PAGES <const> = 0x400000, 64

local vm = kvm.create_vm()
vm:map(0, 0x200000)
vm:map(BASE, PAGES * kvm.page_size, { log_dirty = true })

-- Writes one byte into every page whose number is a square.
vm:write(0x4000, asm.x86_32([[
        xor %ecx, %ecx
again:  mov %ecx, %eax
        imul %eax, %eax
        cmp $PAGES, %eax
        jae done
        shl $12, %eax
        movb $1, BASE(%eax)
        inc %ecx
        jmp again
done:   hlt ]], { origin = 0x4000, symbols = { BASE = BASE, PAGES = PAGES } }))

local cpu = vm:create_vcpu()
cpu.regs(modes.prot32(vm, { at = 0x10000, entry = 0x4000 }))
assert(cpu:run { timeout = 5 } == "hlt")

local dirty = {}
for _, gpa in ipairs(vm:dirty_pages(BASE)) do dirty[gpa] = true end
for row = 0, PAGES - 1, 16 do
  local line = {}
  for page = row, row + 15 do
    line[#line + 1] = dirty[BASE + page * kvm.page_size] and "#" or "."
  end
  print(("%#x  %s"):format(BASE + row * kvm.page_size, table.concat(line)))
end
