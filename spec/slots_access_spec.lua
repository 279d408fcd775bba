-- SPDX-License-Identifier: MIT
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm()
if missing then return pending(missing) end
local raises = require "spec.support.raises"

local PAGE = kvm.page_size

---A text in which P<n> stands for n pages in hex.
local function pages(text)
  return (text:gsub("P(%d+)", function(n) return ("%#x"):format(n * PAGE) end))
end

describe("vm:read and vm:write", function()
  local vm, low, high
  before_each(function()
    vm = kvm.create_vm()
    -- In the host they lie in the other order, and apart.
    local host = kvm.memory(3 * PAGE)
    host:fill(0, 3 * PAGE, 0xee)
    high, low = host:view(0, PAGE), host:view(2 * PAGE, PAGE)
    vm:map(2 * PAGE, high)
    vm:map(PAGE, low)
    high:fill(0, PAGE)
    low:fill(0, PAGE)
  end)

  it("go across slots that follow each other", function()
    vm:write(2 * PAGE - 3, "abcdef")
    assert.equal("abc", low:read(PAGE - 3, 3))
    assert.equal("def", high:read(0, 3))
    assert.equal("abcdef", vm:read(2 * PAGE - 3, 6))
    assert.equal(low:read(0, PAGE) .. high:read(0, PAGE),
      vm:read(PAGE, 2 * PAGE))
  end)

  it("name the first gpa that is in no slot", function()
    raises("bad argument #1 to 'read' (gpa 0x0 is in no slot)",
      function() vm:read(0, 1) end)
    raises(pages "bad argument #1 to 'read' (gpa P3 is in no slot)",
      function() vm:read(3 * PAGE - 4, 8) end)
    raises(pages "bad argument #1 to 'write' (gpa P3 is in no slot)",
      function() vm:write(3 * PAGE - 4, "12345678") end)
  end)

  it("write all or nothing", function()
    pcall(vm.write, vm, 3 * PAGE - 4, "12345678")
    assert.equal("\0\0\0\0", vm:read(3 * PAGE - 4, 4))
  end)

  it("do not overflow", function()
    raises("go past the end of 64 bits", vm.read, vm, -1, 2)
    raises("go past the end of 64 bits", vm.read, vm, PAGE, -1)
    raises("gpa 0xffffffffffffffff is in no slot", vm.read, vm, -1, 1)
    raises("is in no slot", vm.read, vm, PAGE, math.maxinteger)
  end)

  it("read and write nothing anywhere", function()
    assert.equal("", vm:read(0, 0))
    assert.equal(vm, vm:write(0, ""))
  end)

  it("write what is read-only for the guest", function()
    if vm:check_extension("READONLY_MEM") == 0 then
      return pending("this host has no read-only slots")
    end
    vm:map(16 * PAGE, PAGE, { readonly = true })
    vm:write(16 * PAGE, "rom")
    assert.equal("rom", vm:read(16 * PAGE, 3))
  end)

  it("refuse what is no integer and no string", function()
    raises("number expected", vm.read, vm, {}, 1)
    raises("number expected", vm.read, vm, PAGE)
    raises("string expected", vm.write, vm, PAGE, 5)
    raises("surplus argument", vm.read, vm, PAGE, 1, 1)
  end)

  it("survive finalizers that unmap", function()
    local unmapped = false
    local function trap()
      setmetatable({}, { __gc = function()
        unmapped = true
        pcall(vm.unmap, vm, 2 * PAGE)
      end })
    end
    for _ = 1, 200 do
      trap()
      pcall(vm.read, vm, PAGE, 2 * PAGE)
    end
    collectgarbage()
    assert.is_true(unmapped)
    raises(pages "gpa P2 is in no slot", vm.read, vm, PAGE, 2 * PAGE)
  end)
end)

describe("vm:memory_at", function()
  it("gives the memory of a gpa and where it is in it", function()
    local vm = kvm.create_vm()
    vm:map(PAGE, 2 * PAGE)
    local m, offset = vm:memory_at(2 * PAGE + 5)
    assert.equal(PAGE + 5, offset)
    assert.equal(2 * PAGE, #m)
    m:write(offset, "seen")
    assert.equal("seen", vm:read(2 * PAGE + 5, 4))
    assert.is_nil(vm:memory_at(0))
    assert.is_nil(vm:memory_at(3 * PAGE))
    assert.is_nil(vm:memory_at(-1))
  end)

  it("gives what is left of memory whose object is gone", function()
    local vm = kvm.create_vm()
    vm:map(0, PAGE):write(0, "found")
    collectgarbage()
    local m = vm:memory_at(0)
    vm:unmap(0)
    assert.equal("found", m:read(0, 5))
  end)
end)
