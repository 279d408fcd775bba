-- SPDX-License-Identifier: MIT
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm "x86_64"
if missing then return pending(missing) end
local guests = require "spec.support.x86_64"
local raises = require "spec.support.raises"

describe("nested state", function()
  it("comes and goes as a table", function()
    local cpu, vm = guests.vcpu()
    if vm:check_extension "NESTED_STATE" == 0 then
      return pending "this host has no nested virtualization"
    end
    local s = cpu:get_nested_state()
    assert.equal(#s.data, s.size - 128)
    cpu:set_nested_state(s)
    assert.same(s, cpu:get_nested_state())
  end)

  it("is refused with a hint where there is none", function()
    local cpu, vm = guests.vcpu()
    if vm:check_extension "NESTED_STATE" ~= 0 then
      return pending "this host has nested virtualization"
    end
    assert(raises("KVM_GET_NESTED_STATE: EINVAL", cpu.get_nested_state,
      cpu).hint)
    assert(raises("KVM_SET_NESTED_STATE: EINVAL", cpu.set_nested_state, cpu,
      { format = "SVM" }).hint)
  end)

  it("has the fields of the header", function()
    local cpu = guests.vcpu()
    raises("kvm_nested_state has no field 'formt'", cpu.set_nested_state, cpu,
      { formt = 1 })
    raises("table expected", cpu.set_nested_state, cpu, 5)
    raises("data is too long", cpu.set_nested_state, cpu,
      { data = ("x"):rep(2 << 20) })
  end)
end)

describe("memory_encrypt_op", function()
  it("names the command that is refused", function()
    local vm = kvm.create_vm() -- a VM of the default type encrypts nothing
    local err = raises("command 2: ", vm.memory_encrypt_op, vm,
      { id = "LAUNCH_START", data = ("\0"):rep(40) })
    assert.equal("KVM_MEMORY_ENCRYPT_OP", err.ioctl)
    assert.equal(40, #err.args.data)
  end)

  it("takes its fields and no others", function()
    local vm = kvm.create_vm()
    raises("unknown field 'command'", vm.memory_encrypt_op, vm,
      { command = 1 })
    raises("unknown name 'FLY'", vm.memory_encrypt_op, vm, { id = "FLY" })
    raises("data: a byte string expected, got number", vm.memory_encrypt_op,
      vm, { data = 5 })
    raises("table expected", vm.memory_encrypt_op, vm)
    vm:close()
    raises("kvm.vm is closed", vm.memory_encrypt_op, vm, {})
  end)
end)
