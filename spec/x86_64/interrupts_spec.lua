-- SPDX-License-Identifier: MIT
-- Interrupts into a guest, by every way that KVM has.
local kvm = require "kvm"
if kvm.arch ~= "x86_64" then
  return pending "needs an x86-64 machine: tools/box x86_64"
end
local asm = require "kvm.asm"
local modes = require "kvm.arch.x86_64.modes"
local raises = require "spec.support.raises"

local VECTORS <const> = { 2, 0x20, 0x21, 0x28, 0x29, 0x30, 0x31, 0x40 }
local CODE <const>, STACK <const> = 0x1000, 0x8000
local APIC <const> = 0xfee00000

-- Real mode: both PICs from vector 0x20, interrupts on, HLT for ever. Handlers
-- write their vector to port 0x80; the last one enabled ends the wait.
local START <const> = [[
        mov $0x11, %al
        out %al, $0x20
        out %al, $0xa0
        mov $0x20, %al
        out %al, $0x21
        mov $0x28, %al
        out %al, $0xa1
        mov $4, %al
        out %al, $0x21
        mov $2, %al
        out %al, $0xa1
        mov $1, %al
        out %al, $0x21
        out %al, $0xa1
        xor %al, %al
        out %al, $0x21
        out %al, $0xa1
        out %al, $0x81          # ready
        sti
     1: hlt
        jmp 1b
]]

-- Vectors of the local APIC end there, the others at the PICs.
local function handler(vector)
  return ([[
     v%d:
        push %%ax
        mov $%d, %%al
        out %%al, $0x80
        %s
        pop %%ax
        iret
  ]]):format(vector, vector, vector == 2 and "" or vector >= 0x30
    and "movl $0, %gs:0xb0" or "mov $0x20, %al; out %al, $0xa0; out %al, $0x20")
end

local function guest(setup, start)
  local vm = kvm.create_vm()
  local ram = vm:map(0, 0x10000)
  if setup then setup(vm) end
  local cpu = vm:create_vcpu()
  cpu:set_cpuid2(vm.system:get_supported_cpuid())
  local text = { start or START }
  for _, vector in ipairs(VECTORS) do text[#text + 1] = handler(vector) end
  local code, labels = asm.x86_16(table.concat(text, "\n"), { origin = CODE })
  ram:write(CODE, code)
  for _, vector in ipairs(VECTORS) do
    ram:pack(vector * 4, "<I2I2", labels["v" .. vector], 0)
  end
  cpu.regs(modes.real { entry = CODE, stack = STACK })
  cpu.regs.gs_base = APIC
  return cpu, vm, ram
end

-- The next value that the guest writes to port 0x80.
local function next_vector(cpu, timeout)
  for reason, exit in cpu:exits { timeout = timeout or 10 } do
    if reason == "io" and exit.port == 0x80 then return exit.value end
    if reason ~= "io" and reason ~= "intr" then return reason end
  end
end

-- Runs until the guest waits for interrupts.
local function ready(cpu)
  for reason, exit in cpu:exits { timeout = 10 } do
    if reason == "io" and exit.port == 0x81 then return end
    assert(reason == "io" or reason == "intr", reason)
  end
end

local function quiet(cpu) assert.equal("timeout", next_vector(cpu, 0.05)) end

local function irqchip(vm) vm:create_irqchip() end

-- Enables the local APIC, which has its registers at 16 bytes each.
local function enable_apic(cpu)
  local regs = cpu:get_lapic().regs
  cpu:set_lapic { regs = regs:sub(1, 0xf0) .. string.pack("<I4", 0x1ff)
    .. regs:sub(0xf5) }
end

describe("irq_line", function()
  it("raises an interrupt through the PICs", function()
    local cpu, vm = guest(irqchip)
    ready(cpu)
    quiet(cpu)
    for irq, vector in pairs { [0] = 0x20, [1] = 0x21, [8] = 0x28,
                               [9] = 0x29 } do
      vm:irq_line { irq = irq, level = 1 }
      vm:irq_line { irq = irq, level = 0 }
      assert.equal(vector, next_vector(cpu), irq)
    end
    quiet(cpu)
  end)

  it("waits while the guest does not take interrupts", function()
    local cpu, vm = guest(irqchip)
    vm:irq_line { irq = 1, level = 1 }
    ready(cpu)
    vm:irq_line { irq = 1, level = 0 }
    vm:irq_line { irq = 1, level = 1 }
    assert.equal(0x21, next_vector(cpu))
    vm:irq_line { irq = 1, level = 0 }
    quiet(cpu)
  end)

  it("keeps masked ones back", function()
    local cpu, vm = guest(irqchip)
    ready(cpu)
    quiet(cpu)
    vm:set_irqchip { chip_id = "PIC_MASTER", pic = { imr = 2 } }
    vm:irq_line { irq = 1, level = 1 }
    quiet(cpu)
    assert.equal(2, vm:get_irqchip { chip_id = "PIC_MASTER" }.pic.irr & 2)
    vm:set_irqchip { chip_id = "PIC_MASTER", pic = { imr = 0 } }
    vm:irq_line { irq = 1, level = 0 }
    vm:irq_line { irq = 1, level = 1 }
    assert.equal(0x21, next_vector(cpu))
  end)

  it("says what became of it: irq_line_status", function()
    local cpu, vm = guest(irqchip)
    ready(cpu)
    quiet(cpu)
    assert.equal(1, vm:irq_line_status { irq = 1, level = 1 }.status)
    assert.equal(0x21, next_vector(cpu))
  end)

  it("needs an interrupt controller", function()
    local vm <close> = kvm.create_vm()
    local err = raises("KVM_IRQ_LINE: ENXIO", vm.irq_line, vm,
      { irq = 1, level = 1 })
    assert.truthy(err.hint:find("create_irqchip first", 1, true))
    raises("create_irqchip first", vm.irq_line_status, vm,
      { irq = 1, level = 1 })
    raises("create_irqchip first", vm.get_irqchip, vm, { chip_id = 0 })
  end)

  it("needs it before the first vCPU", function()
    local vm <close> = kvm.create_vm()
    vm:create_vcpu()
    local err = raises("KVM_CREATE_IRQCHIP: EINVAL", vm.create_irqchip, vm)
    assert.truthy(err.hint:find("before the first vCPU", 1, true))
    local other <close> = kvm.create_vm()
    other:create_irqchip()
    raises("the VM has an interrupt controller", other.create_irqchip, other)
  end)
end)

describe("the PIT", function()
  local function with_pit(vm)
    vm:create_irqchip()
    vm:create_pit2 { flags = "SPEAKER_DUMMY" }
  end

  it("ticks when the guest has programmed it", function()
    local program = "mov $0x34, %al; out %al, $0x43; mov $0x50, %al; "
      .. "out %al, $0x40; out %al, $0x40\n"
    local cpu = guest(with_pit, program .. START)
    ready(cpu)
    for _ = 1, 3 do assert.equal(0x20, next_vector(cpu)) end
  end)

  it("has state that is got and set", function()
    local vm <close> = kvm.create_vm()
    with_pit(vm)
    local pit = vm:get_pit2()
    assert.equal(3, #pit.channels)
    vm:set_pit2 { channels = { [3] = { count = 0x1234, mode = 3 } } }
    assert.equal(0x1234, vm:get_pit2().channels[3].count)
    assert.equal(3, vm:get_pit2().channels[3].mode)
    assert.equal(pit.channels[1].mode, vm:get_pit2().channels[1].mode)
    vm:reinject_control { pit_reinject = 0 }
    vm:reinject_control { pit_reinject = 1 }
  end)

  it("needs the PICs, and comes once", function()
    local vm <close> = kvm.create_vm()
    local early <close> = kvm.create_vm()
    local ok, err = pcall(early.create_pit2, early, {})
    if not ok then -- Linux 6.1 makes one that nobody can hear
      assert.truthy(tostring(err):find("KVM_CREATE_PIT2: ENOENT", 1, true))
      assert.truthy(err.hint:find("create_irqchip first", 1, true))
    end
    assert.truthy(raises("KVM_GET_PIT2: ENXIO", vm.get_pit2, vm).hint
      :find("create_pit2 first", 1, true))
    with_pit(vm)
    raises("the VM has a PIT", vm.create_pit2, vm, {})
  end)
end)

describe("an MSI", function()
  local function msi(vector) return { address_lo = APIC, data = vector } end

  it("reaches the local APIC", function()
    local cpu, vm = guest(irqchip)
    ready(cpu)
    quiet(cpu)
    enable_apic(cpu)
    assert.equal(1, vm:signal_msi(msi(0x30)))
    assert.equal(0x30, next_vector(cpu))
    assert.equal(1, vm:signal_msi(msi(0x31)))
    assert.equal(0x31, next_vector(cpu))
    quiet(cpu)
  end)

  it("is refused by an APIC that is off", function()
    local cpu, vm = guest(irqchip)
    ready(cpu)
    quiet(cpu)
    assert.equal(0, vm:signal_msi(msi(0x30)))
    quiet(cpu)
  end)

  it("comes through a route, from irq_line and from an irqfd", function()
    local cpu, vm = guest(irqchip)
    ready(cpu)
    quiet(cpu)
    enable_apic(cpu)
    vm:set_gsi_routing {
      { gsi = 24, type = "MSI", msi = msi(0x30) },
      { gsi = 25, type = "MSI", msi = msi(0x31) },
      { gsi = 5, type = "IRQCHIP", irqchip = { irqchip = "PIC_MASTER",
                                               pin = 1 } },
    }
    vm:irq_line { irq = 24, level = 1 }
    assert.equal(0x30, next_vector(cpu))
    local event <close> = kvm.eventfd()
    vm:irqfd { fd = event, gsi = 25 }
    event:write()
    assert.equal(0x31, next_vector(cpu))
    event:write()
    assert.equal(0x31, next_vector(cpu))
    vm:irq_line { irq = 5, level = 1 }
    assert.equal(0x21, next_vector(cpu))
    vm:irqfd { fd = event, gsi = 25, flags = "DEASSIGN" }
    event:write()
    quiet(cpu)
  end)

  it("needs an interrupt controller", function()
    local vm <close> = kvm.create_vm()
    local err = raises("KVM_SIGNAL_MSI: EINVAL", vm.signal_msi, vm, msi(0x30))
    assert.equal("string", type(err.hint))
  end)
end)

describe("a split interrupt controller", function()
  local function split(vm) vm:enable_cap("SPLIT_IRQCHIP", 24) end

  it("has local APICs in the kernel, and the rest outside", function()
    local cpu, vm = guest(split)
    enable_apic(cpu)
    ready(cpu)
    quiet(cpu)
    assert.equal(1, vm:signal_msi { address_lo = APIC, data = 0x40 })
    assert.equal(0x40, next_vector(cpu))
    raises("KVM_GET_IRQCHIP: ENXIO", vm.get_irqchip, vm, { chip_id = 0 })
  end)

  it("tells of the end of a level-triggered interrupt", function()
    local cpu, vm = guest(split)
    enable_apic(cpu)
    vm:set_gsi_routing { { gsi = 3, type = "MSI",
      msi = { address_lo = APIC, data = 0x8040 } } }
    ready(cpu)
    vm:signal_msi { address_lo = APIC, data = 0x8040 } -- level
    assert.equal(0x40, next_vector(cpu))
    local reason, exit = cpu:run { timeout = 10 }
    assert.equal("ioapic_eoi", reason)
    assert.equal(0x40, exit.vector)
    quiet(cpu)
  end)

  it("takes interrupts from outside: KVM_INTERRUPT", function()
    local cpu = guest(split)
    ready(cpu)
    cpu:interrupt { irq = 0x21 }
    raises("KVM_INTERRUPT: EEXIST", cpu.interrupt, cpu, { irq = 0x20 })
    assert.equal(0x21, next_vector(cpu))
  end)
end)

describe("KVM_INTERRUPT", function()
  it("without any controller wakes the guest", function()
    local cpu = guest()
    ready(cpu)
    assert.equal("hlt", (cpu:run { timeout = 10 }))
    cpu:interrupt { irq = 0x21 }
    assert.equal(0x21, next_vector(cpu))
    cpu:interrupt { irq = 0x40 }
    assert.equal(0x40, next_vector(cpu))
  end)

  it("has vectors up to 255, and no in-kernel PIC", function()
    local cpu = guest()
    local err = raises("KVM_INTERRUPT: EINVAL", cpu.interrupt, cpu,
      { irq = 256 })
    assert.equal("vectors are 0 to 255", err.hint)
    local other = guest(irqchip)
    err = raises("KVM_INTERRUPT: ENXIO", other.interrupt, other, { irq = 1 })
    assert.truthy(err.hint:find("irq_line", 1, true))
    raises("kvm_interrupt has no field 'vector'", cpu.interrupt, cpu,
      { vector = 1 })
  end)
end)

describe("an NMI", function()
  it("comes whether interrupts are on or off", function()
    local cpu = guest(nil, "out %al, $0x81; nop; hlt\n")
    ready(cpu)
    cpu:nmi()
    assert.equal(2, next_vector(cpu))
    assert.equal("hlt", (cpu:run { timeout = 10 }))
  end)

  it("shows among the events before it is taken", function()
    local cpu = guest(nil, "out %al, $0x81; nop; hlt\n")
    ready(cpu)
    cpu:complete()
    cpu:nmi()
    local nmi = cpu:get_vcpu_events().nmi
    assert.equal(1, nmi.pending | nmi.injected)
    raises("surplus argument", cpu.nmi, cpu, 1)
  end)

  it("can be injected as an event", function()
    local cpu = guest(nil, "out %al, $0x81; nop; hlt\n")
    ready(cpu)
    cpu:complete()
    cpu:set_vcpu_events { flags = "NMI_PENDING", nmi = { pending = 1 } }
    assert.equal(2, next_vector(cpu))
  end)
end)

describe("the local APIC", function()
  it("is got and set as 1024 bytes", function()
    local cpu = guest(irqchip)
    local regs = cpu:get_lapic().regs
    assert.equal(1024, #regs)
    assert.equal(0, string.unpack("<I4", regs, 0x20 + 1) >> 24) -- its id
    cpu:set_lapic { regs = regs }
    enable_apic(cpu)
    assert.equal(0x1ff, string.unpack("<I4", cpu:get_lapic().regs, 0xf0 + 1))
    raises("1023 bytes given, it takes 1024", cpu.set_lapic, cpu,
      { regs = regs:sub(2) })
  end)

  it("has a timer", function()
    local cpu = guest(irqchip)
    ready(cpu)
    quiet(cpu)
    enable_apic(cpu)
    local regs = cpu:get_lapic().regs
    local function with(offset, value)
      regs = regs:sub(1, offset) .. string.pack("<I4", value)
        .. regs:sub(offset + 5)
    end
    with(0x320, 0x20040) -- periodic, vector 0x40
    with(0x3e0, 0xb)     -- divide by 1
    with(0x380, 2000000) -- 2 ms
    with(0x390, 2000000)
    cpu:set_lapic { regs = regs }
    for _ = 1, 3 do assert.equal(0x40, next_vector(cpu)) end
  end)

  it("is not there without a controller", function()
    local cpu = guest()
    local err = raises("KVM_GET_LAPIC: EINVAL", cpu.get_lapic, cpu)
    assert.truthy(err.hint:find("create_irqchip", 1, true))
  end)
end)
