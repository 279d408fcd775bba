-- SPDX-License-Identifier: MIT
-- The guests of spec.guests.machine for arm64. x1 is the device that nobody
-- has.
local asm = require "kvm.asm"

local M = {}

M.RAM, M.SIZE, M.MMIO = 0x40000000, 0x10000, 0x9000000
M.STOP = "system_event"
M.SIZES = { 1, 2, 4, 8 }
M.RESULT, M.PC = "x19", "pc" -- PSCI answers in x0

-- PSCI SYSTEM_OFF
local STOP <const> = [[
        mov     w0, #0x84000000
        movk    w0, #8
        hvc     #0
        b       . ]]

--- Texts, as spec.guests.machine describes them.
M.programs = {
  halt = STOP,
  endless = "b .",
  store = [[
        mov     w19, #0x2211
        movk    w19, #0x4433, lsl 16
        strb    w19, [x1, #1]
        strh    w19, [x1, #2]
        str     w19, [x1, #4]
  ]] .. STOP,
  load = [[
        mov     x19, #0
        ldr     w19, [x1, #8]
        mov     x20, #0
  ]] .. STOP,
  narrow = [[
        mov     x19, #0
        ldrb    w19, [x1, #8]
  ]] .. STOP,
  count = [[
        mov     w19, #0
     1: add     w19, w19, #1
        str     w19, [x1, #16]
        b       1b ]],
  echo = [[
     1: ldr     w19, [x1, #8]
        str     w19, [x1, #16]
        b       1b ]],
}

--- Has a vCPU run the code of a program at an address of its own.
function M.load(g, cpu, text, number)
  local at = 0x100 * number
  g.ram:write(at, asm.arm64(text))
  cpu.regs { pc = M.RAM + at, x1 = M.MMIO }
end

local FAULT <const> = [[
        mov     w19, #0x3344
        movk    w19, #0x1122, lsl 16
        str     w19, [x1, #16]
        mov     x2, #0x50000000
        str     w19, [x2]
        str     w19, [x1, #20]
        b       . ]]

--- Has a vCPU run a guest that writes to MMIO + 16, to memory at M.HOLE, and to
--- MMIO + 20.
function M.load_fault(g, cpu) M.load(g, cpu, FAULT, 1) end

M.HOLE = 0x50000000

function M.prepare(cpu) cpu:arm_vcpu_init() end

return M
