-- SPDX-License-Identifier: MIT

local elf = require "kvm.elf"
local tools = require "spec.support.toolchain"

local C = [[
  int counter = 7;
  static volatile int hidden[100];
  const char *message = "hello";
  int twice(int x) { return x * 2; }
  int (*function)(int) = twice;
  int _start(void) { hidden[3] = counter; return function(hidden[3]); }
]]
local FREESTANDING = "-ffreestanding -O1 -fno-asynchronous-unwind-tables"

local function segment_at(image, gpa)
  for _, segment in ipairs(image.segments) do
    if gpa >= segment.gpa and gpa < segment.gpa + segment.memsize then
      return segment
    end
  end
end

-- A number in an image, by the address that the guest would use.
local function number_at(image, gpa, size)
  local segment = assert(segment_at(image, gpa), "not in memory")
  return (string.unpack("<i" .. size, segment.bytes, gpa - segment.gpa + 1))
end

local function string_at(image, gpa)
  local segment = assert(segment_at(image, gpa), "not in memory")
  return (string.unpack("z", segment.bytes, gpa - segment.gpa + 1))
end

local function refused(expected, call, ...)
  local ok, message = pcall(call, ...)
  assert.is_false(ok)
  assert.matches(expected, message, 1, true)
end

describe("elf.parse", function()
  it("reads the header of each machine", function()
    for arch, expected in pairs {
      x86_16 = { "x86_32", 32 }, x86_32 = { "x86_32", 32 },
      x86_64 = { "x86_64", 64 }, arm64 = { "arm64", 64 },
    } do
      tools.need("as", arch)
      local header = elf.parse(tools.object(arch, "nop")).header
      assert.equal(expected[1], header.machine)
      assert.equal(expected[2], header.class)
      assert.equal("rel", header.type)
      assert.equal(0, header.entry)
    end
  end)

  it("reads sections at their own index", function()
    tools.need("as", "x86_64")
    local object = elf.parse(tools.object("x86_64",
      "here: nop; nop\n.data\n.byte 1,2,3\n.bss\n.skip 8"))
    local by_name = {}
    for i, section in ipairs(object.sections) do
      assert.equal(i, section.index)
      by_name[section.name] = section
    end
    assert.equal("progbits", by_name[".text"].type)
    assert.equal("\x90\x90", object.bytes:sub(by_name[".text"].offset + 1,
      by_name[".text"].offset + by_name[".text"].size))
    assert.equal(3, by_name[".data"].size)
    assert.equal("nobits", by_name[".bss"].type)
    assert.equal("symtab", by_name[".symtab"].type)
  end)

  it("reads symbols with kind, bind and section", function()
    tools.need("as", "x86_64")
    local object = elf.parse(tools.object("x86_64", [[
      .globl f
      .type f, @function
      f: call g
      .weak w
      .quad w
      a = 5
      .comm c, 32, 16 ]]))
    local by_name = {}
    for _, symbol in ipairs(object.symbols) do by_name[symbol.name] = symbol end
    assert.equal("func", by_name.f.kind)
    assert.equal("global", by_name.f.bind)
    assert.equal(".text", object.sections[by_name.f.section].name)
    assert.equal("undef", by_name.g.section)
    assert.equal("weak", by_name.w.bind)
    assert.equal("abs", by_name.a.section)
    assert.equal(5, by_name.a.value)
    assert.equal("common", by_name.c.section)
    assert.equal(32, by_name.c.size)
  end)

  it("reads relocations with their symbol, with and without addend", function()
    tools.need("as", "x86_64")
    local long = elf.parse(tools.object("x86_64", "call g")).relocations
    assert.equal(1, #long)
    assert.same({ 1, 4, "g", -4 }, { long[1].offset, long[1].type,
      long[1].symbol.name, long[1].addend })
    local short = elf.parse(tools.object("x86_32", "call g")).relocations
    assert.same({ 1, 2, "g" }, { short[1].offset, short[1].type,
      short[1].symbol.name, short[1].addend })
  end)

  it("reads program headers", function()
    tools.need("ld", "x86_64")
    local program = tools.link("x86_64", tools.object("x86_64",
      ".globl _start\n_start: nop"), "-Ttext 0x100000")
    local object = elf.parse(program)
    assert.equal("exec", object.header.type)
    assert.equal(0x100000, object.header.entry)
    local found
    for _, segment in ipairs(object.segments) do
      found = found or segment.type == "load" and segment.vaddr == 0x100000
    end
    assert.is_true(found)
  end)
end)

describe("elf.place", function()
  it("gives each section its address and permissions", function()
    tools.need("as", "x86_64")
    local image = elf.place(elf.parse(tools.object("x86_64", [[
      .globl _start
      nop
      _start: nop
      .data
      .balign 16
      d: .quad _start, out
      .bss
      .balign 32
      .skip 100 ]])), { origin = 0x1000, symbols = { out = 77 } })
    assert.equal("x86_64", image.machine)
    assert.equal(0x1001, image.entry)
    local text, data, bss = table.unpack(image.segments)
    assert.same({ ".text", 0x1000, "r-x", 2 },
      { text.name, text.gpa, text.flags, text.memsize })
    assert.same({ ".data", 0x1010, "rw-", 16 },
      { data.name, data.gpa, data.flags, data.memsize })
    assert.same({ ".bss", 0x1020, "rw-", 100, "" },
      { bss.name, bss.gpa, bss.flags, bss.memsize, bss.bytes })
    assert.equal(0x1001, number_at(image, 0x1010, 8))
    assert.equal(77, number_at(image, 0x1018, 8))
    assert.same({ _start = 0x1001, d = 0x1010 }, image.symbols)
  end)

  it("takes an object again and again", function()
    tools.need("as", "x86_64")
    local object = elf.parse(tools.object("x86_64", "l: .quad l"))
    for origin = 0, 100 do
      assert.equal(origin, elf.place(object, { origin = origin }).symbols.l)
    end
  end)

  it("wants an object, and one that is relocatable", function()
    refused("bad argument #1 to 'place' (what elf.parse returned expected,"
      .. " got nil)", elf.place)
    refused("expected, got table", elf.place, {})
    tools.need("ld", "x86_64")
    local program = tools.link("x86_64", tools.object("x86_64", "nop"), "-e 0")
    refused("a relocatable object expected, got type exec", elf.place,
      elf.parse(program))
  end)
end)

describe("elf.load", function()
  -- Whatever the code model, the data must refer to the right places.
  local function check_c_image(image, word)
    assert.equal(7, number_at(image, image.symbols.counter, 4))
    assert.equal("hello",
      string_at(image, number_at(image, image.symbols.message, word)))
    assert.equal(image.symbols.twice,
      number_at(image, image.symbols["function"], word))
    assert.equal(image.symbols._start, image.entry)
    assert.equal("r-x", segment_at(image, image.entry).flags)
  end

  for _, case in ipairs {
    { "x86_64", 8, "-fno-pic" }, { "x86_64", 8, "-fPIC" },
    { "x86_32", 4, "-fno-pic" }, { "x86_32", 4, "-fPIC" },
    { "arm64", 8, "-fno-pic" }, { "arm64", 8, "-fPIC" },
  } do
    local arch, word, model = table.unpack(case)
    it("places what gcc -c makes for " .. arch .. " " .. model, function()
      tools.need("gcc", arch)
      local object = tools.compile(arch, C, FREESTANDING .. " -c " .. model)
      for _, base in ipairs { 0, 0x40000000 } do
        check_c_image(elf.load(object, { base = base }), word)
      end
    end)

    it("loads a static " .. arch .. " program, " .. model, function()
      tools.need("gcc", arch)
      local program = tools.compile(arch, C, FREESTANDING
        .. " -nostdlib -static -no-pie " .. model)
      local image = elf.load(program)
      check_c_image(image, word)
      local sum, memory = 0, 0
      for _, segment in ipairs(image.segments) do
        sum, memory = sum + #segment.bytes, memory + segment.memsize
      end
      assert.is_true(memory >= sum + 400, "no room for .bss")
    end)
  end

  for _, case in ipairs {
    { "x86_64", 8, "" }, { "x86_32", 4, "" }, { "arm64", 8, "" },
    { "x86_64", 8, "-Wl,-z,pack-relative-relocs" },
  } do
    local arch, word, option = table.unpack(case)
    it(("moves and relocates a static PIE of %s %s"):format(arch, option),
      function()
        tools.need("gcc", arch)
        local program = tools.compile(arch, C, FREESTANDING
          .. " -nostdlib -static-pie -fPIE " .. option)
        check_c_image(elf.load(program, { base = 0x200000 }), word)
        local image = elf.load(program)
        check_c_image(image, word)
        assert.is_true(image.entry < 0x200000)
      end)
  end

  it("relocates a long packed table", function()
    tools.need("ld", "x86_64")
    local program = tools.link("x86_64", tools.object("x86_64", [[
      .globl _start
      _start: nop
      .data
      .balign 8
      table:
      .set i, 0
      .rept 300
        .quad table + i
        .if i % 3
          .quad 77
        .endif
        .set i, i + 1
      .endr ]]),
      "-pie --no-dynamic-linker -z pack-relative-relocs")
    local image = elf.load(program, { base = 0x40000 })
    local at = image.symbols.table
    for i = 0, 299 do
      assert.equal(image.symbols.table + i, number_at(image, at, 8))
      at = at + 8
      if i % 3 ~= 0 then
        assert.equal(77, number_at(image, at, 8))
        at = at + 8
      end
    end
  end)

  it("refuses values that do not fit where they go", function()
    tools.need("as", "x86_64")
    for code, limits in pairs {
      [".long far"] = { 0, 0xffffffff },
      ["movq $far, %rax"] = { -0x80000000, 0x7fffffff },
      [".word far"] = { -0x8000, 0xffff },
      [".byte far"] = { -0x80, 0xff },
    } do
      local object = tools.object("x86_64", code)
      local function load(far)
        return elf.load(object, { base = 0x1000, symbols = { far = far } })
      end
      load(limits[1])
      load(limits[2])
      refused("does not fit in ", load, limits[1] - 1)
      refused("does not fit in ", load, limits[2] + 1)
    end
  end)

  it("places an object of more sections than the header can count", function()
    tools.need("as", "x86_64")
    local lines = {}
    for i = 1, 0xff20 do
      lines[i] = ('.section s%d,"a"\n.byte %d'):format(i, i & 255)
    end
    local object = tools.object("x86_64", table.concat(lines, "\n")
      .. '\n.section last,"a"\nl: .quad l')
    local image = elf.load(object, { base = 0x1000 })
    local last = image.segments[#image.segments]
    assert.equal("last", last.name)
    assert.equal(last.gpa, image.symbols.l)
    assert.equal(last.gpa, number_at(image, last.gpa, 8))
  end)

  it("leaves relocations alone when told so", function()
    tools.need("gcc", "arm64")
    local program = tools.compile("arm64", C, FREESTANDING
      .. " -nostdlib -static-pie -fPIE")
    local image = elf.load(program, { base = 0x200000, relocate = false })
    for _, segment in ipairs(image.segments) do
      assert.is_truthy(program:find(segment.bytes, 1, true))
    end
    local moved = elf.load(program, { base = 0x200000 })
    assert.not_same(moved.segments, image.segments)
  end)

  it("puts segments at their physical address", function()
    tools.need("ld", "x86_64")
    local program = tools.link("x86_64", tools.object("x86_64",
      ".globl _start\n_start: nop"), "-T /dev/stdin <<'E'\n"
      .. "SECTIONS { . = 0xffffffff80100000; .text : AT(0x100000)"
      .. " { *(.text) } }\nE\n")
    local image = elf.load(program)
    local text = image.segments[1]
    assert.equal(0x100000, text.gpa)
    assert.equal(0xffffffff80100000, text.vaddr)
    assert.equal(0xffffffff80100000, image.entry)
  end)

  it("resolves what an object leaves open", function()
    tools.need("gcc", "x86_64")
    local object = tools.compile("x86_64",
      "extern int out(int); int f(void) { return out(1) + 1; }",
      FREESTANDING .. " -c -fno-pic -mcmodel=large")
    refused("elf: unknown symbol out: define it, or pass symbols",
      elf.load, object)
    local image = elf.load(object, { symbols = { out = 0x1122334455667788 } })
    assert.is_truthy(image.segments[1].bytes:find("\x88\x77\x66\x55\x44", 1,
      true))
  end)

  it("refuses what needs a dynamic linker", function()
    tools.need("gcc", "x86_64")
    refused("the program needs a dynamic linker: link it with -static",
      elf.load, tools.compile("x86_64", C, FREESTANDING
      .. " -nostdlib -pie -fPIE"))
    refused("the program needs symbol nowhere of a shared library", elf.load,
      tools.compile("x86_64",
        "extern int nowhere; int *f(void) { return &nowhere; }",
        "-nostdlib -shared -fPIC"))
  end)

  it("refuses a base that a program cannot have", function()
    tools.need("ld", "x86_64")
    local object = tools.object("x86_64", ".globl _start\n_start: nop")
    refused("linked to fixed addresses cannot be moved", elf.load,
      tools.link("x86_64", object, ""), { base = 0x1000 })
    refused("base 0x1001 is not a multiple of 0x1000", elf.load,
      tools.link("x86_64", object, "-pie --no-dynamic-linker"),
      { base = 0x1001 })
    refused("exceeds the address space", elf.load,
      tools.link("x86_64", object, "-pie --no-dynamic-linker"),
      { base = -0x1000 })
  end)

  it("loads a large real program whole", function()
    local file <close> = io.open("/bin/busybox", "rb")
    if not file then pending("no /bin/busybox") end
    local bytes = file:read("a")
    local ok, image = pcall(elf.load, bytes)
    if not ok then
      assert.matches("dynamic linker", image, 1, true)
      pending("/bin/busybox is dynamic")
    end
    local sum = 0
    for _, segment in ipairs(image.segments) do sum = sum + #segment.bytes end
    assert.is_true(sum > #bytes / 2 and sum <= #bytes)
  end)
end)

describe("elf.flatten", function()
  local function image(...)
    local segments = {}
    for i, case in ipairs { ... } do
      segments[i] = { name = "s" .. i, gpa = case[1], bytes = case[2],
        memsize = case[3] or #case[2] }
    end
    return { segments = segments }
  end

  it("fills gaps and what has no bytes with zeros", function()
    local bytes, gpa =
      elf.flatten(image({ 0x1008, "b", 3 }, { 0x1000, "aaaa" }))
    assert.equal("aaaa\0\0\0\0b\0\0", bytes)
    assert.equal(0x1000, gpa)
  end)

  it("begins at the origin", function()
    local bytes, gpa = elf.flatten(image({ 0x1002, "x" }), 0x1000)
    assert.equal("\0\0x", bytes)
    assert.equal(0x1000, gpa)
  end)

  it("is empty for nothing", function()
    assert.equal("", (elf.flatten(image())))
  end)

  it("refuses what lies before the origin, or on something else", function()
    refused("s1 at 0x1000 lies before 0x2000", elf.flatten,
      image({ 0x1000, "x" }), 0x2000)
    refused("s2 at 0x1001 lies before 0x1002", elf.flatten,
      image({ 0x1000, "xx" }, { 0x1001, "y" }))
  end)

  it("refuses what is far apart", function()
    refused("ends more than 0x10000000 bytes after 0x1000", elf.flatten,
      image({ 0x1000, "x" }, { 0x20000000, "y" }))
    refused("ends more than", elf.flatten, image({ 0, "x", -1 }))
    refused("ends more than", elf.flatten, image({ 0, "x" }, { -16, "y" }))
  end)
end)

describe("elf arguments", function()
  it("have the right type", function()
    refused("bad argument #1 to 'parse' (bytes: string expected, got nil)",
      elf.parse)
    refused("bad argument #1 to 'load' (bytes: string expected, got table)",
      elf.load, {})
    refused("bad argument #2 to 'load' (options: table expected, got 1)",
      elf.load, "", 1)
    refused("bad argument #1 to 'flatten' (an image expected, got 1)",
      elf.flatten, 1)
    refused("bad argument #2 to 'flatten' (origin: integer expected, got 0.5)",
      elf.flatten, { segments = {} }, 0.5)
  end)

  it("are not too many", function()
    refused("bad argument #2 to 'parse' (surplus argument: at most 1)",
      elf.parse, "", 1)
    refused("bad argument #3 to 'load' (surplus argument: at most 2)",
      elf.load, "", nil, 1)
    refused("bad argument #3 to 'flatten' (surplus argument: at most 2)",
      elf.flatten, { segments = {} }, 0, 1)
  end)

  it("are known options of the right type", function()
    refused("bad argument #2 to 'load' (unknown option 'origin' (there are "
      .. "base, relocate and symbols))", elf.load, "",
      { origin = 1 })
    refused("base: integer expected, got '1'", elf.load, "",
      { base = "1" })
    refused("relocate: boolean expected, got 1", elf.load, "",
      { relocate = 1 })
    refused("symbols.a: integer expected, got 'b'", elf.load,
      "", { symbols = { a = "b" } })
  end)

  it("give errors at the caller's line", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local ok, message = pcall(function() elf.parse("no ELF file") end)
    assert.is_false(ok)
    assert.matches("elf_spec.lua:" .. line .. ": elf: not an ELF file (it"
      .. " begins with 'no E')", message, 1, true)
  end)
end)
