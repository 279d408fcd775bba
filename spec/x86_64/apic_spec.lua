-- SPDX-License-Identifier: MIT
-- Interrupts through local APICs: MSIs, routes, irqfds, the timer, and a split
-- interrupt controller.
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm "x86_64"
if missing then return pending(missing) end
local irq = require "spec.guests.irq"
local raises = require "spec.support.raises"

local guest, ready, next_vector = irq.guest, irq.ready, irq.next_vector
local irqchip, enable_apic = irq.irqchip, irq.enable_apic

local APIC <const> = irq.APIC

local function quiet(cpu) assert.equal("timeout", next_vector(cpu, 0.05)) end

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

describe("a processor that waits for INIT", function()
  it("keeps the registers that a script gives it", function()
    local vm <close> = kvm.create_vm()
    vm:create_irqchip()
    local _, waiting = vm:create_vcpu(), vm:create_vcpu()
    for i = 1, 4 do -- from the third on, run() has the registers in the page
      assert.equal("timeout", (waiting:run { timeout = 0.01 }))
      assert.equal(i > 1 and 0x1000 + i or 0, waiting.regs.rax)
      waiting.regs.rax = 0x1001 + i
    end
    assert.equal("timeout", (waiting:run { timeout = 0.01 }))
    assert.equal(0x1005, waiting:get_regs().rax)
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
