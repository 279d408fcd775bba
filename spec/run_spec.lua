-- SPDX-License-Identifier: MIT
-- vcpu:run, exits, kick and complete: what ends a run, and that nothing that
-- should end one is lost.
local kvm = require "kvm"
local machine = require "spec.guests.machine"
local process = require "spec.support.process"
local raises = require "spec.support.raises"

-- A signal that no handler of ours sees: stopped, and continued at once.
local function interrupt_soon()
  local pid = process.pid()
  os.execute(("(sleep 0.1; kill -STOP %d; kill -CONT %d) &"):format(pid, pid))
end

describe("vcpu:run", function()
  it("returns the reason and the exit of the vCPU", function()
    local g <close> = machine.start "halt"
    local reason, exit, more = g.cpu:run()
    assert.equal(machine.STOP, reason)
    assert.equal(g.cpu.exit, exit)
    assert.equal(machine.STOP, exit.reason)
    assert.is_nil(more)
  end)

  it("goes on where the guest was", function()
    local g <close> = machine.start "count"
    for i = 1, 20 do
      local reason, exit = g.cpu:run()
      assert.equal("mmio", reason)
      assert.equal(i, exit.value)
    end
  end)

  it("takes a timeout and nothing else", function()
    local g <close> = machine.start "count"
    local run = g.cpu.run
    raises("unknown field 'time' (expected timeout or interrupt_window)", run,
      g.cpu, { time = 1 })
    raises("unknown field '1' (expected", run, g.cpu, { 1 })
    raises("table expected, got number", run, g.cpu, 5)
    raises("surplus argument (at most 2)", run, g.cpu, {}, 1)
    raises("timeout true is not a duration", run, g.cpu, { timeout = true })
    for _, wrong in ipairs { -1, -1e-9, 1e10, 1 / 0, 0 / 0, math.mininteger } do
      raises("is not a duration of 0 to 1e9 seconds", run, g.cpu,
        { timeout = wrong })
    end
    assert.equal("mmio", (run(g.cpu, {})))
    assert.equal("mmio", (run(g.cpu, nil)))
    assert.equal("mmio", (run(g.cpu, { timeout = 1000000000 })))
    assert.equal(3, g.cpu.exit.value)
  end)

  it("is of a vCPU that is open", function()
    local g <close> = machine.start "halt"
    raises("kvm.vcpu expected, got table", g.cpu.run, {})
    raises("kvm.vcpu expected, got kvm.vm", g.cpu.run, g.vm)
    local run = g.cpu.run
    g.cpu:close()
    raises("kvm.vcpu is closed", run, g.cpu)
  end)

  it("works when the VM is closed, which the kernel keeps", function()
    local g <close> = machine.start "count"
    g.vm:close()
    g.ram = nil
    collectgarbage()
    assert.equal("mmio", (g.cpu:run()))
    assert.equal("mmio", (g.cpu:run()))
    assert.equal(2, g.cpu.exit.value)
  end)

  it("runs vCPUs of one VM in turn", function()
    local g <close> = machine.start "count"
    local other = g:add "count"
    for i = 1, 5 do
      g.cpu:run()
      other:run()
      other:run()
      assert.equal(i, g.cpu.exit.value)
      assert.equal(2 * i, other.exit.value)
    end
  end)

  it("runs in a coroutine, which may yield between exits", function()
    local g <close> = machine.start "count"
    local co = coroutine.wrap(function()
      for _, exit in g.cpu:exits() do coroutine.yield(exit.value) end
    end)
    assert.same({ 1, 2, 3 }, { co(), co(), co() })
  end)
end)

describe("a timeout", function()
  it("stops a guest that would not end", function()
    local g <close> = machine.start "endless"
    local start = kvm.clock()
    local reason, exit = g.cpu:run { timeout = 0.05 }
    local took = kvm.clock() - start
    assert.equal("timeout", reason)
    assert.equal("timeout", exit.reason)
    assert.is_nil(exit.code)
    assert(took >= 0.05, took)
    assert(took < 5, took)
  end)

  it("is never lost, however early it comes", function()
    local g <close> = machine.start "endless"
    for i = 0, 999 do
      -- 0 fires before the entry, 1 us about then, the others later.
      local reason = g.cpu:run { timeout = i % 4 * 1e-6 * (i % 50) }
      assert.equal("timeout", reason)
    end
  end)

  it("leaves the guest as it was", function()
    local g <close> = machine.start "endless"
    local pc = g.cpu.regs[machine.PC]
    g.cpu:run { timeout = 0.001 }
    assert(math.abs(g.cpu.regs[machine.PC] - pc) <= 4)
  end)

  it("that did not come is gone after the run", function()
    local g <close> = machine.start "count"
    local idle = g:add "endless"
    for _ = 1, 50 do
      assert.equal("mmio", (g.cpu:run { timeout = 0.02 }))
      assert.equal("timeout", (idle:run { timeout = 0.001 }))
    end
    local start = kvm.clock()
    repeat until kvm.clock() - start > 0.05
    for _ = 1, 10 do assert.equal("mmio", (g.cpu:run())) end
  end)

  it("leaves the thread's signal mask as it was", function()
    local function mask()
      for line in io.lines "/proc/thread-self/status" do
        local bits = line:match "^SigBlk:%s*(%x+)"
        if bits then return bits end
      end
    end
    local g <close> = machine.start "count"
    local before = mask()
    g.cpu:run { timeout = 10 }
    assert.equal(before, mask())
    g.cpu:run { timeout = 0 }
    assert.equal(before, mask())
    g.vm:on_mmio(machine.MMIO, 0x100, { write = function() error "no" end })
    raises("no", g.cpu.run, g.cpu, { timeout = 10 })
    assert.equal(before, mask())
  end)

  it("belongs to one run: the next has its own or none", function()
    local g <close> = machine.start "count"
    assert.equal("timeout", (g.cpu:run { timeout = 0 }))
    assert.equal("mmio", (g.cpu:run()))
    assert.equal("mmio", (g.cpu:run { timeout = 10 }))
  end)

  it("of exits is for the whole loop, which ends after it", function()
    local g <close> = machine.start "count"
    local seen, last, exits = {}, nil, 0
    local start = kvm.clock()
    for reason in g.cpu:exits { timeout = 0.1 } do
      seen[reason] = true
      last, exits = reason, exits + 1
    end
    local took = kvm.clock() - start
    assert.same({ mmio = true, timeout = true }, seen)
    assert.equal("timeout", last)
    assert(exits > 10)
    assert(took >= 0.1 and took < 5, took)
  end)

  it("of exits stops a guest that has no exit", function()
    local g <close> = machine.start "endless"
    local n = 0
    for reason in g.cpu:exits { timeout = 0.02 } do
      assert.equal("timeout", reason)
      n = n + 1
    end
    assert.equal(1, n)
  end)
end)

describe("vcpu:exits", function()
  it("goes over the exits until the loop is left", function()
    local g <close> = machine.start "store"
    local reasons = {}
    for reason, exit in g.cpu:exits() do
      assert.equal(g.cpu.exit, exit)
      reasons[#reasons + 1] = reason
      if reason == machine.STOP then break end
    end
    assert.same({ "mmio", "mmio", "mmio", machine.STOP }, reasons)
  end)

  it("takes what run takes", function()
    local g <close> = machine.start "halt"
    raises("unknown field 'limit'", g.cpu.exits, g.cpu, { limit = 1 })
    raises("surplus argument", g.cpu.exits, g.cpu, {}, {})
    raises("is not a duration", g.cpu.exits, g.cpu, { timeout = -1 })
    local exits = g.cpu.exits
    g.cpu:close()
    raises("kvm.vcpu is closed", exits, g.cpu)
  end)

  it("raises when the vCPU is closed in the loop", function()
    local g <close> = machine.start "count"
    raises("kvm.vcpu is closed", function()
      for _ in g.cpu:exits() do g.cpu:close() end
    end)
  end)
end)

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

describe("KVM_RUN that fails", function()
  it("raises, whatever the exit before was, and can go on", function()
    local g <close> = machine.faulting()
    finally(g.forget)
    local reason, exit = g:run()
    assert.equal("mmio", reason)
    for _, opts in ipairs { { timeout = 10 }, {}, { timeout = 10 } } do
      local ok, err = pcall(g.cpu.run, g.cpu, opts)
      if ok then -- a kernel that tells where: KVM_CAP_MEMORY_FAULT_INFO
        assert.equal("memory_fault", err)
        assert.equal(machine.HOLE, exit.gpa & ~0xfff)
      else
        assert.equal("KVM_RUN", err.ioctl)
        assert.equal("EFAULT", err.code)
        assert.equal("vCPU 0: Bad address", err.message)
        assert.is_nil(exit.reason)
        raises("the vCPU is at no exit, there is no 'gpa'", function()
          return exit.gpa
        end)
      end
    end
    g.repair()
    assert.equal("mmio", (g:run()))
    assert.equal(machine.MMIO + 20, exit.gpa)
    assert.equal(0x11223344, g.hole:u32(0))
  end)
end)
