-- SPDX-License-Identifier: MIT
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm()
if missing then return pending(missing) end
local machine = require "spec.guests.machine"
local raises = require "spec.support.raises"

-- Registers of each architecture that play the same part.
local names = ({
  x86_64 = { first = "rax", second = "rbx", pc = "rip", wide = "xmm3",
             bytes = 16, other = "cr2", wrong = "raxx" },
  arm64 = { first = "x0", second = "x1", pc = "pc", wide = "v3", bytes = 16,
            other = "sp_el1", wrong = "x00" },
})[kvm.arch]

local function vcpu()
  local vm = kvm.create_vm()
  local cpu = vm:create_vcpu()
  if kvm.arch == "arm64" then cpu:arm_vcpu_init() end
  return cpu, vm
end

local function set(regs, name, value) regs[name] = value end
local function get(regs, name) return regs[name] end

describe("kvm.regs: one register", function()
  local cpu, r
  before_each(function()
    cpu = vcpu()
    r = cpu.regs
  end)

  it("keeps what it is given", function()
    r[names.first] = 0x1122334455667788
    r[names.second] = -2
    assert.equal(0x1122334455667788, r[names.first])
    assert.equal(-2, r[names.second])
  end)

  it("keeps bytes where it is wide", function()
    local bytes = ("0123456789abcdef"):sub(1, names.bytes)
    r[names.wide] = bytes
    assert.equal(bytes, r[names.wide])
  end)

  it("leaves the others as they are", function()
    r[names.first] = 1
    r[names.second] = 2
    r[names.other] = 0x5000
    r[names.first] = 3
    assert.equal(3, r[names.first])
    assert.equal(2, r[names.second])
    assert.equal(0x5000, r[names.other])
  end)

  it("is one object per vCPU", function()
    assert.equal(cpu.regs, cpu.regs)
    assert.not_equal(cpu.regs, vcpu().regs)
    assert.equal("kvm.regs", getmetatable(cpu.regs).__name)
  end)

  it("is unknown by any other name", function()
    raises(("kvm.regs has no register '%s' (did you mean '%s'?)")
      :format(names.wrong, names.first), get, r, names.wrong)
    raises("kvm.regs has no register 'nonsense'", get, r, "nonsense")
    raises("kvm.regs has no register 'nonsense'", set, r, "nonsense", 1)
    raises("kvm.regs has no register ''", get, r, "")
    raises("no register '" .. ("x"):rep(300), get, r, ("x"):rep(300))
  end)

  it("is asked for by a string", function()
    raises("a register's name expected, got number", get, r, 1)
    raises("a register's name expected, got boolean", get, r, true)
    raises("a register's name expected, got table", set, r, {}, 1)
  end)

  it("refuses what is no value of its type", function()
    local first, wide = names.first, names.wide
    raises(first .. " has 64 bits and takes an integer", set, r, first, "5")
    raises(first .. ": an integer expected, got 1.5", set, r, first, 1.5)
    raises(first .. ": an integer expected, got nil", set, r, first, nil)
    raises(first .. ": an integer expected, got inf", set, r, first, 1 / 0)
    raises(first .. ": an integer expected, got true", set, r, first, true)
    raises(wide .. ": a string of 16 bytes (the lowest first) expected, got "
      .. "number", set, r, wide, 5)
    raises(wide .. ": 3 bytes given, it takes 16", set, r, wide, "abc")
    assert.equal(0, r[first])
  end)

  it("takes a float that is an integer", function()
    r[names.first] = 3.0
    assert.equal(3, r[names.first])
    assert.equal("integer", math.type(r[names.first]))
  end)
end)

describe("kvm.regs: many at once", function()
  local cpu, r
  before_each(function()
    cpu = vcpu()
    r = cpu.regs
  end)

  it("sets all that a table names", function()
    r { [names.first] = 1, [names.second] = 2, [names.other] = 0x7000,
        [names.wide] = ("w"):rep(names.bytes) }
    assert.equal(1, r[names.first])
    assert.equal(2, r[names.second])
    assert.equal(0x7000, r[names.other])
    assert.equal(("w"):rep(names.bytes), r[names.wide])
  end)

  it("checks everything before it writes anything", function()
    for _ = 1, 20 do -- a table's order is not ours
      raises("no register 'nonsense'", r,
        { [names.first] = 1, nonsense = 2, [names.other] = 0x7000 })
      raises(names.wide, r, { [names.first] = 1, [names.wide] = 2 })
      raises("a register's name expected", r, { [names.first] = 1, 5 })
    end
    assert.equal(0, r[names.first])
    assert.equal(0, r[names.other])
  end)

  it("takes one table", function()
    raises("called with a dot and one table", r, 5)
    raises("called with a dot and one table", r)
    raises("called with a dot and one table", r, {}, {})
    r {}
  end)

  it("lists names and values in the manual's order", function()
    r { [names.first] = 11, [names.second] = 12 }
    local seen, order = {}, {}
    for name, value in pairs(r) do
      assert.is_nil(seen[name], name)
      seen[name] = value
      order[#order + 1] = name
    end
    assert.equal(names.first, order[1])
    assert.equal(names.second, order[2])
    assert.equal(11, seen[names.first])
    assert.equal(12, seen[names.second])
    assert.equal("string", type(seen[names.wide]))
    assert.equal(names.bytes, #seen[names.wide])
    assert(#order > 60)
  end)

  it("gives all registers of a vCPU to another one", function()
    local g <close> = machine.start "load" -- reads 4 bytes, halts
    local _, exit = g:run()
    exit.value = 0x12345678
    g.cpu:complete()
    local saved = {}
    for name, value in pairs(g.cpu.regs) do saved[name] = value end
    local other = g:add "count"
    other.regs(saved)
    assert.equal(machine.STOP, (g:run(other)))
    assert.equal(0x12345678, other.regs[machine.RESULT])
  end)

  it("lists what can be read by the same name", function()
    for name, value in pairs(r) do
      assert.equal(type(value), type(r[name]), name)
    end
  end)

  it("prints them", function()
    r[names.first] = 0xabcdef
    local text = tostring(r)
    assert(text:find(names.first .. "=0000000000abcdef", 1, true), text)
    for line in text:gmatch "[^\n]+" do assert(#line <= 80, line) end
  end)
end)

describe("kvm.regs: life", function()
  it("ends with its vCPU", function()
    local cpu = vcpu()
    local r = cpu.regs
    local iterator = pairs(r)
    cpu:close()
    raises("kvm.vcpu is closed", get, r, names.first)
    raises("kvm.vcpu is closed", set, r, names.first, 1)
    raises("kvm.vcpu is closed", r, { [names.first] = 1 })
    raises("kvm.vcpu is closed", pairs, r)
    raises("kvm.vcpu is closed", iterator)
    assert.equal("kvm.regs (closed)", tostring(r))
  end)

  it("lasts when only the registers are held", function()
    local r = vcpu().regs
    collectgarbage()
    collectgarbage()
    r[names.first] = 77
    collectgarbage()
    assert.equal(77, r[names.first])
  end)

  it("goes on after the VM's descriptor is closed", function()
    local cpu, vm = vcpu()
    vm:close()
    cpu.regs[names.first] = 5
    assert.equal(5, cpu.regs[names.first])
  end)

  it("survives a tracer that closes the vCPU", function()
    finally(function() kvm.trace(nil) end)
    for _, name in ipairs { names.first, names.other, names.wide } do
      local value = name == names.wide and ("w"):rep(names.bytes) or 1
      for _, use in ipairs {
        function(r) return r[name] end,
        function(r) r[name] = value end,
        function(r) r { [name] = value, [names.first] = 2 } end,
        function(r) for _ in pairs(r) do end end,
        function(r) return tostring(r) end,
      } do
        local cpu = vcpu()
        local r = cpu.regs
        kvm.trace(function(class)
          if class == "kvm.vcpu" then cpu:close() end
        end)
        pcall(use, r)
        kvm.trace(nil)
        pcall(cpu.close, cpu)
        raises("kvm.vcpu is closed", get, r, name)
      end
    end
  end)

  it("survives one that does it in the middle of a table", function()
    finally(function() kvm.trace(nil) end)
    for last = 1, 8 do
      local cpu, n = vcpu(), 0
      local r = cpu.regs
      kvm.trace(function(class)
        n = n + (class == "kvm.vcpu" and 1 or 0)
        if n == last then cpu:close() end
      end)
      pcall(r, { [names.other] = 1, [names.first] = 2 })
      kvm.trace(nil)
      assert(n >= last or n >= 2)
    end
  end)

  it("is recognised by its type", function()
    local mt = getmetatable(vcpu().regs)
    raises("kvm.regs expected, got table", mt.__index, {}, names.first)
    raises("kvm.regs expected, got kvm.vcpu", mt.__index, vcpu(), names.first)
  end)
end)

describe("get_one_reg and set_one_reg", function()
  it("name a register by the 64 bits of its id", function()
    local cpu = vcpu()
    raises("number expected", cpu.get_one_reg, cpu, "x")
    raises("says 32768 bytes, KVM has at most 256", cpu.get_one_reg, cpu,
      0x00f0000000000000)
    local ok, err = pcall(cpu.get_one_reg, cpu, 0x0030000000000000)
    assert.is_false(ok)
    assert.equal("KVM_GET_ONE_REG", err.ioctl)
    assert.equal(0x0030000000000000, err.args)
    raises("register 0x30000000000000", cpu.set_one_reg, cpu,
      0x0030000000000000, 5)
    raises("has 64 bits and takes an integer", cpu.set_one_reg, cpu,
      0x0030000000000000, "x")
  end)
end)
