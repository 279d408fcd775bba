-- SPDX-License-Identifier: MIT

local asm = require "kvm.asm"
local tools = require "spec.support.toolchain"

local function refused(expected, call, ...)
  local ok, message = pcall(call, ...)
  assert.is_false(ok)
  assert.matches(expected, message, 1, true)
end

describe("asm arguments", function()
  it("name an unknown architecture and those there are", function()
    refused("bad argument #1 to 'assemble' (unknown architecture 'mips': there"
      .. " are x86_16, x86_32, x86_64, arm64)", asm.assemble, "mips", "nop")
    refused("unknown architecture nil", asm.assemble)
    refused("unknown architecture 'by_name'", asm.assemble, "by_name", "nop")
  end)

  it("must have a text", function()
    refused("bad argument #1 to 'x86_64' (string or function expected, got"
      .. " nil)", asm.x86_64)
    refused("bad argument #2 to 'assemble' (string or function expected, got"
      .. " integer)", asm.assemble, "arm64", 42)
  end)

  it("refuse what is too many", function()
    refused("bad argument #3 to 'x86_64' (no value expected)", asm.x86_64,
      "nop", {}, nil)
    refused("bad argument #4 to 'assemble' (no value expected)", asm.assemble,
      "x86_64", "nop", {}, 1)
  end)

  it("refuse unknown options", function()
    refused("bad argument #2 to 'x86_64' (unknown option 'orgin': there are"
      .. " origin, symbols, syntax, name)", asm.x86_64, "nop", { orgin = 1 })
    refused("unknown option '1'", asm.x86_64, "nop", { "att" })
    refused("bad argument #2 to 'arm64' (table expected, got integer)",
      asm.arm64, "nop", 0x1000)
  end)

  it("check each option's type", function()
    refused("option 'origin': integer expected, got 1.5", asm.x86_64, "nop",
      { origin = 1.5 })
    refused("option 'origin': integer expected, got string", asm.x86_64,
      "nop", { origin = "0x1000" })
    refused("option 'name': string expected, got boolean", asm.x86_64, "nop",
      { name = true })
    refused("option 'symbols': table expected, got integer", asm.x86_64,
      "nop", { symbols = 3 })
    refused("option 'symbols': foo: integer expected, got string", asm.x86_64,
      "nop", { symbols = { foo = "1" } })
    refused("option 'symbols': a name is a integer, not a string", asm.x86_64,
      "nop", { symbols = { 1 } })
  end)

  it("check the syntax against the architecture", function()
    refused("option 'syntax': x86_64 has att and intel, not 'nasm'",
      asm.x86_64, "nop", { syntax = "nasm" })
    refused("option 'syntax': arm64 has one syntax, not 'att'", asm.arm64,
      "nop", { syntax = "att" })
    refused("option 'syntax' is for text, not for a function", asm.x86_64,
      function() end, { syntax = "intel" })
  end)

  it("give errors at the caller's line", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local ok, message = pcall(function() asm.x86_64("nop", { x = 1 }) end)
    assert.is_false(ok)
    assert.matches("option_spec.lua:" .. line .. ": bad argument", message, 1,
      true)
  end)

  it("refuse an origin that the code's alignment rules out", function()
    tools.need("as", "arm64")
    refused("origin 0x1002 is not a multiple of 0x4, the alignment of .text",
      asm.arm64, "nop", { origin = 0x1002 })
  end)

  it("refuse an origin outside a 32-bit address space", function()
    tools.need("as", "x86_32")
    refused("origin 0x100000000 does not fit in 32 bits", asm.x86_32, "nop",
      { origin = 1 << 32 })
    refused("does not fit between 0xffffffff and the end", asm.x86_32,
      "nop; nop", { origin = 0xffffffff })
    assert.equal("\x90", (asm.x86_32("nop", { origin = 0xffffffff })))
  end)
end)
