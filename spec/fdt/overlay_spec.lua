-- SPDX-License-Identifier: MIT
local dtc = require "spec.support.fdt.dtc"
local fdt = require "kvm.fdt"

local function fails(pattern, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(pattern, message)
end

local function base_table()
  return {
    aliases = { self = "self" },
    ["soc: soc"] = {
      ["gpio: gpio"] = { ["#gpio-cells"] = 2 },
      ["i2c0: i2c"] = { status = "disabled", ["old"] = 1 },
    },
  }
end

local function base()
  return fdt.build(base_table(), { symbols = true })
end

local function overlay(t, opts)
  return fdt.build(t, { overlay = true, strict = false,
    symbols = opts and opts.symbols })
end

local good = {
  { name = "fragment@0", target = fdt.ref "i2c0", __overlay__ = {
    status = "okay",
    ["sensor: sensor"] = { ["reset-gpios"] = { fdt.ref "gpio", 3, 0 },
      supply = fdt.ref "reg" } } },
  { name = "fragment@1", ["target-path"] = "/soc",
    __overlay__ = { ["reg: reg"] = { gpios = { "x", fdt.ref "gpio" } } } },
}

-- An overlay that goes to the root and has the given nodes besides.
local function crafted(nodes)
  local t = { { name = "fragment@0", ["target-path"] = "/",
    __overlay__ = { new = { cell = 1, byte = fdt.u8(1) } } } }
  for name, node in pairs(nodes) do
    t[name] = node
  end
  return fdt.build(t, { strict = false })
end

local function local_fixup(property, ...)
  return { __local_fixups__ = { ["fragment@0"] = { __overlay__ = {
    new = { [property] = { ... } } } } } }
end

local function fixup(text)
  return { __fixups__ = { gpio = fdt.bytes(text .. "\0") } }
end

describe("an overlay", function()
  it("adds and changes properties and nodes", function()
    local tree = fdt.parse(fdt.apply_overlay(base(), overlay(good)))
    assert.equal("okay", tree:get("/soc/i2c", "status"):str())
    assert.equal(1, tree:get("/soc/i2c", "old"):u32())
    local gpio = tree:get("/soc/gpio", "phandle"):u32()
    assert.same({ gpio, 3, 0 },
      tree:get("/soc/i2c/sensor", "reset-gpios"):cells())
    assert.equal("x\0" .. (">I4"):pack(gpio),
      tree:get("/soc/reg", "gpios"):bytes())
    local reg = tree:get("/soc/reg", "phandle"):u32()
    assert.equal(reg, tree:get("/soc/i2c/sensor", "supply"):u32())
    assert.equal("/soc/reg", tree:by_phandle(reg):path())
  end)

  it("brings its labels along", function()
    local tree = fdt.parse(fdt.apply_overlay(base(),
      overlay(good, { symbols = true })))
    assert.equal("/soc/i2c/sensor", tree:by_label("sensor"):path())
    assert.equal("/soc/gpio", tree:by_label("gpio"):path())
  end)

  it("can stand on another overlay", function()
    local one = fdt.apply_overlay(base(), overlay(good, { symbols = true }))
    local two = fdt.apply_overlay(one, overlay {
      { name = "fragment@0", target = fdt.ref "sensor",
        __overlay__ = { more = fdt.ref "reg" } } })
    local tree = fdt.parse(two)
    assert.equal(tree:get("/soc/reg", "phandle"),
      tree:get("/soc/i2c/sensor", "more"))
  end)

  it("goes to the root, and needs no symbols for that", function()
    local tree = fdt.parse(fdt.apply_overlay(fdt.build { a = 1 },
      crafted {}))
    assert.equal(1, tree:get("/new", "cell"):u32())
    assert.equal(1, tree:get("a"):u32())
  end)

  it("keeps reservations and the boot CPU of the base", function()
    local blob = fdt.build({}, { boot_cpuid = 3,
      reservations = { { 0x1000, 0x2000 } } })
    assert.same(fdt.parse(blob):header(),
      fdt.parse(fdt.apply_overlay(blob, crafted {})):header())
  end)

  it("may need much more room than it has", function()
    local t = { ["l0: n0"] = {} }
    for i = 1, 40 do
      t = { [("l%d: %s%d"):format(i, ("n"):rep(25), i)] = t }
    end
    local blob = fdt.build(t, { symbols = true })
    local nodes = {}
    for i = 1, 150 do
      nodes[("x%d: x%d"):format(i, i)] = {}
    end
    local tree = fdt.parse(fdt.apply_overlay(blob, overlay({
      { name = "fragment@0", target = fdt.ref "l0", __overlay__ = nodes } },
      { symbols = true })))
    assert.equal("x150", tree:by_label("x150").name)
    assert.is_true(#fdt.build(tree) > 150 * 40 * 25)
  end)

  it("gives what fdtoverlay gives", function()
    local missing = dtc.missing("fdtoverlay",
      "apt install device-tree-compiler")
    if missing then pending(missing) end
    for _, symbols in ipairs { true, false } do
      local blob = overlay(good, { symbols = symbols })
      assert.equal(dtc.decompile(assert(dtc.overlay(base(), blob))),
        dtc.decompile(fdt.apply_overlay(base(), blob)))
    end
  end)

  it("may come from dtc", function()
    local missing = dtc.missing("dtc", "apt install device-tree-compiler")
    if missing then pending(missing) end
    local from = assert(dtc.compile([[/dts-v1/;
      / { soc { gpio: gpio { #gpio-cells = <2>; };
                i2c0: i2c { status = "disabled"; }; }; };]], "-@"))
    local over = assert(dtc.compile([[/dts-v1/; /plugin/;
      &i2c0 { status = "okay"; led: led { gpios = <&gpio 1 0>; };
              user { led = <&led>; }; };
      &{/soc} { extra; };]], "-@"))
    local tree = fdt.parse(fdt.apply_overlay(from, over))
    assert.equal("okay", tree:get("/soc/i2c", "status"):str())
    assert.equal(0, #tree:get("/soc", "extra"))
    assert.equal(tree:get("/soc/gpio", "phandle"):u32(),
      tree:get("/soc/i2c/led", "gpios"):u32(1))
    assert.equal(tree:get("/soc/i2c/led", "phandle"),
      tree:get("/soc/i2c/user", "led"))
    assert.equal("/soc/i2c/led", tree:by_label("led"):path())
  end)

  it("leaves no room behind its result", function()
    local blob = fdt.apply_overlay(base(), overlay(good))
    assert.is_true(#blob <= #fdt.build(fdt.parse(blob)) + 64)
  end)

  it("leaves both blobs as they were", function()
    local a, b = base(), overlay(good)
    local copy_a, copy_b = a .. "", b .. ""
    fdt.apply_overlay(a, b)
    assert.equal(copy_a, a)
    assert.equal(copy_b, b)
  end)

  it("cannot hold the path of a node of its base", function()
    fails("/fragment@0/__overlay__:p: the path of 'i2c0' is known only in "
      .. "the base", overlay, { { name = "fragment@0", ["target-path"] = "/",
      __overlay__ = { p = fdt.path "i2c0" } } })
  end)
end)

describe("an overlay is refused", function()
  local function refused(pattern, over, on)
    fails("overlay_spec.lua:%d+: kvm.fdt: .*" .. pattern, function()
      fdt.apply_overlay(on or base(), over)
    end)
  end

  it("when the base has no symbols", function()
    refused("the overlay refers to the label 'i2c0', but the base has no "
      .. "/__symbols__: build it with symbols", overlay(good),
      fdt.build(base_table()))
  end)

  it("when the base lacks a label", function()
    refused("the overlay refers to the label 'nope', which the base does not "
      .. "have", overlay { { name = "fragment@0", target = fdt.ref "nope",
      __overlay__ = {} } })
  end)

  it("when a symbol of the base is no path", function()
    local tree = fdt.parse(base())
    tree:at("/__symbols__"):set("gpio", "self")
    refused("bad base: the symbol 'gpio' is not a path", overlay(good),
      fdt.build(tree))
    tree:at("/__symbols__"):set("gpio", fdt.bytes "/soc/gpio")
    refused("bad base: the symbol 'gpio' is not a path", overlay(good),
      fdt.build(tree))
    tree:at("/__symbols__"):set("gpio", "/soc")
    tree:at("/soc"):delete "phandle"
    refused("the symbol 'gpio' %(/soc%) is not a node with a phandle",
      overlay(good), fdt.build(tree))
  end)

  it("when it is none", function()
    refused("not an overlay: no node of its root has an __overlay__", base())
    refused("'fragment@0' has neither target nor target%-path",
      fdt.build { { name = "fragment@0", __overlay__ = {} } })
  end)

  it("when its target is not there", function()
    refused("the overlay does not apply: .*FDT_ERR_NOTFOUND", fdt.build {
      { name = "fragment@0", ["target-path"] = "/no", __overlay__ = {} } })
    refused("the overlay does not apply: .*FDT_ERR_NOTFOUND", fdt.build {
      { name = "fragment@0", target = 99, __overlay__ = {} } })
  end)

  it("when its target is an alias, which may be its own", function()
    refused("the target%-path of 'fragment@0' is not a full path", fdt.build {
      { name = "fragment@0", ["target-path"] = "self", __overlay__ = {} } })
    refused("the target%-path of 'fragment@0' is not a full path", fdt.build {
      { name = "fragment@0", ["target-path"] = fdt.bytes "/soc",
        __overlay__ = {} } })
  end)

  it("when a fixup lies outside its property", function()
    local place = "/fragment@0/__overlay__/new:cell:"
    local tree = fdt.parse(fdt.apply_overlay(base(),
      crafted(fixup(place .. "0"))))
    assert.equal("/soc/gpio",
      tree:by_phandle(tree:get("/new", "cell"):u32()):path())
    refused("a fixup at offset 1 of the property 'cell'",
      crafted(fixup(place .. "1")))
    refused("malformed fixup", crafted(fixup(place .. "4294967292")))
    refused("a fixup at offset 999999999 of the property 'cell'",
      crafted(fixup(place .. "999999999")))
    refused("a fixup at offset 0 of the property 'byte'",
      crafted(fixup "/fragment@0/__overlay__/new:byte:0"))
    refused("a fixup at offset 0 of the property 'no'",
      crafted(fixup "/fragment@0/__overlay__/new:no:0"))
    refused("a fixup at offset 0 of the property 'cell'",
      crafted(fixup "/nowhere:cell:0"))
  end)

  it("when a fixup is malformed", function()
    for _, text in ipairs { "", "x", "/a", "/a:b", "/a::0", "/a:b:", "/a:b:x",
      "/a:b: 0", "/a:b:-4", "/a:b:+0", "/a:b:0x0", "self:b:0", "/a:b:0:" } do
      refused("malformed fixup", crafted(fixup(text)))
    end
    refused("malformed fixups of a label",
      crafted { __fixups__ = { gpio = fdt.bytes "/a:b:0" } })
    refused("malformed fixups of a label",
      crafted { __fixups__ = { gpio = true } })
  end)

  it("when a fixup would change what was checked", function()
    for _, text in ipairs { "/__fixups__:gpio:0", "//__fixups__:gpio:0",
      "/__symbols__:x:0", "/__local_fixups__/a:x:0",
      "/__fixups__@1:gpio:0" } do
      refused("of the fixups themselves", crafted(fixup(text)))
    end
    refused("of the property 'target%-path', which has no reference",
      crafted(fixup "/fragment@0:target-path:0"))
  end)

  it("when a local fixup lies outside its property", function()
    refused("a fixup at offset 1 of the property 'cell'",
      crafted(local_fixup("cell", 1)))
    refused("a fixup at offset 4294967292 of the property 'cell'",
      crafted(local_fixup("cell", 0, -4)))
    refused("a fixup at offset 0 of the property 'byte'",
      crafted(local_fixup("byte", 0)))
    refused("a fixup at offset 0 of the property 'no'",
      crafted(local_fixup("no", 0)))
    refused("the local fixup of 'cell' is malformed",
      crafted(local_fixup("cell", fdt.u8(0))))
  end)

  it("when local fixups are of nodes that are not there, or special",
    function()
      refused("local fixups for 'x', which is not there",
        crafted { __local_fixups__ = { x = { cell = 0 } } })
      refused("local fixups for '__local_fixups__', which",
        crafted { __local_fixups__ = { __local_fixups__ = {} } })
      -- libfdt adds to phandles first, and the offset would be one
      refused("of the property 'phandle', which has no reference", crafted {
        phandle = 5, __local_fixups__ = { phandle = 0 } })
    end)

  it("when its phandles run out", function()
    refused("no phandle is left", fdt.build { { name = "fragment@0",
      ["target-path"] = "/", __overlay__ = { phandle = 0xfffffffe } } })
  end)

  it("when the result is too deep", function()
    local function chain(levels, t)
      for _ = 1, levels do t = { n = t } end
      return t
    end
    refused("nested deeper than 64 levels",
      fdt.build { { name = "fragment@0", ["target-path"] = "/n/n/n/n/n/n",
        __overlay__ = chain(60, {}) } }, fdt.build(chain(40, {})))
  end)

  it("when either blob is bad", function()
    refused("truncated device tree blob", "x")
    refused("truncated device tree blob", overlay(good), "x")
    fails("blob: string expected, got nil", fdt.apply_overlay)
    fails("blob: string expected, got table", fdt.apply_overlay, base(), {})
  end)
end)
