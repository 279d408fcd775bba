-- SPDX-License-Identifier: MIT
-- Two virtual machines with one piece of memory: what the first writes, the
-- second reads, at another address.
local kvm, asm = require "kvm", require "kvm.asm"

local shared = kvm.memory(kvm.page_size)

local function machine(gpa, code)
  local vm = kvm.create_vm()
  vm:map(0x1000, 0x1000):write(0, asm.x86_16(code))
  vm:map(gpa, shared)
  local cpu = vm:create_vcpu()
  cpu.regs { cs_base = 0, cs_selector = 0, ds_base = 0, ds_selector = 0,
    rip = 0x1000, rflags = 2 }
  return cpu
end

local writer = machine(0x8000, [[
        movl $0x6c6c6568, 0x8000        # "hell"
        movw $'o', 0x8004
        hlt ]])
local reader = machine(0xa000, [[
        mov $0xa000, %si
1:      lodsb
        test %al, %al
        jz 2f
        out %al, $0x10
        jmp 1b
2:      hlt ]])

assert(writer:run { timeout = 5 } == "hlt")
for reason, exit in reader:exits { timeout = 5 } do
  if reason == "io" then io.write(exit.data) else break end
end
print(" from " .. tostring(shared))
