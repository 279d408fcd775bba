-- SPDX-License-Identifier: MIT
local board = require "kvm.arch.arm64.board"
local dtc = require "spec.support.fdt.dtc"
local fdt = require "kvm.fdt"
local tree_of = require "kvm.arch.arm64.board_tree"

local function fails(pattern, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(pattern, message)
end

-- A tree as a guest gets it.
local function read(machine, opts)
  return fdt.parse(fdt.build(machine:device_tree(opts), { strict = true }))
end

local variants = {
  {}, { cpus = 8 }, { cpus = 40 }, { rtc = true }, { gic = { its = true } },
  { ram = { base = 0x80000000, size = 3 << 30 } },
  { ram = { size = 0x1000 }, uart = { base = 0x3000000, irq = 40,
    clock = 1000000 } },
  { psci = { method = "smc" }, timer = { virtual = 20 },
    gic = { dist = 0x10000000, redist = 0x20000000, its = 0x30000000,
      nr_irqs = 1024 } },
}

describe("an arm64 board", function()
  it("is a copy of the default, with what was given", function()
    local machine = board.new { cpus = 2, ram = { size = 1 << 30 } }
    assert.equal(2, machine.cpus)
    assert.same({ base = 0x40000000, size = 1 << 30 }, machine.ram)
    machine.uart.base = 0
    assert.equal(0x9000000, board.default.uart.base)
    assert.equal(128 << 20, board.default.ram.size)
    assert.is_false(machine.rtc)
    assert.equal(34, board.new({ rtc = true }).rtc.irq)
    assert.equal(50, board.new({ rtc = { irq = 50 } }).rtc.irq)
    assert.equal(0x8080000, board.new({ gic = { its = true } }).gic.its)
  end)

  it("lists its regions in order, and no two overlap", function()
    for _, given in ipairs(variants) do
      local last = 0
      for _, r in ipairs(board.new(given):regions()) do
        assert.is_true(r.base >= last)
        last = r.base + r.size
      end
    end
    local list = board.new({ cpus = 3, rtc = true }):regions()
    assert.same({ name = "gic.redist", base = 0x80a0000, size = 0x60000 },
      list[2])
    assert.equal(5, #list)
  end)

  it("refuses parts that overlap", function()
    fails("^spec/arm64/board_spec.lua:%d+: bad argument #1 to 'new' %(ram "
      .. "%[0x40000000,0x48000000%) overlaps uart "
      .. "%[0x47fff000,0x48000000%)", function()
        board.new { uart = { base = 0x47fff000 } }
      end)
    fails("gic.redist %[0x80a0000,0x90a0000%) overlaps uart %[0x9000000,",
      board.new, { cpus = 128 })
    fails("gic.its .* overlaps gic.redist", board.new,
      { gic = { its = 0x8090000 } })
  end)

  it("refuses parts that share an interrupt", function()
    fails("uart.irq and rtc.irq both use the interrupt 33", board.new,
      { rtc = { irq = 33 } })
    fails("timer.secure and timer.virtual both use the interrupt 29",
      board.new, { timer = { virtual = 29 } })
  end)

  it("refuses interrupts that the GIC does not have", function()
    fails("uart.irq 64 is outside 32..63", board.new,
      { uart = { irq = 64 } })
    fails("uart.irq 31 is outside", board.new, { uart = { irq = 31 } })
    fails("timer.virtual 32 is outside 16..31", board.new,
      { timer = { virtual = 32 } })
    fails("gic.nr_irqs 65 is not a multiple of 32", board.new,
      { gic = { nr_irqs = 65 } })
  end)

  it("refuses what is misaligned, or no address", function()
    fails("gic.dist.base 0x8001000 is not a multiple of 0x10000",
      board.new, { gic = { dist = 0x8001000 } })
    fails("ram.base 0x40000001 is not a multiple of 0x1000", board.new,
      { ram = { base = 0x40000001 } })
    fails("ram.base %-4096 is outside", board.new,
      { ram = { base = -4096 } })
    fails("ram.size 0 is outside", board.new, { ram = { size = 0 } })
    fails("uart.base: integer expected, got 'x'", board.new,
      { uart = { base = "x" } })
    fails("gic.its: integer expected, got 'x'", board.new,
      { gic = { its = "x" } })
  end)

  it("refuses fields it does not know, and missing parts", function()
    fails("unknown field 'cpu' %(did you mean 'cpus'%?", board.new, { cpu = 1 })
    fails("uart: unknown field 'irqs' %(did you mean 'irq'%?", board.new,
      { uart = { irqs = 1 } })
    fails("uart cannot be left out", board.new, { uart = false })
    fails("ram: table expected, got 1", board.new, { ram = 1 })
    fails("board: table expected, got 1", board.new, 1)
    fails("cpus 0 is outside 1..512", board.new, { cpus = 0 })
    fails("psci.method 'svc' %(expected hvc or smc%)", board.new,
      { psci = { method = "svc" } })
    fails("compatible: string expected, got 1", board.new, { compatible = 1 })
  end)
end)

describe("the device tree of an arm64 board", function()
  it("obeys the specification, in every variant", function()
    for _, given in ipairs(variants) do
      assert.same({}, fdt.check(board.new(given):device_tree()))
    end
  end)

  it("raises no warning of dtc's", function()
    local missing = dtc.missing("dtc", "apt install device-tree-compiler")
    if missing then pending(missing) end
    for _, given in ipairs(variants) do
      local source = fdt.dts(board.new(given):device_tree { bootargs = "x" })
      local warnings = assert(dtc.warnings(source))
      assert.equal("", warnings)
    end
  end)

  it("has every region of the board, and no other", function()
    for _, given in ipairs(variants) do
      local machine = board.new(given)
      local seen = {}
      for node in read(machine):walk() do
        if node:parent() and node:parent().name ~= "cpus" then
          for _, r in ipairs(node:regions()) do
            seen[#seen + 1] = { r.address, r.size }
          end
        end
      end
      table.sort(seen, function(a, b) return a[1] < b[1] end)
      local expected = {}
      for i, r in ipairs(machine:regions()) do
        expected[i] = { r.base, r.size }
      end
      assert.same(expected, seen)
    end
  end)

  it("tells the timer's interrupts as the GIC counts private ones", function()
    local tree = read(board.new())
    assert.same({ 1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4 },
      tree:get("/timer", "interrupts"):cells())
    tree = read(board.new { timer = { virtual = 16 } })
    assert.equal(0, tree:get("/timer", "interrupts"):u32(8))
  end)

  it("tells the UART's interrupt as the GIC counts shared ones", function()
    local tree = read(board.new { uart = { irq = 40 }, rtc = true })
    local uart = tree:at "serial0"
    assert.same({ "arm,pl011", "arm,primecell" }, uart.compatible:strings())
    assert.same({ 0, 8, 4 }, uart.interrupts:cells())
    assert.same({ 0, 2, 4 }, tree:at("/rtc").interrupts:cells())
    assert.equal(uart, tree:at(tree:get("/chosen", "stdout-path"):str()))
    local clock = tree:by_phandle(uart.clocks:u32(1))
    assert.equal(24000000, clock["clock-frequency"]:u32())
  end)

  it("gives the GIC to everyone", function()
    local tree = read(board.new())
    local gic = tree:by_phandle(tree:get("interrupt-parent"):u32())
    assert.equal("arm,gic-v3", gic.compatible:str())
    assert.equal(3, gic["#interrupt-cells"]:u32())
  end)

  it("has a node for each CPU, by its affinity", function()
    local tree = read(board.new { cpus = 18 })
    assert.equal(18, #tree.cpus)
    assert.equal(15, tree.cpus[16].reg:u32())
    assert.equal("cpu@100", tree.cpus[17].name)
    assert.equal("psci", tree.cpus[18]["enable-method"]:str())
    assert.equal(0x101, tree_of.affinity(17))
    assert.equal(0x10000, tree_of.affinity(0x1000))
  end)

  it("tells how PSCI is called", function()
    assert.equal("hvc", read(board.new()):get("/psci", "method"):str())
    assert.equal("smc", read(board.new { psci = { method = "smc" } })
      :get("/psci", "method"):str())
  end)

  it("takes the kernel's boot parameters", function()
    local tree = read(board.new(), { bootargs = "console=ttyAMA0",
      initrd = { 0x44000000, 0x123 }, rng_seed = "\1\2\3" })
    assert.equal("console=ttyAMA0", tree:get("/chosen", "bootargs"):str())
    assert.equal(0x44000000, tree:get("/chosen", "linux,initrd-start"):u64())
    assert.equal(0x44000123, tree:get("/chosen", "linux,initrd-end"):u64())
    assert.equal("\1\2\3", tree:get("/chosen", "rng-seed"):bytes())
    assert.is_nil(read(board.new()):get("/chosen", "bootargs"))
  end)

  it("refuses other parameters", function()
    local machine = board.new()
    local function try(opts)
      return function() machine:device_tree(opts) end
    end
    fails("board_spec.lua:%d+: bad argument #1 to 'device_tree' %(unknown "
      .. "option 'bootarg' %(did you mean 'bootargs'%?",
      try { bootarg = "" })
    fails("bootargs: string expected, got 1", try { bootargs = 1 })
    fails("initrd {0x40000000, 0x8000001} is not {gpa, size} inside the "
      .. "memory %[0x40000000,0x48000000%)",
      try { initrd = { 0x40000000, (128 << 20) + 1 } })
    fails("initrd {0x1000, 1} is not", try { initrd = { 0x1000, 1 } })
    fails("initrd {nil, nil} is not", try { initrd = {} })
  end)

  it("can be changed before it is built", function()
    local tree = board.new():device_tree()
    tree:add("dev@a000000", { reg = fdt.u64(0xa000000, 0x200),
      interrupts = { 0, 16, 1 }, ["interrupt-parent"] = fdt.ref "gic" })
    assert.equal(0xa000000, fdt.parse(fdt.build(tree)):at("/dev"):regions()[1]
      .address)
  end)
end)

describe("the devices of an arm64 board", function()
  -- Stands in for a VM: notes what it is asked for.
  local function fake_vm()
    local vm = { maps = {}, buses = {}, lines = {}, attrs = {} }
    function vm:map(gpa, size)
      self.maps[#self.maps + 1] = { gpa, size }
      return "memory"
    end
    function vm:on_mmio(gpa, size, device)
      self.buses[gpa] = { size, device }
    end
    function vm:irq_line(t) self.lines[#self.lines + 1] = t end
    function vm.create_device()
      return { set_device_attr = function(_, group, attr, value)
        vm.attrs[group << 8 | attr] = value or true
      end }
    end
    return vm
  end

  it("are where the board says", function()
    local machine = board.new { rtc = true, gic = { its = true } }
    local vm = fake_vm()
    local parts = machine:attach(vm)
    assert.same({ { 0x40000000, 128 << 20 } }, vm.maps)
    assert.equal(parts.uart, vm.buses[0x9000000][2])
    assert.equal(0x1000, vm.buses[0x9000000][1])
    assert.equal(parts.rtc, vm.buses[0x9010000][2])
    assert.equal("memory", parts.ram)
    assert.equal(3, parts.gic.version)
    assert.same({ version = 3, dist = 0x8000000, redist = 0x80a0000,
      its = 0x8080000, nr_irqs = 64 }, machine:gic_options())
    assert.is_nil(board.new():gic_options().its)
  end)

  it("are refused for what they cannot be", function()
    local machine = board.new()
    fails("bad argument #1 to 'attach' %(vm: kvm.vm expected, got nil%)",
      machine.attach, machine)
    fails("#2 to 'attach' %(unknown option 'outptu' %(there is only output%)",
      machine.attach, machine, fake_vm(), { outptu = print })
    fails("output: function or file expected, got 1", machine.attach, machine,
      fake_vm(), { output = 1 })
    fails("calling 'attach' on bad self %(kvm.arch.arm64.board expected, got "
      .. "table: call it with a colon", machine.attach, fake_vm())
  end)

  it("send, and drive their interrupt lines", function()
    local vm, sent = fake_vm(), {}
    local uart = board.new({ uart = { irq = 35 } }):attach(vm,
      { output = function(s) sent[#sent + 1] = s end }).uart
    uart:write(0, 65, 4)
    assert.same({ "A" }, sent)
    uart:write(0x38, 0x20, 4)
    uart:write(0x44, 0x20, 4)
    assert.same({ { irq = 1 << 24 | 35, level = 1 },
      { irq = 1 << 24 | 35, level = 0 } }, vm.lines)
  end)
end)

local arm64 = require "spec.support.arm64".use(_ENV)

arm64.describe("an arm64 board under KVM", function()
  -- Sends "hi", then every byte of input plus one, until there is none; then
  -- enables the UART's interrupt and sends the number that the GIC gives.
  local text = [[
        ldr     x1, =uart
        mov     w2, #'h'
        str     w2, [x1]
        mov     w2, #'i'
        str     w2, [x1]
again:  ldr     w3, [x1, #0x18]
        tbnz    w3, #4, done
        ldr     w2, [x1]
        add     w2, w2, #1
        str     w2, [x1]
        b       again
done:   mrs     x2, icc_sre_el1
        orr     x2, x2, #1
        msr     icc_sre_el1, x2
        isb
        mov     x2, #0xff
        msr     icc_pmr_el1, x2
        mov     x2, #1
        msr     icc_igrpen1_el1, x2
        ldr     x4, =dist
        mov     w2, #2
        str     w2, [x4]                // GICD_CTLR: group 1
        mov     w2, #0x100              // interrupt 40
        str     w2, [x4, #0x84]         // GICD_IGROUPR1
        str     w2, [x4, #0x104]        // GICD_ISENABLER1
        mov     w2, #0x20
        str     w2, [x1, #0x38]         // IMSC: sent
        mov     w2, #'!'
        str     w2, [x1]
        dsb     sy
        mov     x5, #100
wait:   mrs     x2, icc_iar1_el1
        cmp     x2, #1023
        b.ne    got
        subs    x5, x5, #1
        b.ne    wait
got:    str     w2, [x1]
        ldr     w0, =0x84000008         // PSCI SYSTEM_OFF
        hvc     #0
        .ltorg
]]

  it("has a UART that sends, receives and interrupts", function()
    local asm = require "kvm.asm"
    local machine = board.new { ram = { size = 1 << 20 },
      uart = { irq = 40 } }
    local vm <close> = arm64.kvm.create_vm()
    local sent = {}
    local parts = machine:attach(vm, { output = function(bytes)
      sent[#sent + 1] = bytes
    end })
    local cpu <close> = vm:create_vcpu()
    cpu:arm_vcpu_init()
    parts.gic:init()
    parts.ram:write(0, (asm.arm64(text, { origin = machine.ram.base,
      symbols = { uart = machine.uart.base, dist = machine.gic.dist } })))
    cpu.regs.pc = machine.ram.base
    parts.uart:input "abc"
    local reason
    repeat reason = cpu:run { timeout = 10 } until reason ~= "intr"
    assert.equal("system_event", reason)
    assert.equal("hibcd!" .. string.char(40),
      table.concat(sent))
  end)

  it("makes the vCPUs that its tree tells of", function()
    local attr = require "kvm.arch.arm64.attr"
    local machine = board.new { cpus = 2, ram = { size = 1 << 20 },
      timer = { virtual = 20, physical = 21 } }
    local vm <close> = arm64.kvm.create_vm()
    local parts = machine:attach(vm)
    local cpus = machine:create_vcpus(vm, { "pmu_v3" })
    attr.set(cpus[1], "pmu_v3_irq", 23)
    attr.set(cpus[2], "pmu_v3_irq", 23)
    parts.gic:init()
    assert.equal(2, #cpus)
    for i, cpu in ipairs(cpus) do
      assert.equal(i - 1, cpu.id)
      assert.equal(20, attr.get(cpu, "timer_irq_vtimer"))
      assert.equal(21, attr.get(cpu, "timer_irq_ptimer"))
    end
    local state = arm64.kvm.MP_STATE
    assert.equal(state.RUNNABLE, cpus[1]:get_mp_state().mp_state)
    assert.equal(state.STOPPED, cpus[2]:get_mp_state().mp_state)
  end)
end)
