-- SPDX-License-Identifier: MIT
local arm64 = require "spec.support.arm64".use(_ENV)
local kvm = arm64.kvm

local function refused(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  return err
end

arm64.describe("the size of guest physical addresses", function()
  local function limit()
    local system <close> = kvm.open()
    return system:check_extension "ARM_VM_IPA_SIZE"
  end

  it("is 40 bits by default", function()
    local vm <close> = kvm.create_vm()
    vm:map((1 << 40) - kvm.page_size, kvm.page_size)
    local err = refused(vm.map, vm, 1 << 40, kvm.page_size)
    assert.equal("KVM_SET_USER_MEMORY_REGION", err.ioctl)
  end)

  it("is what create_vm is told", function()
    for _, bits in ipairs { 32, 36, limit() } do
      local vm <close> = kvm.create_vm(bits)
      vm:map((1 << bits) - kvm.page_size, kvm.page_size)
      assert.has_error(function() vm:map(1 << bits, kvm.page_size) end)
    end
  end)

  it("has limits", function()
    for _, bits in ipairs { 1, 20, 31, limit() + 1, 64, 255 } do
      local err = refused(kvm.create_vm, bits)
      assert.equal("KVM_CREATE_VM", err.ioctl)
      assert.equal("EINVAL", err.code)
      assert.matches("size of guest physical addresses", err.hint)
      assert.matches("ARM_VM_IPA_SIZE", err.hint)
    end
  end)

  it("lets a guest use the highest address", function()
    local vm_bits <const> = 36
    local g <close> = arm64.guest([[
        ldr     x1, =(1 << 36) - 8
        mov     x2, #0x5a
        str     x2, [x1]
        ldr     x19, [x1]
    ]], { type = vm_bits })
    g.vm:map((1 << vm_bits) - kvm.page_size, kvm.page_size)
    assert.equal(0x5a, g:finish "x19")
  end)
end)

arm64.describe("dirty pages on arm64", function()
  local PAGE <const> = arm64.kvm and arm64.kvm.page_size

  -- Stores to the pages whose numbers are given, counted from 1 MiB.
  local function writer(...)
    local text = { "        ldr     x1, =ram + 0x100000\n" }
    for _, n in ipairs { ... } do
      text[#text + 1] = ([[
        ldr     x2, =%d
        str     x2, [x1, x2]
      ]]):format(n * PAGE)
    end
    return table.concat(text)
  end

  local function numbers(vm)
    local out = {}
    for _, gpa in ipairs(vm:dirty_pages()) do
      if gpa >= arm64.RAM + 0x100000 then
        out[#out + 1] = (gpa - arm64.RAM - 0x100000) // PAGE
      end
    end
    return out
  end

  it("are those that the guest wrote", function()
    local g <close> = arm64.guest(writer(0, 3, 9),
      { map = { log_dirty = true } })
    g.vm:dirty_pages() -- what write() and the first touch left
    g:finish()
    assert.same({ 0, 3, 9 }, numbers(g.vm))
  end)

  it("are told once", function()
    local g <close> = arm64.guest(writer(1), { map = { log_dirty = true } })
    g:finish()
    assert.same({ 1 }, numbers(g.vm))
    assert.same({}, numbers(g.vm))
  end)

  it("do not come from reads", function()
    local g <close> = arm64.guest([[
        ldr     x1, =ram + 0x100000
        ldr     x19, [x1]
    ]], { map = { log_dirty = true } })
    g:finish()
    assert.same({}, numbers(g.vm))
  end)

  it("can be cleared by the page", function()
    local g <close> = arm64.guest(writer(2) .. [[
        ldr     x3, =mmio
        str     wzr, [x3]
        str     x2, [x1, x2]
    ]], { map = { log_dirty = true }, before = function(vm)
      vm:enable_cap("MANUAL_DIRTY_LOG_PROTECT2", 1)
    end })
    assert.equal("mmio", (g:run()))
    assert.same({ 2 }, numbers(g.vm))
    assert.same({ 2 }, numbers(g.vm)) -- not cleared by reading
    local slot = g.vm:slots()[1].slot
    g.vm:clear_dirty_log(slot, 0, arm64.SIZE // PAGE)
    assert.same({}, numbers(g.vm))
    g:finish()
    assert.same({ 2 }, numbers(g.vm))
  end)
end)

arm64.describe("feature ID registers", function()
  local CAP <const> = "ARM_SUPPORTED_REG_MASK_RANGES"

  arm64.it_cap(CAP, "say which bits may be set", function()
    local vm <close> = kvm.create_vm()
    local masks = vm:arm_get_reg_writable_masks()
    local n = 0
    for name, mask in pairs(masks) do
      n = n + 1
      assert.matches("^[a-z][a-z0-9_]*$", name)
      assert.not_equal(0, mask)
    end
    assert.is_true(n > 0)
    assert.is_nil(masks.midr_el1)
  end)

  arm64.it_cap(CAP, "take what their masks allow, and the guest sees it",
    function()
      local g <close> = arm64.guest "mrs x19, id_aa64isar0_el1"
      local mask = g.vm:arm_get_reg_writable_masks().id_aa64isar0_el1
      local regs = g.cpu.regs
      local AES <const> = 0xf << 4
      assert.equal(AES, mask & AES)
      assert.not_equal(0, regs.id_aa64isar0_el1 & AES)
      local without = regs.id_aa64isar0_el1 & ~AES
      regs.id_aa64isar0_el1 = without
      assert.equal(without, g:finish "x19")
      local err = refused(function() regs.id_aa64isar0_el1 = 0 end)
      assert.equal("EBUSY", err.code)
    end)

  arm64.it_cap(CAP, "refuse other bits", function()
    local g <close> = arm64.guest()
    local regs = g.cpu.regs
    local err = refused(function()
      regs.id_aa64isar0_el1 = regs.id_aa64isar0_el1 | 0xf << 4
    end)
    assert.equal("EINVAL", err.code)
    assert.matches("arm_get_reg_writable_masks", err.hint)
  end)

  it("are fixed in kernels before 6.7", function()
    local vm <close> = kvm.create_vm()
    if vm:check_extension(CAP) > 0 then return end
    local err = refused(vm.arm_get_reg_writable_masks, vm)
    assert.equal("KVM_ARM_GET_REG_WRITABLE_MASKS", err.ioctl)
    assert.is_string(err.hint)
  end)
end)

arm64.describe("memory tags", function()
  local function has(vm) return vm:check_extension "ARM_MTE" > 0 end

  arm64.it_with(has, "this machine has no tag memory", "are copied",
    function()
      local vm <close> = kvm.create_vm()
      vm:enable_cap "ARM_MTE"
      vm:map(0x40000000, kvm.page_size)
      local cpu <close> = vm:create_vcpu()
      cpu:arm_vcpu_init()
      local tags = ("\3\4"):rep(kvm.page_size // 32)
      assert.equal(kvm.page_size,
        vm:arm_mte_copy_tags(0x40000000, kvm.page_size, tags))
      assert.equal(tags, vm:arm_mte_copy_tags(0x40000000, kvm.page_size))
    end)

  it("are as many as there are granules", function()
    local vm <close> = kvm.create_vm()
    assert.error_matches(function()
      vm:arm_mte_copy_tags(0, 0x1000, "short")
    end, "5 tags for 0x1000 bytes, 256 expected", 1, true)
    local err = refused(vm.arm_mte_copy_tags, vm, 0, kvm.page_size)
    assert.equal("KVM_ARM_MTE_COPY_TAGS", err.ioctl)
  end)
end)

arm64.describe("the counter offset", function()
  it("is refused by kernels before 6.4", function()
    local vm <close> = kvm.create_vm()
    if vm:check_extension "COUNTER_OFFSET" > 0 then return end
    local err = refused(vm.arm_set_counter_offset, vm,
      { counter_offset = 1 })
    assert.equal("KVM_ARM_SET_COUNTER_OFFSET", err.ioctl)
  end)
end)
