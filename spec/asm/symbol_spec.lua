-- SPDX-License-Identifier: MIT

local asm = require "kvm.asm"
local tools = require "spec.support.toolchain"
local hex = tools.hex

describe("asm symbols", function()
  before_each(function() tools.need("as", "x86_64") end)

  it("are the labels' addresses at the origin", function()
    local _, symbols = asm.x86_64("first: nop\nsecond: nop\n.globl second",
      { origin = 0x1000 })
    assert.same({ first = 0x1000, second = 0x1001 }, symbols)
  end)

  it("contain constants of the text, not its local names", function()
    local _, symbols = asm.x86_64("answer = 42\n.Lhere: nop\n1: jmp 1b")
    assert.same({ answer = 42 }, symbols)
  end)

  it("contain no mapping symbols of arm64", function()
    tools.need("as", "arm64")
    local _, symbols = asm.arm64("start: nop\n.word 7\nrest: nop")
    assert.same({ start = 0, rest = 8 }, symbols)
  end)

  it("reach the high half of the address space", function()
    local origin = 0xffffffff80000000
    local bytes, symbols = asm.x86_64("here: mov $here, %rax",
      { origin = origin })
    assert.equal(origin, symbols.here)
    assert.equal("48 c7 c0 00 00 00 80", hex(bytes))
  end)

  it("given from outside are linked in", function()
    local bytes = asm.x86_64([[
      call there
      mov $there, %edi
      mov there(%rip), %eax
      .quad there + 1 ]],
      { origin = 0x1000, symbols = { there = 0x2000 } })
    assert.equal("e8 fb 0f 00 00 bf 00 20 00 00 8b 05 f0 0f 00 00"
      .. " 01 20 00 00 00 00 00 00", hex(bytes))
  end)

  it("given from outside do not hide the text's own", function()
    local bytes, symbols = asm.x86_64("own: mov $own, %eax",
      { origin = 0x10, symbols = { own = 0x5555, unused = 1 } })
    assert.equal("b8 10 00 00 00", hex(bytes))
    assert.same({ own = 0x10 }, symbols)
  end)

  it("of one text serve as another's", function()
    local _, library = asm.x86_64("f: ret\ng: ret", { origin = 0x4000 })
    local bytes = asm.x86_64("call g", { origin = 0x1000, symbols = library })
    assert.equal("e8 fc 2f 00 00", hex(bytes))
  end)

  it("are the caller's to change", function()
    local _, first = asm.x86_64("mine: nop")
    first.mine = "changed"
    local _, second = asm.x86_64("mine: nop")
    assert.equal(0, second.mine)
  end)

  it("may be floats with an integer's value, as everywhere in Lua", function()
    local bytes, symbols = asm.x86_16("l: mov $x, %ax",
      { origin = 4096.0, symbols = { x = 2.0 } })
    assert.equal("b8 02 00", hex(bytes))
    assert.equal("integer", math.type(symbols.l))
  end)
end)

describe("asm sections", function()
  before_each(function() tools.need("as", "x86_64") end)

  it("follow the code, aligned, whatever their order in the text", function()
    local bytes, symbols = asm.x86_64([[
        .data
      word: .quad 0x1122334455667788, code
        .balign 8
        .section .rodata
      text: .asciz "hi"
        .text
      code: nop ]], { origin = 0x1000 })
    assert.equal(0x1000, symbols.code)
    assert.equal(0, symbols.word % 8)
    assert.equal("\x90", bytes:sub(1, 1))
    local at = symbols.word - 0x1000 + 1
    assert.equal(0x1122334455667788, (string.unpack("<i8", bytes, at)))
    assert.equal(0x1000, (string.unpack("<i8", bytes, at + 8)))
    assert.equal("hi\0", bytes:sub(symbols.text - 0xfff, symbols.text - 0xffd))
  end)

  it("without bytes are zeros at the end", function()
    local bytes, symbols = asm.x86_64([[
      lea buffer(%rip), %rdi
      .lcomm buffer, 64
      .comm shared, 16, 16 ]], { origin = 0x1000 })
    assert.equal(symbols.shared + 16, 0x1000 + #bytes)
    assert.equal(0, symbols.shared % 16)
    assert.equal(("\0"):rep(64),
      bytes:sub(symbols.buffer - 0xfff, symbols.buffer - 0xfff + 63))
  end)

  it("that are empty still have an end", function()
    local bytes, symbols = asm.x86_64("nop; nop\n.data\nfinish:",
      { origin = 0x100 })
    assert.equal("\x90\x90", bytes)
    assert.equal(0x102, symbols.finish)
  end)

  it("that only describe are left out", function()
    local bytes = asm.x86_64('nop\n.section .comment\n.asciz "no code"')
    assert.equal("\x90", bytes)
  end)

  it("begin at the origin even where there is no code", function()
    local bytes, symbols = asm.x86_64(".data\nx: .byte 7", { origin = 0x33 })
    assert.equal("\7", bytes)
    assert.equal(0x33, symbols.x)
  end)
end)
