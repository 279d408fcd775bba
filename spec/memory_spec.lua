-- SPDX-License-Identifier: MIT
local kvm = require "kvm"
local raises = require "spec.support.raises"

local PAGE = kvm.page_size

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
