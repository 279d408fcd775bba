-- SPDX-License-Identifier: MIT
-- An x86-64 guest that takes interrupts, in real mode: each handler writes its
-- vector to port 0x80.
local kvm = require "kvm"
local asm = require "kvm.asm"
local modes = require "kvm.arch.x86_64.modes"

local M = {}

local VECTORS <const> = { 2, 0x20, 0x21, 0x28, 0x29, 0x30, 0x31, 0x40 }
local CODE <const>, STACK <const> = 0x1000, 0x8000

--- Where the local APIC's registers are.
M.APIC = 0xfee00000

--- What the guest runs: PICs from vector 0x20, interrupts on, HLT for ever.
M.START = [[
        mov $0x11, %al
        out %al, $0x20
        out %al, $0xa0
        mov $0x20, %al
        out %al, $0x21
        mov $0x28, %al
        out %al, $0xa1
        mov $4, %al
        out %al, $0x21
        mov $2, %al
        out %al, $0xa1
        mov $1, %al
        out %al, $0x21
        out %al, $0xa1
        xor %al, %al
        out %al, $0x21
        out %al, $0xa1
        out %al, $0x81          # ready
        sti
     1: hlt
        jmp 1b
]]

-- Vectors of the local APIC end there, the others at the PICs.
local function handler(vector)
  return ([[
     v%d:
        push %%ax
        mov $%d, %%al
        out %%al, $0x80
        %s
        pop %%ax
        iret
  ]]):format(vector, vector, vector == 2 and "" or vector >= 0x30
    and "movl $0, %gs:0xb0" or "mov $0x20, %al; out %al, $0xa0; out %al, $0x20")
end

--- A vCPU that will run start, by default M.START. setup(vm) is called before
--- the vCPU is made.
function M.guest(setup, start)
  local vm = kvm.create_vm()
  local ram = vm:map(0, 0x10000)
  if setup then setup(vm) end
  local cpu = vm:create_vcpu()
  cpu:set_cpuid2(vm.system:get_supported_cpuid())
  local text = { start or M.START }
  for _, vector in ipairs(VECTORS) do text[#text + 1] = handler(vector) end
  local code, labels = asm.x86_16(table.concat(text, "\n"), { origin = CODE })
  ram:write(CODE, code)
  for _, vector in ipairs(VECTORS) do
    ram:pack(vector * 4, "<I2I2", labels["v" .. vector], 0)
  end
  cpu.regs(modes.real { entry = CODE, stack = STACK })
  cpu.regs.gs_base = M.APIC
  return cpu, vm, ram
end

--- The next vector that the guest writes, or the reason why there is none.
function M.next_vector(cpu, timeout)
  for reason, exit in cpu:exits { timeout = timeout or 10 } do
    if reason == "io" and exit.port == 0x80 then return exit.value end
    if reason ~= "io" and reason ~= "intr" then return reason end
  end
end

--- Runs until the guest waits for interrupts.
function M.ready(cpu)
  for reason, exit in cpu:exits { timeout = 10 } do
    if reason == "io" and exit.port == 0x81 then return end
    assert(reason == "io" or reason == "intr", reason)
  end
end

--- A setup: PICs, IOAPIC and local APICs in the kernel.
function M.irqchip(vm) vm:create_irqchip() end

--- Switches a local APIC on.
function M.enable_apic(cpu)
  local regs = cpu:get_lapic().regs
  cpu:set_lapic { regs = regs:sub(1, 0xf0) .. string.pack("<I4", 0x1ff)
    .. regs:sub(0xf5) }
end

return M
