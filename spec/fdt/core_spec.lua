-- SPDX-License-Identifier: MIT
-- src/fdt.c: blobs nobody should trust, and the C functions called directly.

local core = require "kvm.fdt.core"
local fdt = require "kvm.fdt"
local fuzz = require "spec.fuzz.fdt"

local BEGIN, END, PROP, NOP, LAST = 1, 2, 3, 4, 9

local function fails(pattern, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(pattern, message)
end

local function words(...)
  local list = { ... }
  for i, word in ipairs(list) do
    list[i] = (">I4"):pack(word)
  end
  return table.concat(list)
end

local function padded(s)
  return s .. ("\0"):rep(-#s % 4)
end

local function begin(name)
  return words(BEGIN) .. padded(name .. "\0")
end

local function prop(nameoff, value)
  return words(PROP, #value, nameoff) .. padded(value)
end

-- A blob put together by hand: strings "a" at 0, "bc" at 2.
local function blob(struct, header, reserved)
  reserved = reserved or ("\0"):rep(16)
  local strings = "a\0bc\0"
  local h = {
    magic = 0xd00dfeed, rsvmap = 40, version = 17, compatible = 16, cpu = 0,
    strings_size = #strings, struct_size = #struct,
  }
  h.struct = h.rsvmap + #reserved
  h.strings = h.struct + #struct
  h.total = h.strings + #strings
  for name, x in pairs(header or {}) do
    h[name] = x
  end
  return words(h.magic, h.total, h.struct, h.strings, h.rsvmap, h.version,
    h.compatible, h.cpu, h.strings_size, h.struct_size) .. reserved .. struct
    .. strings
end

local good = begin "" .. prop(0, "x\0") .. begin "n" .. prop(2, "1234")
  .. words(END, END, LAST)

describe("the reader of blobs", function()
  it("reads one that is right", function()
    local tree = fdt.parse(blob(good, { cpu = 2 },
      (">I8I8I8I8"):pack(1, 2, 0, 0)))
    assert.equal("x", tree.a:str())
    assert.equal("1234", tree.n.bc:bytes())
    assert.same({ boot_cpuid = 2, reservations = { { 1, 2 } } },
      tree:header())
  end)

  it("reads version 16, and skips NOPs", function()
    local tree = fdt.parse(blob(good, { version = 16, struct_size = 0 }))
    assert.equal("1234", tree.n.bc:bytes())
    tree = fdt.parse(blob(words(NOP) .. begin "" .. words(NOP)
      .. prop(0, "") .. words(NOP, END, LAST)))
    assert.equal(0, #tree.a)
  end)

  it("refuses every truncation", function()
    local whole = blob(good)
    for size = 0, #whole - 1 do
      fails("truncated device tree blob: " .. size .. " bytes", fdt.parse,
        whole:sub(1, size))
    end
  end)

  it("refuses what is no blob", function()
    fails("core_spec.lua:%d+: kvm.fdt: not a device tree blob: begins with "
      .. "0x00000000, not 0xd00dfeed", function()
        return fdt.parse(("\0"):rep(64))
      end)
    fails("not a device tree blob: begins with 0x7f454c46", fdt.parse,
      "\x7fELF" .. ("\0"):rep(64))
    fails("blob: string expected, got nil", fdt.parse)
    fails("blob: string expected, got 1", fdt.parse, 1)
    fails("string expected, got table", core.read, {})
  end)

  it("refuses other versions", function()
    for _, version in ipairs { 0, 3, 15 } do
      fails("of version " .. version .. ": only 16 and 17", fdt.parse,
        blob(good, { version = version, compatible = version }))
    end
    fails("only 16 and 17 are read", fdt.parse,
      blob(good, { version = 18, compatible = 18 }))
    fails("the version fields are wrong", fdt.parse,
      blob(good, { version = 16, compatible = 17 }))
  end)

  it("refuses wrong sizes", function()
    fails("truncated device tree blob: 149 bytes, its header says 150",
      fdt.parse, blob(good .. ("\0"):rep(149 - #blob(good)),
        { total = 150 }))
    fails("its header says 4294967295", fdt.parse,
      blob(good, { total = 0xffffffff }))
    fails("bad device tree header: .*FDT_ERR_TRUNCATED", fdt.parse,
      blob(good, { total = 39 }))
    fails("limit is 67108864", fdt.parse,
      ("\0"):rep(1 << 16):rep(1 << 10) .. "x")
  end)

  it("refuses wild and misaligned offsets", function()
    for _, name in ipairs { "struct", "strings", "rsvmap" } do
      for _, offset in ipairs { 0, 8, 0x1000, 0x7ffffff8, 0xfffffff8 } do
        assert.has_error(function()
          fdt.parse(blob(good, { [name] = offset }))
        end)
      end
    end
    fails("misaligned device tree blob: structure block at offset 57",
      fdt.parse, blob(good, { struct = 57 }))
    fails("misaligned .* reservations at offset 44", fdt.parse,
      blob(good, { rsvmap = 44 }))
    for _, name in ipairs { "struct_size", "strings_size" } do
      for _, size in ipairs { 0x7fffffff, 0xffffffff, 0xfffffff0 } do
        fails("bad device tree header", fdt.parse,
          blob(good, { [name] = size }))
      end
    end
    fails("bad device tree blob", fdt.parse, blob(good, { struct_size = 8 }))
    fails("bad device tree blob", fdt.parse, blob(good, { strings_size = 1 }))
  end)

  it("refuses reservations without an end", function()
    fails("bad device tree blob: .*FDT_ERR_TRUNCATED", fdt.parse,
      blob(good, {}, ("\1"):rep(64)))
  end)

  it("refuses trees without one root", function()
    fails("it ends without a whole root", fdt.parse, blob(words(LAST)))
    fails("the structure block has no end", fdt.parse, blob(""))
    fails("it has more than one root", fdt.parse, blob(begin ""
      .. words(END) .. begin "" .. words(END, LAST)))
    fails("bad device tree blob", fdt.parse, blob(words(END, LAST)))
    fails("bad device tree blob", fdt.parse,
      blob(begin "" .. words(END, END, LAST)))
  end)

  it("refuses trees without an end", function()
    fails("bad device tree blob", fdt.parse, blob(begin ""))
    fails("bad device tree blob", fdt.parse, blob(begin "" .. words(LAST)))
    fails("bad device tree blob", fdt.parse, blob(begin "" .. words(END)))
    fails("bad device tree blob", fdt.parse,
      blob(begin "" .. begin "n" .. words(END, LAST)))
  end)

  it("refuses unknown tags", function()
    for _, tag in ipairs { 0, 5, 8, 10, 0x1000000, 0xffffffff } do
      fails("bad device tree blob", fdt.parse,
        blob(begin "" .. words(tag, END, LAST)))
    end
  end)

  it("refuses properties outside their node", function()
    fails("a property outside its node", fdt.parse,
      blob(begin "" .. begin "n" .. words(END) .. prop(0, "") .. words(END,
        LAST)))
    fails("bad device tree blob", fdt.parse,
      blob(prop(0, "") .. begin "" .. words(END, LAST)))
    fails("bad device tree blob", fdt.parse,
      blob(begin "" .. words(END) .. prop(0, "") .. words(LAST)))
  end)

  it("refuses properties with wild lengths and names", function()
    for _, length in ipairs { 64, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff4,
      0xfffffff0, 0xfffffff8, 0xfffffffc } do
      fails("bad device tree blob: at offset 8 something of "
        .. length + 12 .. " bytes in a structure block of 28", fdt.parse,
        blob(begin "" .. words(PROP, length, 0, END, LAST)))
    end
    for _, name in ipairs { 5, 0x7fffffff, 0xffffffff } do
      fails("bad device tree blob", fdt.parse,
        blob(begin "" .. words(PROP, 0, name, END, LAST)))
    end
  end)

  it("refuses names that cannot stand in a path", function()
    local function with(name)
      return blob(begin "" .. begin(name) .. words(END, END, LAST))
    end
    assert.equal("n", fdt.parse(with "n")[1].name)
    fails("a node at level 2 has the name ''", fdt.parse, with "")
    fails("a node at level 2 has the name 'a/b'", fdt.parse, with "a/b")
    fails("a node at level 2 has the name '%(too long%)'", fdt.parse,
      with(("n"):rep(1025)))
    fails('/: the node name "a b" holds a character', fdt.parse, with "a b")
    fails("bad device tree blob", fdt.parse,
      blob(begin "root" .. words(END, LAST)))
    fails("/: a property has an empty name", fdt.parse,
      blob(begin "" .. prop(1, "") .. words(END, LAST)))
  end)

  it("refuses a name without an end", function()
    fails("bad device tree blob", fdt.parse,
      blob(begin "" .. words(BEGIN, 0x41414141)))
  end)

  it("refuses two properties or nodes of one name, and says where", function()
    fails("/n has two properties called 'a'", fdt.parse, blob(begin ""
      .. begin "n" .. prop(0, "") .. prop(0, "") .. words(END, END, LAST)))
    fails("/n has two nodes called 'm'", fdt.parse, blob(begin ""
      .. begin "n" .. begin "m" .. words(END) .. begin "m"
      .. words(END, END, END, LAST)))
  end)

  it("refuses what is too deep, however deep", function()
    for _, levels in ipairs { 65, 100000 } do
      fails("device tree nested deeper than 64 levels", fdt.parse,
        blob(begin "" .. begin("n"):rep(levels - 1)
          .. words(END):rep(levels) .. words(LAST)))
    end
  end)

  it("reads names with a colon, which are not labels", function()
    local tree = fdt.parse(blob(begin "" .. begin "x:y" .. words(END, END,
      LAST)))
    assert.equal("x:y", tree[1].name)
    assert.same({}, tree[1]:labels())
    fails('/x:y: the name "x:y" cannot be written', fdt.dts, tree)
  end)

  it("survives mutated blobs and overlays", function()
    local report = fuzz.run { count = 1000, seconds = 2, seed = os.time() }
    assert.is_true(report.runs >= 20)
    assert.is_true(report.read > report.runs // 8, "few were blobs")
    assert.is_true(report.refused > report.runs // 20, "few were refused")
    assert.is_true(report.applied > report.runs // 30, "few were overlays")
  end)
end)

describe("the writer of blobs", function()
  local function node(t)
    return { name = t.name or "", properties = t.properties or {},
      children = t.children or {} }
  end

  it("writes what the reader reads", function()
    local root = node { properties = { "b", "1", "a", "" },
      children = { node { name = "n" } } }
    assert.same({ root, { { 1, -1 } }, 7 },
      { core.read(core.write(root, { { 1, -1 } }, 7)) })
  end)

  it("takes nothing else", function()
    fails("table expected, got nil", core.write, nil, {}, 0)
    fails("table expected, got number", core.write, node {}, 1, 0)
    fails("number expected, got no value", core.write, node {}, {})
    fails("a boot CPU id has 32 bits", core.write, node {}, {}, -1)
    fails("a reservation is {address, size}", core.write, node {}, { 1 }, 0)
    fails("a reservation is {address, size}", core.write, node {},
      { { 1, "2" } }, 0)
    fails("a name is a nil, not a string", core.write, {}, {}, 0)
    fails("'properties' of a node is a nil", core.write, { name = "" }, {}, 0)
    fails("'children' of a node is a number", core.write,
      { name = "", properties = {}, children = 1 }, {}, 0)
    fails("a node is not a table", core.write, node { children = { 1 } }, {},
      0)
    fails("a name is a number, not a string", core.write,
      node { properties = { 1, "" } }, {}, 0)
    fails("property 'a' is a nil, not a string", core.write,
      node { properties = { "a" } }, {}, 0)
  end)

  it("refuses names libfdt would cut or overrun its buffer with", function()
    fails("a name holds a NUL or is longer than 1024", core.write,
      node { name = "a\0b" }, {}, 0)
    fails("a name holds a NUL or is longer than 1024", core.write,
      node { properties = { ("p"):rep(100000), "" } }, {}, 0)
    local long = ("p"):rep(1024)
    local root = node { properties = { long, "" } }
    for i = 1, 20 do
      root.children[i] = node { name = ("n"):rep(1000) .. i,
        properties = { long .. "", "", ("q"):rep(1000) .. i, "v" } }
    end
    assert.same(root, (core.read(core.write(root, {}, 0))))
  end)

  it("refuses trees that never end", function()
    local root = node {}
    root.children[1] = root
    fails("nested deeper than 64 levels", core.write, root, {}, 0)
  end)

  it("writes many reservations", function()
    local list = {}
    for i = 1, 5000 do list[i] = { i, i } end
    local _, read = core.read(core.write(node {}, list, 0))
    assert.same(list, read)
  end)
end)
