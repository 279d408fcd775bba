-- SPDX-License-Identifier: MIT
local arm64 = require "spec.support.arm64".use(_ENV)
local attr = require "kvm.arch.arm64.attr"
local gic = require "kvm.arch.arm64.gic"
local kvm = arm64.kvm

local function refused(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  return err
end

-- An object that keeps what it is asked.
local function recorder()
  return {
    set_device_attr = function(self, ...) self.set = { ... } end,
    get_device_attr = function(self, ...) self.got = { ... } return 7 end,
    has_device_attr = function(self, ...) self.had = { ... } return true end,
  }
end

describe("kvm.arch.arm64.attr", function()
  it("turns names into group and number", function()
    local r = recorder()
    attr.set(r, "timer_irq_ptimer", 30)
    assert.same({ 1, 1, 30 }, r.set)
    attr.set(r, "pmu_v3_init")
    assert.same({ 0, 1 }, r.set)
    assert.equal(7, attr.get(r, "vgic_nr_irqs"))
    assert.same({ 3, 0 }, r.got)
    assert.is_true(attr.has(r, "its_save_tables"))
    assert.same({ 4, 1 }, r.had)
  end)

  it("names an unknown attribute and the known ones", function()
    assert.error_matches(function() attr.set(recorder(), "pmu_irq", 1) end,
      "unknown attribute 'pmu_irq' (there are its_addr, ", 1, true)
  end)

  it("takes an object that has attributes", function()
    assert.error_matches(function() attr.get(nil, "pmu_v3_irq") end,
      "bad argument #1 to 'get' (handle: kvm.vcpu, kvm.vm or kvm.device "
      .. "expected, got nil)", 1, true)
  end)

  it("makes the filter of the PMU", function()
    assert.equal("\x11\0\1\0\1\0\0\0", attr.pmu_filter("deny", 0x11))
    assert.equal("\0\0\x40\0\0\0\0\0", attr.pmu_filter("allow", 0, 64))
    assert.error_matches(function() attr.pmu_filter("drop", 1) end,
      "action 'drop' (expected allow or deny)", 1, true)
  end)
end)

-- it() for what goes through a GICv3.
local function it_v3(name, body)
  arm64.it_with(function(vm) return gic.has(vm, 3) end,
    "this host cannot emulate a GICv3", name, body)
end

arm64.describe("the arch timer", function()
  -- Fires once its time has come; x20 is the counter then.
  local FIRE <const> = [[
        mov     w0, #1 << 27
        str     w0, [x11, #0x100]       // GICR_ISENABLER0
        mrs     x0, cntvct_el0
        add     x21, x0, #0x1000
        msr     cntv_cval_el0, x21
        mov     x0, #1
        msr     cntv_ctl_el0, x0
        isb
        msr     daifclr, #2
1:      wfi
        b       1b
        .balign 2048
vectors:
        .skip   0x280
        mrs     x19, icc_iar1_el1
        mrs     x20, cntvct_el0
        mov     x0, #2
        msr     cntv_ctl_el0, x0
        msr     icc_eoir1_el1, x19
  ]]

  it_v3("interrupts its vCPU through the vGIC", function()
    local g <close> = arm64.guest(arm64.GIC_ON .. FIRE)
    local v <close> = gic.new(g.vm, arm64.GIC)
    v:init()
    assert.equal(27, g:finish "x19")
    assert.is_true(g.cpu.regs.x20 >= g.cpu.regs.x21)
  end)

  it_v3("interrupts at the number it is given", function()
    local g <close> = arm64.guest(arm64.GIC_ON ..
      FIRE:gsub("#1 << 27", "#1 << 22"))
    local v <close> = gic.new(g.vm, arm64.GIC)
    attr.set(g.cpu, "timer_irq_vtimer", 22)
    assert.equal(22, attr.get(g.cpu, "timer_irq_vtimer"))
    v:init()
    assert.equal(22, g:finish "x19")
  end)

  it_v3("has a private interrupt for each timer", function()
    local g <close> = arm64.guest()
    local v <close> = gic.new(g.vm, arm64.GIC)
    assert.equal(27, attr.get(g.cpu, "timer_irq_vtimer"))
    assert.equal(30, attr.get(g.cpu, "timer_irq_ptimer"))
    for _, number in ipairs { 5, 40 } do
      local err = refused(attr.set, g.cpu, "timer_irq_vtimer", number)
      assert.equal("EINVAL", err.code)
    end
    v:close()
  end)

  it("takes no number without a vGIC", function()
    local g <close> = arm64.guest()
    local err = refused(attr.set, g.cpu, "timer_irq_vtimer", 22)
    assert.equal("EINVAL", err.code)
    assert.matches("no vGIC", err.hint)
  end)

  it("raises a line to user space without a vGIC", function()
    local g <close> = arm64.guest [[
        mrs     x0, cntvct_el0
        add     x0, x0, #0x1000
        msr     cntv_cval_el0, x0
        mov     x0, #1
        msr     cntv_ctl_el0, x0
        isb
1:      mrs     x19, cntv_ctl_el0
        tbz     x19, #2, 1b
        ldr     x1, =mmio
        str     w19, [x1]
        mov     x0, #2
        msr     cntv_ctl_el0, x0
    ]]
    local VTIMER <const> = kvm.DEVICE_IRQ.EL1_VTIMER
    local levels, value = {}, nil
    for reason, exit in g.cpu:exits { timeout = 10 } do
      if reason == "intr" then
        levels[#levels + 1] = exit.device_irq_level & VTIMER
      elseif reason == "mmio" then
        value = exit.value
      else
        assert.equal("system_event", reason)
        break
      end
    end
    assert.equal(5, value & 5) -- on, and its condition is met
    assert.equal(VTIMER, levels[1])
  end)

  arm64.it_cap("COUNTER_OFFSET", "counts from an offset of the VM",
    function()
      local g <close> = arm64.guest "mrs x19, cntvct_el0\nmrs x20, cntpct_el0"
      local OFFSET <const> = -(1 << 50)
      g.vm:arm_set_counter_offset { counter_offset = OFFSET }
      g:finish()
      assert.is_true(g.cpu.regs.x19 >= 1 << 50)
      assert.is_true(g.cpu.regs.x20 >= 1 << 50)
    end)
end)

arm64.describe("the PMU", function()
  local COUNT <const> = [[
        mov     x0, #1 << 31
        msr     pmcntenset_el0, x0      // the cycle counter
        mov     x0, #0x41               // E, LC
        msr     pmcr_el0, x0
        isb
        mov     x1, #1000
1:      subs    x1, x1, #1
        b.ne    1b
        mrs     x19, pmccntr_el0
        mrs     x20, pmceid0_el0
  ]]
  local init = { "psci_0_2", "pmu_v3" }

  it("counts cycles", function()
    local g <close> = arm64.guest(COUNT, { init = init })
    attr.set(g.cpu, "pmu_v3_init")
    assert.is_true(g:finish "x19" > 0)
  end)

  it_v3("interrupts through the vGIC", function()
    local g <close> = arm64.guest(arm64.GIC_ON .. [[
        mov     w0, #1 << 23
        str     w0, [x11, #0x100]
        mov     x0, #-0x1000            // overflows soon
        msr     pmccntr_el0, x0
        mov     x0, #1 << 31
        msr     pmcntenset_el0, x0
        msr     pmintenset_el1, x0
        mov     x0, #0x41
        msr     pmcr_el0, x0
        isb
        msr     daifclr, #2
1:      b       1b
    ]] .. arm64.TAKE_IRQ, { init = init })
    local v <close> = gic.new(g.vm, arm64.GIC)
    attr.set(g.cpu, "pmu_v3_irq", 23)
    local err = refused(attr.set, g.cpu, "pmu_v3_init")
    assert.equal("ENODEV", err.code)
    assert.matches("initialise the vGIC before the PMU", err.hint)
    v:init()
    attr.set(g.cpu, "pmu_v3_init")
    assert.equal(23, attr.get(g.cpu, "pmu_v3_irq"))
    assert.equal(23, g:finish "x19")
  end)

  it("hides the events that a filter denies", function()
    local SW_INCR <const>, CYCLES <const> = 0, 0x11
    local events = {}
    for i, denied in ipairs { false, true } do
      local g <close> = arm64.guest(COUNT, { init = init })
      if denied then
        attr.set(g.cpu, "pmu_v3_filter", attr.pmu_filter("deny", CYCLES))
      end
      attr.set(g.cpu, "pmu_v3_init")
      events[i] = g:finish "x20"
    end
    assert.equal(1, events[1] >> CYCLES & 1)
    assert.equal(0, events[2] >> CYCLES & 1)
    assert.equal(1, events[2] >> SW_INCR & 1)
  end)

  it("needs the feature", function()
    local g <close> = arm64.guest()
    assert.is_false(attr.has(g.cpu, "pmu_v3_irq"))
    local err = refused(attr.set, g.cpu, "pmu_v3_init")
    assert.matches("^EN", err.code)
    assert.is_string(err.hint)
  end)

  it("is initialised once, and before the run", function()
    local g <close> = arm64.guest("nop", { init = init })
    local err = refused(g.run, g)
    assert.equal("KVM_RUN", err.ioctl)
    assert.equal("EINVAL", err.code)
    assert.matches("pmu_v3_init", err.hint)
    attr.set(g.cpu, "pmu_v3_init")
    assert.equal("EBUSY", refused(attr.set, g.cpu, "pmu_v3_init").code)
    g:finish()
  end)
end)

arm64.describe("stolen time", function()
  local IPA <const> = arm64.RAM + 0x100000
  local ASK <const> = [[
        ldr     w0, =0xc5000020         // PV_TIME_FEATURES of PV_TIME_ST
        ldr     w1, =0xc5000021
        hvc     #0
        mov     x19, x0
        ldr     w0, =0xc5000021         // PV_TIME_ST
        hvc     #0
        mov     x20, x0
  ]]

  local function has(vm) return vm:check_extension "STEAL_TIME" > 0 end
  local why = "this kernel does not account for stolen time"

  arm64.it_with(has, why, "lies where the attribute says", function()
    local g <close> = arm64.guest(ASK)
    assert.is_true(attr.has(g.cpu, "pvtime_ipa"))
    attr.set(g.cpu, "pvtime_ipa", IPA)
    g:finish()
    assert.equal(0, g.cpu.regs.x19)
    assert.equal(IPA, g.cpu.regs.x20)
    assert.equal("EEXIST", refused(attr.set, g.cpu, "pvtime_ipa", IPA).code)
  end)

  it("is refused outside memory, and where it is not aligned", function()
    local g <close> = arm64.guest()
    for _, ipa in ipairs { 0x1000, IPA + 8 } do
      local err = refused(attr.set, g.cpu, "pvtime_ipa", ipa)
      assert.matches("^E", err.code)
    end
  end)
end)
