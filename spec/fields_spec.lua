-- SPDX-License-Identifier: MIT
-- Structs as tables: what a table puts into the bytes that the kernel gets, and
-- what bytes give as a table. A tracer sees the bytes.
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm()
if missing then return pending(missing) end
local raises = require "spec.support.raises"

local layouts, ioctls = kvm.layouts(), kvm.ioctls()

-- The bytes that the ioctls of a function hand to the kernel, the last of each
-- request.
local function sent(f, ...)
  local bytes = {}
  kvm.trace(function(_, _, request, arg) bytes[request] = arg end)
  local ok, err = pcall(f, ...)
  kvm.trace(nil)
  return bytes, ok, err
end

local formats = { [1] = "I1", [2] = "I2", [4] = "I4", [8] = "i8" }

describe("a list", function()
  local vm = kvm.create_vm()
  local cpu = vm:create_vcpu()

  it("has no other keys, which would be overlooked", function()
    raises("flags: a list expected, got a table "
      .. "with the key 'LOG_DIRTY_PAGES'", vm.set_user_memory_region, vm,
      { slot = 0, memory = kvm.memory(kvm.page_size),
        flags = { LOG_DIRTY_PAGES = true } })
    raises("signals: a list expected, got a table with the key 'sigset'",
      cpu.set_signal_mask, cpu, { sigset = 5 })
    raises("with the key '3'", cpu.set_signal_mask, cpu, { [3] = 1 })
    raises("flags of the capability: a list expected", vm.enable_cap, vm,
      "MANUAL_DIRTY_LOG_PROTECT2", { MANUAL_PROTECT_ENABLE = true })
  end)
end)

describe("a struct of bytes", function()
  it("gives every field from its place", function()
    for name, layout in pairs(layouts) do
      local bytes = {}
      for i = 1, layout.size do bytes[i] = string.char(i * 7 & 0xff) end
      bytes = table.concat(bytes)
      local t = kvm.decode(name, bytes)
      for _, f in ipairs(layout.fields) do
        local n = f.count > 0 and f.count or 1
        for i = 0, n - 1 do
          local value = t[f.name]
          if value ~= nil and f.count > 0 then value = value[i + 1] end
          local at = f.offset + i * f.size + 1
          if value == nil then
            goto continue -- padding, or a view that does not count
          elseif f.kind == "bytes" then
            assert.equal(bytes:sub(at, at + f.size - 1), value, name)
          elseif f.kind == "table" then
            assert.same(kvm.decode(f.struct, bytes:sub(at, at + f.size - 1)),
              value, name)
          else
            local format = formats[f.size]
            if f.kind == "int" then format = format:lower() end
            assert.equal(string.unpack("<" .. format, bytes, at), value,
              name .. "." .. f.name)
          end
          ::continue::
        end
        if f.kind == "pad" then assert.is_nil(t[f.name], name) end
      end
    end
  end)

  it("shows all bits of 64, and the sign of what is signed", function()
    assert.equal(-1, kvm.decode("kvm_one_reg", ("\xff"):rep(16)).id)
    assert.equal(-2, kvm.decode("kvm_ioeventfd",
      string.pack("<i8i8I4i4", 0, 0, 0, -2) .. ("\0"):rep(40)).fd)
    assert.equal(0xffffffff, kvm.decode("kvm_mp_state",
      "\xff\xff\xff\xff").mp_state)
  end)

  it("is long enough, and of a struct that exists", function()
    raises("no struct 'kvm_nonsense'", kvm.decode, "kvm_nonsense", "")
    raises("3 bytes, struct kvm_mp_state has 4", kvm.decode, "kvm_mp_state", "abc")
    raises("string expected", kvm.decode, "kvm_mp_state", {})
    raises("surplus argument", kvm.decode, "kvm_mp_state", "abcd", 1)
    assert.equal(0x64636261, kvm.decode("kvm_mp_state", "abcdefgh").mp_state)
  end)
end)

-- A value for a field, that is not zero.
local function random_value(f)
  if f.kind == "bytes" then
    return (("%08x"):format(math.random(1 << 31)):rep(f.size // 8 + 1))
      :sub(1, f.size)
  elseif f.kind == "int" then
    return math.random(-(1 << 8 * f.size - 1), (1 << 8 * f.size - 1) - 1)
  elseif f.size == 8 then
    return math.random(0)
  end
  return math.random(1, (1 << 8 * f.size) - 1)
end

local random_struct
local function random_field(f)
  local function one()
    return f.kind == "table" and random_struct(f.struct) or random_value(f)
  end
  if f.count == 0 then return one() end
  local list = {}
  for i = 1, f.count do list[i] = one() end
  return list
end

function random_struct(name)
  local t = {}
  for _, f in ipairs(layouts[name].fields) do
    if f.kind ~= "pad" then t[f.name] = random_field(f) end
  end
  return t
end

-- Whether two fields of a layout share bytes: the views of a union.
local function has_views(name)
  local last = 0
  for _, f in ipairs(layouts[name].fields) do
    if f.offset < last then return true end
    last = f.offset + f.size * math.max(f.count, 1)
  end
  return false
end

describe("a table", function()
  local objects
  before_each(function()
    local system = kvm.open()
    local vm = system:create_vm()
    objects = { system = system, vm = vm, vcpu = vm:create_vcpu() }
    if kvm.arch == "arm64" then objects.vcpu:arm_vcpu_init() end
  end)
  after_each(function()
    kvm.trace(nil)
    for _, o in pairs(objects) do o:close() end
  end)

  it("puts every field in its place, for every ioctl that sets", function()
    math.randomseed(3)
    local n = 0
    for name, row in pairs(ioctls) do
      local object = objects[row.scopes[1]]
      if row.kind == "set" and row.struct and object and not row.pointer
        and not has_views(row.struct) then
        local t = random_struct(row.struct)
        local bytes = sent(object[row.method], object, t)[row.request]
        if type(bytes) == "string" and #bytes == layouts[row.struct].size then
          assert.same(t, kvm.decode(row.struct, bytes), name)
          n = n + 1
        end
      end
    end
    assert(n >= (kvm.arch == "x86_64" and 15 or 4), n)
  end)

  it("leaves what it does not name as it was", function()
    local cpu = objects.vcpu
    local request = ioctls.KVM_SET_VCPU_EVENTS.request
    local before = cpu:get_vcpu_events()
    local bytes = sent(cpu.set_vcpu_events, cpu, {})[request]
    assert.same(before, kvm.decode("kvm_vcpu_events", bytes))
  end)

  it("names the field that is wrong, and its value", function()
    local vm = objects.vm
    local function refused(text, value)
      local bytes, ok, err = sent(vm.irq_line, vm, value)
      assert.is_false(ok)
      assert(tostring(err):find(text, 1, true), tostring(err))
      assert.is_nil(bytes[ioctls.KVM_IRQ_LINE.request])
    end
    refused("kvm_irq_level has no field 'line'", { line = 1 })
    refused("kvm_irq_level has no field '1'", { 1 })
    refused("kvm_irq_level has no field 'true'", { [true] = 1 })
    refused("kvm_irq_level.irq: 4294967296 does not fit in 32 bits",
      { irq = 1 << 32 })
    refused("kvm_irq_level.irq: -1 does not fit in 32 bits", { irq = -1 })
    refused("kvm_irq_level.status: 2147483648 does not fit in 32 bits",
      { status = 1 << 31 })
    refused("kvm_irq_level.irq: an integer expected, got string",
      { irq = "1" })
    refused("kvm_irq_level.irq: an integer expected, got number",
      { irq = 1.5 })
    refused("kvm_irq_level.irq: an integer expected, got table", { irq = {} })
  end)

  it("takes what is an integer, and booleans as 0 and 1", function()
    local vm = objects.vm
    local function level(value)
      local bytes = sent(vm.irq_line, vm, { irq = 3.0, level = value })
      local t = kvm.decode("kvm_irq_level", bytes[ioctls.KVM_IRQ_LINE.request])
      assert.equal(3, t.irq)
      return t.level
    end
    assert.equal(1, level(true))
    assert.equal(0, level(false))
    assert.equal(0xffffffff, level(0xffffffff))
  end)

  it("takes flags as a number, a name, or a list of both", function()
    local cpu, vm = objects.vcpu, objects.vm
    local function flags(value)
      local bytes = sent(vm.signal_msi, vm, { flags = value })
      return kvm.decode("kvm_msi", bytes[ioctls.KVM_SIGNAL_MSI.request]).flags
    end
    assert.equal(0, flags(0))
    assert.equal(kvm.MSI.VALID_DEVID, flags "VALID_DEVID")
    assert.equal(kvm.MSI.VALID_DEVID, flags { "VALID_DEVID" })
    assert.equal(kvm.MSI.VALID_DEVID | 0x50, flags { "VALID_DEVID", 0x10,
                                                     0x40 })
    assert.equal(0, flags {})
    for text, value in pairs {
      ["kvm_msi.flags: unknown name 'NOPE': the names are the keys of kvm.MSI"]
        = { "VALID_DEVID", "NOPE" },
      ["kvm_msi.flags: unknown name '1'"] = "1",
      ["a name or a list of names expected, got boolean"] = { false },
      ["a name or a list of names expected, got table"] = { {} },
      ["kvm_msi.flags: an integer expected, got number"] = 0.5,
      ["kvm_msi.flags: 4294967296 does not fit in 32 bits"] = { 1 << 32 },
    } do
      raises(text, vm.signal_msi, vm, { flags = value })
    end
    raises("kvm_mp_state.mp_state: unknown name 'runnable'", cpu.set_mp_state,
      cpu, { mp_state = "runnable" })
  end)

  it("has arrays by index, of which some may be left out", function()
    local vm = objects.vm
    local request = ioctls.KVM_ENABLE_CAP.request
    local function args(value)
      local bytes, _, err = sent(vm.enable_cap, vm, { cap = 0x7fff,
                                                      args = value })
      return bytes[request] and kvm.decode("kvm_enable_cap", bytes[request])
        .args or tostring(err)
    end
    assert.same({ 1, 2, 3, 4 }, args { 1, 2, 3, 4 })
    assert.same({ 0, 0, 7, 0 }, args { [3] = 7 })
    assert.same({ 0, 0, 0, 0 }, args {})
    assert.truthy(args { 1, 2, 3, 4, 5 }
      :find("kvm_enable_cap.args has 4 elements, no [5]", 1, true))
    assert.truthy(args { [0] = 1 }:find("no [0]", 1, true))
    assert.truthy(args { x = 1 }:find("no [x]", 1, true))
    assert.truthy(args { [1.5] = 1 }:find("no [1.5]", 1, true))
    assert.truthy(args { 1, "x" }
      :find("kvm_enable_cap.args[2]: an integer expected, got string", 1,
        true))
    assert.truthy(args(5):find("kvm_enable_cap.args: a list expected, got "
      .. "number", 1, true))
  end)
end)

if kvm.arch ~= "x86_64" then return end

describe("a struct in a struct", function()
  local cpu
  before_each(function() cpu = kvm.create_vm():create_vcpu() end)
  after_each(function() cpu:close() end)

  it("is changed in part", function()
    local rest = cpu:get_sregs()
    cpu:set_sregs { cs = { base = 0 }, idt = { limit = 0x123 } }
    rest.cs.base, rest.idt.limit = 0, 0x123
    assert.same(rest, cpu:get_sregs())
  end)

  it("is named in errors by its own name", function()
    raises("kvm_segment.selector: 74565 does not fit in 16 bits",
      cpu.set_sregs, cpu, { cs = { selector = 0x12345 } })
    raises("kvm_segment has no field 'bas'", cpu.set_sregs, cpu,
      { cs = { bas = 1 } })
    raises("kvm_sregs.cs: a table expected, got number", cpu.set_sregs, cpu,
      { cs = 5 })
    raises("kvm_pit_state2.channels[3]: a table expected, got number",
      cpu.vm.set_pit2, cpu.vm, { channels = { [3] = 1 } })
  end)

  it("changes nothing when a part of it is wrong", function()
    local before = cpu:get_sregs()
    for _ = 1, 20 do -- a table's order is not ours
      raises("kvm_segment.dpl: 256 does not fit in 8 bits", cpu.set_sregs, cpu,
        { cr2 = 1, cs = { base = 0, dpl = 256 }, cr3 = 0x1000 })
    end
    assert.same(before, cpu:get_sregs())
  end)

  it("has bytes of its size", function()
    raises("kvm_fpu.xmm[16]: 15 bytes given, it takes 16", cpu.set_fpu, cpu,
      { xmm = { [16] = ("x"):rep(15) } })
    raises("kvm_fpu.fpr[1]: a byte string expected, got number", cpu.set_fpu,
      cpu, { fpr = { 1 } })
    cpu:set_fpu { xmm = { [2] = "0123456789abcdef" } }
    assert.equal("0123456789abcdef", cpu:get_fpu().xmm[2])
    assert.equal(("\0"):rep(16), cpu:get_fpu().xmm[1])
  end)
end)

describe("a list", function()
  local cpu
  before_each(function() cpu = kvm.create_vm():create_vcpu() end)
  after_each(function() cpu:close() end)
  local request = ioctls.KVM_SET_CPUID2.request

  it("grows as the kernel asks", function()
    local system <close> = kvm.open()
    local calls = 0
    kvm.trace(function(_, _, r)
      if r == ioctls.KVM_GET_MSR_INDEX_LIST.request then calls = calls + 1 end
    end)
    local list = system:get_msr_index_list()
    kvm.trace(nil)
    assert(calls >= 1)
    assert(#list > 20)
    for _, index in ipairs(list) do
      assert.equal("integer", math.type(index))
    end
  end)

  it("has entries one after the other", function()
    cpu:set_cpuid2 { { ["function"] = 0, eax = 1, ebx = 2 },
                     { ["function"] = 0x80000002, edx = 3 } }
    local leaves = {} -- some backends add leaves of their own
    for _, e in ipairs(cpu:get_cpuid2()) do leaves[e["function"]] = e end
    assert.same({ 1, 2 }, { leaves[0].eax, leaves[0].ebx })
    assert.equal(3, leaves[0x80000002].edx)
    assert(#cpu:get_cpuid2() < 20)
  end)

  it("is read however long it is", function()
    local many = {}
    for i = 1, 220 do many[i] = { ["function"] = 0x80000000 + i, eax = i } end
    cpu:set_cpuid2(many)
    local list, found = cpu:get_cpuid2(), {}
    for _, e in ipairs(list) do found[e["function"]] = e.eax end
    for i = 9, 220 do assert.equal(i, found[0x80000000 + i]) end
  end)

  it("tells which entry is wrong", function()
    local function refused(text, list)
      local bytes, ok, err = sent(cpu.set_cpuid2, cpu, list)
      assert.is_false(ok)
      assert(tostring(err):find(text, 1, true), tostring(err))
      assert.is_nil(bytes[request])
    end
    refused("KVM_SET_CPUID2: entry 2 is a number, a table expected", { {}, 5 })
    refused("kvm_cpuid_entry2 has no field 'e'", { { e = 1 } })
    refused("kvm_cpuid_entry2.eax: -1 does not fit in 32 bits",
      { { eax = -1 } })
    refused("KVM_SET_CPUID2: a list has no field 'x'", { x = 1 })
    refused("KVM_SET_CPUID2: a list has no field '7'", { {}, [7] = {} })
    refused("KVM_SET_CPUID2: a list has no field '0'", { [0] = {} })
    refused("table expected", nil)
    local many = {}
    for i = 1, 257 do many[i] = {} end
    refused("257 entries, KVM_SET_CPUID2 takes 256", many)
  end)

  it("of numbers takes those that fit", function()
    local vm = cpu.vm
    local function set(list)
      return vm.set_pmu_event_filter, vm, list
    end
    raises("kvm_pmu_event_filter has no field 'x'", set { x = 1 })
    raises("entry 1 (x) is not an integer of 64 bits", set { "x" })
    raises("entry 2 (1.5) is not an integer of 64 bits", set { 1, 1.5 })
    raises("unknown name 'NEITHER'", set { action = "NEITHER" })
  end)
end)
