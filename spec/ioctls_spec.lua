-- SPDX-License-Identifier: MIT
-- The rows at work: every method made of a row does its ioctl on a real VM, and
-- structs go there and back.

local core = require "kvm.core"
local missing = require "spec.support.needs".kvm()
if missing then return pending(missing) end
local host = require "spec.support.host"

local ioctls, layouts = core.ioctls(), core.layouts()
local is_x86 = core.arch == "x86_64"

local system, vm, vcpu, objects

-- A VM with all that rows ask for.
local function fresh()
  system = core.open()
  vm = system:create_vm()
  if is_x86 then
    vm:create_irqchip()
    vm:create_pit2 { flags = "SPEAKER_DUMMY" }
  end
  vcpu = vm:create_vcpu(0)
  if is_x86 then
    vcpu:set_cpuid2(system:get_supported_cpuid())
  else
    vcpu:arm_vcpu_init()
  end
  objects = { system = system, vm = vm, vcpu = vcpu }
end

local function close()
  vcpu:close()
  vm:close()
  system:close()
end

-- What the kernel takes from its own clock when a PIT is set.
local function without_times(t)
  if type(t) ~= "table" then return t end
  local copy = {}
  for key, value in pairs(t) do
    if key ~= "count_load_time" then copy[key] = without_times(value) end
  end
  return copy
end

local function supports(capability)
  return capability == nil or vm:check_extension(capability) ~= 0
end

-- Calls f(name, row, scope, object, method) for the rows of these kinds.
local function each(kinds, f)
  for name, row in pairs(ioctls) do
    for _, scope in ipairs(row.scopes) do
      local object = objects[scope]
      if object and kinds[row.kind] then
        f(name, row, scope, object, object[row.method])
      end
    end
  end
end

describe("rows", function()
  before_each(fresh)
  after_each(close)

  it("that get do it, or give the kernel's refusal under their name",
    function()
      local done = 0
      each({ get = true, getlist = true }, function(name, row, _, object, get)
        local ok, value = pcall(get, object)
        if ok then
          done = done + 1
          local expected = (row.struct or row.kind == "getlist") and "table"
            or "number"
          assert.equal(expected, type(value), name)
        else
          assert.equal(name, value.ioctl)
          assert.is_string(value.code)
        end
      end)
      assert.is_true(done >= (is_x86 and 15 or 3))
    end)

  it("that set take back what was got", function()
    local done = 0
    each({ set = true }, function(name, row, _, object, set)
      local getter = ioctls[(name:gsub("_SET_", "_GET_"))]
      if getter and getter.kind == "get" and name ~= "KVM_SET_CLOCK"
        and supports(row.capability) then
        local before = object[getter.method](object)
        set(object, before)
        assert.same(without_times(before),
          without_times(object[getter.method](object)), name)
        done = done + 1
      end
    end)
    assert.is_true(done >= (is_x86 and 8 or 2))
  end)

  it("refuse surplus arguments", function()
    each({ none = true, get = true, getlist = true },
      function(name, _, _, object, method)
        local ok, message = pcall(method, object, 1)
        assert.is_false(ok, name)
        assert.is_string(message, name)
      end)
  end)

  it("refuse what is no table, and fields that the struct has not", function()
    each({ set = true, inout = true }, function(name, row, _, object, set)
      if not row.struct then return end
      assert.error_matches(function() set(object, 12) end, "table expected")
      local ok, message = pcall(set, object, { nonsense = 1 })
      assert.is_false(ok, name)
      assert.equal(row.struct .. " has no field 'nonsense'",
        message:match("(kvm_.-) %(it has "))
    end)
  end)

  it("refuse a value that does not fit its field", function()
    each({ set = true, inout = true }, function(name, row, _, object, set)
      for _, field in ipairs(row.struct and layouts[row.struct].fields or {})
      do
        if field.kind == "uint" and field.count == 0 and field.size < 8 then
          local ok, message = pcall(set, object,
            { [field.name] = 1 << 8 * field.size })
          assert.is_false(ok, name)
          assert.truthy(message:find(row.struct .. "." .. field.name, 1, true))
          assert.truthy(message:find("does not fit", 1, true))
        end
      end
    end)
  end)

  it("set a part and leave the rest", function()
    if is_x86 then
      vcpu:set_regs { rip = 0x1234, rax = 5 }
      vcpu:set_regs { rax = 6 }
      assert.equal(0x1234, vcpu:get_regs().rip)
      assert.equal(6, vcpu:get_regs().rax)
      local rest = vcpu:get_sregs()
      vcpu:set_sregs { cs = { base = 0x10000 } }
      rest.cs.base = 0x10000
      assert.same(rest, vcpu:get_sregs())
    end
    vcpu:set_mp_state { mp_state = "RUNNABLE" }
    assert.equal(core.MP_STATE.RUNNABLE, vcpu:get_mp_state().mp_state)
  end)

  it("take routes as a list, and tell which entry is wrong", function()
    if not supports "IRQ_ROUTING" then pending("no GSI routing here") end
    local line = { gsi = 1, type = "IRQCHIP",
      irqchip = { irqchip = 0, pin = 1 } }
    local message = { gsi = 33, type = "MSI",
      msi = { address_lo = 0xfee00000, data = 0x31 } }
    vm:set_gsi_routing { line, message }
    vm:set_gsi_routing {}
    assert.error_matches(function()
      vm:set_gsi_routing { line, { gsi = 1, msi = { addr = 1 } } }
    end, "kvm_irq_routing_msi has no field 'addr'")
    assert.error_matches(function() vm:set_gsi_routing { line, 7 } end,
      "entry 2 is a number")
    local many = {}
    for i = 1, 4097 do many[i] = message end
    assert.error_matches(function() vm:set_gsi_routing(many) end,
      "4097 entries")
  end)
end)

describe("views of a union", function()
  if not is_x86 then
    it("are those of the PIC", function() pending("no such chip here") end)
    return
  end
  before_each(fresh)
  after_each(close)

  it("are shown by the field that selects them", function()
    local master = vm:get_irqchip { chip_id = "PIC_MASTER" }
    assert.is_table(master.pic)
    assert.is_nil(master.ioapic)
    local ioapic = vm:get_irqchip { chip_id = "IOAPIC" }
    assert.is_nil(ioapic.pic)
    assert.equal(24, #ioapic.ioapic.redirtbl)
  end)

  it("are set alone, on the chip that is named", function()
    local master = vm:get_irqchip { chip_id = "PIC_MASTER" }
    local ioapic = vm:get_irqchip { chip_id = "IOAPIC" }
    vm:set_irqchip { chip_id = "PIC_SLAVE", pic = { imr = 0x5a } }
    vm:set_irqchip { chip_id = "IOAPIC", ioapic = { redirtbl = { 0x10031 } } }
    assert.equal(0x5a, vm:get_irqchip { chip_id = "PIC_SLAVE" }.pic.imr)
    assert.same(master, vm:get_irqchip { chip_id = "PIC_MASTER" })
    ioapic.ioapic.redirtbl[1] = 0x10031
    assert.same(ioapic, vm:get_irqchip { chip_id = "IOAPIC" })
  end)

  it("can be changed in what was got", function()
    local chip = vm:get_irqchip { chip_id = "IOAPIC" }
    chip.ioapic.id = 7
    vm:set_irqchip(chip)
    assert.equal(7, vm:get_irqchip { chip_id = "IOAPIC" }.ioapic.id)
  end)

  it("decode from bytes", function()
    local entry = core.decode("kvm_irq_routing_entry",
      string.pack("<I4I4I4I4I4I4I4I4", 5, core.IRQ_ROUTING.MSI, 0, 0, 1, 2, 3,
        4) .. ("\0"):rep(16))
    assert.same({ gsi = 5, type = core.IRQ_ROUTING.MSI, flags = 0,
      msi = { address_lo = 1, address_hi = 2, data = 3, devid = 4 } }, entry)
  end)
end)

-- strace makes every other ioctl fail as if a signal had come.
describe("an ioctl that a signal interrupts", function()
  it("is done again", function()
    if not os.execute "strace -V >/dev/null 2>&1" then pending "no strace" end
    local script = host.file([[
      local kvm = require "kvm"
      local vm = kvm.create_vm()
      vm:map(0, kvm.page_size)
      vm:create_vcpu():get_mp_state()
      print(vm:check_extension "USER_MEMORY")
    ]])
    local log = host.file ""
    local out, err = host.run({ "-f", "-o", log, "-e", "trace=ioctl", "-e",
      "inject=ioctl:error=EINTR:when=1+2", host.kvmlua, script },
      { program = "strace" })
    if err:find("ptrace", 1, true) then pending "strace may not trace here" end
    assert.same({ "1\n", "" }, { out, err })
    local file <close> = io.open(log)
    local _, n = file:read "a":gsub("EINTR[^\n]*INJECTED", "")
    assert(n >= 5, n)
  end)
end)
