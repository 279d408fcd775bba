-- SPDX-License-Identifier: MIT
local irq = require "kvm.arch.arm64.irq"

describe("kvm.arch.arm64.irq", function()
  it("encodes a shared interrupt", function()
    assert.equal(0x01000021, irq.spi(33))
    assert.equal(0x010003fb, irq.spi(1019))
  end)

  it("encodes a private interrupt of a vCPU", function()
    assert.equal(0x0200001b, irq.ppi(27, 0))
    assert.equal(0x0205001e, irq.ppi(30, 5))
  end)

  it("splits the number of a vCPU above 255", function()
    assert.equal(0x12010010, irq.ppi(16, 0x101))
    assert.equal(0xf2ff001f, irq.ppi(31, 0xfff))
  end)

  it("encodes the inputs of a vCPU", function()
    assert.equal(0x00000000, irq.cpu("irq", 0))
    assert.equal(0x00030001, irq.cpu("fiq", 3))
  end)

  it("takes its own numbers apart", function()
    assert.same({ "spi", 40, 0 }, { irq.decode(irq.spi(40)) })
    assert.same({ "ppi", 20, 0x765 }, { irq.decode(irq.ppi(20, 0x765)) })
    assert.same({ "cpu", 1, 9 }, { irq.decode(irq.cpu("fiq", 9)) })
  end)

  it("refuses numbers of the other kind", function()
    assert.has_error(function() irq.spi(31) end, "SPI 31 is outside 32..1019")
    assert.has_error(function() irq.ppi(32, 0) end,
      "PPI 32 is outside 16..31")
    assert.has_error(function() irq.ppi(16, 4096) end,
      "vCPU 4096 is outside 0..4095")
    assert.has_error(function() irq.spi(33.5) end,
      "SPI 33.5 is outside 32..1019")
    assert.has_error(function() irq.cpu("nmi", 0) end,
      "line 'nmi' (expected irq or fiq)")
  end)
end)
