-- SPDX-License-Identifier: MIT
-- A guest counts ten ticks of the timer: the in-kernel PIT raises IRQ 0 of the
-- in-kernel PIC, whose vector the guest handles in real mode.
local kvm, asm = require "kvm", require "kvm.asm"

local vm = kvm.create_vm()
vm:map(0, 0x10000)
vm:create_irqchip()
vm:create_pit2 {}

vm:write(0x1000, asm.x86_16([[
        xor %ax, %ax
        mov %ax, %ds
        mov %ax, %ss
        mov $0x8000, %sp
        movw $tick, 0x20*4              # vector 0x20: offset, segment
        movw $0, 0x20*4+2
        mov $0x11, %al                  # PIC: edge, cascade, ICW4
        out %al, $0x20
        mov $0x20, %al                  # vectors from 0x20
        out %al, $0x21
        mov $4, %al
        out %al, $0x21
        mov $1, %al
        out %al, $0x21
        mov $0xfe, %al                  # only IRQ 0
        out %al, $0x21
        mov $0x34, %al                  # PIT: channel 0, rate generator
        out %al, $0x43
        mov $11932 & 0xff, %al          # 1193182 Hz / 11932 = 100 Hz
        out %al, $0x40
        mov $11932 >> 8, %al
        out %al, $0x40
        mov $'0', %bl
        sti
1:      hlt
        cmp $'9'+1, %bl
        jne 1b
        out %al, $0x11                  # done
        jmp 1b
tick:   mov %bl, %al
        out %al, $0x10
        inc %bl
        mov $0x20, %al                  # end of interrupt
        out %al, $0x20
        iret ]], { origin = 0x1000 }))

local cpu = vm:create_vcpu()
cpu.regs { cs_base = 0, cs_selector = 0, rip = 0x1000, rflags = 2 }

local start = kvm.clock()
for reason, exit in cpu:exits { timeout = 10 } do
  if reason == "io" and exit.port == 0x10 then io.write("tick ", exit.data, "\n")
  elseif reason == "io" then break
  else error(tostring(exit)) end
end
local seconds = kvm.clock() - start
print(seconds > 0.05 and seconds < 5 and "about a tenth of a second" or seconds)
