-- SPDX-License-Identifier: MIT
-- kvm.trace: a function that is told of every ioctl.
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm()
if missing then return pending(missing) end
local machine = require "spec.guests.machine"
local raises = require "spec.support.raises"

local ioctls = kvm.ioctls()
local name_of = {}
for name, row in pairs(ioctls) do name_of[row.request] = name end

-- The calls that f makes, as { name, class, fd, arg, result, errno, ns }.
local function traced(f)
  local calls = {}
  kvm.trace(function(class, fd, request, arg, result, errno, ns, ...)
    assert(select("#", ...) == 0)
    calls[#calls + 1] = { name = name_of[request] or request, class = class,
      fd = fd, arg = arg, result = result, errno = errno, ns = ns }
  end)
  local ok, err = pcall(f)
  kvm.trace(nil)
  if not ok then error(err, 0) end
  return calls
end

local function names(calls)
  local list = {}
  for i, call in ipairs(calls) do list[i] = call.name end
  return list
end

describe("kvm.trace", function()
  after_each(function() kvm.trace(nil) end)

  it("tells of every ioctl, in order", function()
    local calls = traced(function()
      local system <close> = kvm.open()
      local vm <close> = system:create_vm()
      local cpu <close> = vm:create_vcpu()
      vm:check_extension "IRQCHIP"
    end)
    assert.same({ "KVM_GET_API_VERSION", "KVM_GET_VCPU_MMAP_SIZE",
                  "KVM_CREATE_VM", "KVM_CREATE_VCPU" },
      { table.unpack(names(calls), 1, 4) })
    assert.equal("kvm.system", calls[3].class)
    assert.equal("kvm.vm", calls[4].class)
    assert.equal("KVM_CHECK_EXTENSION", calls[#calls].name)
    assert.equal(kvm.CAP.IRQCHIP, calls[#calls].arg)
    assert.equal(12, calls[1].result)
    for _, call in ipairs(calls) do
      assert.equal("integer", math.type(call.fd))
      assert.equal(0, call.errno)
      assert.equal("integer", math.type(call.ns))
      assert(call.ns >= 0 and call.ns < 60 * 1000000000, call.ns)
    end
  end)

  it("has the struct as the kernel left it", function()
    local g <close> = machine.start "halt"
    local calls = traced(function() g.cpu:get_mp_state() end)
    assert.equal(1, #calls)
    assert.same({ mp_state = kvm.MP_STATE.RUNNABLE },
      kvm.decode("kvm_mp_state", calls[1].arg))
    assert.equal("kvm.vcpu", calls[1].class)
    assert.equal(g.cpu.fd, calls[1].fd)
  end)

  it("has what failed, with its errno", function()
    local g <close> = machine.start "halt"
    local calls = traced(function()
      pcall(g.vm.create_vcpu, g.vm, 0)
      pcall(g.vm.enable_cap, g.vm, 0x7ffffff0)
    end)
    assert.equal("KVM_CREATE_VCPU", calls[1].name)
    assert.equal(-1, calls[1].result)
    assert.equal(17, calls[1].errno) -- EEXIST
    assert.equal(-1, calls[2].result)
    assert.equal(22, calls[2].errno)
  end)

  it("keeps the errno for the error that is raised", function()
    local g <close> = machine.start "halt"
    kvm.trace(function() io.open "/nonexistent" end)
    raises("KVM_CREATE_VCPU: EEXIST", g.vm.create_vcpu, g.vm, 0)
  end)

  it("tells of runs, those that a handler answers too", function()
    local g <close> = machine.start "store"
    local calls = traced(function() g.cpu:run() end)
    assert.same({ "KVM_RUN" }, names(calls))
    g.vm:on_mmio(machine.MMIO, 0x10, { write = function() end })
    calls = traced(function() g.cpu:run { timeout = 10 } end)
    assert.same({ "KVM_RUN", "KVM_RUN", "KVM_RUN" }, names(calls))
    for _, call in ipairs(calls) do assert.equal(0, call.result) end
  end)

  it("tells of a run that was interrupted", function()
    local g <close> = machine.start "endless"
    local calls = traced(function() g.cpu:run { timeout = 0.01 } end)
    assert.same({ "KVM_RUN" }, names(calls))
    assert.equal(-1, calls[1].result)
    assert.equal(4, calls[1].errno) -- EINTR
    assert(calls[1].ns >= 5e6, calls[1].ns)
  end)

  it("is quiet for what the tracer itself calls", function()
    local g <close> = machine.start "halt"
    local n = 0
    kvm.trace(function()
      n = n + 1
      g.cpu:get_mp_state()
    end)
    g.cpu:get_mp_state()
    g.cpu:get_mp_state()
    kvm.trace(nil)
    assert.equal(2, n)
  end)

  it("ends with nil", function()
    local g <close> = machine.start "halt"
    local n = 0
    kvm.trace(function() n = n + 1 end)
    g.cpu:get_mp_state()
    kvm.trace(nil)
    g.cpu:get_mp_state()
    kvm.trace(function() n = n + 1 end)
    kvm.trace()
    g.cpu:get_mp_state()
    assert.equal(1, n)
  end)

  it("may be changed by the tracer", function()
    local g <close> = machine.start "halt"
    local log = {}
    kvm.trace(function()
      log[#log + 1] = "first"
      kvm.trace(function()
        log[#log + 1] = "second"
        kvm.trace(nil)
      end)
    end)
    for _ = 1, 4 do g.cpu:get_mp_state() end
    assert.same({ "first", "second" }, log)
  end)

  it("makes the tracer's error a warning: the ioctl is done", function()
    local g <close> = machine.start "halt"
    kvm.trace(function() error "the tracer is at fault" end)
    local ok = pcall(g.cpu.get_mp_state, g.cpu)
    kvm.trace(function() error {} end)
    local also_ok = pcall(g.cpu.get_mp_state, g.cpu)
    kvm.trace(nil)
    assert.is_true(ok)
    assert.is_true(also_ok)
  end)

  it("takes a function or nil", function()
    raises("function expected, got number", kvm.trace, 5)
    raises("function expected, got table", kvm.trace,
      setmetatable({}, { __call = print }))
    raises("surplus argument", kvm.trace, print, 1)
  end)

  it("withstands a tracer that closes what is being used", function()
    local objects
    local uses = {
      function() return objects.system:create_vm() end,
      function() return objects.vm:create_vcpu() end,
      function() return objects.vm:create_device "VFIO" end,
      function() return objects.vm:check_extension "IRQCHIP" end,
      function() return objects.vm:enable_cap("IRQCHIP", 1) end,
      function() return objects.cpu:get_mp_state() end,
      function() return objects.cpu:set_mp_state { mp_state = "RUNNABLE" } end,
      function() return objects.cpu:get_vcpu_events() end,
      function() return objects.cpu:set_vcpu_events {} end,
      function() return objects.vm:map(0x100000000, 0x10000) end,
      function() return objects.vm:get_stats_fd() end,
      function() return objects.cpu:complete() end,
      function() return objects.cpu:run { timeout = 0.001 } end,
      function() return objects.cpu:ioctl(0xaeff) end,
    }
    for _, victim in ipairs { "system", "vm", "cpu", "all" } do
      for _, use in ipairs(uses) do
        objects = { system = kvm.open() }
        objects.vm = objects.system:create_vm()
        objects.cpu = objects.vm:create_vcpu()
        machine.prepare(objects.cpu)
        kvm.trace(function()
          for name, object in pairs(objects) do
            if victim == name or victim == "all" then
              pcall(object.close, object)
            end
          end
          collectgarbage()
        end)
        local ok, result = pcall(use)
        kvm.trace(nil)
        if ok and type(result) == "userdata" then
          pcall(result.close, result) -- memory stays while it is mapped
        end
        for _, object in pairs(objects) do object:close() end
      end
    end
  end)
end)
