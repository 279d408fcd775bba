-- SPDX-License-Identifier: MIT
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm()
if missing then return pending(missing) end
local machine = require "spec.guests.machine"
local raises = require "spec.support.raises"

describe("kvm.vm", function()
  local system, vm
  before_each(function()
    system = kvm.open()
    vm = system:create_vm()
  end)
  after_each(function()
    vm:close()
    system:close()
  end)

  it("knows its system", function()
    assert.equal(system, vm.system)
    vm:close()
    assert.equal(system, vm.system)
  end)

  it("outlives its system", function()
    system:close()
    local cpu <close> = vm:create_vcpu()
    machine.prepare(cpu)
    local ram = vm:map(machine.RAM, machine.SIZE)
    machine.load({ ram = ram }, cpu, machine.programs.halt, 1)
    assert.equal(machine.STOP, (cpu:run { timeout = 10 }))
  end)

  it("is of the default type without one", function()
    system:create_vm(nil):close()
    system:create_vm(0):close()
    raises("surplus argument", system.create_vm, system, 0, 1)
    raises("kvm.system expected, got kvm.vm", system.create_vm, vm)
  end)

  it("numbers vCPUs one after the other", function()
    for i = 0, 3 do assert.equal(i, vm:create_vcpu().id) end
  end)

  it("goes on above the highest number", function()
    assert.equal(5, vm:create_vcpu(5).id)
    assert.equal(6, vm:create_vcpu().id)
    assert.equal(2, vm:create_vcpu(2).id)
    assert.equal(7, vm:create_vcpu().id)
  end)

  it("does not lose a number to a vCPU that could not be made", function()
    pcall(vm.create_vcpu, vm, 0x7fffffff)
    assert.equal(0, vm:create_vcpu().id)
    pcall(vm.create_vcpu, vm, 0)
    assert.equal(1, vm:create_vcpu().id)
  end)

  it("checks the number of a vCPU", function()
    raises("vCPU id 0xffffffffffffffff is outside 0x0..0x7fffffff",
      vm.create_vcpu, vm, -1)
    raises("vCPU id 0x80000000 is outside", vm.create_vcpu, vm, 1 << 31)
    raises("number expected, got string", vm.create_vcpu, vm, "x")
    raises("no integer representation", vm.create_vcpu, vm, 0.5)
    raises("surplus argument", vm.create_vcpu, vm, 0, 1)
    assert.equal(0, vm:create_vcpu(0.0).id)
  end)

  it("takes a number once", function()
    local cpu = vm:create_vcpu(1)
    local err = raises("KVM_CREATE_VCPU: EEXIST: vCPU 1", vm.create_vcpu, vm,
      1)
    assert.equal(1, err.args)
    cpu:close() -- the kernel keeps the number taken
    raises("KVM_CREATE_VCPU: EEXIST", vm.create_vcpu, vm, 1)
  end)

  it("holds many vCPUs", function()
    local all = {}
    local most = math.min(vm:check_extension "NR_VCPUS", 16)
    for i = 1, most do all[i] = vm:create_vcpu() end
    assert.equal(most - 1, all[most].id)
    for _, cpu in ipairs(all) do cpu:close() end
  end)

  it("is one of many", function()
    local all = {}
    for i = 1, 20 do
      local g = machine.start "count"
      for _ = 1, i do g.cpu:run() end
      all[i] = g
    end
    for i, g in ipairs(all) do
      assert.equal(i, g.cpu.exit.value)
      getmetatable(g).__close(g)
    end
  end)

  it("leaves devices behind when it is closed", function()
    vm:on_mmio(0x1000, 0x100, {})
    vm:close()
    raises("kvm.vm is closed", vm.off_mmio, vm, 0x1000)
    local other <close> = system:create_vm()
    other:on_mmio(0x1000, 0x100, {})
  end)
end)

describe("vm:create_device", function()
  local vm
  before_each(function() vm = kvm.create_vm() end)
  after_each(function() vm:close() end)

  it("tells what the host has without making it", function()
    assert.is_boolean(vm:create_device("VFIO", { test = true }))
    for number, name in pairs(kvm.DEVICE) do
      if math.type(number) == "integer" then
        assert.equal(vm:create_device(number, { test = true }),
          vm:create_device(name, { test = true }))
      end
    end
    assert.is_false(vm:create_device(99, { test = true }))
  end)

  it("makes it", function()
    if not vm:create_device("VFIO", { test = true }) then
      pending "this kernel has no VFIO device"
    end
    local device <close> = vm:create_device "VFIO"
    assert.equal("VFIO", device.type)
    assert.equal(vm, device.vm)
    local err = raises("KVM_CREATE_DEVICE: E", vm.create_device, vm, "VFIO")
    assert.equal("VFIO", err.args)
  end)

  it("is checked", function()
    raises("unknown field 'probe' (expected test)", vm.create_device, vm,
      "VFIO", { probe = true })
    raises("device type: unknown name 'VIRTIO'", vm.create_device, vm,
      "VIRTIO")
    raises("value expected", vm.create_device, vm)
    raises("table expected", vm.create_device, vm, "VFIO", true)
    raises("surplus argument", vm.create_device, vm, "VFIO", {}, 1)
    assert.equal("ENODEV",
      raises("device type 99: No such device", vm.create_device, vm, 99).code)
  end)
end)
