-- SPDX-License-Identifier: MIT
local tracer = require "kvm.calltree.tracer"

local FUNCTIONS <const> = [[
do_one_initcall
kvm_dev_ioctl
_kvm_kvm_twice
d_alloc
vgic_init
svm_vcpu_run [kvm_amd]
ext4_get [ext4]
kvm_vm_ioctl [kvm]
]]

describe("kvm.calltree.tracer", function()
  it("numbers functions as the kernel does", function()
    assert.same({ 2, 3, 6, 8 }, tracer.numbers(FUNCTIONS, { "*kvm*" }))
    assert.same({ 1, 5 }, tracer.numbers(FUNCTIONS, { "vgic_*", "do_*" }))
    assert.same({ 4 }, tracer.numbers(FUNCTIONS, { "d_alloc" }))
    assert.same({ 2, 8 }, tracer.numbers(FUNCTIONS, { "kvm_*_ioctl" }))
    assert.same({}, tracer.numbers(FUNCTIONS, { "alloc", "none_*" }))
    assert.same({ 1 }, tracer.numbers("kvm_a\n", { "k*m_a" }))
    assert.same({ 1 }, tracer.numbers("no_newline", { "no_*" }))
  end)

  it("knows the entries of ioctls", function()
    for _, name in ipairs { "kvm_dev_ioctl", "kvm_vm_ioctl", "kvm_vcpu_ioctl",
        "kvm_device_ioctl" } do
      assert.is_true(tracer.is_entry(name), name)
    end
    assert.is_false(tracer.is_entry "kvm_mmu_notifier_release")
    assert.is_false(tracer.is_entry "kvm_vcpu_ioctl_helper")
  end)
end)
