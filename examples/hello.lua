-- SPDX-License-Identifier: MIT
-- A guest adds two and two and prints the sum through a port.
local kvm, asm = require "kvm", require "kvm.asm"

local vm = kvm.create_vm()
local ram = vm:map(0x1000, 0x1000)
ram:write(0, asm.x86_16 [[
        mov $2, %al
        add $2, %al
        add $'0', %al
        mov $0x3f8, %dx
        out %al, (%dx)
        mov $'\n', %al
        out %al, (%dx)
        hlt ]])

local cpu = vm:create_vcpu()
cpu.regs { cs_base = 0, cs_selector = 0, rip = 0x1000, rflags = 2 }

io.write "2 + 2 = "
for reason, exit in cpu:exits { timeout = 5 } do
  if reason == "io" then io.write(exit.data)
  elseif reason == "hlt" then break
  else error("the guest stopped with " .. tostring(exit)) end
end
