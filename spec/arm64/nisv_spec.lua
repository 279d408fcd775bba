-- SPDX-License-Identifier: MIT
local arm64 = require "spec.support.arm64".use(_ENV)
local asm = require "kvm.asm"
local nisv = require "kvm.arch.arm64.nisv"

if not require "spec.support.toolchain".has("as", "arm64") then
  return describe("kvm.arch.arm64.nisv", function()
    it("decodes and emulates what an assembler makes", function()
      pending "no assembler for arm64 is installed"
    end)
  end)
end

local decoded = {
  { "str x1, [x2, #16]!",
    { is_load = false, size = 8, width = 8, base = 2, offset = 16,
      index = "pre", registers = { 1 }, is_vector = false,
      is_signed = false } },
  { "ldr w3, [sp], #-4",
    { is_load = true, size = 4, width = 4, base = 31, offset = -4,
      index = "post", registers = { 3 }, is_vector = false,
      is_signed = false } },
  { "ldrsb x4, [x5, #1]!",
    { is_load = true, size = 1, width = 8, base = 5, offset = 1,
      index = "pre", registers = { 4 }, is_vector = false,
      is_signed = true } },
  { "ldrsh w6, [x7], #2",
    { is_load = true, size = 2, width = 4, base = 7, offset = 2,
      index = "post", registers = { 6 }, is_vector = false,
      is_signed = true } },
  { "ldr x8, [x9, #32760]",
    { is_load = true, size = 8, width = 8, base = 9,
      offset = 32760, index = "offset", registers = { 8 },
      is_vector = false, is_signed = false } },
  { "sturh w10, [x11, #-3]",
    { is_load = false, size = 2, width = 4, base = 11,
      offset = -3, index = "offset", registers = { 10 },
      is_vector = false, is_signed = false } },
  { "ldr w12, [x13, w14, uxtw #2]",
    { is_load = true, size = 4, width = 4, base = 13, offset = 0,
      index = "offset", registers = { 12 }, is_vector = false,
      is_signed = false,
      offset_register = { number = 14, extend = "uxtw",
      scale = 4 } } },
  { "stp x1, x2, [x3, #-32]!",
    { is_load = false, size = 8, width = 8, base = 3,
      offset = -32, index = "pre", registers = { 1, 2 },
      is_vector = false, is_signed = false } },
  { "ldp w4, w5, [x6], #8",
    { is_load = true, size = 4, width = 4, base = 6, offset = 8,
      index = "post", registers = { 4, 5 }, is_vector = false,
      is_signed = false } },
  { "ldpsw x7, x8, [x9]",
    { is_load = true, size = 4, width = 8, base = 9, offset = 0,
      index = "offset", registers = { 7, 8 }, is_vector = false,
      is_signed = true } },
  { "ldnp x1, x2, [x3, #8]",
    { is_load = true, size = 8, width = 8, base = 3,
      offset = 8, index = "offset", registers = { 1, 2 },
      is_vector = false, is_signed = false } },
  { "stp q0, q1, [x2, #32]",
    { is_load = false, size = 16, width = 8, base = 2,
      offset = 32, index = "offset", registers = { 0, 1 },
      is_vector = true, is_signed = false } },
  { "ldr q3, [x4]",
    { is_load = true, size = 16, base = 4, offset = 0,
      index = "offset", registers = { 3 }, is_vector = true } },
  { "str d5, [x6], #8",
    { is_load = false, size = 8, base = 6, offset = 8,
      index = "post", registers = { 5 }, is_vector = true } },
}

-- Not a load or store that the helper does.
local others = {
  "nop",
  "add x0, x1, x2",
  "ldxr x0, [x1]",
  "ldadd x0, x1, [x2]",
  "prfm pldl1keep, [x0]",
  "ld1 {v0.16b}, [x0]",
  "dc zva, x0",
  "ldraa x0, [x1]",
}

-- The instruction words of all rows, in their order: assembled together.
local function words(texts)
  local bytes, out = asm.arm64(table.concat(texts, "\n")), {}
  for i = 1, #texts do out[i] = string.unpack("<I4", bytes, 4 * i - 3) end
  return out
end

local function first(rows)
  local out = {}
  for i, row in ipairs(rows) do out[i] = row[1] end
  return out
end

describe("kvm.arch.arm64.nisv.decode", function()
  local known, unknown
  lazy_setup(function()
    known, unknown = words(first(decoded)), words(others)
  end)

  for i, row in ipairs(decoded) do
    it("decodes " .. row[1], function()
      local op = nisv.decode(known[i])
      for name, value in pairs(row[2]) do assert.same(value, op[name], name) end
      assert.same(row[2].offset_register, op.offset_register)
    end)
  end

  for i, text in ipairs(others) do
    it("leaves " .. text .. " alone", function()
      assert.is_nil(nisv.decode(unknown[i]))
    end)
  end
end)

-- A vCPU made of a table, for what needs no kernel.
local function fake(regs)
  local meta = { __call = function(self, changes)
    for name, value in pairs(changes) do self[name] = value end
  end }
  regs.pstate = regs.pstate or 0x3c5
  regs.pc = regs.pc or 0x1000
  return { regs = setmetatable(regs, meta) }
end

-- A device that answers with its offset and keeps what is written.
local function device()
  local d = { log = {} }
  function d:read(offset, size)
    self.log[#self.log + 1] = ("r%d@%x"):format(size, offset)
    return 0x8182838485868788 + offset
  end
  function d:write(offset, value, size)
    self.log[#self.log + 1] = ("w%d@%x=%x"):format(size, offset, value)
  end
  return d
end

local function emulate(text, regs, ipa)
  local cpu, d = fake(regs), device()
  nisv.emulate(cpu, { fault_ipa = ipa }, d, 0x9000000, function()
    return (asm.arm64(text))
  end)
  return cpu.regs, d.log
end

describe("kvm.arch.arm64.nisv.emulate", function()
  it("stores a pair, writes the base back and skips", function()
    local regs, log = emulate("stp x1, x2, [x3, #-32]!",
      { x1 = 0x11, x2 = 0x22, x3 = 0x9000040 }, 0x9000020)
    assert.same({ "w8@20=11", "w8@28=22" }, log)
    assert.equal(0x9000020, regs.x3)
    assert.equal(0x1004, regs.pc)
  end)

  it("loads with post-index: the address is the old base", function()
    local regs, log = emulate("ldp w4, w5, [x6], #8",
      { x6 = 0x9000010 }, 0x9000010)
    assert.same({ "r4@10", "r4@14" }, log)
    assert.equal(0x85868798, regs.x4)
    assert.equal(0x8586879c, regs.x5)
    assert.equal(0x9000018, regs.x6)
  end)

  it("extends the sign to the register's width", function()
    local regs = emulate("ldrsb x4, [x5, #1]!", { x5 = 0x9000000 }, 0x9000001)
    assert.equal(-0x77, regs.x4)
    regs = emulate("ldrsh w6, [x7], #2", { x7 = 0x9000000 }, 0x9000000)
    assert.equal(0xffff8788, regs.x6)
  end)

  it("uses the stack pointer of the mode", function()
    local regs = emulate("ldr w3, [sp], #-4",
      { sp = 0x9000100, sp_el1 = 0x9000200, pstate = 0x3c5 }, 0x9000200)
    assert.equal(0x90001fc, regs.sp_el1)
    assert.equal(0x9000100, regs.sp)
    regs = emulate("ldr w3, [sp], #-4",
      { sp = 0x9000100, sp_el1 = 0x9000200, pstate = 0 }, 0x9000100)
    assert.equal(0x90000fc, regs.sp)
  end)

  it("discards what goes to the zero register, and stores zero", function()
    local regs = emulate("ldr wzr, [x1]", { x1 = 0x9000000 }, 0x9000000)
    assert.is_nil(regs.x31)
    local _, log = emulate("str xzr, [x1], #16", { x1 = 0x9000000 }, 0x9000000)
    assert.same({ "w8@0=0" }, log)
  end)

  it("scales and extends an offset register", function()
    local _, log = emulate("ldr w12, [x13, w14, uxtw #2]",
      { x13 = 0x9000000, x14 = 0x1100000003 }, 0x900000c)
    assert.same({ "r4@c" }, log)
  end)

  it("moves vector registers in halves of 8 bytes", function()
    local q = string.pack("<i8i8", 0x1111, 0x2222)
    local _, log = emulate("stp q0, q1, [x2, #32]",
      { x2 = 0x9000000, v0 = q, v1 = q }, 0x9000020)
    assert.same({ "w8@20=1111", "w8@28=2222", "w8@30=1111", "w8@38=2222" },
      log)
    local regs = emulate("ldr q3, [x4]", { x4 = 0x9000000 }, 0x9000000)
    assert.equal(string.pack("<i8i8", 0x8182838485868788, 0x8182838485868790),
      regs.v3)
  end)

  it("clears the rest of a vector register", function()
    local regs = emulate("ldr d5, [x23], #8",
      { x23 = 0x9000000, v5 = ("\xff"):rep(16) }, 0x9000000)
    assert.equal(string.pack("<i8i8", 0x8182838485868788, 0), regs.v5)
  end)

  it("changes nothing when the device fails", function()
    local cpu = fake { x1 = 1, x2 = 2, x3 = 0x9000040 }
    local broken = { write = function(_, offset)
      if offset > 0x20 then error("broken device", 0) end
    end }
    local ok, message = pcall(nisv.emulate, cpu, { fault_ipa = 0x9000020 },
      broken, 0x9000000, function()
        return (asm.arm64 "stp x1, x2, [x3, #-32]!")
      end)
    assert.is_false(ok)
    assert.equal("broken device", message)
    assert.equal(0x9000040, cpu.regs.x3)
    assert.equal(0x1000, cpu.regs.pc)
  end)

  it("refuses an access of two pages", function()
    local function at(address)
      return emulate("ldp x2, x3, [x1]", { x1 = address }, 0x9001000)
    end
    at(0x9000ff0)
    assert.error_matches(function() at(0x9000ff8) end,
      "16 bytes at va 0x9000ff8 straddle two pages", 1, true)
  end)

  it("names an instruction that it does not do", function()
    assert.error_matches(function() emulate("ldxr x0, [x1]", {}, 0) end,
      "instruction 0xc85f7c20 at pc 0x1000 is no load or store", 1, true)
    assert.error_matches(function()
      emulate("nop", { pstate = 0x1d3 }, 0)
    end, "AArch32", 1, true)
  end)
end)

arm64.describe("arm_nisv exits", function()
  local function guest(text)
    return arm64.guest(text, { before = function(vm)
      vm:enable_cap("ARM_NISV_TO_USER")
    end })
  end

  -- Runs a guest whose accesses are emulated on a device, to its end.
  local function finish(g)
    local d, count = device(), 0
    for reason, exit in g.cpu:exits { timeout = 10 } do
      if reason ~= "arm_nisv" then
        assert.equal("system_event", reason)
        break
      end
      count = count + 1
      nisv.emulate(g.cpu, exit, d, arm64.MMIO)
    end
    return d.log, count
  end

  it("have the syndrome and the address", function()
    local g <close> = guest [[
        ldr     x1, =mmio
        stp     x0, x0, [x1, #0x40]
    ]]
    local reason, exit = g:run()
    assert.equal("arm_nisv", reason)
    assert.equal(arm64.MMIO + 0x40, exit.fault_ipa)
    assert.equal(0, exit.esr_iss >> 24 & 1)
  end)

  it("come for pairs and write-back, and are emulated", function()
    local g <close> = guest [[
        ldr     x20, =mmio
        mov     x21, #1
        mov     x22, #2
        stp     x21, x22, [x20, #16]!
        ldp     x23, x24, [x20], #-16
        str     w21, [x20, #4]!
        ldrh    w25, [x20], #2
        sub     x26, x20, #6
    ]]
    local log, count = finish(g)
    assert.same({ "w8@10=1", "w8@18=2", "r8@10", "r8@18", "w4@4=1", "r2@4" },
      log)
    assert.equal(4, count)
    local regs = g.cpu.regs
    assert.equal(0x8182838485868798, regs.x23)
    assert.equal(0x81828384858687a0, regs.x24)
    assert.equal(0x878c, regs.x25)
    assert.equal(arm64.MMIO, regs.x26)
  end)

  it("come for vector registers, and are emulated", function()
    local g <close> = guest [[
        mov     x0, #3 << 20
        msr     cpacr_el1, x0
        isb
        ldr     x20, =mmio
        movi    v0.16b, #0x5a
        str     q0, [x20]
        ldr     q1, [x20, #32]
        mov     x21, v1.d[0]
        mov     x22, v1.d[1]
    ]]
    local log = finish(g)
    assert.same({ "w8@0=5a5a5a5a5a5a5a5a", "w8@8=5a5a5a5a5a5a5a5a", "r8@20",
                  "r8@28" }, log)
    assert.equal(0x81828384858687a8, g.cpu.regs.x21)
    assert.equal(0x81828384858687b0, g.cpu.regs.x22)
  end)

  it("fetch the instruction through the guest's page tables", function()
    local mmu = require "kvm.arch.arm64.mmu"
    local g <close> = guest [[
        adr     x0, 1f
        ldr     x1, =0x10000000000 - 0x40000000
        add     x0, x0, x1
        br      x0
1:      ldr     x20, =mmio
        str     x1, [x20, #8]!
    ]]
    local t = mmu.new { base = arm64.RAM + 0x100000, va_bits = 42 }
    t:map(arm64.RAM, arm64.RAM, arm64.SIZE)
    t:map(0x10000000000, arm64.RAM, arm64.SIZE)
    t:map(arm64.MMIO, arm64.MMIO, 0x1000, { memory = "device" })
    g.vm:write(arm64.RAM + 0x100000, t:bytes())
    g.cpu.regs(t:registers())
    local reason, exit = g:run()
    assert.equal("arm_nisv", reason)
    assert.equal(0x10000000000, g.cpu.regs.pc & -0x1000)
    local d = device()
    nisv.emulate(g.cpu, exit, d, arm64.MMIO)
    assert.same({ "w8@8=ffc0000000" }, d.log)
  end)

  it("do not come without the capability: the run fails", function()
    local g <close> = arm64.guest [[
        ldr     x1, =mmio
        stp     x0, x0, [x1]
    ]]
    local ok, err = pcall(g.run, g)
    assert.is_false(ok)
    assert.equal("ENOSYS", err.code)
    assert.matches("ARM_NISV_TO_USER", err.hint)
  end)
end)
