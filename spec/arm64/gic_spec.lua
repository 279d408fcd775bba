-- SPDX-License-Identifier: MIT
local arm64 = require "spec.support.arm64".use(_ENV)
local gic = require "kvm.arch.arm64.gic"
local irq = require "kvm.arch.arm64.irq"
local kvm = arm64.kvm

local function refused(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  return err
end

-- A VM that refuses every device: what is checked before it is asked.
local none = { create_device = function() error("asked", 0) end }

describe("kvm.arch.arm64.gic", function()
  local function refuses(message, options)
    assert.error_matches(function() gic.new(none, options) end, message, 1,
      true)
  end

  it("needs the addresses of its version", function()
    refuses("bad argument #2 to 'new' (GICv3: option 'dist' is missing: the "
      .. "address of the distributor)", { version = 3 })
    refuses("GICv3: option 'redist' is missing",
      { version = 3, dist = 0x8000000 })
    refuses("GICv2: option 'cpu' is missing",
      { version = 2, dist = 0x8000000 })
    local any = { create_device = function() return true end }
    assert.error_matches(function() gic.new(any) end,
      "GICv3: option 'dist' is missing", 1, true)
    assert.error_matches(function() gic.new(nil, {}) end,
      "bad argument #1 to 'new' (vm: kvm.vm expected, got nil)", 1, true)
  end)

  it("takes no part of another version", function()
    refuses("GICv3: unknown option 'cpu' (there are dist, its, nr_irqs, redist "
      .. "and version)", { version = 3, dist = 0, redist = 0, cpu = 0 })
    refuses("GICv2: unknown option 'its'",
      { version = 2, dist = 0, cpu = 0, its = 0 })
  end)

  it("checks alignment and names the address", function()
    refuses("dist 0x8001000 is not a multiple of 0x10000",
      { version = 3, dist = 0x8001000, redist = 0x80a0000 })
    refuses("cpu 0x123 is not a multiple of 0x1000",
      { version = 2, dist = 0x8000000, cpu = 0x123 })
    refuses("dist: integer expected, got 'here'",
      { version = 3, dist = "here", redist = 0 })
  end)

  it("checks the number of interrupts", function()
    for _, n in ipairs { 63, 65, 1056, 0 } do
      refuses(("nr_irqs %s is not a multiple of 32 from 64 to 1024"):format(n),
        { version = 3, dist = 0, redist = 0, nr_irqs = n })
    end
  end)

  it("checks the version", function()
    refuses("version 4 (expected 2 or 3)", { version = 4 })
  end)

  it("checks regions of redistributors", function()
    local function redist(text, regions)
      refuses(text, { version = 3, dist = 0, redist = regions })
    end
    redist("redist: a list of regions is empty", {})
    redist("redist[1]: table expected, got 5", { 5 })
    redist("redist[1]: field 'count' is missing", { { base = 0x10000 } })
    redist("redist[2]: base 0x8 is not a multiple of 0x10000",
      { { base = 0x20000, count = 1 }, { base = 8, count = 1 } })
    redist("redist[1]: unknown field 'size' (there are base and count)",
      { { base = 0, size = 1 } })
  end)

  -- A VM that keeps what its devices are told: type, group, attribute, value.
  local function recorder()
    local log = {}
    local vm = { create_device = function(_, type, options)
      if options then return true end
      return { set_device_attr = function(_, group, number, value)
        log[#log + 1] = { type, group, number, value }
      end }
    end }
    return vm, log
  end

  it("tells the kernel in the kernel's order", function()
    local vm, log = recorder()
    local g = gic.new(vm, { dist = 0x8000000, redist = 0x80a0000,
                            its = 0x8080000, nr_irqs = 96 })
    assert.same({ { 7, 0, 2, 0x8000000 }, { 7, 0, 3, 0x80a0000 },
                  { 7, 3, 0, 96 }, { 8, 0, 4, 0x8080000 } }, log)
    g:init()
    assert.same({ { 7, 4, 0 }, { 8, 4, 0 } }, { log[5], log[6] })
    vm, log = recorder()
    g = gic.new(vm, { version = 2, dist = 0x8000000, cpu = 0x8010000 })
    g:init()
    assert.same({ { 5, 0, 0, 0x8000000 }, { 5, 0, 1, 0x8010000 },
                  { 5, 4, 0 } }, log)
  end)

  it("saves pending interrupts before the tables", function()
    local vm, log = recorder()
    local g = gic.new(vm, { dist = 0x8000000, redist = 0x80a0000,
                            its = 0x8080000 })
    g:save_tables()
    g:restore_tables()
    assert.same({ { 7, 4, 3 }, { 8, 4, 1 }, { 8, 4, 2 } },
      { log[4], log[5], log[6] })
  end)

  it("knows how much room each part takes", function()
    assert.equal(0x20000, gic.size[3].redist)
    assert.equal(0x2000, gic.size[2].cpu)
  end)
end)

local function has_v3(vm) return gic.has(vm, 3) end
local NO_V3 <const> = "this host cannot emulate a GICv3"

arm64.describe_with(has_v3, NO_V3, "a GICv3", function()
  local vm
  before_each(function() vm = kvm.create_vm() end)
  after_each(function() vm:close() end)

  local function options(more)
    local t = {}
    for name, value in pairs(arm64.GIC) do t[name] = value end
    for name, value in pairs(more or {}) do t[name] = value end
    return t
  end

  it("is what this host has", function()
    assert.is_true(gic.has(vm, 3))
    assert.is_true(gic.has(vm, "its"))
  end)

  it("is made, placed and initialised", function()
    local g <close> = gic.new(vm, options())
    local cpu <close> = vm:create_vcpu()
    cpu:arm_vcpu_init()
    g:init()
    assert.equal(3, g.version)
    assert.equal("ARM_VGIC_V3", g.device.type)
  end)

  it("is the version that is chosen without one", function()
    local o = options()
    o.version = nil
    local g <close> = gic.new(vm, o)
    assert.equal(3, g.version)
  end)

  it("has as many interrupts as asked for", function()
    local g <close> = gic.new(vm, options { nr_irqs = 256 })
    local cpu <close> = vm:create_vcpu()
    cpu:arm_vcpu_init()
    g:init()
    -- GICD_TYPER.ITLinesNumber: 32 * (N + 1) interrupts
    assert.equal(256, 32 * ((g:read("dist", 4) & 31) + 1))
  end)

  it("has registers to read and write", function()
    local g <close> = gic.new(vm, options())
    local cpu <close> = vm:create_vcpu()
    cpu:arm_vcpu_init()
    g:init()
    g:write("dist", 0x104, 0x2) -- GICD_ISENABLER1
    assert.equal(2, g:read("dist", 0x104))
    g:write("redist", 0x10100, 1 << 27) -- GICR_ISENABLER0
    assert.equal(1 << 27, g:read("redist", 0x10100) & 1 << 27)
    local PMR <const> = 0xc230 -- s3_0_c4_c6_0
    g:write("cpu", PMR, 0xf0)
    assert.equal(0xf0, g:read("cpu", PMR))
    assert.error_matches(function() g:read("gicv", 0) end,
      "unknown space 'gicv' (there are cpu, dist, level and redist)", 1, true)
    assert.error_matches(function() g:read("its", 0) end,
      "unknown space 'its' (", 1, true)
  end)

  it("takes several regions of redistributors", function()
    local g <close> = gic.new(vm, options { redist = {
      { base = 0x80a0000, count = 1 }, { base = 0x8200000, count = 2 } } })
    local cpus = {}
    for i = 1, 3 do
      cpus[i] = vm:create_vcpu()
      cpus[i]:arm_vcpu_init()
    end
    g:init()
    -- GICR_TYPER: the affinity in the upper half names the vCPU
    assert.equal(2, g:read("redist", 0xc, 2) & 0xff)
    for _, cpu in ipairs(cpus) do cpu:close() end
  end)

  it("has an ITS", function()
    local g <close> = gic.new(vm, options { its = 0x8080000 })
    local cpu <close> = vm:create_vcpu()
    cpu:arm_vcpu_init()
    g:init()
    assert.equal("ARM_VGIC_ITS", g.its.type)
    assert.is_true(g:read("its", 8) & 1 == 1) -- GITS_TYPER.Physical
    g:write("its", 0x80, 0) -- GITS_CBASER
    g:save_tables()
    g:restore_tables()
  end)

  it("takes an address once", function()
    local g <close> = gic.new(vm, options())
    local attr = require "kvm.arch.arm64.attr"
    local err = refused(attr.set, g.device, "vgic_v3_dist", 0x9000000)
    assert.equal("EEXIST", err.code)
    assert.matches("is set once", err.hint)
  end)

  it("lies inside the guest's physical addresses", function()
    local err = refused(gic.new, vm, options { dist = 1 << 40 })
    assert.equal("E2BIG", err.code)
    assert.matches("above the guest physical addresses", err.hint)
  end)

  it("does not overlap itself", function()
    assert.error_matches(function()
      gic.new(vm, options { redist = 0x7ff0000 })
    end, "dist 0x8000000 and redist 0x7ff0000 overlap", 1, true)
  end)

  it("does not overlap itself once all vCPUs are there", function()
    local v
    local g <close> = arm64.guest("nop", { vcpus = 3, before = function(m)
      v = gic.new(m, options { redist = 0x7fc0000 })
    end })
    v:init()
    local err = refused(g.run, g)
    assert.equal("KVM_RUN", err.ioctl)
    assert.equal("EINVAL", err.code)
    assert.matches("redistributors", err.hint)
    v:close()
  end)

  it("is made once, and not beside a GICv2", function()
    local g <close> = gic.new(vm, options())
    local err = refused(gic.new, vm, options())
    assert.equal("EEXIST", err.code)
    err = refused(gic.new, vm,
      { version = 2, dist = 0x9000000, cpu = 0x9010000 })
    assert.matches("^E", err.code)
    assert.is_string(err.hint)
  end)

  it("is initialised after the vCPUs", function()
    local g <close> = gic.new(vm, options())
    g:init()
    local err = refused(vm.create_vcpu, vm)
    assert.equal("EBUSY", err.code)
    assert.equal("KVM_CREATE_VCPU", err.ioctl)
    assert.matches("create every vCPU first", err.hint)
  end)

  it("has its number of interrupts before init", function()
    local g <close> = gic.new(vm, options { nr_irqs = 64 })
    local attr = require "kvm.arch.arm64.attr"
    local err = refused(attr.set, g.device, "vgic_nr_irqs", 128)
    assert.equal("EBUSY", err.code)
    assert.matches("too late", err.hint)
  end)

  it("is complete before the run", function()
    local g <close> = arm64.guest("nop", { before = function(m)
      local device = m:create_device "ARM_VGIC_V3"
      device:set_device_attr(0, 2, 0x8000000)
    end })
    local err = refused(g.run, g)
    assert.equal("KVM_RUN", err.ioctl)
    assert.equal("ENXIO", err.code)
    assert.matches("lacks an address", err.hint)
  end)
end)

arm64.describe("a GICv2", function()
  arm64.it_with(function(vm) return gic.has(vm, 2) end,
    "this host cannot emulate one", "is made, placed and initialised",
    function()
      local vm <close> = kvm.create_vm()
      local g <close> = gic.new(vm, { version = 2, dist = 0x8000000,
                                      cpu = 0x8010000 })
      local cpu <close> = vm:create_vcpu()
      cpu:arm_vcpu_init()
      g:init()
      g:write("dist", 0x104, 2)
      assert.equal(2, g:read("dist", 0x104))
    end)

  it("is refused where the host has none", function()
    local vm <close> = kvm.create_vm()
    if gic.has(vm, 2) then return end
    local err = refused(gic.new, vm,
      { version = 2, dist = 0x8000000, cpu = 0x8010000 })
    assert.equal("ENODEV", err.code)
    err = refused(vm.create_irqchip, vm)
    assert.equal("ENODEV", err.code)
    assert.matches("GICv3", err.hint)
  end)
end)

arm64.describe_with(has_v3, NO_V3, "interrupts through the GICv3", function()
  local function guest(text, vcpus)
    local g = arm64.guest(arm64.GIC_ON .. text .. arm64.TAKE_IRQ,
      { vcpus = vcpus })
    g.gic = gic.new(g.vm, arm64.GIC)
    g.gic:init()
    return g
  end

  -- Enables SPI 33, tells that it is ready and waits.
  local WAIT <const> = [[
        mov     w0, #2
        str     w0, [x10, #0x104]       // GICD_ISENABLER1
        ldr     x1, =mmio
        str     wzr, [x1]
        msr     daifclr, #2
1:      wfi
        b       1b
  ]]

  it("come from irq_line", function()
    local g <close> = guest(WAIT)
    assert.equal("mmio", (g:run()))
    g.vm:irq_line { irq = irq.spi(33), level = 1 }
    assert.equal(33, g:finish "x19")
    g.gic:close()
  end)

  it("do not come while the line is low", function()
    local g <close> = guest(WAIT)
    assert.equal("mmio", (g:run()))
    assert.equal("timeout", (g.cpu:run { timeout = 0.05 }))
    g.vm:irq_line { irq = irq.spi(34), level = 1 } -- not enabled
    assert.equal("timeout", (g.cpu:run { timeout = 0.05 }))
    g.vm:irq_line { irq = irq.spi(33), level = 1 }
    assert.equal(33, g:finish "x19")
    g.gic:close()
  end)

  it("come from a private line", function()
    local g <close> = guest [[
        mov     w0, #1 << 20
        str     w0, [x11, #0x100]       // GICR_ISENABLER0
        ldr     x1, =mmio
        str     wzr, [x1]
        msr     daifclr, #2
1:      wfi
        b       1b
    ]]
    assert.equal("mmio", (g:run()))
    g.vm:irq_line { irq = irq.ppi(20, 0), level = 1 }
    assert.equal(20, g:finish "x19")
    g.gic:close()
  end)

  it("come from an irqfd", function()
    local g <close> = guest(WAIT)
    assert.equal("mmio", (g:run()))
    local fd <close> = kvm.eventfd()
    g.vm:irqfd { fd = fd, gsi = 1 } -- SPI 33: GSIs count from 32
    fd:write(1)
    assert.equal(33, g:finish "x19")
    g.gic:close()
  end)

  it("come from another vCPU, as an SGI", function()
    local g <close> = guest([[
        mrs     x0, mpidr_el1
        ands    x0, x0, #0xff
        b.ne    sender
        ldr     x1, =mmio
        str     wzr, [x1]
        mov     w0, #1 << 5
        str     w0, [x11, #0x100]
        msr     daifclr, #2
1:      wfi
        b       1b
sender: mov     x0, #1                  // target list: affinity 0
        movk    x0, #0x500, lsl #16     // INTID 5
        msr     icc_sgi1r_el1, x0
        isb
        ldr     x1, =mmio + 8
        str     wzr, [x1]
    ]], 2)
    assert.equal("mmio", (g:run()))
    local reason, exit = g:run(g.cpus[2])
    assert.equal("mmio", reason)
    assert.equal(arm64.MMIO + 8, exit.gpa)
    assert.equal(5, g:finish "x19")
    g.gic:close()
  end)

  it("go nowhere without a GIC", function()
    local vm <close> = kvm.create_vm()
    local err = refused(vm.irq_line, vm, { irq = irq.spi(33), level = 1 })
    assert.equal("ENXIO", err.code)
  end)

  it("have numbers that the GIC has", function()
    local g <close> = guest "nop"
    local err = refused(g.vm.irq_line, g.vm, { irq = irq.spi(900), level = 1 })
    assert.equal("EINVAL", err.code)
    assert.matches("kvm.arch.arm64.irq", err.hint)
    g.gic:close()
  end)
end)
