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

describe("vm:map", function()
  local vm
  before_each(function() vm = kvm.create_vm() end)

  it("makes fresh memory in fresh slots", function()
    local a, b = vm:map(0, PAGE), vm:map(PAGE, 2 * PAGE)
    assert.equal(PAGE, #a)
    assert.equal(2 * PAGE, #b)
    assert.same({ { slot = 0, gpa = 0, size = PAGE, flags = 0 },
      { slot = 1, gpa = PAGE, size = 2 * PAGE, flags = 0 } }, vm:slots())
  end)

  it("takes the lowest free slot", function()
    for i = 0, 3 do vm:map(i * PAGE, PAGE) end
    vm:unmap(PAGE)
    vm:map(16 * PAGE, PAGE)
    assert.equal(16 * PAGE, vm:slots()[2].gpa)
    assert.equal(1, vm:slots()[2].slot)
  end)

  it("takes a slot number and a part of a memory", function()
    local m = kvm.memory(4 * PAGE)
    assert.equal(m, vm:map(0, m, { slot = 9, offset = PAGE, size = PAGE }))
    assert.same({ { slot = 9, gpa = 0, size = PAGE, flags = 0 } }, vm:slots())
    m:write(PAGE, "x")
    assert.equal("x", vm:read(0, 1))
  end)

  it("sets the flags", function()
    if vm:check_extension("READONLY_MEM") == 0 then
      return pending("this host has no read-only slots")
    end
    vm:map(0, PAGE, { readonly = true })
    vm:map(PAGE, PAGE, { log_dirty = true })
    assert.equal(kvm.MEM.READONLY, vm:slots()[1].flags)
    assert.equal(kvm.MEM.LOG_DIRTY_PAGES, vm:slots()[2].flags)
  end)

  it("maps read-only memory read-only", function()
    if vm:check_extension("READONLY_MEM") == 0 then
      return pending("this host has no read-only slots")
    end
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    io.open(path, "wb"):write(("r"):rep(PAGE)):close()
    vm:map(0, kvm.memory(PAGE, { backing = "file", path = path,
      readonly = true }))
    assert.equal(kvm.MEM.READONLY, vm:slots()[1].flags)
    assert.equal("rrr", vm:read(0, 3))
    raises("gpa 0x0 is in slot 0, whose memory the host may not write",
      vm.write, vm, 0, "x")
  end)

  it("names the gpa that is not a multiple of the page size", function()
    raises(pages "bad argument #1 to 'map' (gpa 0x1234 is not a multiple of "
      .. pages "the page size P1)", vm.map, vm, 0x1234, PAGE)
    raises("bad argument #1 to 'map' (gpa: integer expected, got nil)",
      vm.map, vm)
  end)

  it("says where the caller is", function()
    local ok, err = pcall(function() vm:map(0x1234, PAGE) end)
    assert.is_false(ok)
    assert(err:find("map_spec.lua:", 1, true), err)
  end)

  it("refuses a bad size, memory or option", function()
    raises(pages "bad argument #2 to 'map' (size 0x10 is not a multiple",
      vm.map, vm, 0, 0x10)
    raises("(size is 0)", vm.map, vm, 0, 0)
    raises("(size is negative)", vm.map, vm, 0, -PAGE)
    raises("size or kvm.memory expected, got table", vm.map, vm, 0, {})
    raises("size or kvm.memory expected, got kvm.vm", vm.map, vm, 0, vm)
    raises("size or kvm.memory expected, got nil", vm.map, vm, 0)
    raises("bad argument #3 to 'map' (unknown option 'read_only' "
      .. "(did you mean 'readonly'? there are log_dirty, offset, readonly, "
      .. "size and slot))",
      vm.map, vm, 0, PAGE, { read_only = true })
    raises("(readonly: boolean expected, got 1)",
      vm.map, vm, 0, PAGE, { readonly = 1 })
    raises("(slot: integer expected, got 1.5)",
      vm.map, vm, 0, PAGE, { slot = 1.5 })
    assert.same({}, vm:slots())
  end)

  it("takes integers however they are written", function()
    assert.equal(PAGE, #vm:map(2.0 * PAGE, PAGE + 0.0))
    assert.equal(2 * PAGE, vm:slots()[1].gpa)
  end)

  it("refuses surplus arguments, and a dot for a colon", function()
    raises("bad argument #4 to 'map' (surplus argument: at most 3)", vm.map,
      vm, 0, PAGE, {}, 5)
    raises("bad argument #2 to 'unmap' (surplus argument: at most 1)",
      vm.unmap, vm, 0, 1)
    raises("bad argument #2 to 'create_vm' (surplus argument: at most 1)",
      kvm.create_vm, 0, 1)
    raises("bad argument #1 to 'available' (surplus argument: it takes none)",
      kvm.available, 1)
    raises("calling 'map' on bad self (kvm.vm expected, got 0x1000", vm.map,
      0x1000, PAGE)
  end)

  it("refuses a part that is not in the memory", function()
    local m = kvm.memory(2 * PAGE)
    for _, part in ipairs { { PAGE, 2 * PAGE }, { 2 * PAGE, PAGE },
      { -PAGE, PAGE }, { 0, -PAGE }, { 0, 0 },
      { math.mininteger, math.mininteger } } do
      raises("bad argument #3 to 'map' (", vm.map, vm, 0, m,
        { offset = part[1], size = part[2] })
    end
  end)

  it("leaves nothing behind when the kernel refuses", function()
    vm:map(0, PAGE)
    raises(pages "EEXIST: slot 1 [0x0,P1) overlaps slot 0 [0x0,P1)",
      vm.map, vm, 0, PAGE)
    assert.equal(1, #vm:slots())
  end)
end)

describe("vm:unmap", function()
  local vm
  before_each(function() vm = kvm.create_vm() end)

  it("frees the gpa for others", function()
    vm:map(0, PAGE):write(0, "old")
    vm:unmap(0)
    assert.same({}, vm:slots())
    vm:map(0, PAGE)
    assert.equal("\0\0\0", vm:read(0, 3))
  end)

  it("takes the beginning of a slot only", function()
    vm:map(PAGE, 2 * PAGE)
    raises(pages "gpa P2 is inside slot 0, which begins at P1", vm.unmap, vm,
      2 * PAGE)
    raises(pages "bad argument #1 to 'unmap' (gpa P3 is in no slot)",
      vm.unmap, vm, 3 * PAGE)
    raises("gpa: integer expected", vm.unmap, vm, {})
    assert.equal(1, #vm:slots())
  end)
end)
