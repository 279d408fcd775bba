-- SPDX-License-Identifier: MIT
local arm64 = require "spec.support.arm64".use(_ENV)
local kvm = arm64.kvm

local function refused(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  return err
end

arm64.describe("vcpu:arm_vcpu_init", function()
  local vm, cpu
  before_each(function()
    vm = kvm.create_vm()
    cpu = vm:create_vcpu()
  end)
  after_each(function()
    cpu:close()
    vm:close()
  end)

  it("takes the host's target and PSCI by default", function()
    cpu:arm_vcpu_init()
    assert.is_true(cpu.regs.psci_version >= 0x10000)
  end)

  it("takes a feature by name", function()
    cpu:arm_vcpu_init "psci_0_2"
    assert.is_true(cpu.regs.psci_version >= 0x10000)
  end)

  it("takes a list of names", function()
    cpu:arm_vcpu_init { "psci_0_2", "power_off" }
    assert.equal(kvm.MP_STATE.STOPPED, cpu:get_mp_state().mp_state)
  end)

  it("takes no feature at all: PSCI is then version 0.1", function()
    cpu:arm_vcpu_init {}
    assert.equal(1, cpu.regs.psci_version)
  end)

  it("takes the struct as arm_preferred_target gives it", function()
    local init = vm:arm_preferred_target()
    init.features[1] = 1 << kvm.VCPU_INIT.PSCI_0_2
    cpu:arm_vcpu_init(init)
    assert.is_true(cpu.regs.psci_version >= 0x10000)
  end)

  it("resets a vCPU that it is called for again", function()
    cpu:arm_vcpu_init()
    cpu.regs.x5, cpu.regs.pc = 55, 0x1000
    cpu:arm_vcpu_init()
    assert.equal(0, cpu.regs.x5)
    assert.equal(0, cpu.regs.pc)
    assert.equal(0x3c5, cpu.regs.pstate)
  end)

  it("names an unknown feature and the known ones", function()
    assert.error_matches(function() cpu:arm_vcpu_init "psci" end,
      "unknown feature 'psci' (expected power_off, el1_32bit, psci_0_2", 1,
      true)
    assert.error_matches(function() cpu:arm_vcpu_init { "psci_0_2", "x" } end,
      "unknown feature 'x'", 1, true)
  end)

  it("refuses what is no name", function()
    assert.error_matches(function() cpu:arm_vcpu_init { 2 } end,
      "a feature's name expected, got number", 1, true)
    assert.error_matches(function() cpu:arm_vcpu_init(true) end,
      "a feature's name expected, got boolean", 1, true)
    assert.error_matches(function() cpu:arm_vcpu_init({}, 1) end,
      "surplus argument", 1, true)
  end)

  it("tells which features the host lacks", function()
    local err = refused(cpu.arm_vcpu_init, cpu, { "psci_0_2", "has_el2" })
    assert.equal("KVM_ARM_VCPU_INIT", err.ioctl)
    assert.matches("features psci_0_2, has_el2", err.message)
    assert.is_string(err.hint)
    cpu:arm_vcpu_init()
  end)

  it("refuses to mix 32-bit and 64-bit vCPUs", function()
    if vm:check_extension "ARM_EL1_32BIT" == 0 then
      pending "this processor has no AArch32 at EL1"
      return
    end
    local other <close> = vm:create_vcpu()
    cpu:arm_vcpu_init()
    local err = refused(other.arm_vcpu_init, other,
      { "psci_0_2", "el1_32bit" })
    assert.equal("EINVAL", err.code)
    assert.matches("el1_32bit", err.message)
    assert.matches("same features", err.hint)
    other:arm_vcpu_init() -- nothing is spoilt
  end)

  it("keeps a vCPU to its first features", function()
    cpu:arm_vcpu_init()
    local err = refused(cpu.arm_vcpu_init, cpu, { "psci_0_2", "pmu_v3" })
    assert.equal("EINVAL", err.code)
    assert.matches("keeps those of its first init", err.hint)
    cpu:arm_vcpu_init()
  end)

  it("names an unknown target", function()
    local err = refused(cpu.arm_vcpu_init, cpu, { target = 99 })
    assert.equal("EINVAL", err.code)
    assert.matches("target 99, features psci_0_2", err.message)
  end)

  it("takes the names of kvm.VCPU_INIT, in the struct too", function()
    cpu:arm_vcpu_init { features = { "PSCI_0_2", "power_off" } }
    assert.equal(kvm.MP_STATE.STOPPED, cpu:get_mp_state().mp_state)
    local target = vm:arm_preferred_target().target
    local other <close> = vm:create_vcpu()
    other:arm_vcpu_init { target = target, features = "psci_0_2" }
    assert.is_true(other.regs.psci_version >= 0x10000)
  end)

  it("has PSCI when the struct says nothing of features", function()
    cpu:arm_vcpu_init { target = vm:arm_preferred_target().target }
    assert.is_true(cpu.regs.psci_version >= 0x10000)
  end)

  it("refuses keys that mean nothing", function()
    local function raises(text, init)
      assert.error_matches(function() cpu:arm_vcpu_init(init) end, text, 1,
        true)
    end
    raises("unknown field 'targt' (expected target or features)",
      { targt = 99 })
    raises("unknown field '1'", { "psci_0_2", target = 5 })
    raises("unknown field '3'", { [3] = "psci_0_2" })
    raises("unknown field 'sve'", { sve = true })
    raises("unknown feature 'psci'", { features = { "psci" } })
    raises("a feature's name expected, got number",
      { features = { "psci_0_2", 4 } })
    raises("kvm_vcpu_init.features", { features = { 4, "psci_0_2" } })
    raises("kvm_vcpu_init.target", { target = "sve" })
  end)

  it("needs the VM open", function()
    vm:close()
    assert.error_matches(function() cpu:arm_vcpu_init() end,
      "kvm.vm is closed", 1, true)
  end)

  it("comes before the first run", function()
    local err = refused(cpu.run, cpu)
    assert.equal("ENOEXEC", err.code)
    assert.equal("KVM_RUN", err.ioctl)
    assert.matches("vcpu:arm_vcpu_init", err.hint)
    assert.matches("hint: initialise the vCPU first", tostring(err))
  end)
end)

arm64.describe("vcpu:arm_vcpu_finalize", function()
  it("takes a feature by name or number", function()
    local vm <close> = kvm.create_vm()
    local cpu <close> = vm:create_vcpu()
    cpu:arm_vcpu_init()
    for _, feature in ipairs { "sve", "SVE", kvm.VCPU_INIT.SVE } do
      local err = refused(cpu.arm_vcpu_finalize, cpu, feature)
      assert.equal("KVM_ARM_VCPU_FINALIZE", err.ioctl)
    end
    assert.error_matches(function() cpu:arm_vcpu_finalize "sv" end,
      "unknown feature 'sv'", 1, true)
    assert.error_matches(function() cpu:arm_vcpu_finalize() end,
      "number expected, got nil", 1, true)
  end)
end)

arm64.describe("a 32-bit vCPU", function()
  local function has(vm) return vm:check_extension "ARM_EL1_32BIT" > 0 end
  local WHY <const> = "this processor has no AArch32 at EL1"

  -- mov r4, #42; ldr r0, [pc, #4]; str r4, [r0]; b .; .word mmio. No assembler
  -- for A32 is at hand: the words are those of DDI 0406, A8.
  local A32 <const> = string.pack("<I4I4I4I4I4", 0xe3a0402a, 0xe59f0004,
    0xe5804000, 0xeafffffe, arm64.MMIO)

  local function guest()
    return arm64.guest(nil, { init = { "psci_0_2", "el1_32bit" } })
  end

  arm64.it_with(has, WHY, "starts in AArch32 and has the same names",
    function()
      local g <close> = guest()
      assert.equal(0x10, g.cpu.regs.pstate & 0x10)
      local n = 0
      for _ in pairs(g.cpu.regs) do n = n + 1 end
      assert.equal(#g.cpu:get_reg_list(), n)
    end)

  arm64.it_with(has, WHY, "runs A32 code", function()
    local g <close> = guest()
    g.ram:write(0, A32)
    g.cpu.regs.pc = arm64.RAM
    local reason, exit = g:run()
    assert.equal("mmio", reason)
    assert.equal(arm64.MMIO, exit.gpa)
    assert.equal(42, exit.value)
    assert.equal(42, g.cpu.regs.x4)
  end)
end)

arm64.describe("a vCPU that is switched off", function()
  it("waits, and is switched on by PSCI", function()
    local g <close> = arm64.guest [[
        ldr     w0, =0xc4000003         // CPU_ON
        mov     x1, #1                  // the second
        adr     x2, second
        mov     x3, #0x77
        hvc     #0
        ldr     x1, =mmio
        str     w0, [x1]
        b       power_off
second: ldr     x1, =mmio + 8
        str     w0, [x1]
        b       .
    ]]
    local second <close> = g.vm:create_vcpu()
    second:arm_vcpu_init { "psci_0_2", "power_off" }
    assert.equal("timeout", (second:run { timeout = 0.05 }))
    local _, exit = g:run()
    assert.equal(0, exit.value)
    local reason
    reason, exit = g:run(second)
    assert.equal("mmio", reason)
    assert.equal(arm64.MMIO + 8, exit.gpa)
    assert.equal(0x77, exit.value)
  end)

  it("is switched off and on by its MP state", function()
    local g <close> = arm64.guest "nop"
    g.cpu:set_mp_state { mp_state = kvm.MP_STATE.STOPPED }
    assert.equal(kvm.MP_STATE.STOPPED, g.cpu:get_mp_state().mp_state)
    assert.equal("timeout", (g.cpu:run { timeout = 0.05 }))
    g.cpu:set_mp_state { mp_state = kvm.MP_STATE.RUNNABLE }
    g:finish()
  end)

  it("is off after PSCI CPU_OFF", function()
    local g <close> = arm64.guest [[
        ldr     w0, =0x84000002
        hvc     #0
    ]]
    assert.equal("timeout", (g.cpu:run { timeout = 0.1 }))
    assert.equal(kvm.MP_STATE.STOPPED, g.cpu:get_mp_state().mp_state)
  end)
end)

arm64.describe("pending exceptions", function()
  -- Loops with everything unmasked; keeps what arrives and at which vector.
  local TEXT <const> = [[
        ldr     x0, =vectors
        msr     vbar_el1, x0
        isb
        msr     daifclr, #15
1:      b       1b
        .balign 2048
vectors:
        .skip   0x200
        mov     x20, #1                 // synchronous
        b       take
        .skip   0x178
        mov     x20, #3                 // SError
take:   mrs     x19, esr_el1
        mrs     x21, far_el1
        b       power_off
  ]]

  it("are none at first", function()
    local g <close> = arm64.guest()
    local events = g.cpu:get_vcpu_events().exception
    assert.equal(0, events.serror_pending)
    assert.equal(0, events.ext_dabt_pending)
  end)

  it("can be an external abort", function()
    local g <close> = arm64.guest(TEXT)
    assert.equal("timeout", (g.cpu:run { timeout = 0.05 }))
    g.cpu:set_vcpu_events { exception = { ext_dabt_pending = 1 } }
    g:finish()
    assert.equal(1, g.cpu.regs.x20)
    local t = require "kvm.arch.arm64.esr".decode(g.cpu.regs.x19)
    assert.matches("^dabt", t.name)
    assert.equal("external abort", t.fault)
  end)

  it("can be an SError with a syndrome", function()
    local g <close> = arm64.guest(TEXT)
    if g.vm:check_extension "ARM_INJECT_SERROR_ESR" == 0 then
      pending "this processor has no RAS extension"
      return
    end
    g.cpu:set_vcpu_events { exception = {
      serror_pending = 1, serror_has_esr = 1, serror_esr = 0xabc } }
    g:finish()
    assert.equal(3, g.cpu.regs.x20)
    assert.equal(0xabc, g.cpu.regs.x19 & 0xffffff)
  end)
end)
