-- SPDX-License-Identifier: MIT
local json = require "kvm.json"
local dkjson = require "dkjson"

describe("kvm.json", function()
  local e = json.encode

  it("writes plain values", function()
    assert.equal("null", e(nil))
    assert.equal("true", e(true))
    assert.equal("-9223372036854775808", e(math.mininteger))
    assert.equal("0.10000000000000001", e(0.1))
    assert.equal("null", e(0 / 0))
    assert.equal("null", e(-math.huge))
  end)

  it("escapes strings", function()
    assert.equal([["a\"b\\c\n\r\t\u0000\u001b\u007f"]], e 'a"b\\c\n\r\t\0\27\127')
    assert.equal('"größe"', e "größe")
    assert.equal([["\u00ff\u0000"]], e "\xff\0")
  end)

  it("writes arrays and objects, with names in order", function()
    assert.equal("{}", e {})
    assert.equal("[1,[2],{}]", e { 1, { 2 }, {} })
    assert.equal('{"a":1,"b":[true]}', e { b = { true }, a = 1 })
    assert.equal('{"10":1,"9":2}', e { [10] = 1, [9] = 2 })
  end)

  it("lets values with a __tostring speak for themselves", function()
    assert.equal('["v"]', e { setmetatable({},
      { __tostring = function() return "v" end }) })
    assert.equal('"' .. tostring(print) .. '"', e(print))
  end)

  it("is read by another program as it was meant", function()
    local value = { s = 'q"\\/\n\1ü', n = { 1, -2.5, 1e300 }, o = { b = false } }
    assert.same(value, dkjson.decode(e(value)))
  end)
end)
