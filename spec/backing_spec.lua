-- SPDX-License-Identifier: MIT
local kvm = require "kvm"
local process = require "spec.support.process"
local raises = require "spec.support.raises"

local PAGE = kvm.page_size

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

  it("shows in a clone what it is now where the clone wrote nothing", function()
    local m = kvm.memory(2 * PAGE, { backing = "memfd" }):write(0, "before")
    local c = m:clone()
    c:write(0, "cloned")
    m:write(0, "after!"):write(PAGE, "after!")
    assert.equal("cloned", c:read(0, 6))
    assert.equal("after!", c:read(PAGE, 6))
  end)

  it("can be copied whole, as a snapshot", function()
    local m = kvm.memory(2 * PAGE, { backing = "memfd" }):write(PAGE, "before")
    local copy = kvm.memory(#m):write(0, m:read(0, #m))
    m:write(PAGE, "after!")
    assert.equal("before", copy:read(PAGE, 6))
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

  it("has a descriptor that exec closes when it is shared", function()
    local m = open(file_with("shared"), { shared = true })
    assert.equal(0x80000, process.fd_flags(m.fd) & 0x80000) -- O_CLOEXEC
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
    raises("open file: ENOENT: /nowhere/at/all", open, "/nowhere/at/all", {})
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
