-- SPDX-License-Identifier: MIT
local check = require "kvm.check"
local mmu = require "kvm.arch.x86_64.mmu"
local raises = require "spec.support.raises"

describe("kvm.check", function()
  it("names the line of the script, however deep the layer is", function()
    local layer = load("local check = ... return function() "
      .. "check.bad(1, 'map', 'va 0x%x', 0x123) end", "@kvm/layer.lua")(check)
    local line = debug.getinfo(1, "l").currentline
    local function script() layer() end
    local err = raises("bad argument #1 to 'map' (va 0x123)", script)
    assert.matches("^[^:]*check_spec%.lua:" .. line + 1 .. ": bad", err)
  end)

  it("says what is there, and what was probably meant", function()
    local shape = { "at", at = "integer", size = "integer", page = "integer" }
    assert.equal("unknown option 'sise' (did you mean 'size'? there are at, "
      .. "page and size)", check.misfit({ at = 0, sise = 1 }, shape))
    assert.equal("unknown option 'colour' (there are at, page and size)",
      check.misfit({ colour = 1 }, shape))
    assert.equal("unknown option '1' (there are at, page and size)",
      check.misfit({ "at" }, shape))
    assert.equal("unknown field 'b' (there is only at)",
      check.misfit({ b = 1 }, { at = "integer" }, "field"))
    assert.equal("option 'at' is missing", check.misfit({}, shape))
    assert.equal("size: integer expected, got 'x'",
      check.misfit({ at = 0, size = "x" }, shape))
    assert.is_nil(check.misfit({ at = 0, page = 1 }, shape))
  end)

  it("shows values: addresses in hex, texts on one line", function()
    for shown, value in pairs {
      ["12"] = 12, ["0x1000"] = 0x1000, ["0xffffffffffff0000"] = -0x10000,
      ["1.5"] = 1.5, ["'a?b'"] = "a\nb", ["true"] = true, table = {},
      ["kvm.arch.x86_64.tables"] = mmu.new { base = 0 }, ["function"] = print,
      ["'" .. ("x"):rep(40) .. "...'"] = ("x"):rep(99),
    } do
      assert.equal(shown, check.show(value))
    end
    assert.equal("nil", check.show(nil))
  end)

  it("has kinds", function()
    local function problem(kind, value)
      return check.problem("x", kind, value)
    end
    assert.equal("x 9 is outside 1..8", problem(check.integer(1, 8), 9))
    assert.equal("x: integer expected, got nil", problem(check.integer(), nil))
    assert.is_nil(problem(check.integer(1, 8), 8))
    assert.equal("x 0x10000 does not fit in 16 bits",
      problem(check.bits(16), 0x10000))
    assert.equal("x 256 does not fit in 8 bits", problem(check.bits(8), 256))
    assert.is_nil(problem(check.bits(64), -1))
    assert.equal("x 0x123 is not a multiple of the page size 0x1000",
      problem(check.multiple(0x1000, "the page size"), 0x123))
    assert.equal("x 'c' (expected a or b)", problem({ "a", "b" }, "c"))
    assert.equal("x[2]: string expected, got 5",
      problem(check.list("string", "list of strings"), { "a", 5 }))
    assert.equal("x: a list has no 'n'",
      problem(check.list("string", "list of strings"), { n = 1 }))
    assert.equal("x: kvm.vm expected, got table",
      problem(check.object("kvm.vm", "read"), {}))
    assert.is_nil(problem(check.object("kvm.vm", "read"), { read = print }))
  end)

  it("takes integers however they are written", function()
    assert.equal("integer", math.type(check.argument(1, "f", "x", "integer",
      2 ^ 20)))
    assert.equal(1 << 20, check.options(1, "f", { a = 2 ^ 20 },
      { a = "integer" }).a)
    raises("bad argument #1 to 'f' (x: integer expected, got 0.5)",
      check.argument, 1, "f", "x", "integer", 0.5)
  end)

  it("takes no options for none", function()
    assert.same({}, check.options(1, "f", nil, { a = "integer" }))
    raises("bad argument #2 to 'f' (options: table expected, got 3)",
      check.options, 2, "f", 3, {})
    assert.is_nil(check.optional(1, "f", "x", "integer", nil))
    assert.is_false(check.optional(1, "f", "x", "boolean", false))
  end)

  it("counts arguments", function()
    check.surplus(1, "f")
    raises("bad argument #2 to 'f' (surplus argument: at most 1)",
      check.surplus, 1, "f", nil)
    raises("bad argument #1 to 'f' (surplus argument: it takes none)",
      check.surplus, 0, "f", 1)
  end)

  it("tells a method that was called with a dot", function()
    raises("calling 'map' on bad self (kvm.arch.x86_64.tables expected, got "
      .. "nil: call it with a colon)", check.method, "map",
      "kvm.arch.x86_64.tables", nil)
  end)
end)
