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
