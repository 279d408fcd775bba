-- SPDX-License-Identifier: MIT
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm()
if missing then return pending(missing) end
local raises = require "spec.support.raises"
local writer = require "spec.support.writer"

local PAGE = kvm.page_size

describe("vm:get_stats_fd and vcpu:get_stats_fd", function()
  local vm, cpu
  before_each(function()
    vm = kvm.create_vm()
    cpu = vm:create_vcpu()
  end)

  local function it_if(name, body)
    it(name, function()
      if vm:check_extension("BINARY_STATS_FD") == 0 then
        return pending("this kernel has no binary statistics")
      end
      body()
    end)
  end

  it_if("give names and integers", function()
    local values = vm:get_stats_fd():read()
    assert.equal("integer", math.type(values.remote_tlb_flush))
    for name, value in pairs(values) do
      assert(name:match("^[%w_]+$"), name)
      assert(math.type(value) == "integer" or type(value) == "table", name)
    end
  end)

  it_if("count what the vCPU does", function()
    local other = kvm.create_vm()
    local guest = writer.new(other)
    local stats = guest.cpu:get_stats_fd()
    local before = stats:read().exits
    guest.store {}
    assert.is_true(stats:read().exits > before)
  end)

  it_if("give histograms as lists", function()
    local stats = cpu:get_stats_fd()
    local values, found = stats:read(), 0
    for name, d in pairs(stats:describe()) do
      if d.type:find("histogram") then
        found = found + 1
        assert.equal(d.size, #values[name])
        assert.equal("integer", math.type(values[name][1]))
      end
    end
    assert.is_true(found > 0)
  end)

  it_if("say what a value means", function()
    local d = cpu:get_stats_fd():describe()
    assert.same({ type = "cumulative", unit = "none", base = 10, exponent = 0,
      size = 1, bucket_size = 0 }, d.exits)
    assert.equal("seconds", d.halt_poll_success_ns.unit)
    assert.equal(-9, d.halt_poll_success_ns.exponent)
  end)

  it_if("describe the values they read", function()
    local stats = cpu:get_stats_fd()
    local values, names = stats:read(), stats:describe()
    for name in pairs(values) do assert(names[name], name) end
    for name in pairs(names) do assert(values[name], name) end
  end)

  it_if("say whose they are", function()
    assert(vm:get_stats_fd().id:match("^kvm%-%d+$"))
    assert(cpu:get_stats_fd().id:match("^kvm%-%d+/vcpu%-0$"))
  end)

  it_if("close, and refuse then", function()
    local stats = vm:get_stats_fd()
    assert.equal(("kvm.stats (fd %d)"):format(stats.fd), tostring(stats))
    stats:close()
    stats:close()
    raises("kvm.stats is closed", stats.read, stats)
    raises("kvm.stats is closed", stats.describe, stats)
    raises("kvm.stats is closed", function() return stats.id end)
    assert.equal("kvm.stats (closed)", tostring(stats))
  end)

  it_if("outlive their VM", function()
    local stats = vm:get_stats_fd()
    cpu:close()
    vm:close()
    assert.equal("integer", math.type(stats:read().remote_tlb_flush))
  end)

  it_if("refuse arguments and closed objects", function()
    raises("surplus argument", vm.get_stats_fd, vm, 1)
    vm:close()
    raises("kvm.vm is closed", vm.get_stats_fd, vm)
    raises("kvm.vm or kvm.vcpu expected", vm.get_stats_fd, {})
  end)
end)

describe("kvm.stats", function()
  local HEADER, DESC = "<I4I4I4I4I4I4", "<I4i2I2I4I4"

  ---A file as the kernel makes it: names of 16 bytes, one scalar, one linear
  ---and one logarithmic histogram. t changes single fields.
  local function blob(t)
    t = t or {}
    local name_size, id = t.name_size or 16, 24
    local desc = id + 16
    local data = desc + 3 * (16 + 16)
    local m = kvm.memory(PAGE, { backing = "memfd" })
    m:write(0, HEADER:pack(0, name_size, t.num_desc or 3, t.id_offset or id,
      t.desc_offset or desc, t.data_offset or data))
    m:write(id, t.id or "kvm-1/test\0\0\0\0\0\0")
    local function describe(i, name, flags, exponent, size, offset, bucket)
      m:write(desc + i * 32, DESC:pack(flags, exponent, size, offset, bucket)
        .. name .. ("\0"):rep(16 - #name))
    end
    describe(0, t.name or "scalar", t.flags or 0x011, -9, t.size or 1,
      t.offset or 0, 0)
    describe(1, "linear", 0x003, 0, 2, 8, 100)
    describe(2, "log", 0x124, 3, 3, 24, 0)
    m:write(data, string.pack("<i8i8i8i8i8i8", -1, 10, 11, 20, 21, 22))
    return m
  end

  it("decodes scalars and histograms", function()
    local stats = kvm.stats(blob().fd)
    assert.same({ scalar = -1, linear = { 10, 11 }, log = { 20, 21, 22 } },
      stats:read())
    assert.equal("kvm-1/test", stats.id)
  end)

  it("decodes descriptions", function()
    assert.same({
      scalar = { type = "instant", unit = "bytes", base = 10, exponent = -9,
        size = 1, bucket_size = 0 },
      linear = { type = "linear_histogram", unit = "none", base = 10,
        exponent = 0, size = 2, bucket_size = 100 },
      log = { type = "log_histogram", unit = "seconds", base = 2, exponent = 3,
        size = 3, bucket_size = 0 },
    }, kvm.stats(blob().fd):describe())
  end)

  it("shows types and units it does not know as numbers", function()
    local d = kvm.stats(blob { flags = 0x0ff }.fd):describe().scalar
    assert.equal(15, d.type)
    assert.equal(15, d.unit)
  end)

  it("reads a name that fills its field", function()
    local name = "sixteen_letters_"
    assert.equal(-1, kvm.stats(blob { name = name }.fd):read()[name])
  end)

  it("keeps its own descriptor", function()
    local m = blob()
    local stats = kvm.stats(m.fd)
    m:close()
    assert.equal(-1, stats:read().scalar)
  end)

  it("does not read past the end of what is there", function()
    raises("statistics are truncated: 8 of 48 bytes of the values",
      function() kvm.stats(blob { data_offset = PAGE - 8 }.fd):read() end)
    for _, field in ipairs { "data_offset", "desc_offset" } do
      raises("statistics are truncated",
        function() kvm.stats(blob { [field] = 0xfffffff0 }.fd):read() end)
    end
    raises("statistics are truncated: 0 of 16 bytes of the id",
      function() return kvm.stats(blob { id_offset = PAGE }.fd).id end)
  end)

  it("refuses impossible numbers", function()
    for _, t in ipairs { { num_desc = 0xffffffff }, { name_size = 0 },
      { name_size = 0xffffffff }, { name_size = 0xfffffff0, num_desc = 1 } } do
      local stats = kvm.stats(blob(t).fd)
      raises("statistics are damaged", stats.read, stats)
      raises("statistics are damaged", stats.describe, stats)
    end
    raises("an id of", function()
      return kvm.stats(blob { name_size = 0xffffffff }.fd).id
    end)
    for _, t in ipairs { { offset = 0xffffffff }, { offset = 0x7ffffff8 } } do
      raises("statistics are damaged: values up to byte",
        function() kvm.stats(blob(t).fd):read() end)
    end
  end)

  it("refuses descriptors that share values to make much of little", function()
    local n, size <const> = 200, 0x4000 -- 25 MiB, of 128 KiB
    local m = kvm.memory(0x40000, { backing = "memfd" })
    m:write(0, HEADER:pack(0, 16, n, 24, 40, 0x10000))
    for i = 0, n - 1 do
      m:write(40 + i * 32, DESC:pack(0, 0, size, 0, 0)
        .. ("%016d"):format(i))
    end
    raises("statistics are damaged", function() kvm.stats(m.fd):read() end)
  end)

  it("survives every file with some bytes changed", function()
    local seed = os.time()
    math.randomseed(seed)
    local m = blob()
    local good = m:read(0, 256)
    local stats = kvm.stats(m.fd)
    for _ = 1, 1000 do
      m:write(0, good)
      for _ = 1, math.random(4) do
        m:u8(math.random(0, 135), math.random(0, 255))
      end
      for _, f in ipairs { stats.read, stats.describe } do
        local ok, result = pcall(f, stats)
        assert(ok and type(result) == "table" or not ok
          and tostring(result):find("statistics", 1, true), "seed " .. seed)
      end
      pcall(function() return stats.id end)
    end
  end)

  it("refuses what is no descriptor", function()
    raises("descriptor 0xffffffffffffffff is outside", kvm.stats, -1)
    raises("fcntl: EBADF: descriptor 2147483647", kvm.stats, 2147483647)
    raises("number expected", kvm.stats, "x")
    raises("surplus argument", kvm.stats, 0, 1)
  end)

  it("says when the file cannot be read", function()
    local e = kvm.eventfd()
    local stats = kvm.stats(e.fd)
    raises("pread: ESPIPE: statistics: header", stats.read, stats)
  end)
end)
