-- SPDX-License-Identifier: MIT
-- kvm.device, and attributes, which VMs and vCPUs have too.
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm()
if missing then return pending(missing) end
local raises = require "spec.support.raises"

local function has_vfio()
  local vm <close> = kvm.create_vm()
  return vm:create_device("VFIO", { test = true })
end

describe("kvm.device", function()
  if not has_vfio() then return pending "this kernel has no VFIO device" end
  local vm, device
  before_each(function()
    vm = kvm.create_vm()
    device = vm:create_device "VFIO"
  end)
  after_each(function()
    device:close()
    vm:close()
  end)

  it("keeps its VM", function()
    vm:close()
    assert.equal(vm, device.vm)
    assert.equal("VFIO", device.type)
    vm = kvm.create_vm()
    device:close()
    assert.equal("VFIO", device.type)
  end)

  it("is told apart by its type", function()
    assert.truthy(tostring(device):find("^kvm.device"))
    raises("kvm.device has no field or method 'create_vcpu'", function()
      device:create_vcpu()
    end)
    raises("kvm.vm expected, got kvm.device", vm.create_vcpu, device)
    raises("KVM_CREATE_IRQCHIP is no ioctl of a kvm.device", vm.create_irqchip,
      device)
  end)

  it("has attributes, or says that it has not", function()
    assert.is_true(device:has_device_attr("FILE", "FILE_ADD"))
    assert.is_true(device:has_device_attr(kvm.DEVICE_GROUP.FILE, 1))
    assert.is_false(device:has_device_attr("FILE", 77))
    assert.is_false(device:has_device_attr(77, 0))
  end)

  it("refuses with the group and the attribute", function()
    local err = raises("KVM_GET_DEVICE_ATTR: EPERM: group 1, attribute 0x1",
      device.get_device_attr, device, "FILE", "FILE_ADD")
    assert.equal("KVM_GET_DEVICE_ATTR", err.ioctl)
    err = raises("KVM_SET_DEVICE_ATTR: ENXIO: group 77, attribute "
      .. "0xffffffffffffffff", device.set_device_attr, device, 77, -1, 0)
    assert.truthy(err.hint:find("has_device_attr", 1, true))
    raises("KVM_SET_DEVICE_ATTR: EBADF", device.set_device_attr, device,
      "FILE", "FILE_ADD", -1) -- no descriptor
  end)

  it("is checked", function()
    for _, name in ipairs { "get_device_attr", "set_device_attr",
                            "has_device_attr" } do
      local f = device[name]
      raises("attribute group: unknown name 'NOPE'", f, device, "NOPE", 0)
      raises("attribute: unknown name 'NOPE'", f, device, 0, "NOPE")
      raises("attribute group 0x100000000 is outside 0x0..0xffffffff", f,
        device, 1 << 32, 0)
      raises("value expected", f, device)
      raises("value expected", f, device, 0)
      raises("surplus argument", f, device, 0, 0, 1, 1, 1)
    end
    raises("size 0x0 is outside 0x1..0x10000", device.get_device_attr, device,
      0, 0, 0)
    raises("size 0x10001 is outside", device.get_device_attr, device, 0, 0,
      0x10001)
    raises("no attribute is that large", device.set_device_attr, device, 0, 0,
      ("x"):rep(0x10001))
    raises("number expected, got table", device.set_device_attr, device, 0, 0,
      {})
  end)
end)

-- x86-64's time stamp counter has an offset, an attribute of a vCPU.
if kvm.arch ~= "x86_64" then return end

local function has_tsc_offset()
  local vm <close> = kvm.create_vm()
  local cpu <close> = vm:create_vcpu()
  return cpu:has_device_attr("TSC_CTRL", "TSC_OFFSET")
end

describe("an attribute of a vCPU", function()
  if not has_tsc_offset() then
    return pending "this kernel has no TSC offset"
  end
  local cpu
  before_each(function() cpu = kvm.create_vm():create_vcpu() end)
  after_each(function() cpu:close() end)

  it("is an integer, or as many bytes as are asked for", function()
    local bytes = cpu:get_device_attr("TSC_CTRL", "TSC_OFFSET", 8)
    assert.equal(8, #bytes)
    assert.equal(cpu:get_device_attr("TSC_CTRL", "TSC_OFFSET"),
      string.unpack("<i8", bytes))
    assert.equal(bytes .. "\0\0",
      cpu:get_device_attr("TSC_CTRL", "TSC_OFFSET", 10))
  end)

  it("is set by an integer or by bytes", function()
    local sent
    kvm.trace(function(_, _, request, arg)
      if request == kvm.ioctls().KVM_SET_DEVICE_ATTR.request then
        sent = kvm.decode("kvm_device_attr", arg)
      end
    end)
    finally(function() kvm.trace(nil) end)
    cpu:set_device_attr("TSC_CTRL", "TSC_OFFSET", -1000)
    assert.equal(kvm.DEVICE_GROUP.TSC_CTRL, sent.group)
    assert.equal(kvm.DEVICE_ATTR.TSC_OFFSET, sent.attr)
    assert.not_equal(0, sent.addr)
    local first = cpu:get_device_attr("TSC_CTRL", "TSC_OFFSET")
    cpu:set_device_attr("TSC_CTRL", "TSC_OFFSET", string.pack("<i8", -2000))
    local second = cpu:get_device_attr("TSC_CTRL", "TSC_OFFSET")
    if kvm.host().backend ~= "pvm" then -- which ignores it
      assert.equal(-1000, first)
      assert.equal(-2000, second)
    end
  end)
end)
