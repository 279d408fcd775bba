-- SPDX-License-Identifier: MIT
local pl031 = require "kvm.dev.pl031"
local raises = require "spec.support.raises"

local DR, MR, LR, CR = 0x00, 0x04, 0x08, 0x0c
local IMSC, RIS, MIS, ICR = 0x10, 0x14, 0x18, 0x1c

local function make(start)
  local lines, time = {}, { now = start }
  local rtc = pl031.new {
    irq = function(level) lines[#lines + 1] = level end,
    clock = function() return time.now end,
  }
  return rtc, time, lines
end

describe("a PL031", function()
  it("shows the host's time", function()
    local rtc, time = make(1000)
    assert.equal(1000, rtc:read(DR, 4))
    time.now = 1001.9
    assert.equal(1001, rtc:read(DR, 4))
    assert.is_true(math.abs(pl031.new():read(DR, 4) - os.time()) <= 1)
  end)

  it("can be set", function()
    local rtc, time = make(1000)
    rtc:write(LR, 5000, 4)
    assert.equal(5000, rtc:read(LR, 4))
    time.now = 1010
    assert.equal(5010, rtc:read(DR, 4))
    rtc:write(LR, 0xffffffff, 4)
    time.now = 1011
    assert.equal(0, rtc:read(DR, 4))
  end)

  it("rings once, when the match comes", function()
    local rtc, time, lines = make(1000)
    rtc:write(MR, 1005, 4)
    rtc:write(IMSC, 1, 4)
    rtc:poll()
    assert.same({}, lines)
    time.now = 1007
    rtc:poll()
    assert.same({ true }, lines)
    assert.equal(1, rtc:read(RIS, 4))
    assert.equal(1, rtc:read(MIS, 4))
    rtc:write(ICR, 1, 4)
    rtc:poll()
    assert.same({ true, false }, lines)
  end)

  it("rings silently while it is masked", function()
    local rtc, time, lines = make(1000)
    rtc:write(MR, 1001, 4)
    time.now = 1001
    assert.equal(1, rtc:read(RIS, 4))
    assert.equal(0, rtc:read(MIS, 4))
    assert.same({}, lines)
    rtc:write(IMSC, 0xff, 4)
    assert.equal(1, rtc:read(IMSC, 4))
    assert.same({ true }, lines)
  end)

  it("cannot be stopped, and does not ring by itself", function()
    local rtc = make(1000)
    assert.equal(1, rtc:read(CR, 4))
    rtc:write(CR, 0, 4)
    assert.equal(1, rtc:read(CR, 4))
    assert.equal(0, rtc:read(RIS, 4))
  end)

  it("identifies itself", function()
    local rtc, ids = make(0), {}
    for i = 0, 7 do ids[i + 1] = rtc:read(0xfe0 + 4 * i, 4) end
    assert.same({ 0x31, 0x10, 4, 0, 0x0d, 0xf0, 0x05, 0xb1 }, ids)
    assert.equal(0, rtc:read(0x20, 4))
    assert.equal(0, rtc:read(0x1000, 4))
  end)

  it("takes its own options only", function()
    raises("unknown option 'tim' (there are clock and irq)", pl031.new,
      { tim = 1 })
    raises("#1 to 'write' (offset: integer expected, got nil)",
      pl031.new().write, pl031.new())
  end)

  it("takes functions only", function()
    local ok, message = pcall(pl031.new, { clock = 1 })
    assert.is_false(ok)
    assert.matches("clock: function expected, got 1", message)
  end)
end)
