-- SPDX-License-Identifier: MIT
local pretty = require "kvm.pretty"

describe("kvm.pretty", function()
  local f = pretty.format

  it("shows plain values as tostring does", function()
    for _, value in ipairs { 1, -1, 1.5, true, false, print } do
      assert.equal(tostring(value), f(value))
    end
    assert.equal("nil", f(nil))
  end)

  it("shows an integer in hex, too", function()
    assert.equal("65520  (0xfff0)", f(0xfff0))
    assert.equal("10  (0xa)", f(10))
    assert.equal("-4096  (0xfffffffffffff000)", f(-4096))
    assert.equal("9", f(9))
    assert.equal("1e+15", f(1e15))
  end)

  it("shows registers, addresses and bits of tables in hex", function()
    assert.equal("{ cr0 = 0x11, r8 = 9, rflags = 0x246, rip = 0xfff0 }",
      f { rip = 0xfff0, rflags = 0x246, cr0 = 0x11, r8 = 9 })
    assert.equal("{ pc = 0x80000, ttbr0_el1 = 0x1000, x10 = 0x40 }",
      f { pc = 0x80000, x10 = 64, ttbr0_el1 = 0x1000 })
    assert.equal("{ cs = { base = 0xffffffffffff0000, dpl = 3 } }",
      f { cs = { base = -0x10000, dpl = 3 } })
    assert.equal("{ count = 4096, gpa = 0x1000, guest_phys_addr = 0x2000 }",
      f { gpa = 0x1000, guest_phys_addr = 0x2000, count = 4096 })
    assert.equal("{ eax = 0x80000001, size = 0x2000 }",
      f { size = 0x2000, eax = 0x80000001 })
    assert.equal("{ 10, 4096, nr = 8192 }", f { 10, 4096, nr = 8192 })
  end)

  it("counts in the order of names", function()
    assert.equal("{ r8 = 1, r9 = 2, r10 = 3, r10b = 4 }",
      f { r10 = 3, r9 = 2, r8 = 1, r10b = 4 })
    assert.equal("{ a = 1, a01 = 2, a1 = 3, a2 = 4 }",
      f { a1 = 3, a01 = 2, a2 = 4, a = 1 })
  end)

  it("can be brief", function()
    assert.equal("{ a = 1 }", pretty.brief { a = 1 })
    local line = pretty.brief { ("x"):rep(100), ("ö"):rep(100) }
    assert.truthy(#line <= 203 and line:find "%.%.%.$" and utf8.len(line))
    assert.falsy(line:find "\n")
  end)

  it("leaves text alone and quotes bytes", function()
    assert.equal("one\n\ttwo", f "one\n\ttwo")
    assert.equal("größe", f "größe")
    assert.equal([["\0\x90\xff"]], f "\0\x90\xff")
    assert.equal([["\x001\n"]], f "\x001\n")
    assert.equal([["a\x1b\"\\"]], f 'a\27"\\')
  end)

  it("writes byte strings that Lua reads back", function()
    for _, text in ipairs { "\0001", "\xff\xfe\0", "a\r\n\0", "\127\1\0099" } do
      assert.equal(text, load("return " .. f(text))())
    end
  end)

  it("shows what is in a table, in order", function()
    assert.equal("{}", f {})
    assert.equal('{ 1, "b", a = 1, b = { 2 }, [10] = "x", [true] = 1 }',
      f { 1, "b", b = { 2 }, a = 1, [10] = "x", [true] = 1 })
    assert.equal('{ ["a b"] = 1 }', f { ["a b"] = 1 })
  end)

  it("breaks what is wider than the screen", function()
    local t = { name = ("n"):rep(40), other = ("o"):rep(40) }
    assert.equal('{\n  name = "' .. t.name .. '",\n  other = "' .. t.other
      .. '"\n}', f(t))
  end)

  it("lets a value show itself", function()
    local value = setmetatable({ 1 }, { __tostring = function() return "v!" end })
    assert.equal("v!", f(value))
    assert.equal("{ x = v! }", f { x = value })
    assert.equal("{ 1 }", f(setmetatable({ 1 }, {})))
    assert.truthy(f(setmetatable({ 1 }, { __name = "kind" })):find "^kind: ")
    assert.truthy(f(setmetatable({ 1 }, { __metatable = "" })):find "^table: ")
  end)

  it("calls nothing of the table's", function()
    local function never() error "called" end
    assert.equal("{ 1, a = 2 }", f(setmetatable({ 1, a = 2 },
      { __index = never, __len = never, __pairs = never })))
  end)

  it("ends in cycles, depths and lengths", function()
    local t = {}
    t.t = t
    assert.equal("{ t = {...} }", f(t))
    assert.equal("{ { { { {...} } } } }", f { { { { { 1 } } } } })
    local long = {}
    for i = 1, 1000 do long[i] = i end
    local text = f(long)
    assert.truthy(text:find("64,\n  ... 936 more\n}$"))
  end)
end)
