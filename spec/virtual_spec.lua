-- SPDX-License-Identifier: MIT
-- Guest memory by virtual address: vcpu:read and vcpu:write.
local kvm = require "kvm"
local modes = require "kvm.arch.x86_64.modes"
local raises = require "spec.support.raises"

-- The caller's line.
local function here() return debug.getinfo(2, "l").currentline end

-- A vCPU of this machine whose page tables map 0x400000 to 0x7000 and the page
-- behind it to 0x3000, in a VM with memory from 0.
local function machine()
  local vm = kvm.create_vm()
  vm:map(0, 0x200000)
  local cpu = vm:create_vcpu()
  local mmu = require "kvm.arch.x86_64.mmu"
  local tables = mmu.new { base = 0x10000 }
  tables:map(0x400000, 0x7000, 0x1000)
  tables:map(0x401000, 0x3000, 0x1000)
  vm:write(0x10000, tables:bytes())
  cpu:set_cpuid2(vm.system:get_supported_cpuid())
  cpu.regs(modes.long64(vm, { at = 0x40000, entry = 0x1000 }))
  cpu.regs { cr3 = 0x10000 }
  return vm, cpu
end

describe("guest memory by virtual address", function()
  local usable, why = kvm.available()
  local function test(name, f)
    it(name, function()
      if not usable then return pending(why) end
      if kvm.arch ~= "x86_64" then
        return pending "its page tables are x86-64's"
      end
      f()
    end)
  end

  test("crosses pages that are not neighbours", function()
    local vm, cpu = machine()
    vm:write(0x7ffe, "ab")
    vm:write(0x3000, "cd")
    assert.equal("abcd", cpu:read(0x400ffe, 4))
    cpu:write(0x400fff, "XY")
    assert.equal("aX", vm:read(0x7ffe, 2))
    assert.equal("Yd", vm:read(0x3000, 2))
    assert.equal("", cpu:read(0x999000, 0))
  end)

  test("names the address that has no translation, and writes nothing",
    function()
      local vm, cpu = machine()
      raises("virtual_spec.lua:" .. here() + 2 .. ": bad argument #1 to "
        .. "'read' (gva 0x402000 has no translation: not present)",
        function() cpu:read(0x401ffe, 4) end)
      vm:write(0x3ffe, "zz")
      assert.is_false(pcall(cpu.write, cpu, 0x401ffe, "1234"))
      assert.equal("zz", vm:read(0x3ffe, 2))
    end)

  test("names the gpa that is in no slot, and writes nothing", function()
    local vm, cpu = machine()
    local last = 0x200000 - 4
    cpu.regs(modes.long64(vm, { at = 0x40000, entry = 0x1000,
      size = 0x400000 }))
    raises("virtual_spec.lua:" .. here() + 2 .. ": bad argument #1 to 'read' "
      .. "(gva 0x200000 is at gpa 0x200000, which is in no slot)",
      function() cpu:read(last, 8) end)
    vm:write(last, "zzzz")
    assert.is_false(pcall(cpu.write, cpu, last, "12345678"))
    assert.equal("zzzz", vm:read(last, 4))
  end)

  test("wants integers and bytes", function()
    local _, cpu = machine()
    raises("#1 to 'read' (gva: integer expected, got 'x')", cpu.read, cpu, "x",
      1)
    raises("#2 to 'read' (n -1 is outside 0..", cpu.read, cpu, 0x400000, -1)
    raises("#2 to 'read' (n: integer expected, got nil)", cpu.read, cpu,
      0x400000)
    raises("#2 to 'write' (bytes: string expected, got 7)", cpu.write, cpu,
      0x400000, 7)
    raises("#3 to 'read' (surplus argument: at most 2)", cpu.read, cpu, 0, 1, 2)
    cpu:close()
    raises("kvm.vcpu is closed", cpu.read, cpu, 0, 1)
  end)
end)
