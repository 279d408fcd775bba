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
    refused("bad argument #1 to 'assemble' (unknown architecture 'mips' (there"
      .. " are x86_16, x86_32, x86_64 and arm64))", asm.assemble, "mips", "nop")
    refused("unknown architecture 'nil'", asm.assemble)
    refused("unknown architecture 'by_name'", asm.assemble, "by_name", "nop")
  end)

  it("must have a text", function()
    refused("bad argument #1 to 'x86_64' (text: string or function expected,"
      .. " got nil)", asm.x86_64)
    refused("bad argument #2 to 'assemble' (text: string or function "
      .. "expected, got 42)", asm.assemble, "arm64", 42)
  end)

  it("refuse what is too many", function()
    refused("bad argument #3 to 'x86_64' (surplus argument: at most 2)",
      asm.x86_64, "nop", {}, nil)
    refused("bad argument #4 to 'assemble' (surplus argument: at most 3)",
      asm.assemble, "x86_64", "nop", {}, 1)
  end)

  it("refuse unknown options", function()
    refused("bad argument #2 to 'x86_64' (unknown option 'orgin' (did you mean"
      .. " 'origin'? there are name, origin, symbols and syntax))",
      asm.x86_64, "nop", { orgin = 1 })
    refused("unknown option '1'", asm.x86_64, "nop", { "att" })
    refused("bad argument #2 to 'arm64' (options: table expected, got 0x1000)",
      asm.arm64, "nop", 0x1000)
  end)

  it("check each option's type", function()
    refused("origin: integer expected, got 1.5", asm.x86_64, "nop",
      { origin = 1.5 })
    refused("origin: integer expected, got '0x1000'", asm.x86_64,
      "nop", { origin = "0x1000" })
    refused("name: string expected, got true", asm.x86_64, "nop",
      { name = true })
    refused("symbols: table expected, got 3", asm.x86_64,
      "nop", { symbols = 3 })
    refused("symbols.foo: integer expected, got '1'", asm.x86_64,
      "nop", { symbols = { foo = "1" } })
    refused("symbols: 1 is no name", asm.x86_64,
      "nop", { symbols = { 1 } })
  end)

  it("check the syntax against the architecture", function()
    refused("syntax 'nasm' (expected att or intel)",
      asm.x86_64, "nop", { syntax = "nasm" })
    refused("syntax 'att' (expected arm64)", asm.arm64,
      "nop", { syntax = "att" })
    refused("syntax is for text, not for a function", asm.x86_64,
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
