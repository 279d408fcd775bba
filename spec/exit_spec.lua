-- SPDX-License-Identifier: MIT
-- The exit object of a vCPU: its fields are those of the exit it is at,
-- whatever was read of it before.
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm()
if missing then return pending(missing) end
local machine = require "spec.guests.machine"
local raises = require "spec.support.raises"

local MMIO <const> = machine.MMIO

local function get(t, name) return t[name] end
local function set(t, name, value) t[name] = value end

describe("an exit", function()
  it("before any run has nothing to tell", function()
    local g <close> = machine.start "halt"
    local exit = g.cpu.exit
    assert.equal("kvm.exit (no exit)", tostring(exit))
    assert.is_nil(exit.reason)
    assert.is_nil(exit.code)
    raises("the vCPU is at no exit, there is no 'gpa'", get, exit, "gpa")
    raises("the vCPU is at no exit, there is no 'gpa'", set, exit, "gpa", 1)
    raises("the vCPU is at no exit", exit.copy, exit)
    raises("the vCPU is at no exit", pairs, exit)
  end)

  it("is one object per vCPU", function()
    local g <close> = machine.start "count"
    local other = g:add "store"
    local _, exit = g.cpu:run()
    local _, second = other:run()
    assert.equal(g.cpu.exit, exit)
    assert.not_equal(exit, second)
    assert.equal(MMIO + 16, exit.gpa)
    assert.equal(MMIO + 1, second.gpa)
    assert.equal("kvm.exit", getmetatable(exit).__name)
  end)

  it("has a reason and its number", function()
    local g <close> = machine.start "count"
    local reason, exit = g.cpu:run()
    assert.equal("mmio", reason)
    assert.equal("mmio", exit.reason)
    assert.equal(kvm.EXIT.MMIO, exit.code)
  end)

  it("knows its fields and names them", function()
    local g <close> = machine.start "count"
    local _, exit = g.cpu:run()
    raises("exit 'mmio' has no field 'port' (it has reason, code, gpa, size, "
      .. "is_write, value, data)", get, exit, "port")
    raises("exit 'mmio' has no field 'port'", set, exit, "port", 1)
    raises("exit 'mmio' has no field '1'", get, exit, 1)
    raises("exit 'mmio' has no field 'nil'", get, exit, nil)
    raises("exit 'mmio' has no field 'true'", get, exit, true)
    raises("exit 'mmio' has no field ''", get, exit, "")
  end)

  it("does not let its description be changed", function()
    local g <close> = machine.start "load"
    local _, exit = g:run()
    for _, name in ipairs { "gpa", "size", "is_write" } do
      raises(("exit.%s of 'mmio' cannot be assigned"):format(name), set, exit,
        name, 1)
    end
    raises("exit 'mmio' has no field 'reason'", set, exit, "reason", "io")
    raises("exit 'mmio' has no field 'code'", set, exit, "code", 1)
    raises("exit 'mmio' has no field 'copy'", set, exit, "copy", print)
  end)

  it("prints what it has", function()
    local g <close> = machine.start "store"
    local _, exit = g:run()
    assert.equal(("mmio gpa=0x%x size=1 is_write=true value=0x11 data=11")
      :format(MMIO + 1), tostring(exit))
    g:run()
    assert.equal(("mmio gpa=0x%x size=2 is_write=true value=0x2211 data=1122")
      :format(MMIO + 2), tostring(exit))
    g.cpu:close()
    assert.equal("kvm.exit (closed)", tostring(exit))
  end)

  it("can be saved with its page, and what every exit has", function()
    local g <close> = machine.start "store"
    local _, exit = g:run()
    local saved, head = kvm.decode_exit(g.cpu:run_page())
    saved.code = nil
    local copy = exit:copy()
    copy.code = nil
    assert.same(copy, saved)
    assert.equal("integer", math.type(head.flags))
    assert.equal("boolean", type(head.if_flag))
    raises("surplus argument", g.cpu.run_page, g.cpu, 1)
    g.cpu:close()
    raises("kvm.vcpu is closed", g.cpu.run_page, g.cpu)
  end)

  it("prints no data that the guest is still to be given", function()
    local g <close> = machine.start "load"
    local _, exit = g:run()
    assert.equal(("mmio gpa=0x%x size=4 is_write=false"):format(MMIO + 8),
      tostring(exit))
  end)

  it("closes with its vCPU", function()
    local g <close> = machine.start "count"
    local _, exit = g.cpu:run()
    local copy = exit.copy
    for _, name in ipairs { "gpa", "size", "value", "data", "reason" } do
      assert.is_not_nil(exit[name])
    end
    g.cpu:run()
    g.cpu:close()
    for _, name in ipairs { "gpa", "size", "value", "data", "reason", "x" } do
      raises("kvm.vcpu is closed", get, exit, name)
      raises("kvm.vcpu is closed", set, exit, name, 1)
    end
    raises("kvm.vcpu is closed", copy, exit)
    raises("kvm.vcpu is closed", pairs, exit)
    assert.is_nil(next(exit))
  end)

  it("keeps its vCPU alive", function()
    local exit
    do
      local vm = kvm.create_vm()
      local g = setmetatable({ vm = vm, cpus = {} },
        getmetatable(machine.start "halt"))
      g.ram = vm:map(machine.RAM, machine.SIZE)
      local _
      _, exit = g:add "count":run()
    end
    collectgarbage()
    collectgarbage()
    assert.equal(1, exit.value)
    assert.equal(MMIO + 16, exit.gpa)
  end)
end)

describe("exit:copy", function()
  it("has all fields, and keeps them", function()
    local g <close> = machine.start "store"
    local _, exit = g:run()
    local first = exit:copy()
    local expected = { reason = "mmio", code = kvm.EXIT.MMIO, gpa = MMIO + 1,
      size = 1, is_write = true, value = 0x11, data = "\x11" }
    assert.same(expected, first)
    g:run()
    assert.same(expected, first)
    assert.equal("\x11\x22", exit:copy().data)
    assert.is_nil(getmetatable(first))
    g:run()
    assert.equal(machine.STOP, (g:run()))
    assert.equal(machine.STOP, exit:copy().reason)
    assert.is_nil(exit:copy().gpa)
  end)

  it("is what pairs goes over", function()
    local g <close> = machine.start "count"
    local _, exit = g.cpu:run()
    local seen = {}
    for name, value in pairs(exit) do seen[name] = value end
    assert.same(exit:copy(), seen)
  end)

  it("of \"timeout\" has no number: the kernel knows no such exit", function()
    local g <close> = machine.start "endless"
    local _, exit = g.cpu:run { timeout = 0.001 }
    assert.same({ reason = "timeout" }, exit:copy())
    assert.equal("timeout", tostring(exit))
  end)

  it("is a method", function()
    local g <close> = machine.start "count"
    local _, exit = g.cpu:run()
    raises("kvm.exit expected, got table", exit.copy, {})
    raises("kvm.exit expected, got no value", exit.copy)
    raises("kvm.exit expected, got table", exit.copy, exit:copy())
    raises("surplus argument", exit.copy, exit, 1)
  end)
end)

describe("a read", function()
  it("is answered by value", function()
    local g <close> = machine.start "load"
    local _, exit = g:run()
    assert.is_false(exit.is_write)
    exit.value = 0xfedcba98
    assert.equal(0xfedcba98, exit.value)
    assert.equal("\x98\xba\xdc\xfe", exit.data)
    assert.equal(machine.STOP, (g:run()))
    assert.equal(0xfedcba98, g.cpu.regs[machine.RESULT])
  end)

  it("is answered by data", function()
    local g <close> = machine.start "load"
    local _, exit = g:run()
    exit.data = "\1\2\3\4"
    assert.equal(0x04030201, exit.value)
    assert.equal(machine.STOP, (g:run()))
    assert.equal(0x04030201, g.cpu.regs[machine.RESULT])
  end)

  it("is answered by the last of several answers", function()
    local g <close> = machine.start "load"
    local _, exit = g:run()
    exit.value = 1
    exit.data = "\2\0\0\0"
    exit.value = 3
    g:run()
    assert.equal(3, g.cpu.regs[machine.RESULT])
  end)

  it("takes an answer of its size only", function()
    local g <close> = machine.start "narrow"
    local _, exit = g:run()
    raises("exit.value: 256 does not fit in 1 bytes", set, exit, "value", 256)
    raises("exit.value: -1 does not fit", set, exit, "value", -1)
    raises("exit.value: an integer expected, got nil", set, exit, "value", nil)
    raises("exit.value: an integer expected, got table", set, exit, "value", {})
    raises("exit.value: an integer expected, got number", set, exit, "value",
      1.5)
    raises("exit.data: 2 bytes given, the access has 1", set, exit, "data",
      "ab")
    raises("exit.data: 0 bytes given, the access has 1", set, exit, "data",
      "")
    raises("string expected, got nil", set, exit, "data", nil)
    exit.value = 255
    g:run()
    assert.equal(255, g.cpu.regs[machine.RESULT])
  end)
end)

-- run() keeps fields that were read once in the exit itself: here exits of
-- different kinds follow each other, read in every way.
describe("fields that were read before", function()
  local function check(exit, gpa, size, is_write, value)
    assert.equal("mmio", exit.reason)
    assert.equal(gpa, exit.gpa)
    assert.equal(size, exit.size)
    assert.equal(is_write, exit.is_write)
    assert.equal(size, #exit.data)
    if is_write then -- what a read finds is not defined
      assert.equal(value, exit.value)
      assert.equal(value, exit:copy().value)
    end
  end

  it("are those of each exit, writes and reads in turn", function()
    local g <close> = machine.start "echo"
    for i = 1, 50 do
      local _, exit = g:run()
      check(exit, MMIO + 8, 4, false)
      exit.value = i * 3
      assert.equal(i * 3, exit.value)
      _, exit = g:run()
      check(exit, MMIO + 16, 4, true, i * 3)
    end
  end)

  it("are those of each size", function()
    for _ = 1, 3 do
      local g <close> = machine.start "store"
      local exit = g.cpu.exit
      for _, e in ipairs { { 1, 1, 0x11 }, { 2, 2, 0x2211 },
                           { 4, 4, 0x44332211 } } do
        g:run()
        check(exit, MMIO + e[1], e[2], true, e[3])
      end
      assert.equal(machine.STOP, (g:run()))
      raises(("exit '%s' has no field 'gpa'"):format(machine.STOP), get, exit,
        "gpa")
    end
  end)

  it("are right when only some runs read them", function()
    local g <close> = machine.start "count"
    local exit = g.cpu.exit
    for i = 1, 60 do
      g.cpu:run()
      if i % 7 == 0 then assert.equal(i, exit.value) end
      if i % 5 == 0 then assert.equal(MMIO + 16, exit.gpa) end
      if i % 11 == 0 then assert.equal(4, exit.size) end
    end
  end)

  it("are right in a handler and after it", function()
    local g <close> = machine.start "echo"
    local exit, n = g.cpu.exit, 0
    local _, first = g:run() -- read outside before
    check(first, MMIO + 8, 4, false)
    first.value = 1000
    g.vm:on_mmio(MMIO, 12, { read = function(_, offset, size)
      check(exit, MMIO + offset, size, false)
      n = n + 1
      return n
    end })
    for i = 0, 9 do
      g:run()
      check(exit, MMIO + 16, 4, true, i == 0 and 1000 or i)
    end
  end)

  it("are gone when a run ends with a timeout, and come again", function()
    local g <close> = machine.start "count"
    local exit = g.cpu.exit
    for i = 1, 10 do
      g.cpu:run()
      assert.equal(i, exit.value)
      assert.equal(MMIO + 16, exit.gpa)
      g.cpu:kick()
      assert.equal("intr", (g.cpu:run()))
      raises("exit 'intr' has no field 'value'", get, exit, "value")
      raises("exit 'intr' has no field 'gpa'", get, exit, "gpa")
    end
  end)

  it("are not there after a run that failed, and come again", function()
    local g <close> = machine.faulting()
    finally(g.forget)
    local exit = g.cpu.exit
    g:run()
    check(exit, MMIO + 16, 4, true, 0x11223344)
    local ok = pcall(g.run, g)
    if not ok then
      raises("the vCPU is at no exit", get, exit, "value")
      raises("the vCPU is at no exit", get, exit, "gpa")
    end
    g.repair()
    g:run()
    check(exit, MMIO + 20, 4, true, 0x11223344)
  end)

  it("come again when a script has taken them out", function()
    local g <close> = machine.start "store"
    local exit = g.cpu.exit
    for _, e in ipairs { { 1, 1, 0x11 }, { 2, 2, 0x2211 },
                         { 4, 4, 0x44332211 } } do
      g:run()
      check(exit, MMIO + e[1], e[2], true, e[3])
      exit.gpa, exit.size, exit.value = nil, nil, nil
    end
  end)

  it("come back when a script takes them away", function()
    local g <close> = machine.start "store"
    local exit = g.cpu.exit
    for _, e in ipairs { { 1, 1, 0x11 }, { 2, 2, 0x2211 },
                         { 4, 4, 0x44332211 } } do
      g:run()
      check(exit, MMIO + e[1], e[2], true, e[3])
      for _, name in ipairs { "gpa", "size", "value" } do exit[name] = nil end
      check(exit, MMIO + e[1], e[2], true, e[3])
      for _, name in ipairs { "gpa", "size", "value" } do exit[name] = nil end
    end
  end)

  it("follow an answer that was given and taken back", function()
    local g <close> = machine.start "load"
    local _, exit = g:run()
    for _, value in ipairs { 5, 6, 0 } do
      exit.value = value
      assert.equal(value, exit.value)
      assert.equal(value, string.unpack("<I4", exit.data))
      assert.equal(value, exit:copy().value)
    end
  end)
end)
