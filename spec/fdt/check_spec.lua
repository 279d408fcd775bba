-- SPDX-License-Identifier: MIT
local fdt = require "kvm.fdt"

local function problem(pattern, t)
  local list = fdt.check(t)
  assert.equal(1, #list, table.concat(list, "\n"))
  assert.matches(pattern, list[1])
  assert.has_error(function() fdt.build(t) end)
end

local function fine(t)
  assert.same({}, fdt.check(t))
  fdt.build(t)
end

describe("the specification", function()
  it("wants node names of at most 31 characters", function()
    fine { [("n"):rep(31)] = {} }
    problem("/n+: the node name has 32 characters, the limit is 31",
      { [("n"):rep(32)] = {} })
    fine { [("n"):rep(31) .. "@123456789"] = { reg = { 1, 0x23456789, 0 } } }
  end)

  it("wants node names of letters, digits and ,._+-", function()
    fine { ["aZ0,._+-"] = {} }
    problem("/9a: a node name is a letter, then", { ["9a"] = {} })
    problem("/a#: a node name is a letter, then", { ["a#"] = {} })
    problem("/_a: a node name is a letter, then", { ["_a"] = {} })
  end)

  it("wants property names of at most 31 characters", function()
    fine { [("p"):rep(31)] = 1 }
    problem("/:p+: the property name has 32 characters",
      { [("p"):rep(32)] = 1 })
    problem("/a:p+: the property name has 32 characters",
      { a = { [("p"):rep(32)] = 1 } })
  end)

  it("wants property names of letters, digits and ,._+?#-", function()
    fine { ["aZ0,._+?#-"] = 1 }
    problem("/:a%*: a property name is letters, digits", { ["a*"] = 1 })
    problem("/:a@1: a property name is letters, digits", { ["a@1"] = 1 })
  end)

  it("wants aliases in lower case", function()
    fine { aliases = { ["serial-0"] = "/" } }
    problem("/aliases:Serial: an alias is lower%-case letters",
      { aliases = { Serial = "/" } })
    fine { chosen = { Serial = "/" } }
  end)

  it("wants a unit address with a reg", function()
    problem("/a has a reg but no unit address", { a = { reg = { 0, 0, 1 } } })
    problem("/a@1 has a unit address but no reg", { ["a@1"] = {} })
    fine { ["a@1"] = { ranges = { 1 } } }
  end)

  it("wants the address of the reg in the unit address", function()
    fine { ["a@1b"] = { reg = { 0, 0x1b, 1 } } }
    fine { ["a@100000002"] = { reg = { 1, 2, 1 } } }
    problem("/a@1: the unit address is not the address in reg, 0x2",
      { ["a@1"] = { reg = { 0, 2, 1 } } })
    problem("/b/a@1: the unit address is not the address in reg, 0x2",
      { b = { ["#address-cells"] = 1, ["#size-cells"] = 0,
        ["a@1"] = { reg = 2 } } })
  end)

  it("leaves unit addresses of other buses to them", function()
    fine { pci = { ["#address-cells"] = 3, ["#size-cells"] = 2,
      ["dev@1,0"] = { reg = { 0x800, 0, 0, 0, 0 } },
      ["dev@2"] = { reg = { 0x1000, 0, 0, 0, 0 } } } }
    fine { x = { ["#address-cells"] = 1, ["#size-cells"] = 0,
      ["a@1,0"] = { reg = 9 } } }
  end)

  it("wants unit addresses without zeros in front", function()
    fine { ["a@0"] = { reg = { 0, 0, 1 } } }
    problem("/a@01: a unit address has no leading 0 or 0x",
      { ["a@01"] = { reg = { 0, 1, 1 } } })
    problem("/a@0x1: a unit address has no leading 0 or 0x",
      { ["a@0x1"] = { reg = { 0, 1, 1 } } })
    problem("/a@: a unit address is letters", { ["a@"] =
      { reg = { 0, 1, 1 } } })
    problem("/a@1@2: a unit address is letters", { ["a@1@2"] =
      { reg = { 0, 1, 1 } } })
  end)

  it("wants reg in whole pairs", function()
    problem("/a@1:reg has 8 bytes, not a multiple of 12 %(#address%-cells 2, "
      .. "#size%-cells 1 of /%)", { ["a@1"] = { reg = { 0, 1 } } })
    problem("/a@1:reg has 0 bytes", { ["a@1"] = { reg = true } })
  end)

  it("wants cell counts that are counts", function()
    problem('/b:#address%-cells is "x", not a count of cells',
      { b = { ["#address-cells"] = "x", ["a@1"] = { reg = { 1 } } } })
    problem("/:#size%-cells is <0x11>, not a count of cells",
      { ["#size-cells"] = 17, ["a@1"] = { reg = { 1 } } })
  end)

  it("exempts what describes an overlay", function()
    fine { { name = "fragment@0", ["target-path"] = "/", __overlay__ = {
      ["a@1"] = { reg = 1 } } },
      __symbols__ = { [("s"):rep(40)] = "/" } }
  end)

  it("counts what else is wrong, and can be put aside", function()
    local t = { ["9"] = {}, ["8"] = {}, ["7"] = {} }
    local ok, message = pcall(fdt.build, t)
    assert.is_false(ok)
    assert.matches("^spec/fdt/check_spec.lua:%d+: kvm.fdt: /7: .*, and 2 more "
      .. "%(strict = false builds it all the same%)", message)
    assert.equal(3, #fdt.parse(fdt.build(t, { strict = false })))
  end)

  it("is not asked of trees from blobs, unless told", function()
    local tree = fdt.parse(fdt.build({ ["9"] = {} }, { strict = false }))
    fdt.build(tree)
    assert.equal(1, #fdt.check(tree))
    assert.has_error(function() fdt.build(tree, { strict = true }) end)
    assert.has_error(function() fdt.dts(tree, { strict = true }) end)
  end)
end)
