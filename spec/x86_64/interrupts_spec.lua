-- SPDX-License-Identifier: MIT
-- Interrupts into a guest, by the ways that need no local APIC: lines and PICs,
-- the PIT, KVM_INTERRUPT, NMIs, events.
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm "x86_64"
if missing then return pending(missing) end
local irq = require "spec.guests.irq"
local raises = require "spec.support.raises"

local guest, ready, next_vector = irq.guest, irq.ready, irq.next_vector
local irqchip, START = irq.irqchip, irq.START

local function quiet(cpu) assert.equal("timeout", next_vector(cpu, 0.05)) end

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

describe("an event", function()
  it("can be an exception", function()
    local cpu = guest(nil, "out %al, $0x81; nop; hlt\n")
    ready(cpu)
    cpu:complete()
    cpu:set_vcpu_events { exception = { injected = 1, nr = 1 } }
    assert.equal(1, cpu:get_vcpu_events().exception.nr)
    cpu.vm:write(4, string.pack("<I2I2", string.unpack("<I2I2",
      cpu.vm:read(0x21 * 4, 4)))) -- #DB is what vector 0x21 does
    assert.equal(0x21, next_vector(cpu))
  end)

  it("can be an interrupt", function()
    local cpu = guest(nil, "out %al, $0x81; nop; hlt\n")
    ready(cpu)
    cpu:complete()
    cpu:set_vcpu_events { interrupt = { injected = 1, nr = 0x40 } }
    local interrupt = cpu:get_vcpu_events().interrupt
    assert.same({ 1, 0x40 }, { interrupt.injected, interrupt.nr })
    assert.equal(0x40, next_vector(cpu))
  end)

  it("keeps the rest of the events", function()
    local cpu = guest()
    cpu:set_vcpu_events { interrupt = { injected = 1, nr = 0x40 } }
    cpu:set_vcpu_events { flags = "NMI_PENDING", nmi = { pending = 1 } }
    local events = cpu:get_vcpu_events()
    assert.equal(0x40, events.interrupt.nr)
    assert.equal(1, events.nmi.pending | events.nmi.injected)
  end)

  it("has fields that are checked", function()
    local cpu = guest()
    raises("kvm_vcpu_events.exception has no field 'vector'",
      cpu.set_vcpu_events, cpu, { exception = { vector = 1 } })
    raises("kvm_vcpu_events.nmi.pending: 256 does not fit in 8 bits",
      cpu.set_vcpu_events, cpu, { nmi = { pending = 256 } })
  end)
end)
