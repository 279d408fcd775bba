-- SPDX-License-Identifier: MIT
local mmu = require "kvm.arch.x86_64.mmu"
local raises = require "spec.support.raises"

local BASE <const> = 0x100000

-- What mmu.walk reads: the bytes of tables at their base.
local function reader(tables)
  local bytes = tables:bytes()
  return function(gpa, n)
    local at = gpa - BASE
    if at < 0 or at + n > #bytes then return nil end
    return bytes:sub(at + 1, at + n)
  end
end

local function tables(mode) return mmu.new { base = BASE, mode = mode } end

local function walk(t, va, regs)
  return mmu.walk(regs or t:registers(), reader(t), va)
end

describe("kvm.arch.x86_64.mmu: building", function()
  it("maps an address to itself with 2 MiB pages", function()
    local t = tables()
    t:map(0, 0, 1 << 30)
    local p = walk(t, 0x12345678)
    assert.equal(0x12345678, p.pa)
    assert.equal(2, p.level)
    assert.equal(1 << 21, p.size)
    assert.is_true(p.is_writable)
    assert.is_false(p.is_user)
    assert.is_true(p.is_executable)
    assert.is_nil(walk(t, 1 << 30))
    assert.equal(3 * 0x1000, #t:bytes())
  end)

  it("has the entries that the manual describes", function()
    local t = tables()
    t:map(0x200000, 0x600000, 0x200000, { user = true })
    t:map(0x400000, 0x7000, 0x1000, { write = false,
                                          memory = "device" })
    local words = { string.unpack("<" .. ("i8"):rep(4 * 512), t:bytes()) }
    assert.equal(BASE + 0x1000 | 7, words[1])
    assert.equal(BASE + 0x2000 | 7, words[513])
    assert.equal(0x600000 | 0x87, words[1024 + 2])
    assert.equal(BASE + 0x3000 | 3, words[1024 + 3])
    assert.equal(0x7000 | 0x19, words[1536 + 1])
  end)

  it("uses the largest pages that fit", function()
    local t = tables()
    t:map(0x1ff000, 0x1ff000, 0x402000)
    assert.equal(1, walk(t, 0x1ff000).level)
    assert.equal(2, walk(t, 0x200000).level)
    assert.equal(2, walk(t, 0x5fffff).level)
    assert.equal(1, walk(t, 0x600000).level)
    assert.is_nil(walk(t, 0x601000))
    local small = tables()
    small:map(0, 0, 0x400000, { page = 0x1000 })
    assert.equal(1, walk(small, 0x200000).level)
    local large = tables()
    large:map(0, 0, 1 << 31, { page = 1 << 30 })
    assert.equal(3, walk(large, 0x7fffffff).level)
    assert.equal(0x7fffffff, walk(large, 0x7fffffff).pa)
  end)

  it("uses small pages where va and pa differ by less", function()
    local t = tables()
    t:map(0x200000, 0x201000, 0x200000)
    assert.equal(1, walk(t, 0x200000).level)
    assert.equal(0x201234, walk(t, 0x200234).pa)
  end)

  it("maps the upper half", function()
    local t = tables()
    t:map(0xffffffff80000000, 0x1000000, 0x200000)
    t:map(0xfffffffffffff000, 0x5000, 0x1000)
    assert.equal(0x1012345, walk(t, 0xffffffff80012345).pa)
    assert.equal(0x5fff, walk(t, -1).pa)
  end)

  it("keeps the rights of each page apart", function()
    local t = tables()
    t:map(0x0000, 0, 0x1000, { user = true })
    t:map(0x1000, 0, 0x1000, { write = false })
    t:map(0x2000, 0, 0x1000, { execute = false })
    local p = { walk(t, 0), walk(t, 0x1000), walk(t, 0x2000) }
    assert.same({ true, false, false }, { p[1].is_user, p[2].is_user,
                                          p[3].is_user })
    assert.same({ true, false, true }, { p[1].is_writable, p[2].is_writable,
                                         p[3].is_writable })
    assert.same({ true, true, false }, { p[1].is_executable,
      p[2].is_executable, p[3].is_executable })
    assert.equal(0xd00, t:registers().efer)
    assert.equal(0x500, tables():registers().efer)
  end)

  it("gives the registers that turn it on", function()
    assert.same({ cr0 = 0x80010033, cr3 = BASE, cr4 = 0x20, efer = 0x500 },
      tables():registers())
    assert.equal(0x1020, tables("long5"):registers().cr4)
    assert.same({ cr0 = 0x80010033, cr3 = BASE, cr4 = 0x20, efer = 0 },
      tables("pae"):registers())
    assert.equal(0x10, tables("legacy"):registers().cr4)
  end)

  it("has four more modes than one", function()
    for mode, last in pairs { long = 0x7fffffff0000, long5 = 1 << 55,
                              pae = 0xffff0000, legacy = 0xffff0000 } do
      local t = tables(mode)
      t:map(0, 0, 0x800000)
      t:map(last, 0x40000, 0x3000)
      assert.equal(0x712345, walk(t, 0x712345).pa, mode)
      assert.equal(2, walk(t, 0x712345).level, mode)
      assert.equal(0x42abc, walk(t, last + 0x2abc).pa, mode)
      assert.is_nil(walk(t, last + 0x3000), mode)
    end
    assert.equal(1 << 22, (function()
      local t = tables "legacy"
      t:map(0, 0, 0x800000)
      return walk(t, 0).size
    end)())
  end)

  it("leaves the top entries of PAE without rights, as it must", function()
    local t = tables "pae"
    t:map(0, 0, 0x200000)
    assert.equal(BASE + 0x1000 | 1, (string.unpack("<i8", t:bytes())))
    assert.is_true(walk(t, 0).is_writable)
  end)

  it("refuses what cannot be mapped", function()
    local t = tables()
    raises("va 0x123 is not a multiple", t.map, t, 0x123, 0, 0x1000)
    raises("pa 0x123 is not a multiple", t.map, t, 0, 0x123, 0x1000)
    raises("size: integer expected, got 1.5", t.map, t, 0, 0, 1.5)
    raises("#1 to 'map' (va: integer expected, got nil)", t.map, t)
    raises("#3 to 'map' (size: integer expected, got nil)", t.map, t, 0, 0)
    raises("va 0x800000000000 and 0x1000 bytes do not fit in 48 bits", t.map,
      t, 1 << 47, 0, 0x1000)
    raises("do not fit in 48 bits", t.map, t, 0, 0, 1 << 48)
    raises("size is 0", t.map, t, 0, 0, 0)
    raises("do not fit in 48 bits", t.map, t, 0, 0, -0x1000)
    raises("pa 0x10000000000000 and 0x1000 bytes do not fit in 52 bits",
      t.map, t, 0, 1 << 52, 0x1000)
    raises("unknown option 'exec' (there are execute, memory, page, user and "
      .. "write)", t.map, t, 0, 0, 0x1000, { exec = true })
    raises("memory 'hot' (expected normal,", t.map, t, 0, 0, 0x1000,
      { memory = "hot" })
    raises("write: boolean expected, got 1", t.map, t, 0, 0, 0x1000,
      { write = 1 })
    raises("options: table expected, got true", t.map, t, 0, 0, 0x1000, true)
    t:map(0, 0, 0x200000)
    raises("va 0x0 is mapped already", t.map, t, 0, 0, 0x200000)
    raises("va 0x1000 is mapped already, by a larger page", t.map, t, 0x1000,
      0, 0x1000)
    local l = tables "legacy"
    raises("do not fit in 32 bits", l.map, l, 1 << 32, 0, 0x1000)
    raises("pa 0x100000000 and 0x1000 bytes do not fit in 32 bits", l.map, l,
      0, 1 << 32, 0x1000)
    raises("needs entries of 64 bits", l.map, l, 0, 0, 0x1000,
      { execute = false })
  end)

  it("refuses tables that cannot be", function()
    raises("base: integer expected, got '0x123'", mmu.new, { base = "0x123" })
    raises("base 0x123 is not a multiple of the page size 0x1000", mmu.new,
      { base = 0x123 })
    raises("bad argument #1 to 'new' (option 'base' is missing)", mmu.new, {})
    raises("option 'base' is missing", mmu.new)
    raises("mode 'flat' (expected long, long5, pae or legacy)", mmu.new,
      { base = 0, mode = "flat" })
    raises("unknown option 'levels' (there are base and mode)", mmu.new,
      { base = 0, levels = 4 })
  end)
end)

describe("kvm.arch.x86_64.mmu: walking", function()
  local function fault(t, va, regs)
    local page, f = walk(t, va, regs)
    assert.is_nil(page)
    return f
  end

  it("tells where it stopped, and why", function()
    local t = tables()
    t:map(0, 0, 0x1000)
    assert.same({ fault = "not present", level = 1, address = BASE + 0x3008 },
      fault(t, 0x1000))
    assert.same({ fault = "not present", level = 4, address = BASE + 8 },
      fault(t, 1 << 39))
    assert.same({ fault = "not canonical", level = 4 }, fault(t, 1 << 47))
    local r = t:registers()
    r.cr3 = 0x5000
    assert.same({ fault = "no memory", level = 4, address = 0x5000 },
      fault(t, 0, r))
  end)

  it("sees a large page where there can be none", function()
    local r = { cr0 = 1 << 31, cr3 = 0, cr4 = 0x20, efer = 0x500 }
    local page, f = mmu.walk(r, function() return string.pack("<i8", 0x83) end,
      0)
    assert.is_nil(page)
    assert.equal("reserved bit", f.fault)
    assert.equal(4, f.level)
  end)

  it("passes addresses through when paging is off", function()
    local p = mmu.walk({ cr0 = 0x11, cr3 = 0, cr4 = 0, efer = 0 }, error,
      0x1ffff1234)
    assert.equal(0xffff1234, p.pa)
    assert.equal(0, p.level)
  end)

  it("takes bits of CR3 for what they are", function()
    local t = tables()
    t:map(0, 0, 0x1000)
    local r = t:registers()
    r.cr3 = r.cr3 | 0x18 | 1 << 63 -- PWT, PCD, keep the TLB
    assert.equal(0x123, walk(t, 0x123, r).pa)
  end)

  it("knows 4 MiB pages above 4 GiB, and that they need CR4.PSE", function()
    -- SDM, volume 3, table 4-4: bits 20:13 are bits 39:32 of the address.
    local entry = string.pack("<I4", 0x00c00000 | 5 << 13 | 0x83)
    local r = { cr0 = 1 << 31, cr3 = 0, cr4 = 0x10, efer = 0 }
    local p = mmu.walk(r, function() return entry end, 0x12345)
    assert.equal(0x500c12345, p.pa)
    assert.equal(2, p.level)
    r.cr4 = 0
    assert.equal(1, mmu.walk(r, function() return entry end, 0x12345).level)
  end)

  it("tells accessed and dirty", function()
    local p = mmu.walk({ cr0 = 1 << 31, cr3 = 0, cr4 = 0, efer = 0 },
      function() return string.pack("<I4", 0x61) end, 0)
    assert.is_true(p.is_accessed)
    assert.is_true(p.is_dirty)
    assert.is_false(p.is_writable)
    assert.equal(0x61, p.entry)
  end)

  it("tells who may execute, and what the memory is", function()
    local t = tables()
    t:map(0x0000, 0, 0x1000, { user = true })
    t:map(0x1000, 0, 0x1000, { memory = "writethrough" })
    t:map(0x2000, 0, 0x1000, { memory = "noncached" })
    t:map(0x3000, 0, 0x1000, { memory = "device" })
    assert.is_true(walk(t, 0).is_user_executable)
    assert.is_false(walk(t, 0x1000).is_user_executable)
    local words = {}
    for i = 0, 3 do words[i + 1] = walk(t, i << 12).memory end
    assert.same({ "normal", "writethrough", "noncached", "device" }, words)
  end)

  it("wants registers, something to read, and an address", function()
    raises("regs: table expected, got nil", mmu.walk)
    raises("register 'cr0' is missing", mmu.walk, {}, print, 0)
    raises("#2 to 'walk' (read: function or kvm.vm expected, got nil)",
      mmu.walk, {}, nil, 0)
    raises("#3 to 'walk' (va: integer expected, got 'x')", mmu.walk, {}, print,
      "x")
  end)

  it("takes execute rights only where EFER.NXE is set", function()
    local t = tables()
    t:map(0, 0, 0x1000, { execute = false })
    local r = t:registers()
    assert.is_false(walk(t, 0, r).is_executable)
    r.efer = 0x500
    assert.is_true(walk(t, 0, r).is_executable)
  end)
end)

local kvm = require "kvm"
local missing = require "spec.support.needs".kvm "x86_64"
if missing then return pending(missing) end
local guests = require "spec.support.x86_64"

describe("kvm.arch.x86_64.mmu and KVM agree on a guest's addresses", function()
  local function compare(mode, cpu, vm, maps, addresses)
    local t = mmu.new { base = 0x40000, mode = mode }
    for _, m in ipairs(maps) do t:map(table.unpack(m)) end
    vm:write(0x40000, t:bytes())
    cpu.regs(t:registers())
    for _, va in ipairs(addresses) do
      local page = mmu.walk(cpu.regs, vm, va)
      local theirs = cpu:translate { linear_address = va }
      assert.equal(theirs.valid == 1, page ~= nil, ("%x"):format(va))
      if page then assert.equal(theirs.physical_address, page.pa) end
    end
  end

  it("in long mode", function()
    local cpu, vm = guests.guest("long64", "hlt")
    compare("long", cpu, vm, {
      { 0, 0, 0x200000 },
      { 0x7f0000000000, 0x50000, 0x3000, { write = false, user = true } },
      { 0xffffffff80000000, 0x60000, 0x1000 },
    }, { 0, 0x1234, 0x1fffff, 0x200000, 0x7f0000000000, 0x7f0000002fff,
         0x7f0000003000, -1, 0xffffffff80000abc })
  end)

  for _, mode in ipairs { "pae", "legacy" } do
    it("in protected mode, " .. mode, function()
      local cpu, vm = guests.guest("prot32", "hlt")
      compare(mode, cpu, vm, {
        { 0, 0, 0x400000 }, { 0xc0000000, 0x50000, 0x3000 },
        { 0xfffff000, 0x60000, 0x1000, { write = false } },
      }, { 0, 0x1234, 0x3fffff, 0x400000, 0xc0000000, 0xc0002fff, 0xc0003000,
           0xffffffff })
    end)
  end
end)
