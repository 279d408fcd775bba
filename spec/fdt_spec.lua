-- SPDX-License-Identifier: MIT
local dtc = require "spec.support.fdt.dtc"
local fdt = require "kvm.fdt"
local trees = require "spec.support.fdt.trees"

local function fails(pattern, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(pattern, message)
end

local function u32_at(blob, offset)
  return (">I4"):unpack(blob, offset + 1)
end

describe("fdt.build", function()
  it("makes a blob of version 17 that holds nothing else", function()
    local blob = fdt.build {}
    assert.equal(0xd00dfeed, u32_at(blob, 0))
    assert.equal(#blob, u32_at(blob, 4))
    assert.equal(17, u32_at(blob, 20))
    assert.equal(16, u32_at(blob, 24))
  end)

  it("gives the same bytes every time", function()
    local function make()
      local t = {}
      for i = 1, 50 do
        t["p" .. i] = i
        t["n" .. i] = { x = i }
      end
      return fdt.build(t)
    end
    assert.equal(make(), make())
  end)

  it("leaves no stale bytes in the gaps of a grown blob", function()
    -- more than one growth of the buffer, odd lengths everywhere
    local t = {}
    for i = 1, 400 do
      t[i] = { name = "n" .. i, a = fdt.bytes("\xff\xff\xff"),
        b = fdt.bytes("\xff") }
    end
    local blob = fdt.build(t)
    for name, gap in pairs { [3] = "\0", [1] = "\0\0\0" } do
      local value = ("\xff"):rep(name)
      for at in blob:gmatch("\0\0\0\3\0\0\0" .. string.char(name)
        .. "....()" .. value) do
        assert.equal(gap, blob:sub(at + name, at + name + #gap - 1))
      end
    end
  end)

  it("sorts properties, keeps listed children, sorts the others", function()
    local tree = fdt.parse(fdt.build {
      b = 1, a = 2, ["#c"] = 3,
      ["dev@10"] = { reg = { 0, 0x10, 0 } }, ["dev@9"] = { reg = { 0, 9, 0 } },
      bus = {}, { name = "zz" }, { name = "aa" },
    })
    local names = {}
    for name in tree:properties() do names[#names + 1] = name end
    assert.same({ "#c", "a", "b" }, names)
    names = {}
    for i, child in ipairs(tree) do names[i] = child.name end
    assert.same({ "zz", "aa", "bus", "dev@9", "dev@10" }, names)
  end)

  it("leaves out what is false", function()
    local tree = fdt.parse(fdt.build { a = false, b = true })
    assert.is_nil(tree:get "a")
    assert.equal(0, #tree:get "b")
  end)

  it("writes reservations and the boot CPU", function()
    local tree = fdt.parse(fdt.build({}, { boot_cpuid = 0xffffffff,
      reservations = { { 0x1000, 0x2000 }, { -8192, 8192 } } }))
    assert.same({ boot_cpuid = 0xffffffff,
      reservations = { { 0x1000, 0x2000 }, { -8192, 8192 } } }, tree:header())
  end)

  it("numbers phandles in the order of reference, around given ones",
    function()
      local tree = fdt.parse(fdt.build {
        r = { fdt.ref "c", fdt.ref "a", fdt.ref "b", fdt.ref "c" },
        ["a: a"] = {}, ["b: b"] = { phandle = 2 }, ["c: c"] = {}, d = {},
      })
      assert.same({ 1, 3, 2, 1 }, tree:get("r"):cells())
      assert.equal("/c", tree:by_phandle(1):path())
      assert.equal("/a", tree:by_phandle(3):path())
      assert.is_nil(tree:get("/d", "phandle"))
    end)

  it("puts references at any offset", function()
    local tree = fdt.parse(fdt.build {
      p = { "s", fdt.ref "/a", fdt.u8(9), fdt.path "/a/b" }, a = { b = {} } })
    assert.equal("s\0\0\0\0\1\9/a/b\0", tree:get("p"):bytes())
  end)

  it("adds symbols when asked", function()
    local tree = fdt.parse(fdt.build({ ["x: y: a"] = { ["z: b"] = {} } },
      { symbols = true }))
    assert.equal("/a", tree:get("/__symbols__", "x"):str())
    assert.equal("/a", tree:get("/__symbols__", "y"):str())
    assert.equal("/a/b", tree:get("/__symbols__", "z"):str())
    assert.equal(1, tree:get("/a", "phandle"):u32())
    assert.equal("/a/b", tree:by_label("z"):path())
  end)

  it("does not change what it is given", function()
    local t = { ["a: a"] = {}, r = fdt.ref "a" }
    local tree = fdt.tree(t)
    fdt.build(tree, { symbols = true })
    assert.same({ ["a: a"] = {}, r = fdt.ref "a" }, t)
    assert.is_nil(tree:get("/a", "phandle"))
    assert.is_nil(tree:at "/__symbols__")
  end)

  it("names the place of a bad value", function()
    fails("fdt_spec.lua:%d+: kvm.fdt: /soc/uart@0:reg: 4294967296 .* does not "
      .. "fit in 32 bits", fdt.build,
      { soc = { ["uart@0"] = { reg = 1 << 32 } } })
    fails("/a:p: a property cannot be a function", fdt.build,
      { a = { p = print } })
    fails("/a:p: the string .* holds a NUL", fdt.build, { a = { p = "\0" } })
  end)

  it("names the place of a bad name", function()
    fails('/soc: the node name "a/b" holds a character', fdt.build,
      { soc = { ["a/b"] = {} } })
    fails('/soc: the property name "a b" holds', fdt.build,
      { soc = { ["a b"] = 1 } })
    fails("/soc: a node has an empty name", fdt.build, { soc = { [""] = {} } })
    fails("/soc: a property has an empty name", fdt.build,
      { soc = { [""] = 1 } })
    fails('/soc: "1x" is not a label', fdt.build, { soc = { ["1x: a"] = {} } })
    fails("the name of a node has 2000 characters", fdt.build,
      { [("n"):rep(2000)] = {} })
    fails("/: the key true is neither a name nor a place", fdt.build,
      { [true] = 1 })
    fails("/: the key 7 is neither a name nor a place", fdt.build, { [7] = 1 })
  end)

  it("refuses lists that mix nodes and values", function()
    fails("/: element 2 is not a node with a name", fdt.build,
      { { name = "a" }, 5 })
    fails("/: element 1 is not a node with a name", fdt.build, { {} })
    fails("/a: the field 'name' is the name of the node", fdt.build,
      { a = { name = "b" } })
    fails("/x: a value stands where a node is expected", function()
      fdt.tree({}):add("x", fdt.u32(1))
    end)
  end)

  it("refuses two nodes of one name", function()
    fails("/soc has two nodes called 'a@1'", fdt.build,
      { soc = { { name = "a@1" }, { name = "x: a@1" } } })
    fails("/ has two nodes called 'a'", fdt.build, { { name = "a" }, a = {} })
  end)

  it("refuses references that lead nowhere", function()
    fails("/a:clocks refers to 'clk', and no node has that label", fdt.build,
      { a = { clocks = fdt.ref "clk" } })
    fails("/a:p refers to '/b', and no node has that path", fdt.build,
      { a = { p = fdt.path "/b" } })
  end)

  it("refuses phandles that collide or are none", function()
    fails("/a and /b have the same phandle 0x5", fdt.build,
      { a = { phandle = 5 }, b = { phandle = 5 } })
    fails("/a and /b have the same phandle 0x5", fdt.build,
      { a = { phandle = 5 }, b = { ["linux,phandle"] = 5 } })
    fails("/a:phandle is <0x0>, not a phandle", fdt.build,
      { a = { phandle = 0 } })
    fails("/a:phandle is <0xffffffff>, not a phandle", fdt.build,
      { a = { phandle = -1 } })
    fails("/a:phandle is <0x0 0x1>, not a phandle", fdt.build,
      { a = { phandle = { 0, 1 } } })
    fails("/a has two phandles, 0x1 and 0x2", fdt.build,
      { a = { phandle = 1, ["linux,phandle"] = 2 } })
  end)

  it("refuses two nodes with one label", function()
    fails("/a and /b have the same label 'x'", fdt.build,
      { ["x: a"] = {}, ["x: b"] = {} })
  end)

  it("refuses cyclic and bottomless tables", function()
    local t = {}
    t.again = t
    fails("nested deeper than 64 levels", fdt.build, t)
    local list = { name = "x" }
    list[1] = list
    fails("nested deeper than 64 levels", fdt.build, { list })
  end)

  it("builds 64 levels and not 65", function()
    local function chain(levels)
      local t = {}
      for _ = 2, levels do t = { n = t } end
      return t
    end
    local count = 0
    for _ in fdt.parse(fdt.build(chain(64))):walk() do count = count + 1 end
    assert.equal(64, count)
    fails("nested deeper than 64 levels", fdt.build, chain(65))
  end)

  it("refuses trees beyond 64 MiB", function()
    local mega = fdt.bytes(("x"):rep(1 << 10):rep(40 << 10))
    assert.is_true(#fdt.build { a = mega } > 40 << 20)
    fails("larger than 67108864 bytes", fdt.build, { a = mega, b = mega })
  end)

  it("refuses bad reservations and boot CPUs", function()
    fails("memory reservation 2 is not {address, size}", fdt.build, {},
      { reservations = { { 1, 2 }, { 1 } } })
    fails("memory reservation 1, at 0x1000, has the size 0", fdt.build, {},
      { reservations = { { 0x1000, 0 } } })
    fails("memory reservation 1, .* goes beyond 64 bits", fdt.build, {},
      { reservations = { { -1, 2 } } })
    fails("boot_cpuid %-1 does not fit in 32 bits", fdt.build, {},
      { boot_cpuid = -1 })
    fails("boot_cpuid 0x100000000 does not fit", fdt.build, {},
      { boot_cpuid = 1 << 32 })
  end)

  it("refuses what is no tree and no option", function()
    fails("a tree is a table, not a nil", fdt.build)
    fails("a tree is a table, not a value", fdt.build, fdt.u32(1))
    fails("unknown option 'symbol' %(did you mean 'symbols'%?", fdt.build, {},
      { symbol = true })
    fails("symbols: boolean expected, got 1", fdt.build, {},
      { symbols = 1 })
    fails("options: table expected, got 'x'", fdt.build, {}, "x")
  end)
end)

describe("fdt.parse", function()
  it("gives back the shape that was built", function()
    local tree = fdt.parse(fdt.build {
      model = "m", soc = { ["uart@0"] = { reg = { 0, 0, 1 }, on = true } } })
    assert.equal("m", tree.model:str())
    assert.same({ 0, 0, 1 }, tree.soc["uart@0"].reg:cells())
    assert.equal("uart@0", tree.soc[1].name)
    assert.equal("", tree.name)
    assert.equal(1, #tree)
    assert.is_nil(tree.nothing)
  end)

  it("keeps the order of what it reads", function()
    local tree = fdt.parse(fdt.build { { name = "z" }, { name = "a" } })
    tree:set("y", 1):set("x", 2)
    assert.equal(fdt.build(tree), fdt.build(fdt.parse(fdt.build(tree))))
    local names = {}
    for name in fdt.parse(fdt.build(tree)):properties() do
      names[#names + 1] = name
    end
    assert.same({ "y", "x" }, names)
  end)

  it("reads blobs with room behind them", function()
    local blob = fdt.build { a = 1 }
    assert.equal(blob, fdt.build(fdt.parse(blob .. ("\0"):rep(4096))))
  end)

  it("reads and rebuilds the tree of qemu's virt machine", function()
    local missing = dtc.missing("qemu-system-aarch64",
      "apt install qemu-system-arm") or dtc.missing("dtc",
      "apt install device-tree-compiler")
    if missing then pending(missing) end
    for _, machine in ipairs { "virt", "virt,gic-version=3",
      "virt,secure=on,virtualization=on" } do
      local blob = assert(dtc.qemu(machine))
      local tree = fdt.parse(blob)
      local uart = tree:at(tree:get("/chosen", "stdout-path"):str())
      assert.same({ { address = 0x9000000, size = 0x1000 } }, uart:regions())
      assert.is_true(#tree:by_compatible "arm,pl011" >= 1)
      local gic = tree:by_phandle(tree:get("interrupt-parent"):u32())
      assert.equal(0x8000000, gic:regions()[1].address)
      assert.equal(dtc.decompile(blob), dtc.decompile(fdt.build(tree)))
    end
  end)

  it("reads and rebuilds the device trees that come with qemu", function()
    local paths = io.popen("ls /usr/share/qemu/*.dtb 2>/dev/null"):read("a")
    if paths == "" then pending "no /usr/share/qemu/*.dtb" end
    for path in paths:gmatch "%S+" do
      local file = assert(io.open(path, "rb"))
      local blob = file:read "a"
      file:close()
      assert.equal(dtc.decompile(blob),
        dtc.decompile(fdt.build(fdt.parse(blob))))
    end
  end)
end)

describe("fdt.tree", function()
  it("returns a tree as it is, with the options put in", function()
    local tree = fdt.tree({ a = 1 }, { boot_cpuid = 2 })
    assert.equal(tree, fdt.tree(tree))
    assert.equal(2, tree:header().boot_cpuid)
    assert.equal(2, fdt.parse(fdt.build(tree)):header().boot_cpuid)
  end)

  it("prints as source, with and without its root", function()
    local tree = fdt.tree { ["l: a"] = { p = 1, b = {} } }
    assert.equal("/dts-v1/;\n\n/ {\n\n\tl: a {\n\t\tp = <0x1>;\n\n"
      .. "\t\tb {\n\t\t};\n\t};\n};\n", tostring(tree))
    assert.equal("l: a {\n\tp = <0x1>;\n\n\tb {\n\t};\n};\n",
      tostring(tree.a))
    assert.equal(tostring(tree), fdt.dts(tree))
  end)

  it("has source even where names do not", function()
    local tree = fdt.tree {}
    tree:set("a~b", 1)
    fails('/: the name "a~b" cannot be written as device tree source',
      fdt.dts, tree)
  end)
end)

describe("the module", function()
  it("names the missing package where libfdt was", function()
    local saved, path, cpath = {}, package.path, package.cpath
    for name in pairs(package.loaded) do
      if name:find "^kvm%.fdt" then
        saved[name], package.loaded[name] = package.loaded[name], nil
      end
    end
    package.cpath = ""
    local preload = package.preload["kvm.fdt.core"]
    package.preload["kvm.fdt.core"] = nil
    local ok, message = pcall(require, "kvm.fdt")
    package.path, package.cpath = path, cpath
    package.preload["kvm.fdt.core"] = preload
    for name, module in pairs(saved) do package.loaded[name] = module end
    assert.is_false(ok)
    assert.matches("apt install libfdt%-dev", message)
    assert.matches("build kvmlua again", message)
  end)

  it("writes no globals", function()
    for name in pairs(_G) do
      assert.is_nil(tostring(name):match "fdt")
    end
  end)

  it("tries at least 20 trees on dtc", function()
    assert.is_true(#trees >= 20)
  end)
end)
