-- SPDX-License-Identifier: MIT
local kvm = require "kvm"

local PAGE = kvm.page_size

local function raises(text, f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok, "no error was raised")
  err = tostring(err)
  assert(err:find(text, 1, true), ("%q\nis not in\n%s"):format(text, err))
end

---A text in which P<n> stands for n pages in hex.
local function pages(text)
  return (text:gsub("P(%d+)", function(n) return ("%#x"):format(n * PAGE) end))
end

---"guest_memfd is not there" or nil.
local function no_guest_memfd(vm)
  if vm:check_extension("GUEST_MEMFD") == 0 then
    return "this host has no guest_memfd"
  end
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
    raises("EINVAL: slot 1 exists, and its memory cannot change: delete it",
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
    assert(err:find("slots_spec.lua:", 1, true), err)
  end)

  it("refuses a bad size, memory or option", function()
    raises(pages "bad argument #2 to 'map' (size 0x10 is not a multiple",
      vm.map, vm, 0, 0x10)
    raises("(size 0x0 is not", vm.map, vm, 0, 0)
    raises("size or kvm.memory expected, got table", vm.map, vm, 0, {})
    raises("size or kvm.memory expected, got userdata", vm.map, vm, 0, vm)
    raises("size or kvm.memory expected, got nil", vm.map, vm, 0)
    raises("bad argument #3 to 'map' (unknown field 'read_only')",
      vm.map, vm, 0, PAGE, { read_only = true })
    raises("(field 'readonly': boolean expected, got number)",
      vm.map, vm, 0, PAGE, { readonly = 1 })
    raises("(field 'slot': integer expected, got number)",
      vm.map, vm, 0, PAGE, { slot = 1.5 })
    assert.same({}, vm:slots())
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
