-- SPDX-License-Identifier: MIT
-- The table by itself; spec/arm64/walk_spec.lua compares it with kernels.
local walk = require "kvm.calltree.walk"

local function row_of(was)
  for _, row in ipairs(walk.rows) do
    if row.was == was then return row end
  end
end

describe("kvm.calltree.walk", function()
  it("has the functions of the walk, each in its step", function()
    local names = {}
    for _, row in ipairs(walk.rows) do
      assert.is_nil(names[row.was], row.was)
      names[row.was] = row.step
    end
    local walked = {
      KVM_CREATE_VM = "kvm_dev_ioctl_create_vm kvm_create_vm "
        .. "kvm_arch_alloc_vm kvm_arch_init_vm kvm_eventfd_init "
        .. "kvm_vgic_early_init",
      KVM_SET_USER_MEMORY_REGION = "kvm_vm_ioctl_set_memory_region",
      KVM_CREATE_VCPU = "kvm_vm_ioctl_create_vcpu kvm_arch_vcpu_create "
        .. "kvm_timer_vcpu_init kvm_vgic_vcpu_init",
      KVM_ARM_VCPU_INIT = "kvm_arch_vcpu_ioctl_vcpu_init kvm_vcpu_set_target",
      KVM_SET_ONE_REG = "kvm_arm_set_reg",
      KVM_RUN = "kvm_vcpu_first_run_init vcpu_load kvm_arch_vcpu_load "
        .. "kvm_vgic_load kvm_vcpu_load_sysregs kvm_vcpu_run_vhe "
        .. "__activate_traps sysreg_restore_guest_state_vhe __guest_enter "
        .. "handle_exit vcpu_put kvm_arch_vcpu_put kvm_vgic_put",
    }
    local count = 0
    for step, list in pairs(walked) do
      for name in list:gmatch "%S+" do
        assert.equal(step, names[name], name)
        count = count + 1
      end
    end
    assert.equal(count, #walk.rows)
  end)

  it("finds a function under its name of then or of later", function()
    assert.equal("vcpu_load", walk.resolve(row_of "vcpu_load",
      { vcpu_load = true }))
    local row = row_of "kvm_vcpu_load_sysregs"
    assert.equal("kvm_vcpu_load_sysregs_vhe", walk.resolve(row,
      { kvm_vcpu_load_sysregs_vhe = true }))
    assert.equal("__vcpu_load_switch_sysregs", walk.resolve(row,
      { __vcpu_load_switch_sysregs = true }))
  end)

  it("says where a function is that was not seen", function()
    local function where(was, called)
      local name, reason = walk.resolve(row_of(was), called)
      assert.is_nil(name)
      return reason
    end
    assert.equal("compiled into kvm_dev_ioctl", where("kvm_create_vm",
      { kvm_dev_ioctl = true }))
    assert.matches("^assembly", where("__guest_enter", {}))
    assert.matches("5%.17", where("kvm_vcpu_first_run_init", {}))
    assert.equal("not called by this kernel", where("vcpu_put", {}))
  end)

  it("remarks on functions with a new name only", function()
    assert.equal("4.19: kvm_vcpu_first_run_init",
      walk.note "kvm_arch_vcpu_run_pid_change")
    assert.is_nil(walk.note "vcpu_load")
  end)

  it("lists a step's missing functions", function()
    assert.same({ "4.19's kvm_vm_ioctl_create_vcpu: compiled into kvm_vm_ioctl",
      "4.19's kvm_vgic_vcpu_init: not called by this kernel" },
      walk.missing("KVM_CREATE_VCPU", { kvm_vm_ioctl = true,
        kvm_arch_vcpu_create = true, kvm_timer_vcpu_init = true }))
  end)
end)
