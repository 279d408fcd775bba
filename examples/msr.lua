-- SPDX-License-Identifier: MIT
-- A guest reads and writes a model-specific register that no processor has; a
-- Lua object answers.
local kvm, asm = require "kvm", require "kvm.asm"

local vm = kvm.create_vm()
vm:map(0, 0x10000)
vm:enable_cap("X86_USER_SPACE_MSR", kvm.MSR_EXIT.UNKNOWN)

local msr = { value = 1000 }
function msr:read(offset) return self.value end
function msr:write(offset, value)
  print("the guest writes", value)
  self.value = value * 2
end
vm:on_msr(0x12345678, 1, msr)

vm:write(0x1000, asm.x86_16 [[
        mov $0x12345678, %ecx
        rdmsr
        add $1, %eax
        wrmsr
        rdmsr
        hlt ]])

local cpu = vm:create_vcpu()
cpu.regs { cs_base = 0, cs_selector = 0, rip = 0x1000, rflags = 2 }
assert(cpu:run { timeout = 5 } == "hlt")
print("and reads", cpu.regs.rax)
