-- SPDX-License-Identifier: MIT
local pl011 = require "kvm.dev.pl011"
local raises = require "spec.support.raises"

local DR, RSR, FR, ILPR, IBRD, FBRD = 0x00, 0x04, 0x18, 0x20, 0x24, 0x28
local LCR_H, CR, IFLS, IMSC = 0x2c, 0x30, 0x34, 0x38
local RIS, MIS, ICR, DMACR = 0x3c, 0x40, 0x44, 0x48
local RX, TX, RT = 0x10, 0x20, 0x40
local RXFE, TXFF, RXFF, TXFE = 0x10, 0x20, 0x40, 0x80
local FEN = 0x10

-- A UART, what it sent, and how its line moved.
local function make(opts)
  local sent, lines = {}, {}
  opts = opts or {}
  opts.output = function(bytes) sent[#sent + 1] = bytes end
  opts.irq = function(level) lines[#lines + 1] = level end
  return pl011.new(opts), sent, lines
end

local function reads(uart, offset, count)
  local bytes = {}
  for i = 1, count do bytes[i] = string.char(uart:read(offset, 4)) end
  return table.concat(bytes)
end

describe("a PL011 after reset", function()
  it("has the values of the manual", function()
    local uart = make { enabled = false }
    for offset, value in pairs { [RSR] = 0, [ILPR] = 0, [IBRD] = 0,
      [FBRD] = 0, [LCR_H] = 0, [CR] = 0x300, [IFLS] = 0x12, [IMSC] = 0,
      [RIS] = 0, [MIS] = 0, [DMACR] = 0 } do
      assert.equal(value, uart:read(offset, 4), ("offset 0x%x"):format(offset))
    end
    assert.equal(RXFE | TXFE, uart:read(FR, 4) & 0xf8)
  end)

  it("identifies itself", function()
    local uart = make()
    local ids = {}
    for i = 0, 7 do ids[i + 1] = uart:read(0xfe0 + 4 * i, 4) end
    assert.same({ 0x11, 0x10, 0x34, 0, 0x0d, 0xf0, 0x05, 0xb1 }, ids)
    -- the part number that drivers look for
    assert.equal(0x00041011, (ids[1] | ids[2] << 8 | ids[3] << 16) & 0xfffff)
  end)

  it("is switched on by the firmware, unless told otherwise", function()
    assert.equal(0x301, make():read(CR, 4))
    assert.equal(0x300, make({ enabled = false }):read(CR, 4))
  end)

  it("comes back to that", function()
    local uart, _, lines = make()
    uart:write(LCR_H, FEN, 4)
    uart:write(IMSC, RT, 4)
    uart:input "abc"
    uart:reset()
    assert.same({ true, false }, lines)
    assert.equal(0, uart:pending())
    assert.equal(0, uart:read(LCR_H, 4))
    assert.equal(0, uart:read(RIS, 4))
  end)
end)

describe("a PL011 register", function()
  it("holds the bits that it has", function()
    local uart = make()
    for offset, mask in pairs { [ILPR] = 0xff, [IBRD] = 0xffff,
      [FBRD] = 0x3f, [LCR_H] = 0xff, [CR] = 0xff87, [IFLS] = 0x3f,
      [IMSC] = 0x7ff, [DMACR] = 7 } do
      uart:write(offset, 0xffffffff, 4)
      assert.equal(mask, uart:read(offset, 4), ("offset 0x%x"):format(offset))
    end
  end)

  it("is not changed where it is read-only", function()
    local uart = make()
    for _, offset in ipairs { FR, RIS, MIS, 0xfe0, 0xffc } do
      local before = uart:read(offset, 4)
      uart:write(offset, 0xffffffff, 4)
      assert.equal(before, uart:read(offset, 4))
    end
  end)

  it("is 0 where there is none", function()
    local uart = make()
    for _, offset in ipairs { 0x08, 0x14, 0x1c, 0x4c, 0x800, 0xfdc, 0x1000 } do
      uart:write(offset, 0xff, 4)
      assert.equal(0, uart:read(offset, 4))
    end
  end)

  it("is accessed by bytes and halves, too", function()
    local uart, sent = make()
    uart:write(IBRD, 0x12345678, 2)
    assert.equal(0x5678, uart:read(IBRD, 8))
    assert.equal(0x78, uart:read(IBRD, 1))
    assert.equal(0x56, uart:read(IBRD + 1, 1))
    uart:write(IBRD + 1, 0xff, 1)
    assert.equal(0x5678, uart:read(IBRD, 2))
    uart:write(DR, 0x141, 1)
    uart:write(DR, 0xffffff42, 4)
    assert.same({ "A", "B" }, sent)
  end)
end)

describe("a PL011 sends", function()
  it("bytes, one by one", function()
    local uart, sent = make()
    for c in ("hello"):gmatch "." do uart:write(DR, c:byte(), 4) end
    assert.equal("hello", table.concat(sent))
    assert.equal(TXFE, uart:read(FR, 4) & (TXFE | TXFF | 8))
  end)

  it("to anything that can be written to, or nowhere", function()
    local sink = { write = function(self, bytes) self[#self + 1] = bytes end }
    local uart = pl011.new { output = sink }
    uart:write(DR, 65, 1)
    assert.equal("A", sink[1])
    pl011.new():write(DR, 65, 1)
    local ok, message = pcall(pl011.new, { output = 1 })
    assert.is_false(ok)
    assert.matches("output: function or file expected, got 1", message)
    ok, message = pcall(pl011.new, { irq = 1 })
    assert.is_false(ok)
    assert.matches("irq: function expected, got 1", message)
  end)

  it("and raises the transmit interrupt when that is done", function()
    local uart, _, lines = make()
    uart:write(IMSC, TX, 4)
    assert.same({}, lines) -- not before something was sent
    uart:write(DR, 65, 4)
    assert.equal(TX, uart:read(RIS, 4))
    assert.equal(TX, uart:read(MIS, 4))
    assert.same({ true }, lines)
    uart:write(ICR, TX, 4)
    assert.equal(0, uart:read(RIS, 4))
    assert.same({ true, false }, lines)
  end)

  it("not while it is off; what fits the FIFO waits", function()
    local uart, sent = make { enabled = false }
    uart:write(DR, 65, 4)
    uart:write(DR, 66, 4) -- lost: one byte without the FIFO
    assert.same({}, sent)
    assert.equal(TXFF, uart:read(FR, 4) & (TXFF | TXFE))
    assert.equal(0, uart:read(RIS, 4))
    uart:write(CR, 0x301, 4)
    assert.same({ "A" }, sent)
    assert.equal(TXFE, uart:read(FR, 4) & (TXFF | TXFE))
    uart:write(LCR_H, FEN, 4)
    uart:write(CR, 0x201, 4)
    for _ = 1, 40 do uart:write(DR, 67, 4) end
    assert.equal(TXFF, uart:read(FR, 4) & (TXFF | TXFE))
    uart:write(CR, 0x301, 4)
    assert.equal(("C"):rep(32), sent[2])
  end)

  it("to itself in loopback", function()
    local uart, sent = make()
    uart:write(CR, 0x381, 4)
    uart:write(DR, 65, 4)
    assert.same({}, sent)
    assert.equal(65, uart:read(DR, 4))
  end)
end)

describe("a PL011 receives", function()
  it("a byte at a time without its FIFO", function()
    local uart, _, lines = make()
    uart:write(IMSC, RX, 4)
    uart:input "ab"
    assert.equal(RXFF, uart:read(FR, 4) & (RXFF | RXFE))
    assert.equal(RX, uart:read(RIS, 4))
    assert.equal(97, uart:read(DR, 4))
    assert.equal(RX, uart:read(RIS, 4)) -- the next one is there
    assert.equal(98, uart:read(DR, 4))
    assert.equal(0, uart:read(RIS, 4))
    assert.equal(RXFE, uart:read(FR, 4) & (RXFF | RXFE))
    assert.is_false(lines[#lines])
    assert.equal(0, uart:read(DR, 4))
  end)

  it("up to 32 bytes in its FIFO, and the rest later", function()
    local uart = make()
    uart:write(LCR_H, FEN, 4)
    local text = ("0123456789"):rep(10)
    uart:input(text:sub(1, 31))
    assert.equal(0, uart:read(FR, 4) & (RXFF | RXFE))
    uart:input(text:sub(32))
    assert.equal(RXFF, uart:read(FR, 4) & (RXFF | RXFE))
    assert.equal(100, uart:pending())
    assert.equal(text, reads(uart, DR, 100))
    assert.equal(0, uart:pending())
  end)

  it("and interrupts at the trigger level of IFLS", function()
    for ifls, level in pairs { [0] = 4, 8, 16, 24, 28, 28 } do
      local uart = make()
      uart:write(LCR_H, FEN, 4)
      uart:write(IFLS, ifls << 3, 4)
      uart:input(("x"):rep(level - 1))
      assert.equal(0, uart:read(RIS, 4) & RX)
      uart:input "x"
      assert.equal(RX, uart:read(RIS, 4) & RX)
      uart:read(DR, 4)
      assert.equal(0, uart:read(RIS, 4) & RX)
    end
  end)

  it("and interrupts when fewer bytes have come, by the timeout", function()
    local uart, _, lines = make()
    uart:write(LCR_H, FEN, 4)
    uart:write(IMSC, RT | RX, 4)
    uart:input "ab"
    assert.equal(RT, uart:read(MIS, 4))
    uart:read(DR, 4)
    assert.equal(RT, uart:read(MIS, 4))
    uart:read(DR, 4)
    assert.equal(0, uart:read(MIS, 4))
    assert.same({ true, false }, lines)
  end)

  it("no interrupt again after it was cleared, until more comes", function()
    local uart, _, lines = make()
    uart:write(LCR_H, FEN, 4)
    uart:write(IMSC, RT, 4)
    uart:input "a"
    uart:write(ICR, 0x7ff, 4)
    assert.same({ true, false }, lines)
    uart:input "b"
    assert.same({ true, false, true }, lines)
    assert.equal("ab", reads(uart, DR, 2))
  end)

  it("nothing while it is off", function()
    local uart = make()
    uart:write(CR, 0x101, 4)
    uart:input "ab"
    assert.equal(RXFE, uart:read(FR, 4) & RXFE)
    assert.equal(2, uart:pending())
    uart:write(CR, 0x301, 4)
    assert.equal("ab", reads(uart, DR, 2))
  end)

  it("keeps what its FIFO held when that is switched off", function()
    local uart = make()
    uart:write(LCR_H, FEN, 4)
    uart:input "abcdef"
    uart:write(LCR_H, 0, 4)
    assert.equal("abcdef", reads(uart, DR, 6))
  end)

  it("a megabyte without slowing down", function()
    local uart = make()
    uart:input(("x"):rep(1 << 20))
    uart:input "y"
    for _ = 1, 1000 do assert.equal(120, uart:read(DR, 4)) end
    assert.equal((1 << 20) + 1 - 1000, uart:pending())
  end)

  it("only strings", function()
    local uart = make()
    local ok, message = pcall(uart.input, uart, 1)
    assert.is_false(ok)
    assert.matches("bytes: string expected, got 1", message)
  end)
end)

describe("a PL011 refuses", function()
  it("options that it does not have", function()
    raises("bad argument #1 to 'new' (unknown option 'outptu' (did you mean "
      .. "'output'? there are enabled, irq and output))", pl011.new,
      { outptu = print })
    raises("options: table expected, got 1", pl011.new, 1)
  end)

  it("accesses that no guest makes", function()
    local uart = make()
    raises("#1 to 'read' (offset: integer expected, got nil)", uart.read, uart)
    raises("#2 to 'write' (value: integer expected, got 'x')", uart.write,
      uart, 0, "x", 1)
    raises("calling 'pending' on bad self", uart.pending)
  end)
end)

describe("the line of a PL011", function()
  it("moves only when the masked status does", function()
    local uart, _, lines = make()
    uart:write(DR, 65, 4)
    assert.same({}, lines)
    uart:write(IMSC, TX, 4)
    uart:write(DR, 65, 4)
    uart:input "a"
    assert.same({ true }, lines)
    uart:write(IMSC, 0, 4)
    assert.same({ true, false }, lines)
    assert.equal(RX | TX, uart:read(RIS, 4))
    assert.equal(0, uart:read(MIS, 4))
  end)

  it("is right after the output failed", function()
    local lines, fail = {}, true
    local uart = pl011.new {
      output = function() if fail then error "full" end end,
      irq = function(level) lines[#lines + 1] = level end,
    }
    uart:write(IMSC, TX, 4)
    assert.has_error(function() uart:write(DR, 65, 4) end)
    assert.same({ true }, lines)
    fail = false
    uart:write(DR, 66, 4)
    assert.equal(TXFE, uart:read(FR, 4) & TXFE)
  end)
end)
