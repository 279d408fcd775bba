-- SPDX-License-Identifier: MIT
-- The guests of spec.guests.machine for x86-64, in real mode. The data segment
-- begins at the device that nobody has.
local asm = require "kvm.asm"
local modes = require "kvm.arch.x86_64.modes"

local M = {}

M.RAM, M.SIZE, M.MMIO = 0, 0x10000, 0xd0000
M.STOP = "hlt"
M.SIZES = { 1, 2, 4 }
M.RESULT, M.PC = "rax", "rip"

local CODE <const> = 0x1000

--- Texts, as spec.guests.machine describes them.
M.programs = {
  halt = "hlt",
  endless = "1: jmp 1b",
  store = [[
        mov $0x44332211, %eax
        mov %al, 1
        mov %ax, 2
        mov %eax, 4
        hlt ]],
  load = [[
        xor %eax, %eax
        mov 8, %eax
        xor %ebx, %ebx
        hlt ]],
  narrow = [[
        xor %eax, %eax
        mov 8, %al
        hlt ]],
  count = [[
        xor %eax, %eax
     1: inc %eax
        mov %eax, 16
        jmp 1b ]],
  echo = [[
     1: mov 8, %eax
        mov %eax, 16
        jmp 1b ]],
}

--- Has a vCPU run the code of a program at an address of its own.
function M.load(g, cpu, text, number)
  local at = CODE + 0x100 * number
  g.ram:write(at, asm.x86_16(text))
  cpu.regs { cs_base = 0, cs_selector = 0, rip = at, rflags = 2,
             ds_base = M.MMIO, ds_selector = M.MMIO >> 4 }
end

function M.prepare() end

-- Ring 3, because faults of other code are the emulator's on some hosts.
local FAULT <const> = [[
        mov $0x11223344, %eax
        mov %eax, 0xd0010
        mov %eax, 0x100000
        mov %eax, 0xd0014
     1: jmp 1b ]]

--- Has a vCPU run a guest that writes to MMIO + 16, to memory at M.HOLE, and to
--- MMIO + 20.
function M.load_fault(g, cpu)
  cpu:set_cpuid2(g.vm.system:get_supported_cpuid())
  g.ram:write(CODE, asm.x86_64(FAULT))
  cpu.regs(modes.long64(g.vm, { at = 0x2000, entry = CODE, size = 0x200000,
    stack = 0xe000, user = true, kernel_stack = 0xf000 }))
end

M.HOLE = 0x100000

return M
