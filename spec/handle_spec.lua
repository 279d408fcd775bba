-- SPDX-License-Identifier: MIT
-- What /dev/kvm, VMs, vCPUs and devices have in common: a descriptor, a life,
-- raw ioctls, capabilities.
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm()
if missing then return pending(missing) end
local process = require "spec.support.process"
local raises = require "spec.support.raises"

local function get(t, name) return t[name] end
local function set(t, name, value) t[name] = value end

local CLOEXEC <const> = 0x80000 -- O_CLOEXEC
local DEVICE <const> = kvm.arch == "x86_64" and "VFIO" or "ARM_VGIC_V3"

-- One object of each class: { name, make }.
local system, vm
local kinds = {
  { "kvm.system", function() return kvm.open() end },
  { "kvm.vm", function() return system:create_vm() end },
  { "kvm.vcpu", function() return vm:create_vcpu() end },
  { "kvm.device", function()
    local ok, device = pcall(vm.create_device, vm, DEVICE)
    if not ok then pending(DEVICE .. " is not here: " .. tostring(device)) end
    return device
  end },
}

before_each(function()
  system = kvm.open()
  vm = system:create_vm()
end)
after_each(function()
  vm:close()
  system:close()
end)

for _, kind in ipairs(kinds) do
  local class, make = kind[1], kind[2]

  describe(class, function()
    it("has a descriptor that exec closes", function()
      local o <close> = make()
      assert.equal("integer", math.type(o.fd))
      assert(o.fd > 2)
      assert.equal(CLOEXEC, process.fd_flags(o.fd) & CLOEXEC)
    end)

    it("closes as often as it is told", function()
      local o = make()
      local fd, close = o.fd, o.close
      o:close()
      assert.is_nil(io.open("/proc/self/fd/" .. fd))
      close(o)
      close(o)
      assert.equal(class .. " (closed)", tostring(o))
    end)

    it("closes at the end of a block, whatever happens", function()
      local kept
      raises("stop", function()
        local o <close> = make()
        kept = o
        error "stop"
      end)
      assert.equal(class .. " (closed)", tostring(kept))
    end)

    it("closes when nobody has it", function()
      local fd = make().fd
      collectgarbage()
      collectgarbage()
      assert.is_nil(io.open("/proc/self/fd/" .. fd))
    end)

    it("prints its name", function()
      local o <close> = make()
      local text = tostring(o)
      assert.equal(class, text:match "^kvm%.%l+")
      local number = class == "kvm.vcpu" and o.id or o.fd
      assert.truthy(text:find(tostring(number), 1, true), text)
      assert.equal(class, getmetatable(o).__name)
    end)

    it("knows its fields and methods", function()
      local o <close> = make()
      raises(class .. " has no field or method 'nonsense'", get, o, "nonsense")
      raises(class .. " has no field or method '1'", get, o, 1)
      raises(class .. " has no field or method 'nil'", get, o, nil)
      raises("has no field 'fd' that can be assigned", set, o, "fd", 1)
      raises("has no field 'nonsense' that can be assigned", set, o,
        "nonsense", 1)
    end)

    it("refuses everything when it is closed", function()
      local o = make()
      local methods = {}
      for name, f in pairs(kvm.class[class]) do methods[name] = f end
      o:close()
      for name, f in pairs(methods) do
        if name ~= "close" then
          -- Some look at their arguments first.
          local seen = {}
          for _, args in ipairs { {}, { 0, 64 }, { 0, kvm.page_size },
                                  { 0, 0, 64 }, { {} } } do
            local _, err = pcall(f, o, table.unpack(args))
            seen[#seen + 1] = tostring(err)
          end
          local text = table.concat(seen, "\n")
          assert(text:find(class .. " is closed", 1, true), name .. ": "
            .. text)
        end
      end
    end)

    it("takes its methods with itself alone", function()
      local o <close> = make()
      for name, f in pairs(kvm.class[class]) do
        local other = io.stdout
        for _, wrong in ipairs { 5, "x", {}, other, print, true } do
          local ok, err = pcall(f, wrong)
          assert.is_false(ok, name)
          assert.equal("string", type(err), name)
        end
        assert.is_false(pcall(f), name)
        assert.equal(class, tostring(o):match "^kvm%.%l+")
      end
    end)
  end)
end

describe("a raw ioctl", function()
  local GET_API_VERSION <const>, CHECK_EXTENSION <const> = 0xae00, 0xae03

  it("takes an integer, and gives the result", function()
    assert.equal(12, system:ioctl(GET_API_VERSION))
    assert.equal(12, system:ioctl(GET_API_VERSION, 0))
    local cpu <close> = vm:create_vcpu()
    local request = kvm.ioctls().KVM_GET_MP_STATE.request
    if kvm.arch == "arm64" then cpu:arm_vcpu_init() end
    local result, bytes = cpu:ioctl(request, "\xff\xff\xff\xff")
    assert.equal(0, result)
    assert.equal(kvm.MP_STATE.RUNNABLE, string.unpack("<I4", bytes))
  end)

  it("sets what the bytes say", function()
    local cpu <close> = vm:create_vcpu()
    if kvm.arch == "arm64" then cpu:arm_vcpu_init() end
    local request = kvm.ioctls().KVM_SET_VCPU_EVENTS.request
    local get_request = kvm.ioctls().KVM_GET_VCPU_EVENTS.request
    local size = kvm.layouts().kvm_vcpu_events.size
    local _, events = cpu:ioctl(get_request, ("\0"):rep(size))
    assert.equal(size, #events)
    local result, same = cpu:ioctl(request, events)
    assert.equal(0, result)
    assert.equal(events, same)
  end)

  it("needs as many bytes as the request says", function()
    local cpu <close> = vm:create_vcpu()
    local request = kvm.ioctls().KVM_GET_MP_STATE.request
    raises("3 bytes given, the request number says 4", cpu.ioctl, cpu,
      request, "abc")
    raises("0 bytes given", cpu.ioctl, cpu, request, "")
  end)

  it("takes no integer where the kernel takes a pointer", function()
    local cpu <close> = vm:create_vcpu()
    local request = kvm.ioctls().KVM_GET_MP_STATE.request
    raises("this request takes a pointer: give the struct as a byte string",
      cpu.ioctl, cpu, request, 0x1000)
    raises("this request takes a pointer", cpu.ioctl, cpu, request)
    raises("this request takes an integer, no bytes", system.ioctl, system,
      GET_API_VERSION, "abcd")
  end)

  it("refuses what has a method that keeps track", function()
    local all = kvm.ioctls()
    local objects = { system = system, vm = vm }
    local n = 0
    for name, row in pairs(all) do
      for _, scope in ipairs(row.scopes) do
        local o = objects[scope]
        if o and (row.pointer or row.kind == "custom") then
          raises(name .. " has a method of its own, which keeps track of what "
            .. "it changes", o.ioctl, o, row.request, ("\0"):rep(4096))
          n = n + 1
        end
      end
    end
    assert(n >= 10, n)
  end)

  it("of a list holds the entries that it announces", function()
    if kvm.arch ~= "x86_64" then
      return pending "the lists of this machine are read through pointers"
    end
    local request = kvm.ioctls().KVM_GET_SUPPORTED_CPUID.request
    raises("8 bytes do not hold the 100 entries they announce", system.ioctl,
      system, request, string.pack("<I4I4", 100, 0))
    raises("bytes do not hold the 4294967295 entries", system.ioctl, system,
      request, string.pack("<I4I4", 0xffffffff, 0))
    local _, bytes = system:ioctl(request, string.pack("<I4I4", 200, 0)
      .. ("\0"):rep(200 * 40))
    local n = string.unpack("<I4", bytes)
    assert.equal(#system:get_supported_cpuid(), n)
  end)

  it("that nobody knows is the kernel's to refuse", function()
    local err = raises("ioctl: E", vm.ioctl, vm, 0xaeff)
    assert(err.code == "ENOTTY" or err.code == "EINVAL", err.code)
    assert(err.code ~= "ENOTTY" or err.hint
      == "this kernel or this kind of object has no such ioctl")
    raises("KVM_CHECK_EXTENSION has a method", vm.ioctl, vm, CHECK_EXTENSION)
    raises("request 0x100000000 is outside 0x0..0xffffffff", vm.ioctl, vm,
      1 << 32)
    raises("request 0xffffffffffffffff is outside", vm.ioctl, vm, -1)
    raises("number expected, got string", vm.ioctl, vm, "KVM_RUN")
    raises("surplus argument", vm.ioctl, vm, 0xaeff, 1, 2)
  end)
end)

describe("capabilities", function()
  it("are asked for by name or number", function()
    for _, o in ipairs { system, vm } do
      assert.equal(1, o:check_extension "USER_MEMORY")
      assert.equal(1, o:check_extension(kvm.CAP.USER_MEMORY))
      assert.equal(0, o:check_extension(0x7ffffff0))
    end
  end)

  it("take flags by name where their first argument is flags", function()
    local fresh <close> = kvm.create_vm()
    raises("flags of the capability: unknown name 'ENABLE'", fresh.enable_cap,
      fresh, "MANUAL_DIRTY_LOG_PROTECT2", "ENABLE")
    assert.equal(0, fresh:enable_cap("MANUAL_DIRTY_LOG_PROTECT2",
      { "MANUAL_PROTECT_ENABLE", "INITIALLY_SET" }))
    raises("number expected, got string", fresh.enable_cap, fresh, "HALT_POLL",
      "MANUAL_PROTECT_ENABLE")
  end)

  it("suggest the method that was meant", function()
    raises("kvm.vm has no field or method 'mapp' (did you mean 'map'?)",
      function() vm:mapp() end)
    local cpu <close> = kvm.create_vm():create_vcpu()
    raises("kvm.vcpu has no field or method 'get_mpstate' (did you mean "
      .. "'get_mp_state'?)", function() cpu:get_mpstate() end)
  end)

  it("have names that are checked", function()
    raises("capability: unknown name 'NONSENSE': the names are the keys of "
      .. "kvm.CAP", vm.check_extension, vm, "NONSENSE")
    raises("unknown name 'irqchip' (did you mean 'IRQCHIP'?)",
      vm.check_extension, vm, "irqchip")
    raises("'KVM_CAP_IRQFD' (did you mean 'IRQFD'?)", vm.check_extension, vm,
      "KVM_CAP_IRQFD")
    raises("capability 0xffffffffffffffff is outside 0x0..0x7fffffff",
      vm.check_extension, vm, -1)
    raises("capability 0x80000000 is outside", vm.check_extension, vm, 1 << 31)
    raises("capability 0x100000018 is outside", vm.enable_cap, vm,
      1 << 32 | 24)
    raises("device type 0x100000004 is outside", vm.create_device, vm,
      1 << 32 | 4)
    raises("got number", vm.check_extension, vm, 1.5)
    raises("value expected", vm.check_extension, vm)
    raises("surplus argument", vm.check_extension, vm, "IRQCHIP", 1)
  end)

  it("are one each: a list is no capability", function()
    raises("got table", vm.check_extension, vm, { "IRQCHIP", "HLT" })
    raises("got table", vm.check_extension, vm, {})
    raises("got table", vm.create_device, vm, { DEVICE, DEVICE })
    raises("got table", system.create_vm, system, {})
    raises("got table", vm.has_device_attr, vm, {}, 0)
  end)

  it("are enabled with arguments, or as a table", function()
    local cap = kvm.arch == "x86_64" and "X86_USER_SPACE_MSR"
      or "ARM_NISV_TO_USER"
    assert.equal(0, vm:enable_cap(cap, 0))
    assert.equal(0, vm:enable_cap { cap = cap })
    assert.equal(0, vm:enable_cap { cap = kvm.CAP[cap], flags = 0,
                                    args = { 0, 0 } })
  end)

  it("that cannot be enabled are named", function()
    local err = raises("KVM_ENABLE_CAP: EINVAL: USER_MEMORY cannot be enabled "
      .. "with these arguments on this object (check_extension says 1)",
      vm.enable_cap, vm, "USER_MEMORY")
    assert.equal("USER_MEMORY", err.args)
    raises("this capability cannot be enabled", vm.enable_cap, vm, 0x7ffffff0)
    local cpu <close> = vm:create_vcpu()
    raises("check_extension says 1", cpu.enable_cap, cpu, "USER_MEMORY")
    raises("unknown name 'NONSENSE'", vm.enable_cap, vm, "NONSENSE")
    raises("kvm_enable_cap has no field 'arg'", vm.enable_cap, vm,
      { cap = 1, arg = 1 })
    raises("kvm_enable_cap.args has 4 elements, no [5]", vm.enable_cap, vm,
      { cap = 1, args = { [5] = 1 } })
    raises("surplus argument: at most 6", vm.enable_cap, vm, "IRQCHIP", 1, 2,
      3, 4, 5)
    raises("number expected", vm.enable_cap, vm, "IRQCHIP", "x")
    raises("surplus argument", vm.enable_cap, vm, {}, 1)
  end)
end)
