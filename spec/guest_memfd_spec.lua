-- SPDX-License-Identifier: MIT
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm()
if missing then return pending(missing) end
local raises = require "spec.support.raises"

local PAGE = kvm.page_size

---"guest_memfd is not there" or nil.
local function no_guest_memfd(vm)
  if vm:check_extension("GUEST_MEMFD") == 0 then
    return "this host has no guest_memfd"
  end
end

describe("guest_memfd", function()
  local vm, reason
  before_each(function()
    vm = kvm.create_vm()
    reason = no_guest_memfd(vm)
  end)

  local function it_if(name, body)
    it(name, function()
      if reason then return pending(reason) end
      body()
    end)
  end

  ---guest_memfd that the host sees, or nil and why not.
  local function visible(size)
    local ok, m = pcall(vm.create_guest_memfd, vm,
      { size = size, flags = { "MMAP", "INIT_SHARED" } })
    if ok then return m end
    return nil, "guest_memfd cannot be mapped here"
  end

  it_if("cannot be seen without the flags for it", function()
    local m = vm:create_guest_memfd { size = 2 * PAGE }
    assert.equal("guest_memfd", m.backing)
    assert.is_false(m.mapped)
    assert.equal(2 * PAGE, #m)
    raises("this guest_memfd is the guest's alone", m.read, m, 0, 1)
    raises("this guest_memfd is the guest's alone", m.u32, m, 0, 1)
    raises("outside the memory", m.read, m, 0, 3 * PAGE)
    raises("cannot be cloned", m.clone, m)
    m:discard()
    m:close()
  end)

  it_if("cannot be seen when it begins private", function()
    local ok, m = pcall(vm.create_guest_memfd, vm,
      { size = PAGE, flags = "MMAP" })
    if not ok then return pending("guest_memfd cannot be mapped here") end
    assert.is_false(m.mapped)
    raises("this guest_memfd is the guest's alone", m.read, m, 0, 1)
  end)

  it_if("is memory like any other when it may be mapped", function()
    local m, why = visible(2 * PAGE)
    if not m then return pending(why) end
    m:write(PAGE, "guest memory")
    assert.equal("guest memory", m:read(PAGE, 12))
    m:discard(PAGE, PAGE)
    assert.equal(0, m:u8(PAGE))
  end)

  it_if("is made by kvm.memory too", function()
    local m = kvm.memory(PAGE, { backing = "guest_memfd", vm = vm })
    assert.equal("guest_memfd", m.backing)
    raises("field 'vm': kvm.vm expected, got nil (guest_memfd belongs to a VM)",
      kvm.memory, PAGE, { backing = "guest_memfd" })
  end)

  it_if("backs a slot", function()
    local m, why = visible(2 * PAGE)
    if not m then return pending(why) end
    vm:set_user_memory_region2 { slot = 0, guest_phys_addr = PAGE, memory = m,
      guest_memfd = m }
    vm:write(PAGE, "in the slot")
    assert.equal("in the slot", m:read(0, 11))
    assert.equal(kvm.MEM.GUEST_MEMFD, vm:slots()[1].flags)
    raises("memory is mapped as slot 0", m.close, m)
    vm:set_user_memory_region2 { slot = 0, memory_size = 0 }
    m:close()
  end)

  -- The kernel tells bindings apart by their place: two of the same page of
  -- one guest_memfd are refused, two of different pages are not.
  it_if("backs a slot with the page that a view shows", function()
    local m, why = visible(3 * PAGE)
    if not m then return pending(why) end
    local view = m:view(PAGE, 2 * PAGE)
    local function bind(slot, memory, offset)
      vm:set_user_memory_region2 { slot = slot, memory = memory,
        guest_phys_addr = slot * PAGE, memory_size = PAGE,
        guest_memfd = memory, offset = offset, guest_memfd_offset = offset }
    end
    bind(0, m, 0)
    bind(1, view, 0)
    bind(2, view, PAGE)
    raises("KVM_SET_USER_MEMORY_REGION2: EINVAL", bind, 3, m, PAGE)
  end)

  it_if("is refused where other memory is given", function()
    local m = kvm.memory(PAGE)
    raises("field 'guest_memfd': its backing is 'anonymous'",
      vm.set_user_memory_region2, vm, { slot = 0, memory = m,
        guest_memfd = m })
    local g = vm:create_guest_memfd { size = PAGE }
    raises("this guest_memfd is the guest's alone", vm.set_user_memory_region2,
      vm, { slot = 0, memory = g, guest_memfd = g })
    raises("are outside the memory", vm.set_user_memory_region2, vm,
      { slot = 0, memory = kvm.memory(2 * PAGE), guest_memfd = g })
  end)

  it_if("refuses sizes that are no pages, and unknown flags", function()
    raises("size 0x10 is not a multiple", vm.create_guest_memfd, vm,
      { size = 0x10 })
    raises("size 0x0 is out of range", vm.create_guest_memfd, vm, { size = 0 })
    raises("field 'size': an integer expected", vm.create_guest_memfd, vm, {})
    raises("KVM_CREATE_GUEST_MEMFD: EINVAL", vm.create_guest_memfd, vm,
      { size = PAGE, flags = 1 << 40 })
  end)

  it("is refused with a reason where the host has none", function()
    local ok, err = pcall(vm.create_guest_memfd, vm, { size = PAGE })
    assert.equal(reason == nil, ok)
    if not ok then assert.equal("KVM_CREATE_GUEST_MEMFD", err.ioctl) end
  end)
end)
