-- SPDX-License-Identifier: MIT
-- One measured piece of work: kvmlua work.lua NAME N; prints its seconds.
local kvm, asm = require "kvm", require "kvm.asm"

local code = asm.x86_16 [[
        mov $0x10, %dx
1:      out %al, (%dx)
        inc %al
        loop 1b
        hlt ]]

-- The guest makes n exits, 65536 at most, and halts; n nil: does not matter.
local function machine(n)
  local vm = kvm.create_vm()
  local ram = vm:map(0x1000, 0x1000)
  ram:write(0, code)
  local cpu = vm:create_vcpu()
  cpu.regs { cs_base = 0, cs_selector = 0, rip = 0x1000, rflags = 2,
    rcx = (n or 0) & 0xffff }
  return vm, cpu, ram
end

local work = {}

-- reason, exit = run() and three fields.
function work.exits(n)
  local _, cpu = machine()

  for _ = 1, n do
    local _, exit = cpu:run()
    local port, size, value = exit.port, exit.size, exit.value
  end
end

-- The same exits, each handled by a device.
function work.device(n)
  local vm, cpu = machine(n)
  local device = {}
  function device:write(offset, value, size) self.value = value end
  vm:on_pio(0x10, 1, device)
  assert(cpu:run() == "hlt")
end

function work.life(n)
  for _ = 1, n do
    local vm, cpu, ram = machine()
    assert(cpu:run() == "io")
    cpu:close()
    vm:close()
    ram:close()
  end
end

-- A register read and another one written; KVM_GET_REGS, KVM_SET_REGS in C.
function work.regs(n)
  local _, cpu = machine()
  for i = 1, n do
    local r = cpu:get_regs()
    r.rax = i
    cpu:set_regs(r)
  end
end

function work.sync_regs(n)
  local _, cpu = machine()
  local regs = cpu.regs
  for i = 1, n do regs.rax = regs.rbx + i end
end

function work.memory(n)
  local mem = kvm.memory(1 << 20)
  mem:fill(0, 1 << 20, 1)
  for _ = 1, n do mem:write(0, mem:read(0, 1 << 20)) end
end

local clock = kvm.clock
local name, n = arg[1], tonumber(arg[2])
local start = clock()
work[name](n)
print(("%.9f"):format(clock() - start))
