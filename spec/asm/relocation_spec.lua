-- SPDX-License-Identifier: MIT
-- The same text through the distribution's linker must give the same bytes.

local asm = require "kvm.asm"
local elf = require "kvm.elf"
local tools = require "spec.support.toolchain"

local ORIGIN = 0x401000

local function code_of(program)
  for _, section in ipairs(elf.parse(program).sections) do
    if section.name == ".text" then
      assert.equal(ORIGIN, section.addr)
      return program:sub(section.offset + 1, section.offset + section.size)
    end
  end
end

-- Each line of the text is one case, with its own symbols `near` and `far`.
local function compare(arch, prologue, symbols, cases)
  tools.need("as", arch)
  tools.need("ld", arch)
  local definitions = {}
  for name, value in pairs(symbols) do
    definitions[#definitions + 1] =
      ("--defsym %s=%#x"):format(name, value)
  end
  for line in cases:gmatch("[^\n]+") do
    local object = tools.object(arch, prologue .. line)
    local linked = code_of(tools.link(arch, object,
      ("-Ttext %#x -e 0 %s"):format(ORIGIN, table.concat(definitions, " "))))
    local ours = asm.assemble(arch, line,
      { origin = ORIGIN, symbols = symbols })
    assert.equal(tools.hex(linked), tools.hex(ours), line)
  end
end

describe("asm links like ld", function()
  it("x86_64", function()
    compare("x86_64", "", { near = 0x402468, low = 0x42 }, [[
call near
jmp near + 4
jne near
nop; mov near(%rip), %eax
movl $7, near + 8(%rip)
mov $near, %rax
mov $near, %eax
movabs $near, %rax
mov near(,%rbx,8), %rax
push $near
mov $low, %al
mov $low, %cx
out %al, $low
.quad near, near - 1
.long near
.long near - .
.quad near - .
.word low
.byte low
x: nop; jmp x; .long x, y - x; y: .quad y
mov x(%rip), %eax; .section .rodata; .previous; x: .long 1]])
  end)

  it("x86_32", function()
    compare("x86_32", "", { near = 0x402468, low = 0x42 }, [[
call near
jmp near - 4
mov near, %eax
mov $near, %eax
lea near(,%ebx,4), %edi
mov $low, %cl
mov $low, %cx
.long near, near + 7
.long near - .
.word low + 1
.byte low - 1
x: .long x + 3; mov $x, %eax]])
  end)

  it("x86_16", function()
    compare("x86_16", ".code16; ", { low = 0x42 }, [[
mov $low, %ax
mov low, %bx
mov $low, %al
movl $low, %ecx
mov low(%si), %dx
.word low + 5]])
  end)

  it("arm64", function()
    local symbols = { near = 0x402468, even = 0x408010, big = 0x123456789 }
    compare("arm64", "", symbols, [[
bl near
b near + 4
b.eq near
cbz x3, near
tbnz w3, #7, near
ldr x0, near
adr x1, near
adrp x1, near
adrp x1, even + 0x3000
add x1, x1, :lo12:near
ldrb w0, [x1, :lo12:near]
strh w0, [x1, :lo12:near]
ldr w0, [x1, :lo12:near]
ldr x0, [x1, :lo12:near]
ldr q0, [x1, :lo12:even]
movz x0, #:abs_g0_nc:big
movk x0, #:abs_g1_nc:big
movk x0, #:abs_g2:big
movk x0, #:abs_g3:big
movz x0, #:abs_g0_s:near - 0x402470
movz x0, #:abs_g1_s:near
movz x0, #:abs_g2_s:big
movz x0, #:prel_g1:near
movk x0, #:prel_g0_nc:near
ldr x0, =near
ldr x0, =big + 1
.quad near, big
.word near
.word near - .
.quad big - .
.hword near - .
x: nop; b x; adr x0, x; .quad x]])
  end)

  it("negative distances and values", function()
    compare("x86_64", "", { before = 0x400000 }, [[
call before
mov before(%rip), %eax
.long before - .]])
    compare("arm64", "", { before = 0x400000 }, [[
bl before
b.ne before
adr x0, before
adrp x0, before - 0x100000
movz x0, #:prel_g1:before
.word before - .]])
  end)
end)

describe("asm relocation", function()
  local function message(...)
    local ok, result = pcall(asm.assemble, ...)
    assert.is_false(ok)
    return result
  end

  local function refused(arch, text, value, expected, origin)
    tools.need("as", arch)
    local result = message(arch, text,
      { origin = origin, symbols = { it = value } })
    assert.matches(expected, result, 1, true)
    assert.matches(("it = %#x"):format(value), result, 1, true)
  end

  it("names the symbol and value that do not fit x86", function()
    refused("x86_64", "mov $it, %al", 0x100, "does not fit in 8 bits")
    refused("x86_64", "mov $it, %ax", 0x10000, "does not fit in 16 bits")
    refused("x86_64", "mov $it, %eax", 1 << 32, "does not fit in 32 bits")
    refused("x86_64", "mov $it, %rax", 1 << 31, "signed 32 bits")
    refused("x86_64", "call it", 1 << 40, "the distance 0xfffffffffb")
    refused("x86_16", "mov $it, %ax", 0x12345, "0x12345 at .text+0x1")
    refused("x86_32", "mov $it, %eax", 1 << 32, "does not fit in 32 bits")
  end)

  it("names the symbol and value that do not fit arm64", function()
    refused("arm64", "bl it", 1 << 27, "signed 28 bits")
    refused("arm64", "b.eq it", 1 << 20, "signed 21 bits")
    refused("arm64", "tbz x0, #1, it", 1 << 15, "signed 16 bits")
    refused("arm64", "bl it", 0x1002, "is not a multiple of 4")
    refused("arm64", "adr x0, it", 1 << 20, "signed 21 bits")
    refused("arm64", "adrp x0, it", 1 << 33, "signed 33 bits")
    refused("arm64", "ldr x0, [x1, :lo12:it]", 0x1004,
      "is not a multiple of 8")
    refused("arm64", "movz x0, #:abs_g0:it", 0x10000, "fit in 16 bits")
    refused("arm64", ".hword it", 0x10000, "fit in 16 bits")
  end)

  it("accepts the last value that fits", function()
    tools.need("as", "arm64")
    local function encode(arch, text, value)
      return tools.hex((asm.assemble(arch, text, { symbols = { it = value } })))
    end
    assert.equal("ff ff ff 95", encode("arm64", "bl it", (1 << 27) - 4))
    assert.equal("00 00 00 96", encode("arm64", "bl it", -(1 << 27)))
    assert.equal("b0 ff", encode("x86_64", "mov $it, %al", 0xff))
    assert.equal("b0 80", encode("x86_64", "mov $it, %al", -128))
    assert.equal("e8 ff ff ff 7f",
      encode("x86_64", "call it", 0x80000004))
  end)

  it("lets 16-bit jumps wrap around their segment", function()
    tools.need("as", "x86_16")
    assert.equal("e9 1d 00", tools.hex((asm.x86_16("jmp it",
      { origin = 0xfff0, symbols = { it = 0x10 } }))))
  end)

  it("names a label of the text that is out of reach", function()
    tools.need("as", "x86_64")
    assert.matches("msg = 0x100000005: the value 0x100000005",
      message("x86_64", "mov $msg, %eax\nmsg: nop", { origin = 1 << 32 }),
      1, true)
  end)

  it("lists every unknown symbol in one error", function()
    tools.need("as", "x86_64")
    local result = message("x86_64", "call foo\ncall bar\ncall foo")
    assert.matches("unknown symbols bar, foo: define them, or pass"
      .. " symbols = { bar = ..., foo = ... }", result, 1, true)
  end)

  it("takes an unknown weak symbol as zero", function()
    tools.need("as", "x86_64")
    assert.equal(("\0"):rep(8), (asm.x86_64(".weak w\n.quad w")))
  end)

  it("gives code that uses a GOT one of its own", function()
    tools.need("as", "x86_64")
    local bytes = asm.x86_64("mov f@GOTPCREL(%rip), %rax",
      { origin = 0x1000, symbols = { f = 0x12345678 } })
    local distance = string.unpack("<i4", bytes, 4)
    assert.equal(0x12345678, (string.unpack("<i8", bytes, 7 + distance + 1)))
  end)

  it("refuses thread-local storage", function()
    tools.need("as", "x86_64")
    assert.matches("symbol t is of kind tls", message("x86_64",
      "mov %fs:t@tpoff, %rax\n.section .tbss,\"awT\",@nobits\nt: .quad 0"),
      1, true)
  end)
end)
