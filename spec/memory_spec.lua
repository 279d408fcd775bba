-- SPDX-License-Identifier: MIT
local kvm = require "kvm"

local PAGE = kvm.page_size

---The message that a call raises; fails when it raises nothing.
local function message(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok, "no error was raised")
  return tostring(err)
end

---Asserts that a call raises a message with a text in it.
local function raises(text, f, ...)
  local err = message(f, ...)
  assert(err:find(text, 1, true), ("%q\nis not in\n%s"):format(text, err))
end

---The path of a file with these bytes, which goes after the test.
local function file_with(bytes)
  local path = os.tmpname()
  local f <close> = assert(io.open(path, "wb"))
  f:write(bytes)
  finally(function() os.remove(path) end)
  return path
end

local function contents(path)
  local f <close> = assert(io.open(path, "rb"))
  return f:read("a")
end

describe("kvm.memory: making it", function()
  it("is zeros, of the size that was asked for", function()
    local m = kvm.memory(2 * PAGE)
    assert.equal(2 * PAGE, #m)
    assert.equal(2 * PAGE, m.size)
    assert.equal(("\0"):rep(2 * PAGE), m:read(0, 2 * PAGE))
  end)

  it("is anonymous by default and has no descriptor", function()
    local m = kvm.memory(PAGE)
    assert.equal("anonymous", m.backing)
    assert.is_nil(m.fd)
    assert.is_false(m.readonly)
    assert.is_true(m.mapped)
  end)

  it("refuses a size that is no multiple of the page size", function()
    raises(("bad argument #1 to 'memory' (size 0x1234 is not a multiple of "
      .. "the page size %#x)"):format(PAGE),
      function() return kvm.memory(0x1234) end)
  end)

  it("refuses a size of 0 and a negative one", function()
    raises("size is 0", function() return kvm.memory(0) end)
    raises("size is negative", function() return kvm.memory(-PAGE) end)
  end)

  it("refuses a missing size", function()
    raises("size expected", function() return kvm.memory() end)
    raises("size expected", function()
      return kvm.memory(nil, { backing = "memfd" })
    end)
  end)

  it("tells the size when there is no room for it", function()
    raises("mmap: ENOMEM: 0x4000000000000000 bytes of anonymous memory",
      function() return kvm.memory(1 << 62) end)
  end)

  it("refuses an unknown backing and names those there are", function()
    raises("unknown backing 'tape' (expected anonymous, memfd, file, hugetlb "
      .. "or guest_memfd)",
      function() return kvm.memory(PAGE, { backing = "tape" }) end)
  end)

  it("refuses an option that the backing does not have", function()
    raises("unknown field 'path' (expected backing)", function()
      return kvm.memory(PAGE, { backing = "memfd", path = "x" })
    end)
  end)

  it("refuses options of a wrong type", function()
    raises("table expected", function() return kvm.memory(PAGE, "memfd") end)
    raises("field 'backing': a string expected, got number", function()
      return kvm.memory(PAGE, { backing = 5 })
    end)
  end)

  it("refuses a third argument", function()
    raises("surplus argument", function() return kvm.memory(PAGE, {}, 1) end)
  end)

  it("prints its size and backing", function()
    assert.equal(("kvm.memory: %#x bytes, anonymous"):format(PAGE),
      tostring(kvm.memory(PAGE)))
  end)
end)

describe("kvm.memory: read and write", function()
  local m
  before_each(function() m = kvm.memory(PAGE) end)

  it("gives back what was written", function()
    m:write(3, "hello")
    assert.equal("\0\0\0hello\0", m:read(0, 9))
  end)

  it("keeps zero bytes and all other values", function()
    local all = {}
    for i = 0, 255 do all[#all + 1] = string.char(i) end
    local bytes = table.concat(all)
    m:write(100, bytes)
    assert.equal(bytes, m:read(100, 256))
  end)

  it("writes with chained calls", function()
    assert.equal(m, m:write(0, "a"):write(1, "b"))
    assert.equal("ab", m:read(0, 2))
  end)

  it("reaches the last byte and no further", function()
    m:write(PAGE - 1, "z")
    assert.equal("z", m:read(PAGE - 1, 1))
    raises("0x2 bytes at", m.read, m, PAGE - 1, 2)
    raises("0x2 bytes at", m.write, m, PAGE - 1, "zz")
    assert.equal("z", m:read(PAGE - 1, 1))
  end)

  it("reads nothing anywhere up to the end", function()
    assert.equal("", m:read(0, 0))
    assert.equal("", m:read(PAGE, 0))
    raises("0x0 bytes at", m.read, m, PAGE + 1, 0)
  end)

  it("writes nothing at the end", function()
    m:write(PAGE, "")
    raises("0x0 bytes", m.write, m, PAGE + 1, "")
  end)

  it("names offset and size in hex, and the argument as it was called",
    function()
      local text = ("bad argument #2 to 'read' (0x10 bytes at %#x are outside "
        .. "the memory of %#x bytes)"):format(PAGE - 8, PAGE)
      raises(text, function() return m:read(PAGE - 8, 0x10) end)
    end)

  it("does not overflow with huge or negative offsets and sizes", function()
    local huge = { -1, -PAGE, math.mininteger, math.maxinteger,
      math.maxinteger - PAGE + 2 }
    for _, a in ipairs(huge) do
      raises("outside the memory", m.read, m, a, 1)
      raises("outside the memory", m.read, m, 0, a)
      raises("outside the memory", m.read, m, a, a)
      raises("outside the memory", m.read, m, a, -a)
      raises("outside the memory", m.write, m, a, "x")
      raises("outside the memory", m.fill, m, a, 1)
      raises("outside the memory", m.fill, m, 1, a)
      raises("outside the memory", m.find, m, "x", a)
      raises("outside the memory", m.u8, m, a)
      raises("outside the memory", m.u64, m, a, 0)
      raises("outside the memory", m.view, m, a)
      raises("outside the memory", m.view, m, 0, a)
      raises("outside the memory", m.pack, m, a, "B", 1)
      raises("outside the memory", m.unpack, m, a, "B")
      raises("outside the memory", m.discard, m, a, PAGE)
    end
  end)

  it("refuses what is no integer and no string", function()
    raises("number expected", m.read, m, "x", 1)
    raises("number expected", m.read, m, 0)
    raises("no integer representation", m.read, m, 0.5, 1)
    raises("string expected", m.write, m, 0, 42)
    raises("string expected", m.write, m, 0)
    raises("surplus argument", m.read, m, 0, 1, 2)
    raises("table expected, got number", m.write, m, 0, "", 2)
    raises("surplus argument", m.write, m, 0, "", {}, 2)
  end)

  it("takes what an assembler returns: bytes and symbols", function()
    local function assemble() return "code", { label = 0 } end
    m:write(0, assemble())
    assert.equal("code", m:read(0, 4))
  end)

  it("refuses to work on anything else", function()
    raises("kvm.memory expected, got table", m.read, {}, 0, 1)
    raises("kvm.memory expected", m.read, io.stdout, 0, 1)
  end)

  it("copies megabytes", function()
    local big = kvm.memory(0x200000)
    local bytes = ("0123456789abcdef"):rep(0x10000)
    big:write(0x80000, bytes)
    assert.equal(bytes, big:read(0x80000, #bytes))
    assert.equal("\0", big:read(0x7ffff, 1))
    assert.equal("\0", big:read(0x180000, 1))
  end)

  it("gives strings that are equal to those of the same bytes", function()
    for _, n in ipairs { 1, 39, 40, 41, 255, 256, 257, 1000 } do
      m:fill(0, n, 0x61)
      local t = { [("a"):rep(n)] = true }
      assert.is_true(t[m:read(0, n)])
    end
  end)
end)

describe("kvm.memory: fill and find", function()
  local m
  before_each(function() m = kvm.memory(PAGE) end)

  it("fills a range with a byte", function()
    m:fill(2, 3, 0x41)
    assert.equal("\0\0AAA\0", m:read(0, 6))
  end)

  it("fills with zeros by default", function()
    m:write(0, "abcd"):fill(1, 2)
    assert.equal("a\0\0d", m:read(0, 4))
  end)

  it("refuses a byte that is none", function()
    raises("byte 0x100 is outside 0x0..0xff", m.fill, m, 0, 1, 256)
    raises("byte 0xffffffffffffffff", m.fill, m, 0, 1, -1)
  end)

  it("finds the first occurrence", function()
    m:write(10, "needle"):write(100, "needle")
    assert.equal(10, m:find("needle"))
  end)

  it("finds from an offset on", function()
    m:write(10, "needle"):write(100, "needle")
    assert.equal(10, m:find("needle", 10))
    assert.equal(100, m:find("needle", 11))
    assert.is_nil(m:find("needle", 101))
  end)

  it("finds bytes at the very end and none that would go past it", function()
    m:write(PAGE - 2, "xy")
    assert.equal(PAGE - 2, m:find("xy"))
    assert.is_nil(m:find("xyz"))
  end)

  it("finds the empty string where it starts", function()
    assert.equal(5, m:find("", 5))
    assert.equal(PAGE, m:find("", PAGE))
    raises("outside the memory", m.find, m, "", PAGE + 1)
  end)

  it("takes no pattern", function()
    m:write(0, "a.c")
    assert.is_nil(m:find("%."))
    assert.equal(1, m:find("."))
  end)
end)

describe("kvm.memory: integers", function()
  local m
  before_each(function() m = kvm.memory(PAGE) end)

  for _, bits in ipairs { 8, 16, 32, 64 } do
    local name, size = "u" .. bits, bits // 8
    local format = "<I" .. size

    it(name .. " writes and reads little-endian", function()
      local value = 0x8877665544332211 & (bits == 64 and -1 or (1 << bits) - 1)
      m[name](m, 8, value)
      assert.equal(format:pack(value), m:read(8, size))
      assert.equal(value, m[name](m, 8))
    end)

    it(name .. " touches no other byte", function()
      m:fill(0, 32, 0xaa)
      m[name](m, 8, 0)
      assert.equal(("\xaa"):rep(8) .. ("\0"):rep(size) .. "\xaa",
        m:read(0, 9 + size))
    end)

    it(name .. " works at every alignment", function()
      for at = 0, 16 do
        m:fill(0, 32)
        m[name](m, at, 0x5a)
        assert.equal(at, m:find("\x5a"))
        assert.equal(0x5a, m[name](m, at))
      end
    end)

    it(name .. " ends at the last byte", function()
      m[name](m, PAGE - size, 1)
      assert.equal(1, m[name](m, PAGE - size))
      raises("outside the memory", m[name], m, PAGE - size + 1)
      raises("outside the memory", m[name], m, PAGE - size + 1, 0)
    end)

    if bits < 64 then
      it(name .. " refuses a value that does not fit", function()
        raises(("value %#x is outside 0x0..%#x"):format(1 << bits,
          (1 << bits) - 1), m[name], m, 0, 1 << bits)
        raises("value 0xffffffffffffffff", m[name], m, 0, -1)
        assert.equal(0, m[name](m, 0))
      end)
    end
  end

  it("u64 is a Lua integer with the same bits", function()
    m:write(0, ("\xff"):rep(8))
    assert.equal(-1, m:u64(0))
    m:u64(0, math.mininteger)
    assert.equal("\0\0\0\0\0\0\0\x80", m:read(0, 8))
  end)

  it("refuses nil as a value", function()
    raises("number expected, got nil", m.u8, m, 0, nil)
    raises("number expected, got string", m.u32, m, 0, "x")
  end)
end)

describe("kvm.memory: pack and unpack", function()
  local m
  before_each(function() m = kvm.memory(PAGE) end)

  local function same(format, ...)
    local bytes = string.pack(format, ...)
    assert.equal(16 + #bytes, m:pack(16, format, ...))
    assert.equal(bytes, m:read(16, #bytes))
    local mine = table.pack(m:unpack(16, format))
    local luas = table.pack(string.unpack(format, bytes))
    luas[luas.n] = luas[luas.n] - 1 + 16
    assert.same(luas, mine)
  end

  it("does what Lua's formats do", function()
    same("<I1I2I4I8", 1, 2, 3, 4)
    same(">i2i4j", -1, -2, -3)
    same("<fdn", 0.5, 0.25, 0.125)
    same("<!8 b i8 Xi8", 1, 2)
    same("s1s2s4z", "a", "bb", "ccc", "dddd")
    same("c10 x B", "abc", 7)
    same("", nil)
  end)

  it("returns the offset behind", function()
    assert.equal(4 + 6, m:pack(4, "<I2I4", 1, 2))
    local a, b, behind = m:unpack(4, "<I2I4")
    assert.same({ 1, 2, 10 }, { a, b, behind })
  end)

  it("reads strings longer than any first guess", function()
    local big = kvm.memory(0x20000 // PAGE * PAGE + PAGE)
    local text = ("x"):rep(0x1ffff)
    big:pack(0, "z", text)
    assert.equal(text, (big:unpack(0, "z")))
    big:pack(0, "<s4", text:sub(5))
    assert.equal(text:sub(5), (big:unpack(0, "<s4")))
  end)

  it("stays inside the memory", function()
    m:pack(PAGE - 4, "<I4", 1)
    assert.equal(1, (m:unpack(PAGE - 4, "<I4")))
    raises("outside the memory", m.unpack, m, PAGE - 3, "<I4")
    raises("outside the memory", m.pack, m, PAGE - 3, "<I4", 1)
    assert.equal(1, m:u32(PAGE - 4))
  end)

  it("does not follow a length that lies in the memory past its end",
    function()
      m:pack(0, "<I4", 0xffffffff)
      raises("too short", m.unpack, m, 0, "<s4")
      m:fill(0, PAGE, 0x61)
      raises("unfinished string", m.unpack, m, 0, "z")
    end)

  it("passes on Lua's own errors", function()
    raises("invalid format option 'y'", m.unpack, m, 0, "y")
    raises("invalid format option 'y'", m.pack, m, 0, "y", 1)
    raises("number expected", m.pack, m, 0, "I4")
    raises("overflow", m.pack, m, 0, "I1", 256)
  end)

  it("does not care what a script makes of string.pack", function()
    local pack, unpack, packsize = string.pack, string.unpack, string.packsize
    finally(function()
      string.pack, string.unpack, string.packsize = pack, unpack, packsize
    end)
    string.pack = function() return ("x"):rep(1 << 20) end
    string.unpack = function() return "evil" end
    string.packsize = function() return -1 end
    assert.equal(4, m:pack(0, "<I4", 0x01020304))
    assert.same({ 0x01020304, 4 }, { m:unpack(0, "<I4") })
  end)
end)

describe("kvm.memory: views", function()
  local m
  before_each(function() m = kvm.memory(2 * PAGE) end)

  it("show the same bytes", function()
    local v = m:view(0x100, 0x10)
    v:write(0, "view")
    assert.equal("view", m:read(0x100, 4))
    m:write(0x10c, "back")
    assert.equal("back", v:read(12, 4))
    assert.equal(0x10, #v)
  end)

  it("take the rest by default", function()
    assert.equal(2 * PAGE - 0x100, #m:view(0x100))
    assert.equal(0, #m:view(2 * PAGE))
  end)

  it("have bounds of their own", function()
    local v = m:view(0x100, 0x10)
    raises("0x1 bytes at 0x10 are outside the memory of 0x10 bytes", v.read, v,
      0x10, 1)
    raises("outside the memory", v.u32, v, 0xd)
    raises("outside the memory", v.write, v, -1, "x")
    m:write(0x110, "needle")
    assert.is_nil(v:find("needle"))
  end)

  it("can be made of views", function()
    local v = m:view(0x100, 0x100):view(0x10, 0x10)
    v:u8(0, 0x7f)
    assert.equal(0x7f, m:u8(0x110))
    raises("outside the memory", m.view, m:view(0x100, 0x10), 0, 0x11)
  end)

  it("keep the memory after it was closed or collected", function()
    m:write(0x100, "kept")
    local v = m:view(0x100, 4)
    m:close()
    assert.equal("kept", v:read(0, 4))
    local w = kvm.memory(PAGE):write(0, "lone"):view(0, 4)
    collectgarbage()
    collectgarbage()
    assert.equal("lone", w:read(0, 4))
  end)

  it("say that they are views", function()
    assert.equal("kvm.memory: 0x10 bytes, view of anonymous",
      tostring(m:view(0, 0x10)))
  end)

  it("close without closing the memory", function()
    local v = m:view(0)
    v:close()
    raises("kvm.memory is closed", v.read, v, 0, 1)
    assert.equal("\0", m:read(0, 1))
  end)
end)

describe("kvm.memory: closing", function()
  it("refuses every method afterwards", function()
    local m = kvm.memory(PAGE)
    m:close()
    for _, call in ipairs { { "read", 0, 1 }, { "write", 0, "" },
      { "fill", 0, 1 }, { "find", "x" }, { "u8", 0 }, { "u16", 0, 1 },
      { "u32", 0 }, { "u64", 0 }, { "pack", 0, "B", 1 }, { "unpack", 0, "B" },
      { "view", 0 }, { "clone" }, { "discard" }, { "hexdump" } } do
      raises("kvm.memory is closed", m[call[1]], m, table.unpack(call, 2))
    end
    raises("kvm.memory is closed", function() return #m end)
    raises("kvm.memory is closed", function() return m.size end)
    raises("kvm.memory is closed", function() return m.backing end)
  end)

  it("can be done twice", function()
    local m = kvm.memory(PAGE)
    m:close()
    m:close()
    assert.equal("kvm.memory (closed)", tostring(m))
  end)

  it("happens at the end of a block", function()
    local kept
    do
      local m <close> = kvm.memory(PAGE)
      kept = m
    end
    raises("kvm.memory is closed", kept.read, kept, 0, 1)
  end)

  it("gives the descriptor back", function()
    local m = kvm.memory(PAGE, { backing = "memfd" })
    local fd = m.fd
    m:close()
    local again = kvm.memory(PAGE, { backing = "memfd" })
    assert.equal(fd, again.fd)
  end)

  it("has no unknown field and takes no assignment", function()
    local m = kvm.memory(PAGE)
    raises("kvm.memory has no field or method 'sise'",
      function() return m.sise end)
    raises("kvm.memory has no field 'size' that can be assigned",
      function() m.size = 1 end)
  end)
end)

describe("kvm.memory: memfd", function()
  it("has a descriptor, whose file holds the bytes", function()
    local m = kvm.memory(PAGE, { backing = "memfd" })
    m:write(0, "in the file")
    assert.equal("memfd", m.backing)
    local f <close> = assert(io.open("/proc/self/fd/" .. m.fd, "rb"))
    assert.equal("in the file", f:read(11))
    assert.equal(PAGE, f:seek("end"))
  end)

  it("cannot be truncated under our feet", function()
    local m = kvm.memory(PAGE, { backing = "memfd" }):write(0, "x")
    assert.is_nil(io.open("/proc/self/fd/" .. m.fd, "wb"))
    assert.equal("x", m:read(0, 1))
  end)

  it("can be cloned: both go their own way", function()
    local m = kvm.memory(2 * PAGE, { backing = "memfd" }):write(0, "original")
    local c = m:clone()
    assert.equal("original", c:read(0, 8))
    c:write(0, "changed!")
    assert.equal("original", m:read(0, 8))
    assert.equal("changed!", c:read(0, 8))
    assert.equal("clone", c.backing)
    assert.is_nil(c.fd)
  end)

  it("gives clones that outlive it", function()
    local m = kvm.memory(PAGE, { backing = "memfd" }):write(0, "data")
    local c = m:clone()
    m:close()
    assert.equal("data", c:read(0, 4))
  end)

  it("gives clones that return to the original", function()
    local m = kvm.memory(2 * PAGE, { backing = "memfd" })
    m:write(0, "one"):write(PAGE, "two")
    local c = m:clone():write(0, "ONE"):write(PAGE, "TWO")
    c:discard(0, PAGE)
    assert.equal("one", c:read(0, 3))
    assert.equal("TWO", c:read(PAGE, 3))
    c:discard()
    assert.equal("two", c:read(PAGE, 3))
  end)

  it("gives clones of views", function()
    local m = kvm.memory(PAGE, { backing = "memfd" }):write(0x10, "middle")
    local c = m:view(0x10, 6):clone()
    assert.equal("middle", c:read(0, 6))
    assert.equal(6, #c)
    raises("outside the memory", c.read, c, 0, 7)
  end)

  it("is what a clone needs", function()
    raises("memory of backing 'anonymous' cannot be cloned: make it with "
      .. "backing = 'memfd'", function() return kvm.memory(PAGE):clone() end)
    local c = kvm.memory(PAGE, { backing = "memfd" }):clone()
    raises("memory of backing 'clone' cannot be cloned", c.clone, c)
  end)
end)

describe("kvm.memory: discard", function()
  for _, backing in ipairs { "anonymous", "memfd" } do
    it("gives pages of " .. backing .. " memory back as zeros", function()
      local m = kvm.memory(3 * PAGE, { backing = backing })
      m:fill(0, 3 * PAGE, 0x55)
      m:discard(PAGE, PAGE)
      assert.equal(0x55, m:u8(PAGE - 1))
      assert.equal(("\0"):rep(PAGE), m:read(PAGE, PAGE))
      assert.equal(0x55, m:u8(2 * PAGE))
      m:discard()
      assert.equal(("\0"):rep(3 * PAGE), m:read(0, 3 * PAGE))
    end)
  end

  it("takes whole pages only", function()
    local m = kvm.memory(2 * PAGE)
    raises(("bad argument #1 to 'discard' (offset 0x10 is not a multiple of "
      .. "the page size %#x)"):format(PAGE),
      function() m:discard(0x10, PAGE) end)
    raises("bad argument #2 to 'discard' (size 0x10 is not",
      function() m:discard(0, 0x10) end)
    raises("outside the memory", m.discard, m, PAGE, 2 * PAGE)
  end)

  it("discards the pages of a view where they are in the memory", function()
    local m = kvm.memory(3 * PAGE)
    m:fill(0, 3 * PAGE, 0x55)
    m:view(PAGE, PAGE):discard()
    assert.equal(0x55, m:u8(0))
    assert.equal(0, m:u8(PAGE))
    assert.equal(0x55, m:u8(2 * PAGE))
    raises("is not a multiple of the page size", function()
      m:view(0x10):discard(0, PAGE)
    end)
  end)
end)

describe("kvm.memory: files", function()
  local function open(path, opts, size)
    opts.backing, opts.path = "file", path
    return kvm.memory(size, opts)
  end

  it("shows a file, rounded up to pages", function()
    local m = open(file_with("first bytes"), {})
    assert.equal(PAGE, #m)
    assert.equal("first bytes\0", m:read(0, 12))
    assert.equal("file", m.backing)
  end)

  it("keeps writes from the file by default", function()
    local path = file_with(("a"):rep(PAGE))
    local m = open(path, {})
    m:write(0, "b")
    assert.equal("b", m:read(0, 1))
    assert.equal(("a"):rep(PAGE), contents(path))
    m:discard()
    assert.equal("a", m:read(0, 1))
  end)

  it("writes to the file when it is shared", function()
    local path = file_with(("a"):rep(PAGE))
    local m = open(path, { shared = true })
    m:write(1, "b")
    assert.equal("aba", contents(path):sub(1, 3))
    assert.is_number(m.fd)
  end)

  it("begins at an offset", function()
    local path = file_with(("a"):rep(PAGE) .. ("b"):rep(PAGE))
    local m = open(path, { offset = PAGE })
    assert.equal(("b"):rep(PAGE), m:read(0, #m))
    assert.equal(PAGE, #m)
    raises("offset 0x10 is not a multiple", open, path, { offset = 0x10 })
  end)

  it("discards at that offset of a shared file", function()
    local path = file_with(("a"):rep(PAGE) .. ("b"):rep(2 * PAGE))
    local m = open(path, { offset = PAGE, shared = true })
    m:discard(0, PAGE)
    assert.equal(("\0"):rep(PAGE), m:read(0, PAGE))
    assert.equal("b", m:read(PAGE, 1))
    assert.equal("a", contents(path):sub(PAGE, PAGE))
  end)

  it("is never written when read-only", function()
    local m = open(file_with("fixed"), { readonly = true })
    assert.is_true(m.readonly)
    raises("memory is read-only", m.write, m, 0, "x")
    raises("memory is read-only", m.fill, m, 0, 1)
    raises("memory is read-only", m.u32, m, 0, 1)
    raises("memory is read-only", m.pack, m, 0, "B", 1)
    assert.equal("fixed", m:read(0, 5))
    assert(tostring(m):find("file, read-only", 1, true))
  end)

  it("is not longer than the file, where an access would kill", function()
    local path = file_with("short")
    raises(("0x%x bytes at 0x0 are outside file '%s' of 0x5 bytes"):format(
      2 * PAGE, path), open, path, {}, 2 * PAGE)
    raises("are outside file", open, path, { offset = PAGE })
    raises("are outside file", open, file_with(""), {})
  end)

  it("must be there, and be a file", function()
    raises("open: ENOENT: /nowhere/at/all", open, "/nowhere/at/all", {})
    raises("path '/tmp' is not a regular file", open, "/tmp", {})
    raises("path '/dev/zero' is not a regular file", open, "/dev/zero", {})
    raises("backing 'file' needs a path", open, nil, {})
  end)

  it("keeps no descriptor for a private mapping", function()
    local path = file_with("private")
    local free = kvm.memory(PAGE, { backing = "memfd" })
    local fd = free.fd
    free:close()
    local m = open(path, {})
    assert.is_nil(m.fd)
    assert.equal(fd, kvm.memory(PAGE, { backing = "memfd" }).fd)
    assert.equal("private", m:read(0, 7))
  end)

  it("leaks no descriptor when it fails", function()
    local before = kvm.memory(PAGE, { backing = "memfd" }).fd
    for _ = 1, 50 do pcall(open, "/tmp", {}) end
    collectgarbage()
    collectgarbage()
    assert.is_true(kvm.memory(PAGE, { backing = "memfd" }).fd <= before + 1)
  end)
end)

describe("kvm.memory: huge pages", function()
  local function free_pages(size)
    local f = io.open(("/sys/kernel/mm/hugepages/hugepages-%dkB/"
      .. "free_hugepages"):format(size // 1024))
    if not f then return nil end
    local n = f:read("n")
    f:close()
    return n
  end

  it("are multiples of the huge page", function()
    local size = free_pages(0x200000) and 0x200000
    if not size then return pending("no huge pages of 2 MiB here") end
    raises("is not a multiple of the huge page size 0x200000", function()
      return kvm.memory(PAGE, { backing = "hugetlb", page_size = size })
    end)
  end)

  it("say when there are none free", function()
    local free = free_pages(0x200000)
    if not free then return pending("no huge pages of 2 MiB here") end
    raises("huge pages of 0x200000 bytes are needed", function()
      return kvm.memory(0x200000 * (free + 1),
        { backing = "hugetlb", page_size = 0x200000 })
    end)
  end)

  it("refuse a page size that the host does not have", function()
    raises("this host has no huge pages of 0x8000000000 bytes", function()
      return kvm.memory(0x8000000000,
        { backing = "hugetlb", page_size = 0x8000000000 })
    end)
    raises(("page_size %#x is not a power of two"):format(3 * PAGE),
      function()
        return kvm.memory(3 * PAGE,
          { backing = "hugetlb", page_size = 3 * PAGE })
      end)
  end)

  it("hold bytes like any other", function()
    if (free_pages(0x200000) or 0) < 1 then
      return pending("no free huge page of 2 MiB")
    end
    local m = kvm.memory(0x200000,
      { backing = "hugetlb", page_size = 0x200000 })
    m:write(0x1ffff0, "the last bytes..")
    assert.equal("the last bytes..", m:read(0x1ffff0, 16))
    assert.equal("hugetlb", m.backing)
    m:discard()
    assert.equal(0, m:u8(0x1ffff0))
  end)
end)

describe("kvm.memory: hexdump", function()
  local m
  before_each(function() m = kvm.memory(PAGE) end)

  it("shows offset, bytes and text", function()
    m:write(0x10, "Hello, kvmlua!\0\xff")
    assert.equal("00000010  48 65 6c 6c 6f 2c 20 6b  76 6d 6c 75 61 21 00 ff "
      .. " |Hello, kvmlua!..|\n00000020", m:hexdump(0x10, 16))
  end)

  it("shows a line that is not full", function()
    assert.equal("00000000  00 00 00" .. (" "):rep(16 + 25) .. " |...|\n"
      .. "00000003", m:hexdump(0, 3))
  end)

  it("squeezes lines that repeat", function()
    local lines = select(2, m:hexdump(0, 0x40):gsub("\n", "\n")) + 1
    assert.equal(4, lines)
    assert(m:hexdump(0, 0x40):find("\n*\n", 1, true))
  end)

  it("shows at most 256 bytes by default", function()
    assert(m:hexdump():find("\n00000100$"))
    assert(m:hexdump(PAGE - 8):find(("\n%08x$"):format(PAGE)))
    assert.equal(("%08x"):format(PAGE), m:hexdump(PAGE))
  end)

  it("stays inside the memory", function()
    raises("outside the memory", m.hexdump, m, PAGE - 8, 16)
    raises("outside the memory", m.hexdump, m, PAGE + 1)
  end)
end)
