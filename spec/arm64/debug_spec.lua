-- SPDX-License-Identifier: MIT
local arm64 = require "spec.support.arm64".use(_ENV)
local kvm = arm64.kvm

-- Exception classes of debug exits.
local BREAKPOINT <const>, STEP <const> = 0x30, 0x32
local WATCHPOINT <const>, BRK <const> = 0x34, 0x3c

-- DBGBCR<n>_EL1: enabled, EL0 and EL1, all four bytes.
local BCR <const> = 0xf << 5 | 3 << 1 | 1
-- DBGWCR<n>_EL1: enabled, EL0 and EL1, all eight bytes.
local LOADS <const>, STORES <const> = 1, 2
local function wcr(kinds) return 0xff << 5 | kinds << 3 | 3 << 1 | 1 end

local function debug_flags(...)
  return { control = { "ENABLE", ... } }
end

arm64.describe("single step on arm64", function()
  local TEXT <const> = [[
        mov     x19, #1
        mov     x20, #2
        b       1f
        .skip   16
1:      mov     x21, #3
  ]]

  it("stops after each instruction", function()
    local g <close> = arm64.guest(TEXT)
    g.cpu:set_guest_debug(debug_flags "SINGLESTEP")
    local pcs = {}
    for i = 1, 4 do
      local reason, exit = g:run()
      assert.equal("debug", reason)
      assert.equal(STEP, exit.ec)
      pcs[i] = g.cpu.regs.pc - arm64.RAM
    end
    assert.same({ 4, 8, 28, 32 }, pcs)
    assert.equal(3, g.cpu.regs.x21)
  end)

  it("changes one register at a time", function()
    local g <close> = arm64.guest(TEXT)
    local regs = g.cpu.regs
    g.cpu:set_guest_debug(debug_flags "SINGLESTEP")
    g:run()
    assert.same({ 1, 0 }, { regs.x19, regs.x20 })
    g:run()
    assert.same({ 1, 2 }, { regs.x19, regs.x20 })
  end)

  it("ends when it is switched off", function()
    local g <close> = arm64.guest(TEXT)
    g.cpu:set_guest_debug(debug_flags "SINGLESTEP")
    g:run()
    g.cpu:set_guest_debug { control = 0 }
    assert.equal(3, g:finish "x21")
  end)

  it("is not seen by the guest", function()
    local g <close> = arm64.guest "mrs x19, mdscr_el1\nmrs x20, spsr_el1"
    g.cpu:set_guest_debug(debug_flags "SINGLESTEP")
    g:run()
    g:run()
    assert.equal(0, g.cpu.regs.x19 & 1)
    assert.equal(0, g.cpu.regs.x20 & 1 << 21)
  end)

  it("passes a device's access, which exits first", function()
    local g <close> = arm64.guest [[
        ldr     x1, =mmio
        ldr     w19, [x1]
        mov     x20, #1
    ]]
    g.cpu:set_guest_debug(debug_flags "SINGLESTEP")
    assert.equal("debug", (g:run()))
    local reason, exit = g:run()
    assert.equal("mmio", reason)
    exit.value = 6
    assert.equal("debug", (g:run()))
    assert.equal(6, g.cpu.regs.x19)
  end)
end)

arm64.describe("software breakpoints on arm64", function()
  local TEXT <const> = [[
        mov     x19, #1
here:   brk     #0xabc
        mov     x20, #2
  ]]

  it("stop at BRK, with its immediate", function()
    local g <close> = arm64.guest(TEXT)
    g.cpu:set_guest_debug(debug_flags "USE_SW_BP")
    local reason, exit = g:run()
    assert.equal("debug", reason)
    assert.equal(BRK, exit.ec)
    assert.equal(0xabc, exit.hsr & 0xffff)
    assert.equal(g.symbols.here, g.cpu.regs.pc)
    assert.equal(1, g.cpu.regs.x19)
    g.cpu.regs.pc = g.cpu.regs.pc + 4
    assert.equal(2, g:finish "x20")
  end)

  it("are put into memory and taken out", function()
    local asm = require "kvm.asm"
    local g <close> = arm64.guest "mov x19, #1\nhere: mov x20, #2\nnop"
    local old = g.vm:read(g.symbols.here, 4)
    g.vm:write(g.symbols.here, (asm.arm64 "brk #0"))
    g.cpu:set_guest_debug(debug_flags "USE_SW_BP")
    assert.equal("debug", (g:run()))
    assert.equal(g.symbols.here, g.cpu.regs.pc)
    assert.equal(0, g.cpu.regs.x20)
    g.vm:write(g.symbols.here, old)
    assert.equal(2, g:finish "x20")
  end)

  it("are the guest's own without USE_SW_BP", function()
    local g <close> = arm64.guest [[
        ldr     x0, =vectors
        msr     vbar_el1, x0
        isb
        brk     #7
        .balign 2048
vectors:
        .skip   0x200
        mrs     x19, esr_el1
    ]]
    g:finish()
    local t = require "kvm.arch.arm64.esr".decode(g.cpu.regs.x19)
    assert.equal("brk", t.name)
    assert.equal(7, t.immediate)
  end)
end)

arm64.describe("hardware breakpoints on arm64", function()
  it("are counted by capabilities", function()
    local vm <close> = kvm.create_vm()
    assert.is_true(vm:check_extension "GUEST_DEBUG_HW_BPS" >= 2)
    assert.is_true(vm:check_extension "GUEST_DEBUG_HW_WPS" >= 2)
  end)

  it("stop before an instruction, without changing it", function()
    local g <close> = arm64.guest "mov x19, #1\nhere: mov x20, #2\nnop"
    g.cpu:set_guest_debug { control = { "ENABLE", "USE_HW" }, arch = {
      dbg_bvr = { g.symbols.here }, dbg_bcr = { BCR } } }
    local reason, exit = g:run()
    assert.equal("debug", reason)
    assert.equal(BREAKPOINT, exit.ec)
    assert.equal(g.symbols.here, g.cpu.regs.pc)
    assert.equal(0, g.cpu.regs.x20)
    g.cpu:set_guest_debug { control = 0 }
    assert.equal(2, g:finish "x20")
  end)

  it("work all at once", function()
    local g <close> = arm64.guest [[
        nop
a:      nop
b:      nop
c:      nop
d:      nop
    ]]
    local n = math.min(4, g.vm:check_extension "GUEST_DEBUG_HW_BPS")
    local values, controls, hit = {}, {}, {}
    for i = 1, n do
      values[i], controls[i] = g.symbols[("abcd"):sub(i, i)], BCR
    end
    for _ = 1, n do
      g.cpu:set_guest_debug { control = { "ENABLE", "USE_HW" },
        arch = { dbg_bvr = values, dbg_bcr = controls } }
      assert.equal("debug", (g:run()))
      hit[#hit + 1] = g.cpu.regs.pc
      -- over it, with a step
      g.cpu:set_guest_debug(debug_flags "SINGLESTEP")
      assert.equal("debug", (g:run()))
    end
    assert.same(values, hit)
  end)

  it("leave the guest's own debug registers alone", function()
    local g <close> = arm64.guest [[
        ldr     x0, =0x12340
        msr     dbgbvr0_el1, x0
        mrs     x19, dbgbvr0_el1
here:   nop
    ]]
    g.cpu:set_guest_debug { control = { "ENABLE", "USE_HW" }, arch = {
      dbg_bvr = { g.symbols.here }, dbg_bcr = { BCR } } }
    assert.equal("debug", (g:run()))
    assert.equal(0x12340, g.cpu.regs.x19)
    assert.equal(0x12340, g.cpu.regs.dbgbvr0_el1)
  end)
end)

arm64.describe("watchpoints on arm64", function()
  local WATCHED <const> = arm64.RAM + 0x100000
  local TEXT <const> = [[
        ldr     x1, =ram + 0x100000
        mov     x2, #5
        ldr     x3, [x1, #8]            // beside it
load:   ldr     x3, [x1]
store:  str     x2, [x1]
        mov     x19, #9
  ]]

  local function watch(g, kinds)
    g.cpu:set_guest_debug { control = { "ENABLE", "USE_HW" }, arch = {
      dbg_wvr = { WATCHED }, dbg_wcr = { wcr(kinds) } } }
  end

  it("stop before a store, and tell its address", function()
    local g <close> = arm64.guest(TEXT)
    watch(g, STORES)
    local reason, exit = g:run()
    assert.equal("debug", reason)
    assert.equal(WATCHPOINT, exit.ec)
    assert.equal(WATCHED, exit.far)
    assert.equal(g.symbols.store, g.cpu.regs.pc)
    assert.equal(("\0"):rep(8), g.vm:read(WATCHED, 8))
  end)

  it("stop before a load", function()
    local g <close> = arm64.guest(TEXT)
    watch(g, LOADS)
    local _, exit = g:run()
    assert.equal(WATCHPOINT, exit.ec)
    assert.equal(g.symbols.load, g.cpu.regs.pc)
  end)

  it("stop before both", function()
    local g <close> = arm64.guest(TEXT)
    watch(g, LOADS | STORES)
    g:run()
    assert.equal(g.symbols.load, g.cpu.regs.pc)
    g.cpu:set_guest_debug(debug_flags "SINGLESTEP")
    g:run()
    watch(g, LOADS | STORES)
    g:run()
    assert.equal(g.symbols.store, g.cpu.regs.pc)
  end)

  it("are gone when switched off", function()
    local g <close> = arm64.guest(TEXT)
    watch(g, STORES)
    g:run()
    g.cpu:set_guest_debug { control = 0 }
    assert.equal(9, g:finish "x19")
    assert.equal(5, string.unpack("<i8", g.vm:read(WATCHED, 8)))
  end)
end)
