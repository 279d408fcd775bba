-- SPDX-License-Identifier: MIT
-- A device in Lua on the guest's memory bus: a counter with two registers, read
-- and written by the guest with ordinary moves. KVM exits on each access, and
-- the run loop calls the device's methods.
local kvm, asm = require "kvm", require "kvm.asm"
local modes = require "kvm.arch.x86_64.modes"

local vm = kvm.create_vm()
vm:map(0, 0x200000)

local counter = { count = 0, step = 1 }
function counter:read(offset, size)
  if offset == 0 then
    self.count = self.count + self.step
    return self.count
  end
  return self.step
end
function counter:write(offset, value, size)
  print(("register %d = %d (%d bytes)"):format(offset, value, size))
  if offset == 8 then self.step = value end
end
vm:on_mmio(0xd0000000, 16, counter)

vm:write(0x4000, asm.x86_32 [[
        mov 0xd0000000, %eax            # 1
        movl $10, 0xd0000008            # step = 10
        mov 0xd0000000, %ebx            # 11
        add 0xd0000000, %eax            # 1 + 21
        movw %ax, 0xd0000002
        hlt ]])

local cpu = vm:create_vcpu()
cpu.regs(modes.prot32(vm, { at = 0x10000, entry = 0x4000 }))
assert(cpu:run { timeout = 5 } == "hlt")
print("eax", cpu.regs.rax, "ebx", cpu.regs.rbx)
