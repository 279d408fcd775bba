-- SPDX-License-Identifier: MIT
-- KVM_INTERRUPT without an in-kernel interrupt controller: when the guest can
-- take a vector, and what it does with it.
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm "x86_64"
if missing then return pending(missing) end
local asm = require "kvm.asm"

-- A real-mode guest that keeps interrupts off for a while; vector 0x21 writes
-- to port 0x21.
local function machine()
  local vm = kvm.create_vm()
  vm:map(0, 0x10000)
  vm:write(0x1000, (asm.x86_16([[
        mov $0x8000, %sp
        movw $handler, 0x21*4
        movw $0, 0x21*4+2
        out %al, $0x10
        nop
        out %al, $0x11
        sti
        nop
1:      nop
        jmp 1b
handler:
        out %al, $0x21
        hlt ]], { origin = 0x1000 })))
  local cpu = vm:create_vcpu()
  cpu.regs { cs_base = 0, cs_selector = 0, ss_base = 0, ss_selector = 0,
    ds_base = 0, ds_selector = 0, rip = 0x1000, rflags = 2 }
  return vm, cpu
end

local function describe_x86(name, f)
  describe(name, function()
    if kvm.arch ~= "x86_64" then
      return it("runs", function() pending "it needs an x86-64 machine" end)
    end
    f()
  end)
end

describe_x86("KVM_INTERRUPT", function()
  it("waits for the window", function()
    local _, cpu = machine()
    local reason, exit = cpu:run { timeout = 5, interrupt_window = true }
    assert.equal("io", reason)
    assert.equal(0x10, exit.port)
    reason, exit = cpu:run { timeout = 5, interrupt_window = true }
    assert.equal("io", reason) -- still closed: the guest has not said sti
    assert.equal(0x11, exit.port)
    reason, exit = cpu:run { timeout = 5, interrupt_window = true }
    assert.equal("irq_window_open", reason)
    assert.is_true(exit.ready_for_interrupt_injection)
    assert.is_true(exit.if_flag)
    cpu:interrupt { irq = 0x21 }
    reason, exit = cpu:run { timeout = 5 }
    assert.equal("io", reason)
    assert.equal(0x21, exit.port)
    assert.equal("hlt", (cpu:run { timeout = 5 }))
  end)

  it("asks for it only in the run that says so", function()
    local _, cpu = machine()
    cpu:run { timeout = 5, interrupt_window = true }
    cpu:run { timeout = 5 }
    assert.equal("timeout", (cpu:run { timeout = 0.05 }))
  end)

  it("is not given up by a run that is refused in a handler", function()
    local vm, cpu = machine()
    vm:on_pio(0x10, 2, { write = function() pcall(cpu.run, cpu) end })
    assert.equal("irq_window_open",
      (cpu:run { timeout = 5, interrupt_window = true }))
  end)

  it("refuses an option that is no boolean", function()
    local _, cpu = machine()
    assert.has_error(function() cpu:run { interrupt_window = 1 } end,
      "field 'interrupt_window': true or false expected, got number")
  end)
end)
