-- SPDX-License-Identifier: MIT
-- Errors must point at the script's own line, wherever the text came from.

local asm = require "kvm.asm"
local tools = require "spec.support.toolchain"

-- "script:line" of the call, so many lines further down.
local function at(offset)
  local info = debug.getinfo(2, "Sl")
  return ("%s:%d: "):format(info.short_src, info.currentline + offset)
end

local function message(call, ...)
  local ok, result = pcall(call, ...)
  assert.is_false(ok)
  assert.equal("string", type(result))
  return result
end

local function begins(expected, actual)
  assert.equal(expected, actual:sub(1, #expected))
end

describe("asm errors", function()
  before_each(function() tools.need("as", "x86_64") end)

  it("carry the script's line and the line itself", function()
    local expected = at(3)
    local text = message(function()
      return (asm.x86_64 [[
        bogus %eax
        nop ]])
    end)
    assert.equal(expected .. "no such instruction: `bogus %eax'\n"
      .. "\tbogus %eax", text)
  end)

  it("count from the bracket, not from the call", function()
    local expected = at(4)
    local text = message(function()
      return asm.assemble(
        "x86_64", [==[  nop
          bogus [[ ]==])
    end)
    begins(expected, text)
  end)

  it("find a text that was kept in a variable", function()
    local code = [[
      nop
      bogus first ]]
    local expected = at(-1)
    begins(expected, message(function() return (asm.x86_64(code)) end))
  end)

  it("find the nearest of equal texts", function()
    assert(not pcall(asm.x86_64, [[ bogus twin ]]))
    local expected = at(2)
    begins(expected, message(function()
      return (asm.x86_64 [[ bogus twin ]])
    end))
    assert(not pcall(asm.x86_64, [[ bogus twin ]]))
  end)

  it("find a text behind a helper and a tail call", function()
    local function wrapped(text) return asm.x86_64(text) end
    local function again(text) return wrapped(text) end
    local expected = at(2)
    local text = message(function() return again [[
      bogus helped
    ]] end)
    begins(expected, text)
  end)

  it("find the line in a text put together from pieces", function()
    local expected = at(3)
    local text = message(function()
      return (asm.x86_64(("nop\n"):rep(3) .. [[
        bogus pieced
      ]]))
    end)
    begins(expected, text)
  end)

  it("do not guess between equal lines", function()
    local one, two = [[
      bogus double
    ]], [[
      bogus double
    ]]
    local expected = at(2)
    local text = message(function()
      return (asm.x86_64("nop\n" .. one .. two))
    end)
    begins(expected .. "asm:2: no such instruction", text)
  end)

  it("fall back to the call and the text's line", function()
    local expected = at(2) .. "asm:3: no such instruction: `bogus 7'"
    local text = message(function()
      return (asm.x86_64("nop\nnop\nbogus " .. 7))
    end)
    begins(expected, text)
  end)

  it("use the name when the text has one", function()
    local text = message(asm.x86_64, "nop\nbogus", { name = "boot.S" })
    begins("boot.S:2: no such instruction", text)
  end)

  it("keep what a preprocessor says about lines", function()
    local text = message(asm.x86_64, 'nop\n# 70 "boot.S"\nbogus')
    begins("boot.S:70: no such instruction", text)
  end)

  it("list several faults, up to a limit", function()
    local text = message(asm.x86_64, ("bogus\n"):rep(20), { name = "x" })
    assert.matches("x:8: ", text, 1, true)
    assert.not_matches("x:9: ", text, 1, true)
    assert.matches("(and 12 more)", text, 1, true)
  end)

  it("tell where a macro was used", function()
    local text = message(asm.x86_64,
      ".macro m\nbogus\n.endm\nnop\nm", { name = "x" })
    begins("x:2: no such instruction", text)
    assert.matches("(macro invoked from here: x:5)", text, 1, true)
  end)

  it("count warnings, for they mean other bytes than written", function()
    assert.matches("warning: value 0x12c truncated to 0x2c",
      message(asm.x86_64, ".byte 300"), 1, true)
  end)

  it("carry the line of 16-bit and Intel texts too", function()
    begins("x:1: ", message(asm.x86_16, "bogus", { name = "x" }))
    begins("x:2: ", message(asm.x86_32, "nop\nbogus",
      { name = "x", syntax = "intel" }))
  end)

  it("carry the line of an arm64 text", function()
    tools.need("as", "arm64")
    local expected = at(3)
    local text = message(function()
      return (asm.arm64 [[
        mov x0, #0x12345678 ]])
    end)
    begins(expected .. "immediate cannot be moved", text)
  end)

  it("carry the line of an unknown symbol", function()
    local expected = at(4)
    local text = message(function()
      return (asm.x86_64 [[
        nop
        call nowhere ]])
    end)
    begins(expected .. "unknown symbol nowhere", text)
  end)

  it("carry the line of the relocation, not of another mention", function()
    local text = message(asm.x86_64, "mov $it, %rax\n it2: mov $it, %ebx\n"
      .. ".data\n.quad it\n.section .rodata\n.byte 0\n.byte it",
      { name = "x", symbols = { it = 0x12345 } })
    begins("x:7: it = 0x12345: the value", text)
  end)

  it("name the line of a literal pool's user", function()
    tools.need("as", "arm64")
    begins("x:2: unknown symbol far", message(asm.arm64,
      "nop\nldr x0, =far\nnop\nnop", { name = "x" }))
  end)

  it("explain that symbols are not constants", function()
    tools.need("as", "arm64")
    assert.matches("for a constant write 'uart = 0x9000000' in the text",
      message(asm.arm64, "mov x0, #uart", { symbols = { uart = 0x9000000 } }),
      1, true)
  end)

  it("come from scripts under the stock interpreter alike", function()
    local script = os.tmpname()
    tools.write(script, 'local asm = require "kvm.asm"\n\nasm.x86_64 [[\n'
      .. "  nop\n  bogus ]]\n")
    local pipe <close> = io.popen(("LUA_PATH='%s' LUA_CPATH='' lua5.4 %s 2>&1")
      :format(package.path, script))
    local output = pipe:read("a")
    os.remove(script)
    assert.matches(script .. ":5: no such instruction: `bogus '", output, 1,
      true)
  end)

  it("come from a loaded string as Lua names it", function()
    local chunk = assert(load('local asm = ...\nreturn (asm.x86_64 [[\nnop\n'
      .. 'bogus]])', "a chunk"))
    begins('[string "a chunk"]:2: asm:2: ', message(chunk, asm))
    local source = "local asm = ...\nreturn (asm.x86_64 [[\nnop\nbogus]])"
    begins('[string "local asm = ......"]:4: no such',
      message(assert(load(source)), asm))
  end)
end)
