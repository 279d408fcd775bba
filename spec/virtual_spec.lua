-- SPDX-License-Identifier: MIT
-- Guest memory by virtual address: vcpu:read and vcpu:write.
local kvm = require "kvm"

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
  cpu.regs(require "kvm.arch.x86_64.modes".long64(vm, { at = 0x40000,
    entry = 0x1000 }))
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
      local ok, message = pcall(cpu.read, cpu, 0x401ffe, 4)
      assert.is_false(ok)
      assert.truthy(message:find("gva 0x402000 has no translation: not present",
        1, true), message)
      vm:write(0x3ffe, "zz")
      assert.is_false(pcall(cpu.write, cpu, 0x401ffe, "1234"))
      assert.equal("zz", vm:read(0x3ffe, 2))
    end)

  test("wants integers and bytes", function()
    local _, cpu = machine()
    assert.is_false(pcall(cpu.read, cpu, "x", 1))
    assert.is_false(pcall(cpu.read, cpu, 0x400000, -1))
    assert.is_false(pcall(cpu.write, cpu, 0x400000, 7))
  end)
end)
