-- SPDX-License-Identifier: MIT
-- The DSL must give the bytes that the equivalent text gives.

local asm = require "kvm.asm"
local tools = require "spec.support.toolchain"
local hex = tools.hex

local function same(arch, make, text, options)
  tools.need("as", arch)
  options = options or {}
  local as_text = { origin = options.origin, symbols = options.symbols,
    syntax = arch ~= "arm64" and "intel" or nil }
  local expected = asm.assemble(arch, text, as_text)
  assert.is_true(#expected > 0)
  local bytes, symbols = asm.assemble(arch, make, options)
  assert.equal(hex(expected), hex(bytes))
  return symbols
end

local function message(arch, make)
  local ok, result = pcall(asm.assemble, arch, make)
  assert.is_false(ok)
  return result
end

describe("asm DSL for x86", function()
  it("prints registers, numbers, labels", function()
    local symbols = same("x86_64", function(_ENV)
      mov(rax, 1)
      label "again"
      dec(rax)
      jnz "again"
      mov(r9d, 0xffffffff)
      mov(rbx, -1)
      mov(rcx, math.mininteger)
      hlt()
    end, [[
      mov rax, 1
      again: dec rax
      jnz again
      mov r9d, 0xffffffff
      mov rbx, -1
      mov rcx, 0x8000000000000000
      hlt ]], { origin = 0x1000 })
    assert.same({ again = 0x1007 }, symbols)
  end)

  it("prints memory operands", function()
    same("x86_64", function(_ENV)
      mov(rax, ptr[rbx])
      mov(rax, ptr[rbx + rcx*4 + 8])
      mov(rax, ptr[rbx - 8 + rcx])
      mov(rax, ptr[2*rdx + rbx])
      inc(byte[rdi + 1])
      inc(word[rdi])
      inc(dword[rdi])
      inc(qword[rdi])
      mov(eax, fs[0x28])
      mov(qword.gs[rax + 8], rbx)
      inc(dword.fs[0])
      lea(rsi, ptr[rip + there])
      lea(rsi, ptr["there + rax"])
      mov(rax, qword[0x1000])
      label(there)
      vmovaps(zmm0, zmmword[rsp - 64])
    end, [[
      mov rax, [rbx]
      mov rax, [rbx + rcx*4 + 8]
      mov rax, [rbx + rcx - 8]
      mov rax, [rbx + rdx*2]
      inc byte ptr [rdi + 1]
      inc word ptr [rdi]
      inc dword ptr [rdi]
      inc qword ptr [rdi]
      mov eax, fs:[0x28]
      mov qword ptr gs:[rax + 8], rbx
      inc dword ptr fs:[0]
      lea rsi, [rip + there]
      lea rsi, [there + rax]
      mov rax, qword ptr ds:0x1000
      there: vmovaps zmm0, [rsp - 64] ]])
  end)

  it("prints prefixes, Lua's words, the x87 stack, masks", function()
    same("x86_64", function(_ENV)
      rep.movsb()
      lock.add(dword[rdi], 1)
      and_(rax, rbx)
      or_(rax, rbx)
      not_(rax)
      in_(al, dx)
      fadd(st, st(3))
      vaddps(zmm0 .. "{k1}", zmm1, zmm2)
      mov(rax, "offset data")
      mov(rbx, offset.data)
      jmp(short.data)
      label "data"
    end, [[
      rep movsb
      lock add dword ptr [rdi], 1
      and rax, rbx
      or rax, rbx
      not rax
      in al, dx
      fadd st, st(3)
      vaddps zmm0{k1}, zmm1, zmm2
      mov rax, offset data
      mov rbx, offset data
      jmp short data
      data: ]])
  end)

  it("works for 16 and 32 bits", function()
    same("x86_16", function(_ENV)
      mov(dx, 0x3f8) out(dx, al) mov(bx, ptr[si + 2]) mov(eax, cr0)
    end, "mov dx, 0x3f8; out dx, al; mov bx, [si + 2]; mov eax, cr0")
    same("x86_32", function(_ENV) push(cs) inc(ecx) end, "push cs; inc ecx")
  end)
end)

describe("asm DSL for arm64", function()
  it("prints registers, numbers, conditions, labels", function()
    same("arm64", function(_ENV)
      mov(x0, 10)
      label "again"
      subs(x0, x0, 1)
      b.ne "again"
      add(x1, x2, x3 << 4)
      add(x1, x2, x3 >> 5)
      add(x1, x2, w3, "uxtw #2")
      csel(x0, x1, x2, eq)
      mrs(x0, vbar_el1)
      dsb(sy)
      and_(x0, x0, 0xff)
      hvc(0)
      ret()
    end, [[
      mov x0, #10
      again: subs x0, x0, #1
      b.ne again
      add x1, x2, x3, lsl #4
      add x1, x2, x3, lsr #5
      add x1, x2, w3, uxtw #2
      csel x0, x1, x2, eq
      mrs x0, vbar_el1
      dsb sy
      and x0, x0, #0xff
      hvc #0
      ret ]])
  end)

  it("prints memory operands and vectors", function()
    same("arm64", function(_ENV)
      ldr(x0, ptr[x1])
      ldr(x0, ptr[x1 + 8])
      ldr(x0, ptr[x1 - 8])
      ldr(x0, ptr[x1 + x2])
      ldr(x0, ptr[x1 + (x2 << 3)])
      ldr(x0, ptr[x1 + "w2, sxtw #3"])
      stp(x29, x30, pre[sp - 16])
      ldp(x29, x30, ptr[sp], 16)
      add(v0["4s"], v1["4s"], v2["4s"])
      ld1({ v0["16b"], v1["16b"] }, ptr[x0])
      ldr(x0, "=there")
      label "there"
    end, [[
      ldr x0, [x1]
      ldr x0, [x1, #8]
      ldr x0, [x1, #-8]
      ldr x0, [x1, x2]
      ldr x0, [x1, x2, lsl #3]
      ldr x0, [x1, w2, sxtw #3]
      stp x29, x30, [sp, #-16]!
      ldp x29, x30, [sp], #16
      add v0.4s, v1.4s, v2.4s
      ld1 {v0.16b, v1.16b}, [x0]
      ldr x0, =there
      there: ]], { origin = 0x40000000 })
  end)
end)

describe("asm DSL", function()
  it("prints data and directives", function()
    tools.need("as", "x86_64")
    local bytes, symbols = asm.x86_64(function(_ENV)
      db(1, -1, "two", 3)
      dw(0x1234)
      dd(5, "start + 1")
      align(8)
      label "start"
      dq(start, start + 8, -2)
      ascii("a", 'quote " back \\ nul \0 high \xff')
      asciz "z"
      equ("answer", 42)
      db(answer)
      space(3)
      org(0x60)
      raw [[
        .byte 0xaa
        .byte 0xbb]]
      global(start)
      section(".rodata", "a")
      db(9)
    end, { origin = 0x1000 })
    assert.equal("\1\xfftwo\3\x34\x12\5\0\0\0\x11\x10\0\0",
      bytes:sub(1, 16))
    assert.equal(0x1010, symbols.start)
    assert.same({ 0x1010, 0x1018, -2 },
      { (string.unpack("<i8", bytes, 17)), (string.unpack("<i8", bytes, 25)),
        (string.unpack("<i8", bytes, 33)) })
    assert.equal('aquote " back \\ nul \0 high \xff' .. "z\0\42\0\0\0",
      bytes:sub(41, 41 + 33))
    assert.equal("\xaa\xbb\9", bytes:sub(0x61))
  end)

  it("has Lua's libraries and locals, loops and functions", function()
    tools.need("as", "x86_64")
    local count = 3
    local bytes = asm.x86_64(function(_ENV)
      local function twice(value) db(value, value) end
      for i = 1, count do twice(i) end
      for _, name in ipairs { "a", "b" } do
        db(string.byte(name), math.max(1, 2))
      end
    end)
    assert.equal("010102020303" .. "61026202", (hex(bytes):gsub(" ", "")))
  end)

  it("takes symbols and an origin", function()
    local bytes = same("x86_64", function(_ENV) call(there) end, "call there",
      { origin = 0x1000, symbols = { there = 0x2000 } })
    assert.same({}, bytes)
  end)

  it("gives the same bytes without a second process", function()
    tools.need("as", "arm64")
    local function make(_ENV) mov(x0, 77) end
    assert.equal((asm.arm64(make)), (asm.arm64(make)))
  end)
end)

describe("asm DSL errors", function()
  local function here(offset)
    local info = debug.getinfo(2, "Sl")
    return ("%s:%d: "):format(info.short_src, info.currentline + offset)
  end

  it("point at the call", function()
    tools.need("as", "x86_64")
    local expected = here(3)
    assert.equal(expected .. "no such instruction: `bogus eax,1'\n"
      .. "\tbogus eax, 1", message("x86_64", function(_ENV) nop()
        bogus(eax, 1)
        nop()
      end))
  end)

  it("point at the call inside a helper", function()
    tools.need("as", "x86_64")
    local expected = here(1)
    local function helper(_ENV) mov(al, rbx) end
    local result = message("x86_64", function(_ENV)
      nop()
      helper(_ENV)
    end)
    assert.equal(expected, result:sub(1, #expected))
  end)

  it("point at the use of an unknown symbol", function()
    tools.need("as", "x86_64")
    local expected = here(3)
    local result = message("x86_64", function(_ENV)
      nop()
      jmp(nowhere)
    end)
    assert.equal(expected .. "unknown symbol nowhere",
      result:sub(1, #expected + 22))
  end)

  it("name operands that cannot be", function()
    local function refused(expected, make)
      assert.matches(expected, message("x86_64", make), 1, true)
    end
    refused("operand #2 of 'mov' is a nil value",
      function(_ENV) mov(rax, nil) end)
    refused("operand #1 of 'push' is a boolean value",
      function(_ENV) push(true) end)
    refused("operand #1 of 'push' is a function value",
      function(_ENV) push(print) end)
    refused("operand #1 of 'push' is a table value",
      function(_ENV) push(ptr) end)
    refused("1.5 is not an integer", function(_ENV) push(1.5) end)
    refused("has a line break", function(_ENV) jmp "a\nhlt" end)
    refused("a boolean value cannot be part of an address",
      function(_ENV) push(ptr[true]) end)
    refused("only an integer can be subtracted",
      function(_ENV) push(ptr[rax - rbx]) end)
    refused("only a register can be multiplied",
      function(_ENV) push(ptr[(rax + 1) * 2]) end)
    refused("label: a name expected, got \"no name\"",
      function(_ENV) label "no name" end)
    refused("argument #1 of 'ascii' is a number value, not a string",
      function(_ENV) ascii(1) end)
    refused("an operand has no field 'x'",
      function(_ENV) push((rax + 1).x) end)
  end)

  it("pass through what the function raises", function()
    local thing = {}
    local ok, result = pcall(asm.x86_64, function() error(thing) end)
    assert.is_false(ok)
    assert.equal(thing, result)
  end)

  it("refuse reading files", function()
    assert.matches("are refused", message("x86_64", function(_ENV)
      raw '.incbin "/etc/hostname"'
    end), 1, true)
  end)
end)
