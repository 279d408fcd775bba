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

describe("vm:set_user_memory_region", function()
  local vm, ram
  before_each(function()
    vm = kvm.create_vm()
    ram = kvm.memory(4 * PAGE)
  end)

  local function set(t)
    return function() vm:set_user_memory_region(t) end
  end

  it("adds, moves and deletes a slot", function()
    vm:set_user_memory_region { slot = 2, guest_phys_addr = PAGE, memory = ram }
    assert.same({ { slot = 2, gpa = PAGE, size = 4 * PAGE, flags = 0 } },
      vm:slots())
    vm:set_user_memory_region { slot = 2, guest_phys_addr = 8 * PAGE,
      memory = ram }
    assert.equal(8 * PAGE, vm:slots()[1].gpa)
    vm:set_user_memory_region { slot = 2, memory_size = 0 }
    assert.same({}, vm:slots())
  end)

  it("shows a part of the memory", function()
    vm:set_user_memory_region { slot = 0, guest_phys_addr = 0, memory = ram,
      offset = PAGE, memory_size = 2 * PAGE }
    ram:write(PAGE, "second page")
    assert.equal("second page", vm:read(0, 11))
    raises(pages "gpa P2 is in no slot", vm.read, vm, 2 * PAGE, 1)
  end)

  it("takes views where they are in the memory", function()
    vm:set_user_memory_region { slot = 0, guest_phys_addr = 0,
      memory = ram:view(PAGE, 2 * PAGE), offset = PAGE }
    ram:write(2 * PAGE, "third page")
    assert.equal("third page", vm:read(0, 10))
    assert.equal(PAGE, vm:slots()[1].size)
  end)

  it("lists slots by number", function()
    for _, slot in ipairs { 5, 1, 3 } do
      vm:set_user_memory_region { slot = slot, guest_phys_addr = slot * PAGE,
        memory = kvm.memory(PAGE) }
    end
    local numbers = {}
    for i, s in ipairs(vm:slots()) do numbers[i] = s.slot end
    assert.same({ 1, 3, 5 }, numbers)
  end)

  it("takes flags by name, list or number", function()
    for i, flags in ipairs { "LOG_DIRTY_PAGES", { "LOG_DIRTY_PAGES" }, 1 } do
      vm:set_user_memory_region { slot = i, guest_phys_addr = i * PAGE,
        memory = kvm.memory(PAGE), flags = flags }
      assert.equal(1, vm:slots()[i].flags)
    end
  end)

  it("changes the dirty log of a slot", function()
    vm:set_user_memory_region { slot = 0, guest_phys_addr = 0, memory = ram }
    vm:set_user_memory_region { slot = 0, guest_phys_addr = 0, memory = ram,
      flags = "LOG_DIRTY_PAGES" }
    assert.equal(kvm.MEM.LOG_DIRTY_PAGES, vm:slots()[1].flags)
  end)

  it("names the slot that is in the way", function()
    vm:set_user_memory_region { slot = 1, guest_phys_addr = 2 * PAGE,
      memory = ram }
    raises(pages "KVM_SET_USER_MEMORY_REGION: EEXIST: slot 3 [P1,P3) overlaps "
      .. pages "slot 1 [P2,P6)", set { slot = 3, guest_phys_addr = PAGE,
        memory = ram, memory_size = 2 * PAGE })
    assert.equal(1, #vm:slots())
  end)

  it("gives errors as values", function()
    vm:set_user_memory_region { slot = 1, guest_phys_addr = 0, memory = ram }
    local _, err = pcall(set { slot = 2, guest_phys_addr = 0, memory = ram })
    assert.equal("EEXIST", err.code)
    assert.equal("KVM_SET_USER_MEMORY_REGION", err.ioctl)
    assert.equal(ram, err.args.memory)
  end)

  it("explains alignment with the value", function()
    raises(pages "EINVAL: guest_phys_addr 0x1234 is not a multiple of the page "
      .. pages "size P1", set { slot = 0, guest_phys_addr = 0x1234,
        memory = ram })
    raises(pages "EINVAL: memory_size 0x10 is not a multiple of the page size "
      .. pages "P1", set { slot = 0, memory = ram, memory_size = 0x10 })
    raises(pages "EINVAL: offset of the memory 0x8 is not a multiple of the "
      .. pages "page size P1", set { slot = 0, memory = ram, offset = 8,
        memory_size = PAGE })
    raises("EINVAL: offset of the memory 0x10", set { slot = 0,
      memory = ram:view(0x10, PAGE) })
    assert.same({}, vm:slots())
  end)

  it("explains that a slot does not exist", function()
    raises("EINVAL: slot 7 cannot be deleted: it does not exist",
      set { slot = 7, memory_size = 0 })
  end)

  it("explains what cannot change", function()
    vm:set_user_memory_region { slot = 1, guest_phys_addr = 0, memory = ram }
    raises(pages "EINVAL: slot 1 has P4 bytes and cannot change to P1",
      set { slot = 1, guest_phys_addr = 0, memory = ram, memory_size = PAGE })
    raises("EINVAL: slot 1 exists, and its memory cannot change: vm:unmap(0x0) first",
      set { slot = 1, guest_phys_addr = 0, memory = kvm.memory(4 * PAGE) })
    if vm:check_extension("READONLY_MEM") ~= 0 then
      raises("EINVAL: slot 1 exists, and the flag READONLY cannot change",
        set { slot = 1, guest_phys_addr = 0, memory = ram,
          flags = "READONLY" })
    end
    assert.equal(4 * PAGE, vm:slots()[1].size)
    assert.equal(0, vm:slots()[1].flags)
  end)

  it("explains the end of the address space", function()
    raises("go past the end of 64 bits",
      set { slot = 0, guest_phys_addr = -PAGE, memory = ram })
  end)

  it("explains a slot number that the host does not have", function()
    raises("slot 0x20001 is slot 1 of address space 2, which this machine does "
      .. "not have", set { slot = 0x20001, guest_phys_addr = 0, memory = ram })
    raises("slot 65000 is beyond the", set { slot = 65000,
      guest_phys_addr = 0, memory = ram })
    raises("slot 0x100000000 does not fit in 32 bits",
      set { slot = 1 << 32, memory = ram })
    raises("slot 0xffffffffffffffff does not fit", set { slot = -1,
      memory = ram })
  end)

  it("refuses memory outside of the object", function()
    raises(pages "P5 bytes at 0x0 are outside the memory of P4 bytes",
      set { slot = 0, memory = ram, memory_size = 5 * PAGE })
    raises("are outside the memory", set { slot = 0, memory = ram,
      offset = 2 * PAGE, memory_size = 3 * PAGE })
    raises("are outside the memory", set { slot = 0, memory = ram,
      offset = -PAGE, memory_size = 2 * PAGE })
    raises("is at or behind the end", set { slot = 0, memory = ram,
      offset = 4 * PAGE })
    assert.same({}, vm:slots())
  end)

  it("refuses addresses of this process", function()
    raises("scripts have no addresses for userspace_addr: pass memory =",
      set { slot = 0, userspace_addr = 0x400000, memory_size = PAGE })
  end)

  it("refuses other fields and types", function()
    raises("unknown field 'gpa' (expected slot, flags, guest_phys_addr",
      set { slot = 0, gpa = 0 })
    raises("unknown field 'guest_memfd'", set { slot = 0,
      guest_memfd = ram })
    raises("field 'slot': an integer expected, got nothing",
      set { memory = ram })
    raises("field 'memory': kvm.memory expected, got nothing",
      set { slot = 0, memory_size = PAGE })
    raises("field 'memory': kvm.memory expected, got string",
      set { slot = 0, memory = "ram" })
    raises("field 'guest_phys_addr': an integer expected, got string",
      set { slot = 0, guest_phys_addr = "x", memory = ram })
    raises("unknown name 'SHINY'", set { slot = 0, memory = ram,
      flags = "SHINY" })
    raises("table expected", vm.set_user_memory_region, vm, 0)
    raises("surplus argument", vm.set_user_memory_region, vm, {}, 0)
  end)

  it("refuses flags that no kernel has", function()
    raises("KVM_SET_USER_MEMORY_REGION: EINVAL: slot 0",
      set { slot = 0, memory = ram, flags = 1 << 31 })
    raises("flags 0x100000000 does not fit", set { slot = 0, memory = ram,
      flags = 1 << 32 })
  end)

  it("refuses closed memory and closed VMs", function()
    ram:close()
    raises("kvm.memory is closed", set { slot = 0, memory = ram })
    vm:close()
    raises("kvm.vm is closed", set { slot = 0, memory_size = 0 })
    raises("kvm.vm is closed", vm.slots, vm)
    raises("kvm.vm is closed", vm.read, vm, 0, 1)
  end)

  it("is not fooled by a table that closes what it names", function()
    local t = setmetatable({ slot = 0 }, { __index = function(_, name)
      if name == "memory" then
        ram:close()
        return ram
      end
    end })
    raises("kvm.memory is closed", vm.set_user_memory_region, vm, t)
    t = setmetatable({ slot = 0, memory = kvm.memory(PAGE) },
      { __index = function() vm:close() end })
    raises("kvm.vm is closed", vm.set_user_memory_region, vm, t)
  end)
end)

describe("memory in a slot", function()
  local vm, ram
  before_each(function()
    vm = kvm.create_vm()
    ram = vm:map(PAGE, 2 * PAGE)
  end)

  it("cannot be closed, and says where it is", function()
    raises(pages "memory is mapped as slot 0 of a VM (gpa P1): vm:unmap it "
      .. "first", ram.close, ram)
    ram:write(0, "still here")
    vm:unmap(PAGE)
    ram:close()
    raises("kvm.memory is closed", ram.read, ram, 0, 1)
  end)

  it("says how many slots there are", function()
    vm:map(8 * PAGE, ram)
    local other = kvm.create_vm()
    other:map(16 * PAGE, ram)
    raises(pages "slot 0 of a VM (gpa P16) and 2 more slots", ram.close, ram)
    other:unmap(16 * PAGE)
    raises("mapped as 2 slots: vm:unmap", ram.close, ram)
    vm:unmap(8 * PAGE)
    raises("mapped as 1 slot: vm:unmap", ram.close, ram)
    vm:unmap(PAGE)
    ram:close()
  end)

  it("can be closed when its slot was replaced, then taken away", function()
    local other = kvm.memory(2 * PAGE)
    vm:set_user_memory_region { slot = 0, guest_phys_addr = PAGE, memory = ram,
      flags = "LOG_DIRTY_PAGES" }
    raises("mapped as slot 0 of a VM", ram.close, ram)
    vm:unmap(PAGE)
    ram:close()
    vm:map(PAGE, other)
    vm:set_user_memory_region { slot = 0, guest_phys_addr = 8 * PAGE,
      memory = other }
    vm:unmap(8 * PAGE)
    other:close()
  end)

  it("names a slot of the same VM that stays", function()
    vm:map(8 * PAGE, ram)
    vm:unmap(PAGE)
    raises(pages "slot 1 of a VM (gpa P8): ", ram.close, ram)
  end)

  it("prints where it is", function()
    assert.equal(pages "kvm.memory: P2 bytes, anonymous, slot 0 of a VM "
      .. pages "(gpa P1)", tostring(ram))
  end)

  it("is kept by the slot after the object is gone", function()
    ram:write(0, "kept")
    ram = nil
    collectgarbage()
    collectgarbage()
    assert.equal("kept", vm:read(PAGE, 4))
  end)

  it("is let go at the end of a block without an error", function()
    local ok = pcall(function()
      local inner <close> = vm:map(8 * PAGE, PAGE)
      inner:write(0, "inner")
    end)
    assert.is_true(ok)
    assert.equal("inner", vm:read(8 * PAGE, 5))
  end)

  it("can be closed when the VM is", function()
    vm:close()
    ram:close()
  end)

  it("stays while a vCPU keeps the VM", function()
    local cpu = vm:create_vcpu()
    vm:close()
    raises("memory is mapped as slot 0", ram.close, ram)
    cpu:close()
    ram:close()
  end)

  it("can be seen by two VMs", function()
    local other = kvm.create_vm()
    other:map(0, ram)
    vm:write(PAGE, "to the other side")
    assert.equal("to the other side", other:read(0, 17))
    vm:close()
    assert.equal("to the other side", other:read(0, 17))
    raises("memory is mapped as slot 0", ram.close, ram)
  end)

  it("lets views close", function()
    local v = ram:view(0, PAGE)
    v:close()
    assert.equal("\0", vm:read(PAGE, 1))
  end)
end)

describe("vm:set_user_memory_region2", function()
  it("does what the first form does", function()
    local vm = kvm.create_vm()
    if vm:check_extension("USER_MEMORY2") == 0 then
      return pending("this host has no KVM_SET_USER_MEMORY_REGION2")
    end
    vm:set_user_memory_region2 { slot = 0, guest_phys_addr = PAGE,
      memory = kvm.memory(PAGE):write(0, "two") }
    assert.equal("two", vm:read(PAGE, 3))
    raises(pages "KVM_SET_USER_MEMORY_REGION2: EEXIST: slot 1",
      vm.set_user_memory_region2, vm, { slot = 1, guest_phys_addr = PAGE,
        memory = kvm.memory(PAGE) })
  end)
end)

describe("a tracer that changes slots", function()
  it("leaves the table as the kernel has it", function()
    local vm = kvm.create_vm()
    local a, b = kvm.memory(PAGE), kvm.memory(PAGE)
    vm:set_user_memory_region { slot = 0, guest_phys_addr = 0, memory = a }
    finally(function() kvm.trace(nil) end)
    local done = false
    kvm.trace(function()
      if done then return end
      done = true
      vm:set_user_memory_region { slot = 0, guest_phys_addr = 0, memory = b }
    end)
    vm:set_user_memory_region { slot = 0, memory_size = 0 }
    kvm.trace(nil)
    a:close()
    raises("memory is mapped as slot 0", b.close, b)
    assert.equal(1, #vm:slots())
  end)
end)
