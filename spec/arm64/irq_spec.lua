-- SPDX-License-Identifier: MIT
local irq = require "kvm.arch.arm64.irq"
local raises = require "spec.support.raises"

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
    raises("bad argument #1 to 'spi' (SPI 31 is outside 32..1019)", irq.spi,
      31)
    raises("PPI 32 is outside 16..31", irq.ppi, 32, 0)
    raises("#2 to 'ppi' (vCPU 0x1000 is outside 0..4095)", irq.ppi, 16, 4096)
    raises("SPI: integer expected, got 33.5", irq.spi, 33.5)
    raises("vCPU: integer expected, got nil", irq.ppi, 16)
    raises("line 'nmi' (expected irq or fiq)", irq.cpu, "nmi", 0)
    raises("irq: integer expected, got nil", irq.decode)
  end)
end)
