-- SPDX-License-Identifier: MIT
-- What ends a run from outside: kicks and signals, of which none is lost; and
-- complete, which ends an exit.
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm()
if missing then return pending(missing) end
local machine = require "spec.guests.machine"
local process = require "spec.support.process"
local raises = require "spec.support.raises"

-- A signal that no handler of ours sees: stopped, and continued at once.
local function interrupt_soon()
  local pid = process.pid()
  os.execute(("(sleep 0.1; kill -STOP %d; kill -CONT %d) &"):format(pid, pid))
end

describe("vcpu:kick", function()
  it("before a run ends it, once", function()
    local g <close> = machine.start "count"
    g.cpu:kick()
    local reason, exit = g.cpu:run()
    assert.equal("intr", reason)
    assert.equal(kvm.EXIT.INTR, exit.code)
    for i = 1, 5 do
      assert.equal("mmio", (g.cpu:run()))
      assert.equal(i, g.cpu.exit.value)
    end
  end)

  it("before a run with a timeout ends that, once", function()
    local g <close> = machine.start "endless"
    g.cpu:kick()
    assert.equal("intr", (g.cpu:run { timeout = 10 }))
    assert.equal("timeout", (g.cpu:run { timeout = 0.01 }))
  end)

  it("several times is once", function()
    local g <close> = machine.start "count"
    for _ = 1, 3 do g.cpu:kick() end
    assert.equal("intr", (g.cpu:run()))
    assert.equal("mmio", (g.cpu:run()))
  end)

  it("from a handler ends the run that called it", function()
    local g <close> = machine.start "count"
    local written = {}
    g.vm:on_mmio(machine.MMIO, 0x100, { write = function(_, _, value)
      written[#written + 1] = value
      if value % 3 == 0 then g.cpu:kick() end
    end })
    assert.equal("intr", (g.cpu:run()))
    assert.same({ 1, 2, 3 }, written)
    assert.equal("intr", (g.cpu:run { timeout = 10 }))
    assert.same({ 1, 2, 3, 4, 5, 6 }, written)
  end)

  it("of another vCPU does not stop this one", function()
    local g <close> = machine.start "count"
    local other = g:add "count"
    other:kick()
    assert.equal("mmio", (g.cpu:run()))
    assert.equal("mmio", (g.cpu:run { timeout = 10 }))
    assert.equal("intr", (other:run()))
  end)

  it("takes nothing, of an open vCPU", function()
    local g <close> = machine.start "halt"
    local kick = g.cpu.kick
    raises("surplus argument", kick, g.cpu, 1)
    g.cpu:close()
    raises("kvm.vcpu is closed", kick, g.cpu)
  end)
end)

describe("vcpu:complete", function()
  it("finishes a read: only then are the registers final", function()
    local g <close> = machine.start "load"
    local _, exit = g:run()
    exit.value = 0xabcd
    local before = g.cpu.regs[machine.RESULT]
    local reason = g.cpu:complete()
    assert.is_nil(reason)
    assert.equal(0, before)
    assert.equal(0xabcd, g.cpu.regs[machine.RESULT])
    assert.equal(machine.STOP, (g:run()))
    assert.equal(0xabcd, g.cpu.regs[machine.RESULT])
  end)

  it("runs nothing more", function()
    local g <close> = machine.start "count"
    for i = 1, 5 do
      assert.equal("mmio", (g.cpu:run()))
      g.cpu:complete()
      assert.equal(i, g.cpu.regs[machine.RESULT])
      g.cpu:complete()
      assert.equal(i, g.cpu.regs[machine.RESULT])
    end
  end)

  it("leaves no exit behind", function()
    local g <close> = machine.start "load"
    local _, exit = g:run()
    assert.equal(4, exit.size)
    g.cpu:complete()
    assert.is_nil(exit.reason)
    raises("the vCPU is at no exit", function() return exit.size end)
    raises("the vCPU is at no exit", exit.copy, exit)
  end)

  it("does not use up a kick", function()
    local g <close> = machine.start "count"
    assert.equal("mmio", (g.cpu:run()))
    g.cpu:kick()
    g.cpu:complete()
    assert.equal("intr", (g.cpu:run()))
    assert.equal("mmio", (g.cpu:run()))
    assert.equal(2, g.cpu.exit.value)
  end)

  it("does not use up one that comes while it works", function()
    local g <close> = machine.start "count"
    assert.equal("mmio", (g.cpu:run()))
    local run = kvm.ioctls().KVM_RUN.request
    kvm.trace(function(_, _, request)
      if request == run then g.cpu:kick() end
    end)
    g.cpu:complete()
    kvm.trace()
    assert.equal("intr", (g.cpu:run()))
    assert.equal("mmio", (g.cpu:run()))
  end)

  it("before the first run does nothing", function()
    local g <close> = machine.start "count"
    g.cpu:complete()
    assert.equal("mmio", (g.cpu:run()))
    assert.equal(1, g.cpu.exit.value)
  end)

  it("is of an open vCPU that does not run", function()
    local g <close> = machine.start "count"
    g.vm:on_mmio(machine.MMIO, 0x100, { write = function()
      g.cpu:complete()
    end })
    raises("complete it after run returns", g.cpu.run, g.cpu)
    local complete = g.cpu.complete
    raises("surplus argument", complete, g.cpu, 1)
    g.cpu:close()
    raises("kvm.vcpu is closed", complete, g.cpu)
  end)
end)

describe("a signal", function()
  it("ends a run with \"intr\", and is not repeated", function()
    local g <close> = machine.start "endless"
    interrupt_soon()
    assert.equal("intr", (g.cpu:run { timeout = 10 }))
    assert.equal("timeout", (g.cpu:run { timeout = 0.01 }))
  end)

  it("does so without a timeout, too", function()
    local g <close> = machine.start "endless"
    interrupt_soon()
    assert.equal("intr", (g.cpu:run()))
  end)

  it("leaves the reason of the exit before it behind", function()
    local g <close> = machine.start "store"
    assert.equal("mmio", (g.cpu:run()))
    g.cpu:kick()
    local reason, exit = g.cpu:run()
    assert.equal("intr", reason)
    assert.equal("intr", exit.reason)
    raises("exit 'intr' has no field 'gpa' (it has reason, code", function()
      return exit.gpa
    end)
  end)

  it("that is blocked does not end it: set_signal_mask", function()
    local g <close> = machine.start "count"
    g.cpu:set_signal_mask { 10, 12 }
    assert.equal("mmio", (g.cpu:run()))
    assert.equal("timeout", (g:add "endless":run { timeout = 0.01 }))
    g.cpu:set_signal_mask()
    assert.equal("mmio", (g.cpu:run { timeout = 10 }))
    raises("no signal 0", g.cpu.set_signal_mask, g.cpu, { 0 })
    raises("no signal 65", g.cpu.set_signal_mask, g.cpu, { 1, 65 })
    raises("no signal x", g.cpu.set_signal_mask, g.cpu, { "x" })
    raises("table expected", g.cpu.set_signal_mask, g.cpu, 2)
  end)

  it("mask does not keep a timeout out", function()
    local g <close> = machine.start "endless"
    local all = {}
    for i = 1, 64 do all[i] = i end
    g.cpu:set_signal_mask(all)
    for _ = 1, 20 do
      assert.equal("timeout", (g.cpu:run { timeout = 0.001 }))
    end
  end)
end)
