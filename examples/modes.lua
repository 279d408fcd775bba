-- SPDX-License-Identifier: MIT
-- One vCPU goes through four modes of x86-64 and says hello from each: real,
-- 32-bit protected, long, and long in ring 3. kvm.arch.x86_64.modes writes the
-- tables that each mode needs and gives the registers.
local kvm, asm = require "kvm", require "kvm.asm"
local modes = require "kvm.arch.x86_64.modes"

local vm = kvm.create_vm()
vm:map(0, 0x200000)
local cpu = vm:create_vcpu()

-- Newer kernels let no guest into long mode whose CPUID lacks it.
cpu:set_cpuid2(kvm.open():get_supported_cpuid())

-- Runs code at 0x4000 with the given registers; prints what it writes to port
-- 0x10 (the low byte of rax) until it halts.
local function run(name, code, regs)
  vm:write(0x4000, code)
  cpu.regs(regs)
  io.write(("%-10s "):format(name))
  for reason, exit in cpu:exits { timeout = 5 } do
    if reason == "io" then io.write(exit.data)
    elseif reason == "hlt" then break
    else error(tostring(exit)) end
  end
  print((" cr0=%#x efer=%#x cs=%#x"):format(cpu.regs.cr0, cpu.regs.efer,
    cpu.regs.cs_selector))
end

local text = [[
        mov $'o', %al
        out %al, $0x10
        mov $'k', %al
        out %al, $0x10
        hlt ]]

local at = { at = 0x10000, entry = 0x4000, stack = 0x7000 }
run("real", asm.x86_16(text), modes.real { entry = 0x4000 })
run("protected", asm.x86_32(text), modes.prot32(vm, at))
run("long", asm.x86_64(text), modes.long64(vm, at))

-- Ring 3 may not touch a port here, so it asks ring 0 by an invalid
-- instruction: the handler of #UD (vector 6) writes for it.
vm:write(0x5000, asm.x86_64(text))
run("ring 3", asm.x86_64 "ud2", modes.long64(vm, {
  at = 0x10000, entry = 0x4000, stack = 0x8000, user = true,
  kernel_stack = 0x7000, gates = { [6] = 0x5000 } }))
