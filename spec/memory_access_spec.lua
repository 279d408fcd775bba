-- SPDX-License-Identifier: MIT
local kvm = require "kvm"
local raises = require "spec.support.raises"

local PAGE = kvm.page_size

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

  it("refuses formats at the line of the script", function()
    local m = kvm.memory(kvm.page_size)
    for text, misuse in pairs {
      ["pack: invalid format option 'Q'"] = function() m:pack(0, "Q", 1) end,
      ["unpack: invalid format option 'Q'"] = function() m:unpack(0, "Q") end,
    } do
      local ok, err = pcall(misuse)
      assert.is_false(ok)
      assert.matches("memory_access_spec.lua:%d+: " .. text, err)
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

describe("memory that a finalizer closes", function()
  it("in the middle of a pack is not written", function()
    finally(function() collectgarbage("incremental", 200, 100, 13) end)
    local m, where = kvm.memory(0x100000), nil
    local text = ("x"):rep(0x8000)
    collectgarbage("incremental", 100, 1000, 30) -- a step is a whole cycle
    collectgarbage()
    collectgarbage "stop"
    setmetatable({}, { __gc = function()
      where = debug.traceback()
      m:close()
    end })
    collectgarbage "restart"
    raises("kvm.memory is closed", m.pack, m, 0, "s4", text)
    assert.truthy(where:find("pack'", 1, true), where)
  end)
end)
