-- SPDX-License-Identifier: MIT
local fdt = require "kvm.fdt"

local function fails(pattern, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(pattern, message)
end

local function example()
  return fdt.parse(fdt.build({
    ["#address-cells"] = 2, ["#size-cells"] = 1,
    aliases = { serial0 = fdt.path "uart", bad = "serial0", loop = "loop" },
    soc = {
      compatible = { "acme,soc", "simple-bus" },
      ["#address-cells"] = 1, ["#size-cells"] = 1,
      ["uart: uart@10"] = { compatible = { "acme,uart", "uart" },
        reg = { 0x10, 4, 0x20, 8 }, phandle = 7, port = { x = 1 } },
      ["uart@80"] = { compatible = "uart", reg = { 0x80, 4 } },
    },
    ["pci@4000"] = {
      reg = { 0, 0x4000, 0x100 },
      ["#address-cells"] = 3, ["#size-cells"] = 2,
      ["dev@1,0"] = { reg = { 0x800, 0, 0, 0, 0x1000 } },
    },
    ["cpus"] = { ["#address-cells"] = 1, ["#size-cells"] = 0,
      ["cpu@1"] = { reg = 1 } },
    ["memory@100000000"] = { reg = { 1, 0, 0x1000 } },
  }, { symbols = true, strict = false }))
end

describe("a node is found", function()
  it("by its full path", function()
    local tree = example()
    assert.equal("uart@10", tree:at("/soc/uart@10").name)
    assert.equal("/soc/uart@10/port", tree:at("/soc/uart@10/port"):path())
    assert.equal(tree, tree:at "/")
    assert.is_nil(tree:at "/soc/uart@11")
    assert.is_nil(tree:at "/soc/uart@10/port/deeper")
  end)

  it("without its unit address, the first of several", function()
    local tree = example()
    assert.equal("memory@100000000", tree:at("/memory").name)
    assert.equal("/soc/uart@10/port", tree:at("/soc/uart/port"):path())
  end)

  it("by a path relative to another", function()
    local soc = example():at "/soc"
    assert.equal("/soc/uart@80", soc:at("uart@80"):path())
    assert.equal("/cpus", soc:at("/cpus"):path())
  end)

  it("by an alias and a path after it", function()
    local tree = example()
    assert.equal("/soc/uart@10", tree:at("serial0"):path())
    assert.equal("/soc/uart@10/port", tree:at("serial0/port"):path())
    assert.equal("/soc/uart@10", tree:at("/cpus"):at("serial0"):path())
    assert.is_nil(tree:at "serial1")
  end)

  it("not by aliases that lead to aliases", function()
    assert.is_nil(example():at "bad")
    assert.is_nil(example():at "loop")
  end)

  it("by an alias of a tree that is not built yet", function()
    local tree = fdt.tree { aliases = { a = fdt.path "x", b = fdt.path "/n" },
      ["x: n"] = {} }
    assert.equal("/n", tree:at("a"):path())
    assert.equal("/n", tree:at("b"):path())
  end)

  it("by label, from Lua and from /__symbols__", function()
    assert.equal("/soc/uart@10", example():by_label("uart"):path())
    assert.is_nil(example():by_label "nothing")
    local tree = fdt.tree { ["x: y: n"] = {} }
    assert.equal("n", tree:by_label("y").name)
    assert.same({ "x", "y" }, tree:by_label("x"):labels())
  end)

  it("by what it is compatible with", function()
    local tree = example()
    local function paths(compatible)
      local list = {}
      for i, node in ipairs(tree:by_compatible(compatible)) do
        list[i] = node:path()
      end
      return list
    end
    assert.same({ "/soc/uart@10", "/soc/uart@80" }, paths "uart")
    assert.same({ "/soc/uart@10" }, paths "acme,uart")
    assert.same({ "/soc" }, paths "simple-bus")
    assert.same({}, paths "acme")
    assert.same({}, tree:at("/cpus"):by_compatible "uart")
  end)

  it("by phandle, old or new", function()
    local tree = example()
    assert.equal("/soc/uart@10", tree:by_phandle(7):path())
    assert.is_nil(tree:by_phandle(8))
    tree:at("/cpus"):set("linux,phandle", 8)
    assert.equal("/cpus", tree:by_phandle(8):path())
  end)

  it("on a walk, parents first", function()
    local list = {}
    for node, level in example():at("/soc"):walk() do
      list[#list + 1] = level .. node.name
    end
    assert.same({ "0soc", "1uart@10", "2port", "1uart@80" }, list)
  end)

  it("with its parent and its root", function()
    local tree = example()
    local port = tree:at "/soc/uart@10/port"
    assert.equal(tree:at "/soc/uart@10", port:parent())
    assert.equal(tree, port:root())
    assert.is_nil(tree:parent())
  end)

  it("not by a path that is no string", function()
    fails("a path is a string, not a nil", function() example():at() end)
  end)
end)

describe("a property is read", function()
  it("from here, or from a path", function()
    local tree = example()
    assert.equal(1, tree:get("/soc", "#size-cells"):u32())
    assert.equal(1, tree.soc:get("#size-cells"):u32())
    assert.equal("/soc/uart@10", tree:get("/aliases", "serial0"):str())
    assert.is_nil(tree:get("/nowhere", "x"))
    assert.is_nil(tree:get("/soc", "x"))
  end)

  it("in order, by properties and by pairs", function()
    local tree = fdt.tree { b = 1, a = 2, { name = "k" } }
    local seen = {}
    for key, x in pairs(tree) do
      seen[#seen + 1] = key
      assert.is_truthy(x)
    end
    assert.same({ "a", "b", 1 }, seen)
    assert.equal("k", tree[1].name)
    assert.is_nil(tree[2])
  end)

  it("as regions, by the cell counts of the parent", function()
    local tree = example()
    assert.same({ { address = 0x10, size = 4 }, { address = 0x20, size = 8 } },
      tree:at("/soc/uart@10"):regions())
    assert.same({ { address = 0x100000000, size = 0x1000 } },
      tree:at("/memory"):regions())
    assert.same({ { address = 1 } }, tree:at("/cpus/cpu@1"):regions())
    assert.same({ { address = { 0x800, 0, 0 }, size = 0x1000 } },
      tree:at("/pci/dev@1,0"):regions())
    assert.same({}, tree:at("/soc"):regions())
    assert.same({}, tree:regions())
  end)

  it("as cell counts, with their defaults", function()
    local tree = example()
    assert.same({ 2, 1 }, { tree:cell_counts() })
    assert.same({ 1, 0 }, { tree.cpus:cell_counts() })
    assert.same({ 2, 1 }, { tree:at("/soc/uart@10"):cell_counts() })
  end)

  it("not as regions when the counts do not fit", function()
    local tree = example()
    tree:at("/soc/uart@80"):set("reg", { 1, 2, 3 })
    fails("/soc/uart@80:reg has 3 cells, not a multiple of the 1 %+ 1 that "
      .. "/soc asks for", function() tree:at("/soc/uart@80"):regions() end)
    tree.soc:set("#address-cells", 17)
    fails("/soc:#address%-cells is <0x11>, not a count of cells", function()
      tree:at("/soc/uart@80"):regions()
    end)
    tree.soc:set("#address-cells", "x")
    fails('/soc:#address%-cells is "x", not a count', function()
      tree.soc:cell_counts()
    end)
    tree.soc:set("#address-cells", 0):set("#size-cells", 0)
    fails("not a multiple of the 0 %+ 0", function()
      tree:at("/soc/uart@80"):regions()
    end)
  end)
end)

describe("a tree is changed", function()
  it("by setting properties", function()
    local tree = example()
    tree:at("/soc"):set("status", "okay"):set("reg", { 1, 2 })
    tree.soc.model = "new"
    tree.soc.compatible = "other"
    tree = fdt.parse(fdt.build(tree))
    assert.equal("okay", tree.soc.status:str())
    assert.same({ 1, 2 }, tree.soc.reg:cells())
    assert.equal("new", tree.soc.model:str())
    assert.same({ "other" }, tree.soc.compatible:strings())
  end)

  it("by deleting properties", function()
    local tree = example()
    assert.is_true(tree.soc:delete "compatible")
    assert.is_false(tree.soc:delete "compatible")
    tree.cpus["#size-cells"] = nil
    tree = fdt.parse(fdt.build(tree))
    assert.is_nil(tree.soc.compatible)
    assert.is_nil(tree.cpus["#size-cells"])
  end)

  it("by adding nodes", function()
    local tree = example()
    local node = tree.soc:add("i2c: i2c@90", { reg = { 0x90, 4 },
      { name = "a" }, b = {} })
    assert.equal("/soc/i2c@90", node:path())
    tree.soc["rtc@a0"] = { reg = { 0xa0, 4 } }
    tree.soc["i2c@90"].clocks = fdt.ref "uart"
    tree = fdt.parse(fdt.build(tree))
    assert.equal(7, tree:get("/soc/i2c@90", "clocks"):u32())
    assert.equal("rtc@a0", tree.soc[4].name)
    assert.equal(2, #tree:at "/soc/i2c@90")
  end)

  it("by removing nodes", function()
    local tree = example()
    local uart = tree:at("/soc/uart@10"):remove()
    assert.equal("/", uart:path())
    assert.equal(1, #tree.soc)
    tree.cpus = nil
    assert.is_nil(tree:at "/cpus")
    assert.is_nil(fdt.parse(fdt.build(tree)):at "/soc/uart@10")
  end)

  it("by replacing a node where it stands", function()
    local tree = example()
    tree.soc["uart@10"] = { reg = { 1, 1 } }
    assert.equal("uart@10", tree.soc[1].name)
    assert.is_nil(tree.soc[1].compatible)
    assert.equal(2, #tree.soc)
  end)

  it("by copying nodes, from here or elsewhere", function()
    local tree, other = example(), fdt.tree {}
    other:add("copy", tree.soc)
    tree:add("soc@1", tree.soc)
    tree.soc["uart@10"].phandle = nil
    assert.equal(7, other:get("/copy/uart@10", "phandle"):u32())
    assert.equal("/soc@1/uart@80", tree:at("/soc@1/uart@80"):path())
    local whole = fdt.tree { ["l: n"] = { x = 1 } }
    whole:add("self", whole)
    assert.equal("/self/n", whole:at("/self/n"):path())
    assert.same({ "l" }, whole:at("/self/n"):labels())
  end)

  it("only in ways that leave it whole", function()
    local tree = example()
    local before = fdt.build(tree)
    fails("/soc has two nodes called 'uart@10'", function()
      tree.soc:add "uart@10"
    end)
    fails("/soc/uart@10:x: a property cannot be a function", function()
      tree.soc["uart@10"] = { a = 1, x = print }
    end)
    fails("/soc/new/deep:x: ", function()
      tree.soc:add("new", { deep = { x = print } })
    end)
    fails("/soc: the name of a node is a number", function()
      tree.soc:add(1)
    end)
    fails("/soc: the name of a property is a nil", function()
      tree.soc:set()
    end)
    fails("/soc/x: a node is a table, not a string", function()
      tree.soc:add("x", "y")
    end)
    assert.equal(before, fdt.build(tree))
  end)

  it("not by assignment to methods, names and numbers", function()
    local tree = example()
    for _, key in ipairs { "path", "name", 1, "regions" } do
      fails("assign to properties and named children, not to '" .. key,
        function() tree[key] = 1 end)
    end
    fails("the root of a tree cannot be removed", function()
      tree:remove()
    end)
  end)

  it("with properties called like methods", function()
    local tree = fdt.tree { path = "/x", get = 1 }
    assert.equal("/", tree:path())
    assert.equal("/x", tree:get("path"):str())
    assert.equal(1, fdt.parse(fdt.build(tree)):get("get"):u32())
    assert.is_true(tree:delete "path")
  end)

  it("on a walk without losing the way", function()
    local tree = example()
    for node in tree:walk() do
      if node.name:find "^uart" then node:remove() end
    end
    assert.equal(0, #tree.soc)
  end)

  it("with its header", function()
    local tree = example()
    tree:header().reservations = { { 1, 2 } }
    tree:at("/soc"):header().boot_cpuid = 5
    local header = fdt.parse(fdt.build(tree)):header()
    assert.same({ boot_cpuid = 5, reservations = { { 1, 2 } } }, header)
    tree:header().boot_cpuid = "x"
    fails("the boot CPU id x is not", fdt.build, tree)
  end)
end)
