-- SPDX-License-Identifier: MIT
-- The walk through KVM on arm64: the six ioctls between nothing and a guest
-- that prints a line through a device in Lua and switches its machine off.
-- With --tree it prints under each step what the kernel called for it.
-- On any machine: tools/box arm64 -- kvmlua examples/walk_arm64.lua --tree
local kvm, asm = require "kvm", require "kvm.asm"

if kvm.arch ~= "arm64" then
  print("this walk is arm64's; on this machine: " ..
    "tools/box arm64 -- kvmlua examples/walk_arm64.lua")
  os.exit(3)
end

local RAM <const>, SIZE <const> = 0x40000000, 0x10000
local UART <const> = 0x9000000 -- no memory is there: an access exits
local PC <const> = 0x6030000000100040 -- KVM_REG_ARM_CORE_REG(regs.pc)

local guest <const> = asm.arm64([[
        adr     x1, text
        ldr     x2, =uart
next:   ldrb    w3, [x1], #1
        cbz     w3, off
        strb    w3, [x2]        // an MMIO exit each
        b       next
off:    ldr     w0, =0x84000008 // PSCI SYSTEM_OFF
        hvc     #0
        b       .
text:   .asciz  "Hello from EL1\n"
]], { origin = RAM, symbols = { uart = UART } })

local system <close> = kvm.open()
local vm, cpu

-- What each step tells is its result.
local steps = {
  { "KVM_CREATE_VM", function()
    vm = system:create_vm()
    return "a machine with guest physical addresses of 40 bits"
  end },
  { "KVM_SET_USER_MEMORY_REGION", function()
    local ram = kvm.memory(SIZE)
    ram:write(0, guest)
    vm:set_user_memory_region { slot = 0, guest_phys_addr = RAM,
                                memory = ram, memory_size = SIZE }
    return ("slot 0: %d KiB at 0x%x"):format(SIZE >> 10, RAM)
  end },
  { "KVM_CREATE_VCPU", function()
    cpu = vm:create_vcpu(0)
    return ("vCPU %d"):format(cpu.id)
  end },
  { "KVM_ARM_VCPU_INIT", function()
    local init = vm:arm_preferred_target()
    cpu:arm_vcpu_init { target = init.target, features = {
      1 << kvm.VCPU_INIT.PSCI_0_2 } }
    return ("target %d, with PSCI"):format(init.target)
  end },
  { "KVM_SET_ONE_REG", function()
    cpu:set_one_reg(PC, RAM)
    return ("pc = 0x%x"):format(cpu:get_one_reg(PC))
  end },
  { "KVM_RUN", function()
    local line, count = {}, 0
    for reason, exit in cpu:exits { timeout = 10 } do
      if reason == "mmio" and exit.is_write and exit.gpa == UART then
        line[#line + 1] = exit.data
        count = count + 1
      elseif reason == "system_event" then
        return ("%d MMIO exits, then %s\n   the guest printed: %s"):format(
          count, exit.event, (table.concat(line):gsub("\n$", "")))
      else
        error("the guest stopped with " .. tostring(exit))
      end
    end
  end },
}

-- The kernel's functions of a step's ioctl, and what became of those that it
-- had in Linux 4.19.
local function print_trees(name, trees)
  local walk = require "kvm.calltree.walk"
  print(trees:text { indent = 3, note = walk.note })
  for _, line in ipairs(walk.missing(name, trees:called())) do
    print("   " .. line)
  end
end

local recorder <close> =
  arg[1] == "--tree" and kvm.calltree.open { only = "kvm" } or nil

for i, step in ipairs(steps) do
  local name, action = table.unpack(step)
  print(("%d. %s: %s"):format(i, name, action()))
  if recorder then print_trees(name, recorder:take():of(name)) end
end
