-- SPDX-License-Identifier: MIT
local filter = require "kvm.calltree.filter"

local function call(name, ns, ...)
  return { name = name, ns = ns, children = { ... } }
end

-- An ioctl as the kernel records it, noise and all.
local TREE <const> = { call("kvm_vm_ioctl", 900,
  call("mutex_lock", 20, call("kvm_in_a_lock", 5)),
  call("kvm_arch_vcpu_create", 500,
    call("kmem_cache_alloc", 50),
    call("__debug_helper", 300, call("kvm_vgic_vcpu_init", 200)),
    call("kvm_timer_vcpu_init", 100)),
  call("__srcu_read_unlock", 5),
  call("kvm_timer_irq_can_fire", 30)) }

-- "a(b c)": names and who calls whom.
local function shape(calls)
  local parts = {}
  for i, c in ipairs(calls) do
    parts[i] = c.name .. (#c.children > 0 and "(" .. shape(c.children) .. ")"
      or "")
  end
  return table.concat(parts, " ")
end

local function shown(options) return shape(filter.calls(TREE, options)) end

describe("kvm.calltree.filter", function()
  it("hides locks, memory, RCU with all they call, unless told not to", function()
    assert.equal("kvm_vm_ioctl(kvm_arch_vcpu_create(__debug_helper("
      .. "kvm_vgic_vcpu_init) kvm_timer_vcpu_init) kvm_timer_irq_can_fire)",
      shown {})
    assert.equal(shape(TREE), shown { hide = false })
  end)

  it("hides groups and patterns", function()
    assert.equal("kvm_vm_ioctl(kvm_arch_vcpu_create(kmem_cache_alloc "
      .. "kvm_timer_vcpu_init) __srcu_read_unlock kvm_timer_irq_can_fire)",
      shown { hide = { "locking", "__debug*" } })
    assert.equal("kvm_vm_ioctl(mutex_lock(kvm_in_a_lock) __srcu_read_unlock "
      .. "kvm_timer_irq_can_fire)", shown { hide = "kvm_arch_vcpu_create" })
  end)

  it("keeps one group, and lifts what it calls through others", function()
    assert.equal("kvm_vm_ioctl(kvm_in_a_lock kvm_arch_vcpu_create("
      .. "kvm_vgic_vcpu_init kvm_timer_vcpu_init) kvm_timer_irq_can_fire)",
      shown { hide = false, only = "kvm" })
  end)

  it("keeps single functions, and always the ioctl's entry", function()
    assert.equal("kvm_vm_ioctl(kvm_vgic_vcpu_init kvm_timer_vcpu_init)",
      shown { functions = { "kvm_vgic_vcpu_init", "kvm_timer_*init" } })
    assert.equal("kvm_vm_ioctl", shown { functions = "none" })
  end)

  it("counts the levels that are shown", function()
    assert.equal("kvm_vm_ioctl", shown { depth = 1 })
    assert.equal("kvm_vm_ioctl(kvm_arch_vcpu_create kvm_timer_irq_can_fire)",
      shown { depth = 2 })
    assert.equal("kvm_vm_ioctl(kvm_arch_vcpu_create(kvm_vgic_vcpu_init "
      .. "kvm_timer_vcpu_init) kvm_timer_irq_can_fire)",
      shown { depth = 3, only = "kvm" })
  end)

  it("leaves out what took less time", function()
    assert.equal("kvm_vm_ioctl(kvm_arch_vcpu_create(__debug_helper("
      .. "kvm_vgic_vcpu_init)))", shown { min_ns = 101 })
    assert.matches("kvm_timer_vcpu_init", shown { min_ns = 100 })
    local open = { { name = "kvm_vm_ioctl", children = {} } }
    assert.equal("kvm_vm_ioctl", shape(filter.calls(open, { min_ns = 5 })))
  end)

  it("leaves the tree it was given as it was", function()
    local before = shape(TREE)
    filter.calls(TREE, { depth = 1 })
    assert.equal(before, shape(TREE))
  end)

  it("knows a module's functions by the module", function()
    local matches = filter.matcher "kvm"
    assert.is_true(matches("nested_svm_vmrun", "kvm_amd"))
    assert.is_false(matches("nested_svm_vmrun", "other"))
    assert.is_false(matches "nested_svm_vmrun")
  end)

  it("takes no character of a name for a pattern's", function()
    local matches = filter.matcher { "a.b", "x?z", "w*" }
    assert.is_true(matches "a.b")
    assert.is_false(matches "aab")
    assert.is_true(matches "xyz")
    assert.is_false(matches "xyyz")
    assert.is_false(matches "vw")
    assert.is_true(matches "w")
  end)

  it("knows the functions of KVM on arm64 that have other names", function()
    local matches = filter.matcher "kvm"
    for _, name in ipairs { "vcpu_load", "handle_exit", "handle_exit_early",
        "__activate_traps", "sysreg_restore_guest_state_vhe", "vcpu_put",
        "activate_traps_vhe_load", "vgic_v3_load", "stage2_map_walker" } do
      assert.is_true(matches(name), name)
    end
    for _, name in ipairs { "mutex_lock", "kmem_cache_alloc", "d_alloc" } do
      assert.is_false(matches(name), name)
    end
  end)

  it("hides no function of KVM by default", function()
    local hidden = filter.matcher(filter.hidden)
    for _, row in ipairs(require "kvm.calltree.walk".rows) do
      assert.is_false(hidden(row.was), row.was)
    end
    assert.is_false(hidden "kvm_timer_irq_can_fire")
    assert.is_false(hidden "irqfd_wakeup")
  end)
end)
