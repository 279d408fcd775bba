-- SPDX-License-Identifier: MIT
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm()
if missing then return pending(missing) end
local process = require "spec.support.process"
local raises = require "spec.support.raises"
local writer = require "spec.support.writer"

local PAGE = kvm.page_size

---Asserts that every item of part is in whole: hosts may log more pages.
local function includes(part, whole)
  local set = {}
  for _, v in ipairs(whole) do set[v] = true end
  for _, v in ipairs(part) do
    assert(set[v], ("%#x is not among them"):format(v))
  end
end

---A test of what only some hosts have: missing(vm) says why this one has not.
local function it_if(missing, name, body)
  it(name, function()
    local reason = missing(kvm.create_vm())
    if reason then return pending(reason) end
    body()
  end)
end

local function has(list, value)
  for _, v in ipairs(list) do if v == value then return true end end
  return false
end

describe("dirty log", function()
  local vm, ram, guest
  before_each(function()
    vm = kvm.create_vm()
    ram = vm:map(0, 8 * PAGE, { log_dirty = true })
    guest = writer.new(vm)
  end)

  it("has a bit for each page that the guest wrote", function()
    guest.store { PAGE, 3 * PAGE + 5 }
    local log = vm:get_dirty_log(0)
    assert.equal(8, #log)
    assert.equal(0xa, log:byte(1) & 0xa)
    assert.equal(0, log:byte(1) & 0x10)
    assert.equal(1, ram:u8(3 * PAGE + 5))
  end)

  it("starts anew when it is read", function()
    guest.store { PAGE }
    vm:get_dirty_log(0)
    assert.equal(("\0"):rep(8), vm:get_dirty_log(0))
    guest.store { 2 * PAGE }
    assert.equal(4, vm:get_dirty_log(0):byte(1) & 6)
  end)

  it("does not count what the host writes", function()
    ram:write(PAGE, "host")
    assert.equal(("\0"):rep(8), vm:get_dirty_log(0))
  end)

  it("has a word for each 64 pages begun", function()
    vm:map(1 << 30, 65 * PAGE, { log_dirty = true, slot = 1 })
    assert.equal(16, #vm:get_dirty_log(1))
  end)

  it("is refused for a slot without one, with what to do", function()
    raises("KVM_GET_DIRTY_LOG: ENOENT: slot 20", vm.get_dirty_log, vm, 20)
    raises("hint: the slot has no dirty log: map it with log_dirty",
      vm.get_dirty_log, vm, 20)
  end)

  it("is refused for a slot that does not exist", function()
    raises("slot 7 does not exist", vm.get_dirty_log, vm, 7)
    raises("slot 0xffffffffffffffff is outside", vm.get_dirty_log, vm, -1)
    raises("number expected", vm.get_dirty_log, vm)
  end)

  it("comes as a list of gpas", function()
    guest.store { PAGE, 7 * PAGE }
    local pages = vm:dirty_pages()
    includes({ PAGE, 7 * PAGE }, pages)
    assert.is_false(has(pages, 5 * PAGE))
    assert.same({}, vm:dirty_pages())
  end)

  it("comes as gpas beyond the first 64 pages of a slot too", function()
    local first, wrote = 16 * PAGE, {}
    vm:map(first, 200 * PAGE, { log_dirty = true })
    for i, page in ipairs { 2, 63, 64, 130, 199 } do
      wrote[i] = first + page * PAGE
    end
    guest.store(wrote)
    local pages = vm:dirty_pages(first)
    includes(wrote, pages)
    for _, page in ipairs { 8, 16, 65, 128 } do
      assert.is_false(has(pages, first + page * PAGE), page)
    end
  end)

  it("comes for one slot, by any gpa in it", function()
    vm:map(10 * PAGE, 2 * PAGE, { log_dirty = true })
    guest.store { PAGE, 11 * PAGE }
    includes({ 11 * PAGE }, vm:dirty_pages(11 * PAGE + 7))
    local pages = vm:dirty_pages(0)
    includes({ PAGE }, pages)
    assert.is_false(has(pages, 11 * PAGE))
    raises("is in no slot", vm.dirty_pages, vm, 1 << 40)
    raises("gpa: integer expected", vm.dirty_pages, vm, {})
    raises("KVM_GET_DIRTY_LOG: ENOENT", vm.dirty_pages, vm, 15 * PAGE)
  end)
end)

describe("clearing the dirty log by hand", function()
  local vm, guest
  local function missing(host)
    return host:check_extension("MANUAL_DIRTY_LOG_PROTECT2") == 0
      and "this host has no MANUAL_DIRTY_LOG_PROTECT2"
  end

  local LONG = 100 -- pages: a word of 64 and some
  before_each(function()
    vm = kvm.create_vm()
    if missing(vm) then return end
    vm:enable_cap("MANUAL_DIRTY_LOG_PROTECT2", 1)
    vm:map(0, 8 * PAGE, { log_dirty = true })
    vm:map(1 << 30, LONG * PAGE, { log_dirty = true, slot = 1 })
    guest = writer.new(vm)
  end)

  it_if(missing, "keeps the log until it is cleared", function()
    guest.store { PAGE }
    assert.equal(2, vm:get_dirty_log(0):byte(1) & 2)
    assert.equal(2, vm:get_dirty_log(0):byte(1) & 2)
    vm:clear_dirty_log(0, 0, 8)
    assert.equal(0, vm:get_dirty_log(0):byte(1) & 2)
  end)

  it_if(missing, "clears the pages of a bitmap only", function()
    guest.store { PAGE, 2 * PAGE }
    vm:clear_dirty_log(0, 0, 8, "\2\0\0\0\0\0\0\0")
    assert.equal(4, vm:get_dirty_log(0):byte(1) & 6)
  end)

  it_if(missing, "logs again what was cleared", function()
    guest.store { PAGE }
    vm:clear_dirty_log(0, 0, 8)
    guest.store { PAGE }
    assert.equal(2, vm:get_dirty_log(0):byte(1) & 2)
  end)

  it_if(missing, "explains that it works on 64 pages at a time", function()
    raises("bad argument #2 to 'clear_dirty_log' (first page 3 is not a "
      .. "multiple of 64)", function() vm:clear_dirty_log(1, 3, 64) end)
    raises("bad argument #3 to 'clear_dirty_log' (10 pages: a multiple of 64 "
      .. "is needed, except up to the last page of the slot (100))",
      function() vm:clear_dirty_log(1, 0, 10) end)
    vm:clear_dirty_log(1, 64, LONG - 64)
    vm:clear_dirty_log(1, 0, 64)
  end)

  it_if(missing, "stays inside the slot and the bitmap", function()
    raises("128 pages at page 0 are outside the slot of 100 pages",
      vm.clear_dirty_log, vm, 1, 0, 128)
    raises("are outside the slot", vm.clear_dirty_log, vm, 1, 128, 0)
    raises("is not a multiple of 64", vm.clear_dirty_log, vm, 1, -1, 64)
    raises("are outside the slot", vm.clear_dirty_log, vm, 1, -64, 64)
    raises("8 bytes of bitmap, 16 are needed for 100 pages",
      vm.clear_dirty_log, vm, 1, 0, LONG, ("\0"):rep(8))
    raises("slot 9 does not exist", vm.clear_dirty_log, vm, 9, 0, 64)
    raises("string expected", vm.clear_dirty_log, vm, 1, 0, 64, 5)
  end)
end)

describe("dirty ring", function()
  local vm, guest, entries

  ---The capability, which has two names.
  local function capability(host)
    for _, name in ipairs { "DIRTY_LOG_RING_ACQ_REL", "DIRTY_LOG_RING" } do
      if host:check_extension(name) ~= 0 then return name end
    end
  end

  local function missing(host)
    return not capability(host) and "this host has no dirty rings"
  end

  before_each(function()
    vm = kvm.create_vm()
    local name = capability(vm)
    if not name then return end
    local bytes = math.max(PAGE, 16384)
    vm:enable_cap(name, bytes)
    entries = bytes // 16
    vm:map(0, 8 * PAGE, { log_dirty = true, slot = 3 })
    guest = writer.new(vm)
  end)

  it_if(missing, "tells slot and page of what the guest wrote", function()
    guest.store { PAGE, 5 * PAGE + 3 }
    local pages = {}
    for _, e in ipairs(guest.cpu:dirty_ring()) do
      assert.equal(3, e.slot)
      pages[#pages + 1] = e.offset
    end
    includes({ 1, 5 }, pages)
  end)

  it_if(missing, "is empty once it was harvested", function()
    guest.store { PAGE }
    assert.is_true(#guest.cpu:dirty_ring() >= 1)
    assert.same({}, guest.cpu:dirty_ring())
  end)

  it_if(missing, "logs pages again after a reset, which counts them", function()
    guest.store { PAGE }
    assert.equal(0, vm:reset_dirty_rings())
    local n = #guest.cpu:dirty_ring()
    guest.store { PAGE } -- logged again already where KVM emulates
    n = n + #guest.cpu:dirty_ring()
    assert.equal(n, vm:reset_dirty_rings())
    guest.store { PAGE }
    local again = {}
    for i, e in ipairs(guest.cpu:dirty_ring()) do again[i] = e.offset end
    includes({ 1 }, again)
  end)

  it_if(missing, "goes round", function()
    local addresses, seen = {}, 0
    for i = 1, 8 do addresses[i] = (i - 1) * PAGE end
    for _ = 1, entries // 8 + 3 do
      guest.store(addresses)
      local list = {}
      for i, e in ipairs(guest.cpu:dirty_ring()) do list[i] = e.offset end
      includes({ 0, 1, 2, 3, 4, 5, 6, 7 }, list)
      seen = seen + #list
      assert.equal(#list, vm:reset_dirty_rings())
    end
    assert.is_true(seen > entries)
  end)

  it_if(missing, "takes the place of the log", function()
    raises("KVM_GET_DIRTY_LOG: ENXIO: slot 3: this VM has dirty rings",
      vm.get_dirty_log, vm, 3)
  end)

  -- One of the tries has the finalizer run in the middle of a harvest.
  it_if(missing, "loses nothing to a finalizer that harvests too", function()
    finally(function() collectgarbage("incremental", 200, 100, 13) end)
    local addresses, inside = {}, false
    for i = 1, 8 do addresses[i] = (i - 1) * PAGE end
    for try = 1, 10 do
      local seen, inner, junk = {}, nil, {}
      guest.store(addresses)
      collectgarbage("incremental", 100, 1000, 30)
      collectgarbage()
      setmetatable({}, { __gc = function() inner = guest.cpu:dirty_ring() end })
      collectgarbage "stop"
      for i = 1, 200 * try do junk[i] = i end
      collectgarbage "restart"
      local outer = guest.cpu:dirty_ring()
      inside = inside or inner ~= nil and #inner > 0
      for _, e in ipairs(outer) do seen[#seen + 1] = e.offset end
      for _, e in ipairs(inner or {}) do seen[#seen + 1] = e.offset end
      includes({ 0, 1, 2, 3, 4, 5, 6, 7 }, seen)
      assert.equal(#seen, vm:reset_dirty_rings())
    end
    assert.is_true(inside)
  end)

  it_if(missing, "is unmapped with the vCPU", function()
    local other = vm:create_vcpu(1)
    guest.store { PAGE }
    collectgarbage()
    collectgarbage()
    local before = process.mapped()
    other:close()
    local page = before - process.mapped()
    guest.cpu:dirty_ring()
    guest.cpu:close()
    assert.equal(before - 2 * page, (process.mapped()))
  end)

  it_if(missing, "goes with the vCPU", function()
    guest.store { PAGE }
    guest.cpu:dirty_ring()
    guest.cpu:close()
    raises("kvm.vcpu is closed", guest.cpu.dirty_ring, guest.cpu)
  end)
end)

describe("a VM without dirty rings", function()
  it("says how to get them", function()
    local cpu = kvm.create_vm():create_vcpu()
    raises("this VM has no dirty rings: call vm:enable_cap("
      .. "'DIRTY_LOG_RING_ACQ_REL', bytes)", cpu.dirty_ring, cpu)
    raises("surplus argument", cpu.dirty_ring, cpu, 1)
  end)
end)
