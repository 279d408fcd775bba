-- SPDX-License-Identifier: MIT
-- vm:on_mmio and its like: which device answers, what it is called with, and
-- what happens when devices change while the guest runs.
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm()
if missing then return pending(missing) end
local machine = require "spec.guests.machine"
local raises = require "spec.support.raises"

local MMIO <const> = machine.MMIO

-- A device that keeps what it is called with, and answers reads with value.
local function recorder(value)
  local calls = {}
  return {
    calls = calls,
    read = function(self, offset, size, ...)
      assert(self.calls == calls and select("#", ...) == 0)
      calls[#calls + 1] = { "read", offset, size }
      return value
    end,
    write = function(self, offset, data, size, ...)
      assert(self.calls == calls and select("#", ...) == 0)
      calls[#calls + 1] = { "write", offset, data, size }
    end,
  }
end

describe("a device", function()
  it("is called with offset, value and size of a write", function()
    local g <close> = machine.start "store"
    local device = recorder()
    assert.equal(device, g.vm:on_mmio(MMIO, 0x10, device))
    assert.equal(machine.STOP, (g:run()))
    assert.same({ { "write", 1, 0x11, 1 }, { "write", 2, 0x2211, 2 },
                  { "write", 4, 0x44332211, 4 } }, device.calls)
  end)

  it("answers a read", function()
    local g <close> = machine.start "load"
    local device = recorder(0x89abcdef)
    g.vm:on_mmio(MMIO, 0x10, device)
    assert.equal(machine.STOP, (g:run()))
    assert.equal(0x89abcdef, g.cpu.regs[machine.RESULT])
    assert.same({ { "read", 8, 4 } }, device.calls)
  end)

  it("that returns nothing answers with ones, as an empty bus does",
    function()
      local g <close> = machine.start "load"
      g.vm:on_mmio(MMIO, 0x10, recorder(nil))
      assert.equal(machine.STOP, (g:run()))
      assert.equal(0xffffffff, g.cpu.regs[machine.RESULT])
    end)

  it("answers with the low bytes of what it returns", function()
    local g <close> = machine.start "narrow"
    g.vm:on_mmio(MMIO, 0x10, recorder(0x1234))
    assert.equal(machine.STOP, (g:run()))
    assert.equal(0x34, g.cpu.regs[machine.RESULT])
  end)

  it("may return a float or a string that is an integer", function()
    for _, value in ipairs { 5.0, "5", "0x5" } do
      local g <close> = machine.start "load"
      g.vm:on_mmio(MMIO, 0x10, recorder(value))
      assert.equal(machine.STOP, (g:run()))
      assert.equal(5, g.cpu.regs[machine.RESULT])
    end
  end)

  it("may return nothing else", function()
    for text, value in pairs { ["number (1.5)"] = 1.5, string = "five",
                               table = {}, boolean = true,
                               ["function"] = print } do
      local g <close> = machine.start "load"
      g.vm:on_mmio(MMIO, 0x10, recorder(value))
      raises(("returned a %s, an integer expected")
        :format(text), g.run, g)
    end
  end)

  it("of one method raises where the other is needed", function()
    local g <close> = machine.start "echo"
    g.vm:on_mmio(MMIO, 0x20, { read = function() return 7 end })
    raises(("the device at mmio 0x%x has no method 'write'"):format(MMIO),
      g.run, g)
    local h <close> = machine.start "load"
    h.vm:on_mmio(MMIO, 0x20, { write = print })
    raises(("the device at mmio 0x%x has no method 'read'"):format(MMIO),
      h.run, h)
  end)

  it("of something else for a method raises, at the line that runs", function()
    local g <close> = machine.start "echo"
    g.vm:on_mmio(MMIO, 0x20, { read = 7 })
    local ok, err = pcall(function() g.cpu:run() end)
    assert.is_false(ok)
    local line = debug.getinfo(1, "l").currentline - 2
    assert.equal(("spec/bus_spec.lua:%d: the device at mmio 0x%x has a number "
      .. "for its method 'read', a function expected"):format(line, MMIO),
      err:match "^[^\n]*":gsub("^%./", ""), nil)
  end)

  it("may have its methods from a metatable", function()
    local Device = {}
    Device.__index = Device
    function Device:read() return self.value end
    local g <close> = machine.start "load"
    g.vm:on_mmio(MMIO, 0x10, setmetatable({ value = 0x77 }, Device))
    assert.equal(machine.STOP, (g:run()))
    assert.equal(0x77, g.cpu.regs[machine.RESULT])
    local made = setmetatable({}, { __index = function(_, name)
      assert.equal("read", name)
      return function() return 0x78 end
    end })
    local h <close> = machine.start "load"
    h.vm:on_mmio(MMIO, 0x10, made)
    h:run()
    assert.equal(0x78, h.cpu.regs[machine.RESULT])
  end)

  it("may be a userdata with methods, or a callable as a method", function()
    local g <close> = machine.start "load"
    local method = setmetatable({}, { __call = function(_, _, offset, size)
      return offset << 8 | size
    end })
    g.vm:on_mmio(MMIO, 0x10, { read = method })
    g:run()
    assert.equal(0x804, g.cpu.regs[machine.RESULT])
    local h <close> = machine.start "load"
    h.vm:on_mmio(MMIO, 0x10, kvm.memory(kvm.page_size))
    -- memory:read(8, 4) is a string, which no register can hold.
    raises("returned a string", h.run, h)
  end)

  it("may have a method replaced while the guest runs", function()
    local g <close> = machine.start "echo"
    local device, written = {}, {}
    function device:write(_, value)
      written[#written + 1] = value
      if #written == 3 then g.cpu:kick() end
    end
    local function second() return 2 end
    function device:read()
      self.read = second
      return 1
    end
    g.vm:on_mmio(MMIO, 0x20, device)
    assert.equal("intr", (g.cpu:run()))
    assert.same({ 1, 2, 2 }, written)
  end)

  it("lives as long as it answers", function()
    local g <close> = machine.start "load"
    local weak = setmetatable({ recorder(3) }, { __mode = "v" })
    g.vm:on_mmio(MMIO, 0x10, weak[1])
    collectgarbage()
    g:run()
    assert.equal(3, g.cpu.regs[machine.RESULT])
    g.vm:off_mmio(MMIO)
    collectgarbage()
    collectgarbage()
    assert.is_nil(weak[1])
  end)
end)

describe("a range", function()
  -- Whether the guest's write of 4 bytes at MMIO + 4 reaches a device there.
  local function reached(first, size)
    local g <close> = machine.start "store"
    local device = recorder()
    g.vm:on_mmio(first, size, device)
    for reason in g.cpu:exits { timeout = 10 } do
      if reason == machine.STOP then break end
    end
    local last = device.calls[#device.calls]
    return last ~= nil and last[4] == 4 and last[2]
  end

  it("begins at its first address and ends at its last", function()
    assert.equal(0, reached(MMIO + 4, 4))
    assert.equal(1, reached(MMIO + 3, 5))
    assert.equal(4, reached(MMIO, 8))
    assert.equal(MMIO + 4, reached(0, MMIO + 8))
    assert.equal(4, reached(MMIO, math.maxinteger))
  end)

  it("takes only accesses that are wholly inside", function()
    assert.is_false(reached(MMIO + 4, 3))
    assert.is_false(reached(MMIO + 5, 8))
    assert.is_false(reached(MMIO, 7))
    assert.is_false(reached(MMIO, 4))
    assert.is_false(reached(MMIO + 8, 4))
  end)

  it("is found among many", function()
    local g <close> = machine.start "load"
    for i = 63, 0, -1 do -- 0x1000 below to 0x1000 above, with gaps
      g.vm:on_mmio(MMIO + 8 - 0x400 + i * 32, 8, recorder(i))
    end
    g:run()
    assert.equal(32, g.cpu.regs[machine.RESULT])
  end)

  it("must not overlap another", function()
    local g <close> = machine.start "halt"
    g.vm:on_mmio(0x10001000, 0x100, {})
    g.vm:on_mmio(0x10001100, 0x100, {})
    g.vm:on_mmio(0x10000f00, 0x100, {})
    for _, range in ipairs { { 0x10001000, 0x100 }, { 0x100010ff, 1 },
                             { 0x100011ff, 2 }, { 0x10000eff, 2 },
                             { 0, math.maxinteger } } do
      local err = raises("overlaps the device at [0x", g.vm.on_mmio, g.vm,
        range[1], range[2], {})
      assert.truthy(err:find "remove that one with off_mmio first")
    end
    raises("bad argument #1 to 'on_mmio'", function()
      g.vm:on_mmio(0x10001000, 1, {})
    end)
    raises("mmio [0x100010ff..0x100010ff] overlaps the device at "
      .. "[0x10001000..0x100010ff]", g.vm.on_mmio, g.vm, 0x100010ff, 1, {})
  end)

  it("is not in memory, where accesses never exit", function()
    local g <close> = machine.start "halt"
    for _, range in ipairs { { machine.RAM, 1 }, { machine.RAM, #g.ram },
                             { machine.RAM + #g.ram - 1, 1 } } do
      raises(("lies in memory, slot 0 at 0x%x: accesses there never exit")
        :format(machine.RAM), g.vm.on_mmio, g.vm, range[1], range[2], {})
    end
    g.vm:on_mmio(machine.RAM + #g.ram - 1, 2, {}) -- the second exits
    local rom = 0x10000000
    g.vm:map(rom, kvm.page_size, { readonly = true })
    g.vm:on_mmio(rom, kvm.page_size, {}) -- writes do
  end)

  it("is free again when its device is gone", function()
    local g <close> = machine.start "halt"
    local device = {}
    g.vm:on_mmio(0x10001000, 0x100, device)
    assert.equal(device, g.vm:off_mmio(0x100010ff))
    g.vm:on_mmio(0x10001080, 0x100, {})
    raises("no device answers there", g.vm.off_mmio, g.vm, 0x1000107f)
    raises("no device answers there", g.vm.off_mmio, g.vm, 0x10001180)
    g.vm:off_mmio(0x10001080)
    raises("no device answers there", g.vm.off_mmio, g.vm, 0x10001080)
  end)

  it("reaches up to the last address", function()
    local g <close> = machine.start "halt"
    g.vm:on_mmio(-0x1000, 0x1000, {})
    raises("the range wraps around", g.vm.on_mmio, g.vm, -0x800, 0x801, {})
    raises("overlaps", g.vm.on_mmio, g.vm, -1, 1, {})
    g.vm:off_mmio(-1)
    g.vm:on_mmio(0, -1, {})
    raises("overlaps the device at [0x0..0xfffffffffffffffe]", g.vm.on_mmio,
      g.vm, 5, 1, {})
    g.vm:on_mmio(-1, 1, {})
  end)

  it("is checked", function()
    local g <close> = machine.start "halt"
    local on, vm = g.vm.on_mmio, g.vm
    raises("count 0x0 is outside 0x1..", on, vm, 0, 0, {})
    raises("number expected, got string", on, vm, "x", 1, {})
    raises("number has no integer representation", on, vm, 1.5, 1, {})
    raises("number expected, got no value", on, vm)
    raises("number expected, got table", on, vm, 0, {})
    raises("device (an object with read and write methods) expected, got no "
      .. "value", on, vm, 0, 1)
    raises("expected, got number", on, vm, 0, 1, 5)
    raises("expected, got function", on, vm, 0, 1, print)
    raises("surplus argument", on, vm, 0, 1, {}, {})
    raises("surplus argument", vm.off_mmio, vm, 0, 1)
    raises("kvm.vm expected, got table", on, {}, 0, 1, {})
    vm:close()
    raises("kvm.vm is closed", on, vm, 0, 1, {})
    raises("kvm.vm is closed", vm.off_mmio, vm, 0)
  end)

  it("of another VM answers there alone", function()
    local g <close> = machine.start "load"
    local h <close> = machine.start "load"
    g.vm:on_mmio(MMIO, 0x10, recorder(1))
    h.vm:on_mmio(MMIO, 0x10, recorder(2))
    g:run()
    h:run()
    assert.equal(1, g.cpu.regs[machine.RESULT])
    assert.equal(2, h.cpu.regs[machine.RESULT])
  end)
end)

describe("a device that comes", function()
  it("leaves the accesses after it to those that are there", function()
    local g <close> = machine.start "count"
    local seen, n, junk = {}, 0, {}
    local function add(device)
      g.vm:on_mmio(MMIO + (n - 1) * 0x20, 0x20, device)
      n = n + 1
    end
    local device = {}
    function device:write(offset, value)
      seen[#seen + 1] = offset .. "=" .. value
      if value == 6 then return g.cpu:kick() end
      local before = n
      repeat add {} until n == 2 * before
      -- Where the ranges were, if they moved, are now others of this size: all
      -- too short for the access.
      for i = 1, 100 do
        junk[i] = ("<I8"):pack(MMIO + 16):rep(3 * before - 4)
      end
    end
    for i = 1, 8 do add(i == 2 and device or {}) end
    assert.equal("intr", (g.cpu:run { timeout = 10 }))
    assert.same({ "16=1", "16=2", "16=3", "16=4", "16=5", "16=6" }, seen)
  end)
end)

describe("a device that goes", function()
  it("in its own call gets no more accesses", function()
    local g <close> = machine.start "count"
    local device = {}
    function device:write(_, value)
      if value == 3 then g.vm:off_mmio(MMIO) end
    end
    g.vm:on_mmio(MMIO, 0x20, device)
    local reason, exit = g:run()
    assert.equal("mmio", reason)
    assert.equal(4, exit.value)
  end)

  it("may leave its place to another", function()
    local g <close> = machine.start "count"
    local seen = {}
    local function device(name, last)
      return { write = function(_, _, value)
        seen[#seen + 1] = name .. value
        if value == last then
          g.vm:off_mmio(MMIO)
          if name == "b" then return g.cpu:kick() end
          g.vm:on_mmio(MMIO, 0x20, device("b", 4))
          collectgarbage()
        end
      end }
    end
    g.vm:on_mmio(MMIO, 0x20, device("a", 2))
    assert.equal("intr", (g.cpu:run()))
    assert.same({ "a1", "a2", "b3", "b4" }, seen)
  end)

  it("may make room for many in its call", function()
    local g <close> = machine.start "count"
    g.vm:on_mmio(MMIO, 0x20, { write = function(_, _, value)
      if value > 20 then return g.cpu:kick() end
      for i = 1, 50 do
        g.vm:on_mmio(MMIO + value * 0x1000 + i * 0x20, 0x20, {})
      end
      for i = 1, 50, 2 do
        g.vm:off_mmio(MMIO + value * 0x1000 + i * 0x20)
      end
    end })
    assert.equal("intr", (g.cpu:run()))
    assert.equal(21, g.cpu.regs[machine.RESULT])
  end)
end)

if kvm.arch == "arm64" then
  describe("a bus that this machine has not", function()
    it("is named", function()
      local g <close> = machine.start "halt"
      raises("arm64 has no pio", g.vm.on_pio, g.vm, 0x60, 1, {})
      raises("arm64 has no msr", g.vm.on_msr, g.vm, 0x60, 1, {})
      raises("arm64 has no pio", g.vm.off_pio, g.vm, 0x60)
    end)
  end)
end
