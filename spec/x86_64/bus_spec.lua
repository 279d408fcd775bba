-- SPDX-License-Identifier: MIT
-- Devices on ports, MSRs and hypercalls.
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm "x86_64"
if missing then return pending(missing) end
local guests = require "spec.support.x86_64"
local raises = require "spec.support.raises"

local function recorder(value)
  local calls = {}
  return {
    calls = calls,
    read = function(_, ...)
      calls[#calls + 1] = { "read", ... }
      return value
    end,
    write = function(_, ...) calls[#calls + 1] = { "write", ... } end,
  }
end

describe("a device on ports", function()
  it("is called with offset, value and size", function()
    local cpu, vm = guests.guest("real", [[
        mov $0x11223344, %eax
        mov $0x3f8, %dx
        out %al, (%dx)
        inc %dx
        out %ax, (%dx)
        inc %dx
        out %eax, (%dx)
        in (%dx), %al
        in (%dx), %ax
        in (%dx), %eax
        hlt ]])
    local device = recorder(0x8a7b6c5d)
    assert.equal(device, vm:on_pio(0x3f8, 8, device))
    assert.equal("hlt", (cpu:run { timeout = 10 }))
    assert.same({ { "write", 0, 0x44, 1 }, { "write", 1, 0x3344, 2 },
                  { "write", 2, 0x11223344, 4 }, { "read", 2, 1 },
                  { "read", 2, 2 }, { "read", 2, 4 } }, device.calls)
    assert.equal(0x8a7b6c5d, cpu.regs.rax & 0xffffffff)
  end)

  it("answers ones when it returns nothing", function()
    local cpu, vm = guests.guest("real", [[
        xor %eax, %eax
        in $0x60, %ax
        hlt ]])
    vm:on_pio(0x60, 2, recorder(nil))
    assert.equal("hlt", (cpu:run { timeout = 10 }))
    assert.equal(0xffff, cpu.regs.rax & 0xffffffff)
  end)

  it("takes no access that leaves its range", function()
    local cpu, vm = guests.guest("real", [[
        out %ax, $0x61
        out %al, $0x61
        out %al, $0x5f
        hlt ]])
    local device = recorder()
    vm:on_pio(0x60, 2, device)
    local _, exit = cpu:run { timeout = 10 }
    assert.same({ 0x61, 2 }, { exit.port, exit.size })
    _, exit = cpu:run { timeout = 10 }
    assert.same({ 0x5f, 1 }, { exit.port, exit.size })
    assert.equal(1, #device.calls)
    assert.equal("hlt", (cpu:run { timeout = 10 }))
  end)

  it("is beside one of memory", function()
    local cpu, vm = guests.guest("long64", [[
        mov $0x180000, %esi
        out %al, $0x80
        mov %al, (%rsi)
        hlt ]])
    local port, memory = recorder(), recorder()
    vm:on_pio(0x80, 1, port)
    vm:on_mmio(0x180000, 0x100, memory)
    assert.equal("hlt", (cpu:run { timeout = 10 }))
    assert.equal(1, #port.calls)
    assert.equal(1, #memory.calls)
  end)

  it("is in the port space", function()
    local vm = kvm.create_vm()
    raises("address 0x10000 is outside 0x0..0xffff", vm.on_pio, vm, 0x10000, 1,
      {})
    raises("the range wraps around", vm.on_pio, vm, 0xffff, 2, {})
    vm:on_pio(0xffff, 1, {})
    raises("pio [0xfff0..0xffff] overlaps the device at [0xffff..0xffff]: "
      .. "remove that one with off_pio first", vm.on_pio, vm, 0xfff0, 16, {})
    raises("address 0x10000 is outside", vm.off_pio, vm, 0x10000)
    raises("no device answers there", vm.off_pio, vm, 0xfffe)
  end)

  it("names itself in errors", function()
    local cpu, vm = guests.guest("real", "in $0x60, %al; hlt")
    vm:on_pio(0x60, 1, recorder("no number"))
    raises("read of the device at pio 0x60 returned a string, an integer "
      .. "expected",
      cpu.run, cpu)
    local other, second = guests.guest("real", "in $0x60, %al; hlt")
    second:on_pio(0x5e, 4, {})
    raises("the device at pio 0x5e has no method 'read'", other.run, other)
  end)
end)

describe("a device on MSRs", function()
  local FIRST <const> = 0x4b564d00 -- no MSR of KVM's or of a processor's

  -- Reads and writes two of them; #GP halts with 13 in bl.
  local GUEST <const> = [[
        mov $0x4b564d02, %ecx
        mov $0x11223344, %eax
        mov $0x55667788, %edx
        wrmsr
        mov $0x4b564d03, %ecx
        rdmsr
        hlt
        .org 0x100
        mov $13, %bl
        hlt ]]

  local function guest()
    local cpu, vm = guests.guest("long64", GUEST,
      { gates = { [13] = guests.CODE + 0x100 } })
    vm:enable_cap("X86_USER_SPACE_MSR", kvm.MSR_EXIT.FILTER)
    vm:x86_set_msr_filter { ranges = {
      { flags = { "READ", "WRITE" }, base = FIRST, nmsrs = 16 } } }
    cpu.regs.rbx = 0
    return cpu, vm
  end

  it("is called with the offset in its range, and 8 bytes", function()
    local cpu, vm = guest()
    local device = recorder(0x0123456789abcdef)
    vm:on_msr(FIRST + 1, 4, device)
    assert.equal("hlt", (cpu:run { timeout = 10 }))
    assert.same({ { "write", 1, 0x5566778811223344, 8 }, { "read", 2, 8 } },
      device.calls)
    assert.equal(0x89abcdef, cpu.regs.rax)
    assert.equal(0x01234567, cpu.regs.rdx)
    assert.equal(0, cpu.regs.rbx)
  end)

  it("gives the guest #GP when read returns nothing", function()
    local cpu, vm = guest()
    vm:on_msr(FIRST, 16, recorder(nil))
    assert.equal("hlt", (cpu:run { timeout = 10 }))
    assert.equal(13, cpu.regs.rbx)
  end)

  it("gives the guest #GP when write returns false", function()
    local cpu, vm = guest()
    local device = recorder(1)
    function device.write() return false end
    vm:on_msr(FIRST, 16, device)
    assert.equal("hlt", (cpu:run { timeout = 10 }))
    assert.equal(13, cpu.regs.rbx)
    assert.same({}, device.calls)
  end)

  it("takes its own MSRs alone", function()
    local cpu, vm = guest()
    local device = recorder(1)
    vm:on_msr(FIRST + 3, 1, device)
    local reason, exit = cpu:run { timeout = 10 }
    assert.equal("x86_wrmsr", reason)
    assert.equal(FIRST + 2, exit.index)
    assert.equal("hlt", (cpu:run { timeout = 10 }))
    assert.same({ { "read", 0, 8 } }, device.calls)
    assert.equal(device, vm:off_msr(FIRST + 3))
    raises("no device answers there", vm.off_msr, vm, FIRST + 3)
  end)

  it("may raise: the guest is then where it was", function()
    local cpu, vm = guest()
    local device = { write = function() error "not that one" end }
    vm:on_msr(FIRST, 3, device)
    raises("not that one", cpu.run, cpu)
    assert.equal("x86_wrmsr", cpu.exit.reason)
    assert.equal(0x5566778811223344, cpu.exit.value)
    local function set(value) cpu.exit.error = value end
    raises("exit.error: 256 does not fit in 8 bits", set, 256)
    raises("exit.error: an integer expected, got string", set, "yes")
    set(false)
    local reason = cpu:run { timeout = 10 }
    assert.equal("x86_rdmsr", reason)
  end)

  it("has indices of 32 bits", function()
    local vm = kvm.create_vm()
    raises("address 0x100000000 is outside 0x0..0xffffffff", vm.on_msr, vm,
      1 << 32, 1, {})
    vm:on_msr(0xffffffff, 1, {})
    raises("the range wraps around", vm.on_msr, vm, 0xffffffff, 2, {})
    raises("remove that one with off_msr first", vm.on_msr, vm, 0, 0x100000000,
      {})
  end)
end)

describe("a device on hypercalls", function()
  -- KVM_HC_MAP_GPA_RANGE is the one that KVM hands on.
  local function guest()
    local yes, why = kvm.host():can "hypercall_exits"
    if not yes then pending("no hypercall reaches user space: " .. why) end
    local cpu, vm = guests.guest("long64", [[
        vmcall
        mov %rax, %rsi
        hlt ]])
    vm:enable_cap("EXIT_HYPERCALL", 1 << 12)
    cpu.regs { rax = 12, rbx = 0x4000, rcx = 2, rdx = 1 << 4, rsi = -1 }
    return cpu, vm
  end

  it("is called with the arguments, and answers", function()
    local cpu, vm = guest()
    local call
    vm:on_hypercall(12, 1, { call = function(_, ...)
      call = { ... }
      return 0x1234
    end })
    assert.equal("hlt", (cpu:run { timeout = 10 }))
    assert.same({ 0, 0x4000, 2, 1 << 4 }, { table.unpack(call, 1, 4) })
    assert.equal(7, #call)
    assert.equal(0x1234, cpu.regs.rsi)
  end)

  it("answers 0 when it returns nothing", function()
    local cpu, vm = guest()
    vm:on_hypercall(10, 5, { call = function(_, offset)
      assert.equal(2, offset)
    end })
    assert.equal("hlt", (cpu:run { timeout = 10 }))
    assert.equal(0, cpu.regs.rsi)
  end)

  it("is an exit when there is none", function()
    local cpu, vm = guest()
    vm:on_hypercall(13, 1, {})
    local reason, exit = cpu:run { timeout = 10 }
    assert.equal("hypercall", reason)
    assert.equal(12, exit.nr)
    assert.equal(0x4000, exit.args[1])
    exit.ret = 5
    assert.equal("hlt", (cpu:run { timeout = 10 }))
    assert.equal(5, cpu.regs.rsi)
    vm:off_hypercall(13)
  end)

  it("needs a method call, which returns an integer", function()
    local cpu, vm = guest()
    vm:on_hypercall(12, 1, {})
    raises("the device at hypercall 0xc has no method 'call'", cpu.run, cpu)
    vm:off_hypercall(12)
    local other, second = guest()
    second:on_hypercall(12, 1, { call = function() return {} end })
    raises("returned a table, an integer expected", other.run, other)
  end)
end)
