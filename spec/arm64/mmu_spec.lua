-- SPDX-License-Identifier: MIT
local arm64 = require "spec.support.arm64".use(_ENV)
local mmu = require "kvm.arch.arm64.mmu"
local raises = require "spec.support.raises"

local BASE <const> = 0x40100000

local function reader(base, bytes)
  return function(gpa, size)
    if gpa < base or gpa + size > base + #bytes then return nil end
    return bytes:sub(gpa - base + 1, gpa - base + size)
  end
end

local built = setmetatable({}, { __mode = "k" })

-- Walks tables that are complete.
local function walk(tables, va)
  built[tables] = built[tables] or reader(BASE, tables:bytes())
  return mmu.walk(tables:registers(), built[tables], va)
end

local page = { ["4k"] = 0x1000, ["16k"] = 0x4000, ["64k"] = 0x10000 }
local block = { ["4k"] = 2 << 20, ["16k"] = 32 << 20, ["64k"] = 512 << 20 }

for granule, size in pairs(page) do
  for _, va_bits in ipairs { 32, 39, 48 } do
    describe(("tables of %s pages, %d bits"):format(granule, va_bits),
      function()
        local function new(high)
          return mmu.new { granule = granule, va_bits = va_bits, base = BASE,
                           high = high }
        end

        it("translate a page", function()
          local t = new()
          t:map(5 * size, 77 * size, size)
          local r = walk(t, 5 * size + 123)
          assert.equal(77 * size + 123, r.pa)
          assert.equal(3, r.level)
          assert.equal(size, r.size)
        end)

        it("use a block where it fits, and pages around it", function()
          local t, big = new(), block[granule]
          t:map(big - size, 2 * big - size, big + 2 * size)
          assert.equal(3, walk(t, big - 1).level)
          local r = walk(t, big + 0x45678)
          assert.equal(2, r.level)
          assert.equal(2 * big + 0x45678, r.pa)
          assert.equal(3, walk(t, 2 * big).level)
          assert.is_nil((walk(t, 2 * big + size)))
        end)

        it("reach the highest address", function()
          local t = new()
          local last = (1 << va_bits) - size
          t:map(last, 0x40000000, size)
          assert.equal(0x40000000, walk(t, last).pa)
        end)

        it("serve the upper half", function()
          local t = new(true)
          t:map(-1 << va_bits, 0x40000000, size)
          assert.equal(0x40000008, walk(t, (-1 << va_bits) + 8).pa)
          local r, why = walk(t, 0)
          assert.is_nil(r)
          assert.equal("not present", why.fault)
        end)
      end)
  end
end

describe("kvm.arch.arm64.mmu", function()
  local function tables()
    return mmu.new { granule = "4k", va_bits = 39, base = BASE }
  end

  it("keeps permissions", function()
    local t = tables()
    t:map(0x1000, 0x1000, 0x1000)
    t:map(0x2000, 0x2000, 0x1000, { write = false })
    t:map(0x3000, 0x3000, 0x1000, { user = true })
    t:map(0x4000, 0x4000, 0x1000, { user = true, write = false })
    t:map(0x5000, 0x5000, 0x1000, { execute = false })
    local function flags(va)
      local r = walk(t, va)
      return { r.is_writable, r.is_user, r.is_executable,
               r.is_user_executable }
    end
    assert.same({ true, false, true, false }, flags(0x1000))
    assert.same({ false, false, true, false }, flags(0x2000))
    assert.same({ true, true, false, true }, flags(0x3000))
    assert.same({ false, true, false, true }, flags(0x4000))
    assert.same({ true, false, false, false }, flags(0x5000))
  end)

  it("keeps memory types, and executes no device", function()
    local t = tables()
    t:map(0x1000, 0x9000000, 0x1000, { memory = "device" })
    t:map(0x2000, 0x40000000, 0x1000, { memory = "noncached" })
    local r = walk(t, 0x1000)
    assert.equal("device", r.memory)
    assert.is_false(r.is_executable)
    assert.equal(0x44, walk(t, 0x2000).attr)
    assert.equal("noncached", walk(t, 0x2000).memory)
    t = tables()
    t:map(0x1000, 0x1000, 0x1000)
    t:map(0x2000, 0x2000, 0x1000, { memory = "writethrough" })
    assert.equal("normal", walk(t, 0x1000).memory)
    assert.equal("writethrough", walk(t, 0x2000).memory)
  end)

  it("takes blocks of 1 GiB with 4 KiB pages", function()
    local t = tables()
    t:map(0x40000000, 0x80000000, 0x40000000)
    local r = walk(t, 0x7fffffff)
    assert.equal(1, r.level)
    assert.equal(0xbfffffff, r.pa)
    assert.equal(0x1000, #t:bytes())
  end)

  it("walks both halves with one set of registers", function()
    local low, high = tables(), mmu.new { granule = "4k", va_bits = 39,
                                          base = 0x40200000, high = true }
    low:map(0, 0x1000, 0x1000)
    high:map(-0x1000, 0x2000, 0x1000)
    local bytes = low:bytes()
    bytes = bytes .. ("\0"):rep(0x100000 - #bytes) .. high:bytes()
    local read = reader(BASE, bytes)
    for _, r in ipairs { low:registers(high), high:registers(low) } do
      assert.equal(0x1008, mmu.walk(r, read, 8).pa)
      assert.equal(0x2fff, mmu.walk(r, read, -1).pa)
    end
  end)

  it("is the identity while the MMU is off", function()
    local r = mmu.walk({ sctlr_el1 = 0x30d00800 }, error, 0x123456)
    assert.equal(0x123456, r.pa)
    assert.equal("device", r.memory)
  end)

  it("uses no larger pages than it may", function()
    local t = tables()
    t:map(0x40000000, 0x80000000, 0x40000000, { page = 0x200000 })
    assert.equal(2, walk(t, 0x40000000).level)
  end)

  it("tells the level and the entry of a fault", function()
    local t = tables()
    t:map(0, 0x1000, 0x1000)
    local _, why = walk(t, 0x200000)
    assert.same({ fault = "not present", level = 2, address = BASE + 0x1008,
                  syndrome = "translation fault, level 2" }, why)
    _, why = walk(t, 0x40000000)
    assert.equal(1, why.level)
    _, why = walk(t, 1 << 39)
    assert.same({ fault = "not canonical", level = 0,
                  syndrome = "translation fault, level 0" }, why)
  end)

  it("sees a block where there can be none", function()
    local r = tables():registers()
    r.tcr_el1 = r.tcr_el1 & ~0x3f | 16 -- a walk of 48 bits
    local _, why = mmu.walk(r, function() return string.pack("<i8", 1) end, 0)
    assert.equal("reserved bit", why.fault)
    assert.equal("translation fault, level 0", why.syndrome)
  end)

  it("has a fault for every size that TCR_EL1 can say", function()
    local r = tables():registers()
    local function read() return ("\0"):rep(8) end
    for size = 0, 63 do
      r.tcr_el1 = r.tcr_el1 & ~0x3f | size
      local page, why = mmu.walk(r, read, 0)
      assert.is_nil(page)
      assert.equal("not present", why.fault)
    end
  end)

  it("tells when a table is in no memory", function()
    local t = tables()
    local r, why = mmu.walk(t:registers(), function() end, 0)
    assert.is_nil(r)
    assert.equal("no memory", why.fault)
    assert.equal("external abort on a table walk, level 1", why.syndrome)
    assert.equal(BASE, why.address)
  end)

  it("ignores the top byte when TCR_EL1.TBI says so", function()
    local t = tables()
    t:map(0, 0x1000, 0x1000)
    local regs, read = t:registers(), reader(BASE, t:bytes())
    assert.is_nil((mmu.walk(regs, read, 0x5a << 56)))
    regs.tcr_el1 = regs.tcr_el1 | 1 << 37
    assert.equal(0x1000, mmu.walk(regs, read, 0x5a << 56).pa)
  end)

  it("applies the limits that a table sets for all below it", function()
    local t = tables()
    t:map(0, 0x1000, 0x1000, { user = true })
    local regs, bytes = t:registers(), t:bytes()
    local root = string.unpack("<i8", bytes)
    local function with(bits)
      local changed = string.pack("<i8", root | bits) .. bytes:sub(9)
      return mmu.walk(regs, reader(BASE, changed), 0)
    end
    assert.is_true(with(0).is_user and with(0).is_writable)
    assert.is_false(with(1 << 61).is_user)
    assert.is_false(with(1 << 62).is_writable)
    assert.is_false(with(1 << 60).is_user_executable)
  end)

  it("refuses what cannot be", function()
    raises("bad argument #1 to 'new' (granule '8k' (expected 4k, 16k or 64k))",
      mmu.new, { granule = "8k", base = 0 })
    raises("va_bits 50 is outside 25..48", mmu.new,
      { va_bits = 50, base = 0 })
    raises("va_bits: integer expected, got '39x'", mmu.new,
      { va_bits = "39x", base = 0 })
    raises("pa_bits 41 (expected 32, 36,", mmu.new, { pa_bits = 41, base = 0 })
    raises("base 0x1234 is not a multiple of the granule 0x4000", mmu.new,
      { base = 0x1234, granule = "16k" })
    raises("base -4096 is outside 0..", mmu.new, { base = -0x1000 })
    raises("option 'base' is missing", mmu.new, {})
    raises("option 'base' is missing", mmu.new)
    raises("unknown option 'bass' (did you mean 'base'? there are base,",
      mmu.new, { bass = 0 })
  end)

  it("refuses what cannot be mapped", function()
    local t = tables()
    raises("bad argument #1 to 'map' (va 0x123 is not a multiple of the "
      .. "granule 0x1000)", t.map, t, 0x123, 0, 0x1000)
    raises("#1 to 'map' (va: integer expected, got 'x')", t.map, t, "x", 0,
      0x1000)
    raises("#2 to 'map' (pa: integer expected, got nil)", t.map, t, 0)
    raises("size is 0", t.map, t, 0, 0, 0)
    raises("va 0x8000000000 and 0x1000 bytes do not fit in 39 bits", t.map, t,
      1 << 39, 0, 0x1000)
    raises("do not fit in 39 bits", t.map, t, 0x1000, 0, -0x1000)
    raises("pa 0x10000000000 and 0x1000 bytes do not fit in 40 bits", t.map, t,
      0, 1 << 40, 0x1000)
    raises("memory 'rom' (expected normal, device, noncached or writethrough)",
      t.map, t, 0, 0, 0x1000, { memory = "rom" })
    raises("unknown option 'memroy' (did you mean 'memory'?", t.map, t, 0, 0,
      0x1000, { memroy = "device" })
    raises("page 0x2000 (expected 0x1000, 0x200000 or 0x40000000)", t.map, t,
      0, 0, 0x2000, { page = 0x2000 })
    t:map(0, 0, 0x200000)
    raises("va 0x1000 is mapped already, by a larger page", t.map, t, 0x1000,
      0, 0x1000)
    raises("va 0x0 is mapped already", t.map, t, 0, 0, 0x200000)
  end)

  it("refuses registers that cannot be", function()
    local t = tables()
    raises("both tables are of the lower half", t.registers, t, tables())
    raises("other: kvm.arch.arm64.tables expected, got table", t.registers, t,
      {})
    raises("regs: table expected, got nil", mmu.walk)
    raises("va: integer expected, got nil", mmu.walk, {}, print)
    raises("function or kvm.vm expected, got 1", mmu.walk, {}, 1, 0)
    raises("register 'sctlr_el1' is missing", mmu.walk, {}, print, 0)
  end)
end)

arm64.describe("page tables in a guest", function()
  -- Memory to itself and, once more, at `high`; the device to itself.
  local function paged(granule, text)
    local guest = arm64.guest(text, { map = nil })
    local t = mmu.new { granule = granule, va_bits = 42, base = BASE }
    local size = page[granule]
    t:map(arm64.RAM, arm64.RAM, arm64.SIZE)
    t:map(0x10000000000, arm64.RAM, arm64.SIZE, { write = false })
    t:map(arm64.MMIO, arm64.MMIO, size, { memory = "device" })
    guest.vm:write(BASE, t:bytes())
    guest.cpu.regs(t:registers())
    return guest, t
  end

  for granule in pairs(page) do
    it("of " .. granule .. " are what the MMU takes", function()
      local guest <close> = paged(granule, [[
        mov     x1, #0x10000000000
        ldr     x19, [x1]       // the guest's first instructions
        ldr     x0, =mmio
        ldr     w20, [x0]
      ]])
      local reason, exit = guest:run()
      assert.equal("mmio", reason)
      assert.equal(arm64.MMIO, exit.gpa)
      exit.value = 0x55aa
      guest:finish()
      assert.equal(string.unpack("<i8", guest.ram:read(0, 8)),
        guest.cpu.regs.x19)
      assert.equal(0x55aa, guest.cpu.regs.x20)
    end)
  end

  it("are walked from the registers of the vCPU", function()
    local guest <close> = paged("4k", "nop")
    local r = mmu.walk(guest.cpu.regs, guest.vm, 0x10000000123)
    assert.equal(arm64.RAM + 0x123, r.pa)
    assert.is_false(r.is_writable)
  end)

  it("fault as the walk says", function()
    local guest <close> = paged("4k", [[
        ldr     x0, =vectors
        msr     vbar_el1, x0
        isb
        mov     x1, #0x20000000000
        ldr     x2, [x1]
        b       power_off
        .balign 2048
vectors:
        .skip   0x200
        mrs     x19, esr_el1
        mrs     x20, far_el1
    ]])
    guest:finish()
    local esr = require "kvm.arch.arm64.esr"
    local t = esr.decode(guest.cpu.regs.x19)
    assert.equal("dabt", t.name)
    local _, why = mmu.walk(guest.cpu.regs, guest.vm, guest.cpu.regs.x20)
    assert.equal(why.syndrome, t.fault)
  end)
end)
