-- SPDX-License-Identifier: MIT
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm()
if missing then return pending(missing) end
local machine = require "spec.guests.machine"
local process = require "spec.support.process"
local raises = require "spec.support.raises"

local function set(t, name, value) t[name] = value end

describe("kvm.vcpu", function()
  local vm, cpu
  before_each(function()
    vm = kvm.create_vm()
    cpu = vm:create_vcpu()
    machine.prepare(cpu)
  end)
  after_each(function()
    cpu:close()
    vm:close()
  end)

  it("has its VM, number, exit and registers", function()
    assert.equal(vm, cpu.vm)
    assert.equal(0, cpu.id)
    assert.equal(cpu.exit, cpu.exit)
    assert.equal(cpu.regs, cpu.regs)
    assert.equal("kvm.exit", getmetatable(cpu.exit).__name)
    assert.equal("kvm.regs", getmetatable(cpu.regs).__name)
    assert.equal("kvm.vcpu 0", tostring(cpu))
    assert.equal("kvm.vcpu 7", tostring(vm:create_vcpu(7)))
  end)

  it("keeps them when it is closed", function()
    local exit, regs = cpu.exit, cpu.regs
    cpu:close()
    assert.equal(vm, cpu.vm)
    assert.equal(0, cpu.id)
    assert.equal(exit, cpu.exit)
    assert.equal(regs, cpu.regs)
    assert.equal(-1, cpu.fd)
    raises("kvm.vcpu is closed", function() return regs[machine.PC] end)
    raises("kvm.vcpu is closed", function() return exit.reason end)
  end)

  it("does not let them be replaced", function()
    for _, name in ipairs { "vm", "id", "exit", "regs", "run", "fd" } do
      raises(("kvm.vcpu has no field '%s' that can be assigned"):format(name),
        set, cpu, name, 1)
    end
    assert.equal(0, cpu.id)
  end)

  it("has the methods that a script adds to its class", function()
    local class = kvm.class["kvm.vcpu"]
    finally(function() class.number_and = nil end)
    function class:number_and(n) return self.id, n end
    assert.same({ 0, 5 }, { cpu:number_and(5) })
    assert.same({ 1, 6 }, { vm:create_vcpu():number_and(6) })
    class.number_and = nil
    raises("kvm.vcpu has no field or method 'number_and'", function()
      cpu:number_and(5)
    end)
  end)

  it("takes its page away when it is closed", function()
    for _ = 1, 3 do collectgarbage() end -- what other specs left
    collectgarbage "stop"
    finally(function() collectgarbage "restart" end)
    local before = process.mapped()
    local other = vm:create_vcpu()
    local with = process.mapped()
    assert.equal(kvm.open():ioctl(kvm.ioctls().KVM_GET_VCPU_MMAP_SIZE.request),
      with - before)
    other:close()
    assert.equal(before, (process.mapped()))
  end)

  it("has registers of its own", function()
    local other <close> = vm:create_vcpu()
    machine.prepare(other)
    cpu.regs[machine.RESULT], other.regs[machine.RESULT] = 1, 2
    assert.equal(1, cpu.regs[machine.RESULT])
    assert.equal(2, other.regs[machine.RESULT])
    assert.not_equal(cpu, other)
  end)
end)

describe("a vCPU's state", function()
  local cpu
  before_each(function()
    cpu = kvm.create_vm():create_vcpu()
    machine.prepare(cpu)
  end)
  after_each(function() cpu:close() end)

  it("of multiprocessing goes by name", function()
    assert.equal(kvm.MP_STATE.RUNNABLE, cpu:get_mp_state().mp_state)
    cpu:set_mp_state { mp_state = "RUNNABLE" }
    cpu:set_mp_state { mp_state = kvm.MP_STATE.RUNNABLE }
    local err = raises("KVM_SET_MP_STATE: EINVAL", cpu.set_mp_state, cpu,
      { mp_state = 77 })
    assert.same({ mp_state = 77 }, err.args)
  end)

  it("of events is got, changed in part, and set", function()
    local events = cpu:get_vcpu_events()
    assert.equal("table", type(events.exception))
    cpu:set_vcpu_events(events)
    cpu:set_vcpu_events {}
    assert.same(events, cpu:get_vcpu_events())
  end)

  it("survives that its registers were changed before an ioctl", function()
    -- Registers that run() keeps in the page are written back first.
    local g <close> = machine.start "count"
    g.cpu:run()
    g.cpu.regs[machine.RESULT] = 41
    g.cpu:get_mp_state()
    assert.equal(41, g.cpu.regs[machine.RESULT])
    local _, exit = g.cpu:run()
    assert.equal(42, exit.value)
  end)

  it("of registers is seen by every way to read them", function()
    local g <close> = machine.start "count"
    for i = 1, 10 do
      g.cpu:run()
      g.cpu:complete()
      assert.equal(i * 10 - 9, g.cpu.regs[machine.RESULT])
      if kvm.arch == "x86_64" then
        assert.equal(i * 10 - 9, g.cpu:get_regs().rax)
        g.cpu:set_regs { rax = i * 10 }
      else
        g.cpu.regs[machine.RESULT] = i * 10
      end
    end
  end)
end)

if kvm.arch ~= "x86_64" then return end

describe("the clock of a VM", function()
  it("is got and set", function()
    local vm <close> = kvm.create_vm()
    local first = vm:get_clock().clock
    assert(first >= 0)
    vm:set_clock { clock = 1 << 40 }
    local second = vm:get_clock()
    assert(second.clock >= 1 << 40)
    assert(second.clock < (1 << 40) + 60 * 10 ^ 9)
    assert.equal("integer", math.type(second.flags))
  end)

  it("has its flags as orders: what was got is set without them", function()
    local vm <close> = kvm.create_vm()
    local clock = vm:get_clock()
    vm:set_clock { clock = clock.clock }
    assert.equal("KVM_SET_CLOCK", raises("EINVAL", vm.set_clock, vm,
      { clock = 1, flags = 1 << 31 }).ioctl)
    raises("kvm_clock_data has no field 'time'", vm.set_clock, vm,
      { time = 1 })
  end)
end)

describe("the TSC", function()
  it("has a rate", function()
    local vm <close> = kvm.create_vm()
    local cpu <close> = vm:create_vcpu()
    assert(cpu:get_tsc_khz() > 100000)
    raises("surplus argument", cpu.get_tsc_khz, cpu, 1)
  end)
end)

describe("MMU pages", function()
  it("have a number of their own", function()
    local vm <close> = kvm.create_vm()
    vm:set_nr_mmu_pages(128)
    raises("KVM_SET_NR_MMU_PAGES: EINVAL", vm.set_nr_mmu_pages, vm, 1)
    raises("number expected", vm.set_nr_mmu_pages, vm, "many")
    raises("surplus argument", vm.set_nr_mmu_pages, vm, 128, 1)
  end)
end)
