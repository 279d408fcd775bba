-- SPDX-License-Identifier: MIT
local kvm = require "kvm"
local raises = require "spec.support.raises"

local PAGE = kvm.page_size

describe("kvm.memory: hexdump", function()
  local m
  before_each(function() m = kvm.memory(PAGE) end)

  it("shows offset, bytes and text", function()
    m:write(0x10, "Hello, kvmlua!\0\xff")
    assert.equal("00000010  48 65 6c 6c 6f 2c 20 6b  76 6d 6c 75 61 21 00 ff "
      .. " |Hello, kvmlua!..|\n00000020", m:hexdump(0x10, 16))
  end)

  it("shows a line that is not full", function()
    assert.equal("00000000  00 00 00" .. (" "):rep(16 + 25) .. " |...|\n"
      .. "00000003", m:hexdump(0, 3))
  end)

  it("squeezes lines that repeat", function()
    local lines = select(2, m:hexdump(0, 0x40):gsub("\n", "\n")) + 1
    assert.equal(4, lines)
    assert(m:hexdump(0, 0x40):find("\n*\n", 1, true))
  end)

  it("shows at most 256 bytes by default", function()
    assert(m:hexdump():find("\n00000100$"))
    assert(m:hexdump(PAGE - 8):find(("\n%08x$"):format(PAGE)))
    assert.equal(("%08x"):format(PAGE), m:hexdump(PAGE))
  end)

  it("stays inside the memory", function()
    raises("outside the memory", m.hexdump, m, PAGE - 8, 16)
    raises("outside the memory", m.hexdump, m, PAGE + 1)
  end)
end)
