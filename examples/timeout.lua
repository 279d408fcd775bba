-- SPDX-License-Identifier: MIT
-- A guest that never ends, stopped from outside; then it goes on elsewhere.
local kvm, asm = require "kvm", require "kvm.asm"

local vm = kvm.create_vm()
local ram = vm:map(0x1000, 0x1000)
ram:write(0, asm.x86_16 "1: inc %ecx; jmp 1b")
ram:write(0x100, asm.x86_16 "hlt")

local cpu = vm:create_vcpu()
cpu.regs { cs_base = 0, cs_selector = 0, rip = 0x1000, rflags = 2 }

local start = kvm.clock()
print("the first run ends by", (cpu:run { timeout = 0.1 }))
local seconds = kvm.clock() - start
print("after 0.1 s", seconds >= 0.1 and seconds < 2)
print("it has counted", cpu.regs.rcx > 100)

cpu.regs.rip = 0x1100
print("the second run ends by", (cpu:run { timeout = 5 }))
