-- SPDX-License-Identifier: MIT
-- Single step and breakpoints, as far as the host has them.
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm "x86_64"
if missing then return pending(missing) end
local guests = require "spec.support.x86_64"
local asm = require "kvm.asm"
local raises = require "spec.support.raises"

local function need(question)
  local yes, why = kvm.host():can(question)
  if not yes then pending(("no %s: %s"):format(question, why)) end
end

local DB <const>, BP <const> = 1, 3
local DR6_BS <const> = 1 << 14

local function step(cpu, on)
  cpu:set_guest_debug { control = on ~= false and { "ENABLE", "SINGLESTEP" }
                        or 0 }
end

-- Breakpoint i at an address; kind: the bits of DR7 for it.
local function breakpoints(cpu, addresses)
  local debugreg = { [8] = 0x400 }
  for i, address in pairs(addresses) do
    debugreg[i] = address
    debugreg[8] = debugreg[8] | 2 << 2 * (i - 1)
  end
  cpu:set_guest_debug { control = { "ENABLE", "USE_HW_BP" },
                        arch = { debugreg = debugreg } }
end

-- A guest and the addresses of its labels.
local function guest(text, mode, options)
  local cpu, vm, ram = guests.guest(mode or "long64", text, options)
  local engine = mode == "real" and asm.x86_16 or asm.x86_64
  local _, labels = engine(text, { origin = mode == "real" and 0
    or guests.CODE })
  return cpu, labels, vm, ram
end

describe("single step", function()
  it("stops after each instruction", function()
    need "single_step"
    local cpu, at = guest [[
        nop
      a: mov $5, %eax
      b: inc %eax
      c: hlt ]]
    step(cpu)
    for _, name in ipairs { "a", "b", "c" } do
      local reason, exit = cpu:run { timeout = 10 }
      assert.equal("debug", reason)
      assert.equal(at[name], exit.pc)
      assert.equal(at[name], cpu.regs.rip)
      assert.equal(DB, exit.exception)
      assert.equal(DR6_BS, exit.dr6 & DR6_BS)
    end
    assert.equal(6, cpu.regs.rax)
  end)

  it("follows jumps and calls", function()
    need "single_step"
    local cpu, at = guest [[
        call f
      back: jmp out
        nop
      f: nop
      g: ret
      out: hlt ]]
    step(cpu)
    local seen = {}
    for i = 1, 4 do
      assert.equal("debug", (cpu:run { timeout = 10 }))
      seen[i] = cpu.exit.pc
    end
    assert.same({ at.f, at.g, at.back, at.out }, seen)
  end)

  it("ends when it is switched off", function()
    need "single_step"
    local cpu, at = guest [[
        nop
      a: nop
        nop
        hlt ]]
    step(cpu)
    cpu:run { timeout = 10 }
    assert.equal(at.a, cpu.exit.pc)
    step(cpu, false)
    assert.equal("hlt", (cpu:run { timeout = 10 }))
    assert.equal(0, cpu.regs.rflags & 1 << 8)
  end)

  it("does not show in the flags of the registers", function()
    need "single_step"
    local cpu = guest "nop; nop; hlt"
    step(cpu)
    cpu:run { timeout = 10 }
    assert.equal(0, cpu.regs.rflags & 1 << 8)
    assert.equal(0, cpu:get_regs().rflags & 1 << 8)
  end)

  it("works in real mode", function()
    need "single_step"
    local cpu, at = guest([[
        nop
      a: nop
      b: hlt ]], "real")
    step(cpu)
    for _, name in ipairs { "a", "b" } do
      local reason, exit = cpu:run { timeout = 10 }
      assert.equal("debug", reason)
      assert.equal(at[name], exit.pc & 0xffff)
    end
  end)

  it("passes an access to a device, which exits first", function()
    need "single_step"
    local cpu, at = guest [[
        out %al, $0x10
      a: nop
      b: hlt ]]
    step(cpu)
    local reasons = {}
    for i = 1, 2 do reasons[i] = cpu:run { timeout = 10 } end
    assert.same({ "io", "debug" }, reasons)
    -- Whether the access counts as a step is the kernel's choice.
    assert(cpu.exit.pc == at.a or cpu.exit.pc == at.b)
  end)

  it("passes devices of the VM", function()
    need "single_step"
    local cpu, at, vm = guest [[
        in $0x10, %al
      a: mov %al, %bl
      b: hlt ]]
    vm:on_pio(0x10, 1, { read = function() return 0x77 end })
    step(cpu)
    assert.equal("debug", (cpu:run { timeout = 10 }))
    assert.equal(at.a, cpu.exit.pc)
    assert.equal("debug", (cpu:run { timeout = 10 }))
    assert.equal(at.b, cpu.exit.pc)
    assert.equal(0x77, cpu.regs.rbx & 0xff)
  end)

  it("works in ring 3", function()
    need "single_step"
    need "single_step_ring3"
    local cpu, at = guest([[
        nop
      a: nop
      b: jmp b ]], "long64", { user = true, kernel_stack = 0x90000 })
    step(cpu)
    for _, name in ipairs { "a", "b", "b" } do
      local reason, exit = cpu:run { timeout = 10 }
      assert.equal("debug", reason)
      assert.equal(at[name], exit.pc)
    end
  end)
end)

describe("hardware breakpoints", function()
  local TEXT <const> = [[
        nop
      a: inc %eax
        nop
      b: inc %eax
        nop
      c: inc %eax
        nop
      d: inc %eax
        hlt ]]

  it("stop before an instruction", function()
    need "hardware_breakpoints"
    local cpu, at = guest(TEXT)
    cpu.regs.rax = 0
    breakpoints(cpu, { at.b })
    local reason, exit = cpu:run { timeout = 10 }
    assert.equal("debug", reason)
    assert.equal(at.b, exit.pc)
    assert.equal(DB, exit.exception)
    assert.equal(1, exit.dr6 & 0xf)
    assert.equal(1, cpu.regs.rax)
  end)

  it("are four", function()
    need "hardware_breakpoints"
    local cpu, at = guest(TEXT)
    cpu.regs.rax = 0
    local addresses = { at.d, at.c, at.b, at.a }
    for i, name in ipairs { "a", "b", "c", "d" } do
      breakpoints(cpu, addresses)
      local reason, exit = cpu:run { timeout = 10 }
      assert.equal("debug", reason)
      assert.equal(at[name], exit.pc)
      assert.equal(1 << 4 - i, exit.dr6 & 0xf)
      assert.equal(i - 1, cpu.regs.rax)
      addresses[5 - i] = nil -- it would stop there again
    end
    breakpoints(cpu, {})
    assert.equal("hlt", (cpu:run { timeout = 10 }))
  end)

  it("are gone when they are switched off", function()
    need "hardware_breakpoints"
    local cpu, at = guest(TEXT)
    breakpoints(cpu, { at.a })
    cpu:set_guest_debug { control = 0 }
    assert.equal("hlt", (cpu:run { timeout = 10 }))
  end)

  it("leave the guest's own debug registers alone", function()
    need "hardware_breakpoints"
    local cpu, at = guest(TEXT)
    cpu:set_debugregs { db = { 0x1234 }, dr7 = 0x400 }
    breakpoints(cpu, { at.a })
    cpu:run { timeout = 10 }
    assert.equal(0x1234, cpu:get_debugregs().db[1])
  end)
end)

describe("watchpoints", function()
  it("stop after a store", function()
    need "watchpoints"
    local cpu, at = guest [[
        mov %eax, 0x70000
      a: nop
        hlt ]]
    cpu:set_guest_debug { control = { "ENABLE", "USE_HW_BP" }, arch = {
      debugreg = { 0x70000, [8] = 0x400 | 2 | 0xd << 16 } } }
    assert.equal("debug", (cpu:run { timeout = 10 }))
    assert.equal(at.a, cpu.exit.pc)
  end)
end)

describe("software breakpoints", function()
  it("stop at INT3", function()
    need "software_breakpoints"
    local cpu, at = guest [[
        nop
      a: int3
        hlt ]]
    cpu:set_guest_debug { control = { "ENABLE", "USE_SW_BP" } }
    local reason, exit = cpu:run { timeout = 10 }
    assert.equal("debug", reason)
    assert.equal(BP, exit.exception)
    assert.equal(at.a, exit.pc)
  end)
end)

describe("set_guest_debug", function()
  it("is checked", function()
    local cpu = guests.vcpu()
    raises("kvm_guest_debug.control: unknown name 'STEP'", cpu.set_guest_debug,
      cpu, { control = "STEP" })
    raises("kvm_guest_debug has no field 'debugreg'", cpu.set_guest_debug, cpu,
      { debugreg = {} })
    raises("kvm_guest_debug_arch.debugreg has 8 elements, no [9]",
      cpu.set_guest_debug, cpu, { arch = { debugreg = { [9] = 1 } } })
    raises("table expected", cpu.set_guest_debug, cpu, 1)
    cpu:set_guest_debug {}
    cpu:set_guest_debug { control = 0 }
  end)

  it("can inject an exception", function()
    local cpu = guest("hlt", "long64",
      { gates = { [1] = guests.CODE + 0x100 } })
    cpu.vm:write(guests.CODE + 0x100, asm.x86_64 "mov $1, %ebx; hlt")
    cpu.regs.rbx = 0
    local ok, err = pcall(cpu.set_guest_debug, cpu,
      { control = { "ENABLE", "INJECT_DB" } })
    if not ok then pending("no injection: " .. tostring(err)) end
    assert.equal("hlt", (cpu:run { timeout = 10 }))
    assert.equal(1, cpu.regs.rbx)
  end)
end)

describe("debug registers", function()
  it("are got, changed in part, and set", function()
    local cpu = guests.vcpu()
    cpu:set_debugregs { db = { 1, 2, 3, 4 }, dr7 = 0x401 }
    cpu:set_debugregs { db = { [2] = 20 } }
    local r = cpu:get_debugregs()
    assert.same({ 1, 20, 3, 4 }, r.db)
    assert.equal(0x401, r.dr7)
    local err = raises("KVM_SET_DEBUGREGS: EINVAL", cpu.set_debugregs, cpu,
      { dr7 = 1 << 40 })
    assert.equal("string", type(err.hint))
  end)
end)
