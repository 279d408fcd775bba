-- SPDX-License-Identifier: MIT
local descriptor = require "kvm.arch.x86_64.descriptor"
local raises = require "spec.support.raises"

describe("kvm.arch.x86_64.descriptor: segments", function()
  it("are what operating systems write", function()
    -- Linux: GDT_ENTRY_INIT of arch/x86/kernel/cpu/common.c, with the accessed
    -- bit set.
    assert.equal(0x00cf9b000000ffff, (descriptor.encode(descriptor.code())))
    assert.equal(0x00af9b000000ffff,
      (descriptor.encode(descriptor.code { l = 1 })))
    assert.equal(0x00cf93000000ffff, (descriptor.encode(descriptor.data())))
    assert.equal(0x00cff3000000ffff,
      (descriptor.encode(descriptor.data { dpl = 3 })))
    assert.equal(0x00affb000000ffff,
      (descriptor.encode(descriptor.code { l = true, dpl = 3 })))
  end)

  it("come back from their bits", function()
    for _, d in ipairs {
      descriptor.code(), descriptor.code { l = 1 }, descriptor.data(),
      descriptor.code { base = 0x12345678, limit = 0xabcde, dpl = 2 },
      descriptor.data { base = 0xfedcba98, limit = 0x12345fff, avl = 1 },
      descriptor.code { db = 0, limit = 0xffff, present = 0 },
      descriptor.real(0x1234), descriptor.real(0xf000, true),
    } do
      assert.same(d, descriptor.decode(descriptor.encode(d)))
    end
  end)

  it("of the system have 64 bits of base in long mode", function()
    local tss = descriptor.tss { base = 0xffff888012345678, limit = 0x2067 }
    local low, high = descriptor.encode(tss)
    assert.same(tss, descriptor.decode(low, high))
    assert.equal(16, #descriptor.bytes(tss, true))
    assert.equal(8, #descriptor.bytes(tss, false))
    assert.equal(8, #descriptor.bytes(descriptor.code(), true))
    assert.equal(string.pack("<i8i8", low, high), descriptor.bytes(tss, true))
    assert.equal(0xffff8880, high)
  end)

  it("of real mode lie at 16 times the selector", function()
    local d = descriptor.real(0x1234)
    assert.equal(0x12340, d.base)
    assert.equal(0xffff, d.limit)
    assert.equal(3, d.type)
    assert.equal(0xb, descriptor.real(0, true).type)
  end)

  it("give the registers of a segment", function()
    assert.same({
      cs_selector = 8, cs_base = 0, cs_limit = 0xffffffff, cs_type = 0xb,
      cs_s = 1, cs_dpl = 0, cs_present = 1, cs_avl = 0, cs_l = 1, cs_db = 0,
      cs_g = 1, cs_unusable = 0,
    }, descriptor.registers("cs", 8, descriptor.code { l = 1 }))
  end)

  it("have fields of so many bits", function()
    raises("bad argument #1 to 'code' (unknown field 'dpll' (did you mean "
      .. "'dpl'? there are avl, base, ", descriptor.code, { dpll = 3 })
    raises("dpl 4 does not fit in 2 bits", descriptor.code, { dpl = 4 })
    raises("limit -1 does not fit in 32 bits", descriptor.data, { limit = -1 })
    raises("type: integer expected, got 'x'", descriptor.data, { type = "x" })
    raises("limit 0x100001 cannot be said in pages", descriptor.data,
      { limit = 0x100001 })
    raises("selector 0x12345 does not fit in 16 bits", descriptor.real,
      0x12345)
    raises("#3 to 'registers' (descriptor: table expected, got nil)",
      descriptor.registers, "cs", 8)
    raises("name 'sc' (expected cs, ds,", descriptor.registers, "sc", 8, {})
    raises("descriptor: table expected, got nil", descriptor.encode)
    raises("low: integer expected, got nil", descriptor.decode)
  end)

  it("name the line of the script", function()
    local line = debug.getinfo(1, "l").currentline
    raises("descriptor_spec.lua:" .. line + 2 .. ": bad", function()
      local d = descriptor.code { dpll = 3 }
      return d
    end)
  end)
end)

describe("kvm.arch.x86_64.descriptor: gates", function()
  it("have 16 bytes in long mode", function()
    -- SDM, volume 3, figure 6-8.
    assert.equal(string.pack("<I2I2I1I1I2I4I4", 0x6677, 0x10, 3, 0x8e, 0x4455,
      0x00112233, 0), descriptor.gate { offset = 0x0011223344556677,
      selector = 0x10, ist = 3, is_long = true })
  end)

  it("have 8 bytes otherwise", function()
    -- SDM, volume 3, figure 6-2.
    assert.equal(string.pack("<I2I2I1I1I2", 0x2233, 0x8, 0, 0xef, 0x0011),
      descriptor.gate { offset = 0x00112233, selector = 0x8, type = "trap",
                        dpl = 3 })
  end)

  it("are interrupt or trap gates", function()
    raises("type 'call' (expected interrupt or trap)", descriptor.gate,
      { type = "call", offset = 0, selector = 8 })
    raises("bad argument #1 to 'gate' (field 'offset' is missing: where the "
      .. "handler lies)", descriptor.gate, {})
    raises("field 'selector' is missing", descriptor.gate, { offset = 1 })
    raises("unknown field 'dpll' (did you mean 'dpl'?", descriptor.gate,
      { offset = 1, dpll = 3 })
    raises("offset 0x100000000 does not fit in 32 bits", descriptor.gate,
      { offset = 1 << 32, selector = 8 })
    raises("ist is for gates of long mode", descriptor.gate,
      { offset = 1, selector = 8, ist = 1 })
  end)
end)

describe("kvm.arch.x86_64.descriptor: task states", function()
  it("have the stacks of long mode at their places", function()
    -- SDM, volume 3, figure 8-11.
    local t = descriptor.tss64 { rsp0 = 0x1111, rsp2 = 0x3333,
                                 ist = { 0xa1, 0xa2, nil, nil, nil, nil,
                                         0xa7 } }
    assert.equal(104, #t)
    assert.equal(0x1111, (string.unpack("<i8", t, 1 + 4)))
    assert.equal(0, (string.unpack("<i8", t, 1 + 12)))
    assert.equal(0x3333, (string.unpack("<i8", t, 1 + 20)))
    assert.equal(0xa1, (string.unpack("<i8", t, 1 + 36)))
    assert.equal(0xa2, (string.unpack("<i8", t, 1 + 44)))
    assert.equal(0xa7, (string.unpack("<i8", t, 1 + 84)))
    assert.equal(104, (string.unpack("<I2", t, 1 + 102)))
  end)

  it("have those of protected mode", function()
    local t = descriptor.tss32 { esp0 = 0x1111, ss0 = 0x10 }
    assert.equal(104, #t)
    assert.equal(0x1111, (string.unpack("<I4", t, 1 + 4)))
    assert.equal(0x10, (string.unpack("<I2", t, 1 + 8)))
    assert.equal(104, (string.unpack("<I2", t, 1 + 102)))
  end)

  it("have so many stacks", function()
    raises("ist: stack 8 is outside 1..7", descriptor.tss64,
      { ist = { [8] = 1 } })
    raises("ist[1]: integer expected, got 'x'", descriptor.tss64,
      { ist = { "x" } })
    raises("unknown field 'rsp' (did you mean 'rsp0'?", descriptor.tss64,
      { rsp = 1 })
    raises("esp0 0x100000000 does not fit in 32 bits", descriptor.tss32,
      { esp0 = 1 << 32 })
  end)

  it("allow every port with a bitmap that ends in ones", function()
    for _, make in ipairs { descriptor.tss64, descriptor.tss32 } do
      local t = make { ports = true }
      assert.equal(104 + 0x2000 + 1, #t)
      assert.equal(("\0"):rep(0x2000) .. "\xff", t:sub(105))
    end
  end)
end)
