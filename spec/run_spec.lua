-- SPDX-License-Identifier: MIT
-- vcpu:run and exits: what they take and give, timeouts, runs that fail.
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm()
if missing then return pending(missing) end
local machine = require "spec.guests.machine"
local raises = require "spec.support.raises"

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
    raises("surplus argument: at most 2", run, g.cpu, {}, 1)
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
    -- A run before this one, and what a process inherits, must not hide that
    -- the signal of the timeouts, SIGRTMAX - 1, stays blocked.
    assert.equal(0, tonumber(mask(), 16) >> 62 & 1)
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
    local first = g.cpu:run { timeout = 0 } -- a slow timer comes too late
    assert.is_true(first == "timeout" or first == "mmio", first)
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
