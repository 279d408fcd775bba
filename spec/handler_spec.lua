-- SPDX-License-Identifier: MIT
-- A device's method is a script in the middle of a run: it may raise, yield,
-- close, run and collect, and everything else stays usable.
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm()
if missing then return pending(missing) end
local host = require "spec.support.host"
local machine = require "spec.guests.machine"
local raises = require "spec.support.raises"

local MMIO <const> = machine.MMIO

-- A guest that counts into a device whose write calls fn(guest, value).
local function counting(fn)
  local g = machine.start "count"
  g.vm:on_mmio(MMIO, 0x20, { write = function(_, _, value)
    return fn(g, value)
  end })
  return g
end

-- Runs on without the device: the guest has lost nothing.
local function goes_on(g, next_value)
  g.vm:off_mmio(MMIO)
  local reason, exit = g:run()
  assert.equal("mmio", reason)
  assert.equal(next_value, exit.value)
end

describe("a handler that raises", function()
  it("a string ends the run with it, and the handler's traceback", function()
    local function inner() error "no such register" end
    local g <close> = counting(function() inner() end)
    local ok, err = pcall(g.cpu.run, g.cpu)
    assert.is_false(ok)
    assert.equal("string", type(err))
    assert.truthy(err:find("^[^\n]*handler_spec.lua:%d+: no such register\n"))
    assert.truthy(err:find("stack traceback:", 1, true))
    assert.truthy(err:find("upvalue 'inner'", 1, true)
      or err:find("function 'inner'", 1, true))
    assert.truthy(err:find("in method 'write'", 1, true)
      or err:find("handler_spec.lua:%d+: in function"))
    goes_on(g, 2)
  end)

  it("an object ends the run with that very object", function()
    local object = setmetatable({}, { __tostring = function() return "o" end })
    for _, thrown in ipairs { object, 42, false, print } do
      local g <close> = counting(function() error(thrown) end)
      local ok, err = pcall(g.cpu.run, g.cpu)
      assert.is_false(ok)
      assert.equal(thrown, err)
      goes_on(g, 2)
    end
    local g <close> = counting(function() error(nil) end)
    local ok, err = pcall(g.cpu.run, g.cpu)
    assert.is_false(ok)
    assert.is_nil(err)
  end)

  it("a kvm.error has the handler's traceback as a field", function()
    local function inner() kvm.open "/nonexistent" end
    local g <close> = counting(function() inner() end)
    local err = raises("open: ENOENT", g.cpu.run, g.cpu)
    assert.matches("^stack traceback:\n", err.traceback)
    assert.matches("'inner'", err.traceback, 1, true)
  end)

  it("while it reads leaves no older answer to be taken", function()
    local g <close> = machine.start "echo"
    local n = 0
    local written
    g.vm:on_mmio(MMIO, 0x20, { read = function()
      n = n + 1
      if n == 2 then error "not now" end
      return 0x11
    end, write = function(_, _, value)
      written = value
      if n > 1 then g.cpu:kick() end
    end })
    raises("not now", g.cpu.run, g.cpu)
    assert.equal(0x11, written)
    assert.equal("intr", (g.cpu:run()))
    assert.equal(0, written)
  end)

  it("a kvm.error ends the run with that", function()
    local g <close> = counting(function() kvm.open "/nonexistent" end)
    local err = raises("open: ENOENT", g.cpu.run, g.cpu)
    assert.equal("open", err.ioctl)
  end)

  it("can be called again: the vCPU goes on", function()
    local seen = {}
    local g <close> = counting(function(_, value)
      seen[#seen + 1] = value
      if value % 2 == 1 then error "odd" end
      if value == 6 then error "six" end
    end)
    raises("odd", g.cpu.run, g.cpu)
    raises("odd", g.cpu.run, g.cpu, { timeout = 10 })
    raises("odd", g.cpu.run, g.cpu)
    raises("six", g.cpu.run, g.cpu)
    assert.same({ 1, 2, 3, 4, 5, 6 }, seen)
    goes_on(g, 7)
  end)

  it("leaves the exit that it was called for to be read", function()
    local g <close> = counting(function() error "no" end)
    raises("no", g.cpu.run, g.cpu)
    assert.equal("mmio", g.cpu.exit.reason)
    assert.equal(MMIO + 16, g.cpu.exit.gpa)
    assert.equal(1, g.cpu.exit.value)
  end)

  it("ends an exits loop in the same way", function()
    local g <close> = counting(function() error "no" end)
    raises("no", function() for _ in g.cpu:exits { timeout = 10 } do end end)
    goes_on(g, 2)
  end)

  it("in the read of an instruction leaves zeros to be answered", function()
    local g <close> = machine.start "load"
    g.vm:on_mmio(MMIO, 0x20, { read = function() error "not now" end })
    raises("not now", g.cpu.run, g.cpu)
    g.cpu.exit.value = 0x1234
    g.vm:off_mmio(MMIO)
    assert.equal(machine.STOP, (g:run()))
    assert.equal(0x1234, g.cpu.regs[machine.RESULT])
  end)

  it("does not leave a timeout behind", function()
    local g <close> = counting(function() error "no" end)
    raises("no", g.cpu.run, g.cpu, { timeout = 0.02 })
    local start = kvm.clock()
    repeat until kvm.clock() - start > 0.05
    goes_on(g, 2)
  end)
end)

describe("a handler that runs", function()
  it("the vCPU that called it gets a clear error", function()
    local g <close> = counting()
    g.vm:off_mmio(MMIO)
    local errors = {}
    g.vm:on_mmio(MMIO, 0x20, { write = function(_, _, value)
      local calls = { function() g.cpu:run() end,
                      function() g.cpu:run { timeout = 1 } end,
                      function() for _ in g.cpu:exits() do end end }
      for i, f in ipairs(calls) do errors[i] = select(2, pcall(f)) end
      if value == 2 then g.cpu:kick() end
    end })
    assert.equal("intr", (g.cpu:run()))
    for i = 1, 3 do
      assert.truthy(errors[i]:find("kvm.vcpu is running already: a handler "
        .. "cannot run the vCPU that called it", 1, true))
    end
    goes_on(g, 3)
  end)

  it("another vCPU works", function()
    local seen, other = {}, machine.start "count"
    local g <close> = counting(function(g, value)
      local reason, exit = other.cpu:run { timeout = 10 }
      seen[#seen + 1] = { value, reason, exit.value }
      if value == 4 then g.cpu:kick() end
    end)
    assert.equal("intr", (g.cpu:run()))
    assert.same({ { 1, "mmio", 1 }, { 2, "mmio", 2 }, { 3, "mmio", 3 },
                  { 4, "mmio", 4 } }, seen)
    goes_on(g, 5)
  end)

  it("a vCPU whose handler runs the first gets the error", function()
    local g <close> = machine.start "count"
    local h <close> = machine.start "count"
    local message
    g.vm:on_mmio(MMIO, 0x20, { write = function() h.cpu:run() end })
    h.vm:on_mmio(MMIO, 0x20, { write = function()
      message = select(2, pcall(g.cpu.run, g.cpu))
      h.cpu:kick()
      g.cpu:kick()
    end })
    assert.equal("intr", (g.cpu:run()))
    assert.truthy(message:find("is running already", 1, true))
  end)

  it("another vCPU whose handler raises gives one traceback", function()
    local inner <close> = counting(function() error "no such register" end)
    local g <close> = counting(function() inner.cpu:run() end)
    local ok, err = pcall(g.cpu.run, g.cpu)
    assert.is_false(ok)
    local _, n = err:gsub("\nstack traceback:\n", "")
    assert.equal(1, n)
  end)

  it("another vCPU is stopped by its own timeout", function()
    local other <close> = machine.start "endless"
    local reason
    local g <close> = counting(function(g)
      reason = other.cpu:run { timeout = 0.01 }
      g.cpu:kick()
    end)
    assert.equal("intr", (g.cpu:run { timeout = 10 }))
    assert.equal("timeout", reason)
  end)

  it("another vCPU does not use up the timeout of the first", function()
    local other <close> = machine.start "endless"
    local g <close> = machine.start "count"
    for _, opts in ipairs { { timeout = 10 }, {} } do
      local inner
      local device = { write = function()
        g.vm:off_mmio(MMIO)
        inner = other.cpu:run(opts)
        g.vm:on_mmio(MMIO, 0x20, { write = function() end })
      end }
      g.vm:on_mmio(MMIO, 0x20, device)
      -- The outer timer fires while the other vCPU runs.
      assert.equal("timeout", (g.cpu:run { timeout = 0.05 }))
      assert.equal("intr", inner)
      g.vm:off_mmio(MMIO)
    end
  end)

  -- In a process of its own, as the run might never end; a vCPU that has had a
  -- timeout before would not do.
  it("another vCPU without a timeout ends with that of the first", function()
    local script = ([[
      package.path, package.cpath = %q, %q
      local machine = require "spec.guests.machine"
      local other <close> = machine.start "endless"
      local g <close> = machine.start "count"
      g.vm:on_mmio(machine.MMIO, 0x20, { write = function()
        print((other.cpu:run()))
      end })
      print((g.cpu:run { timeout = 0.05 }))
    ]]):format(package.path, package.cpath)
    local out, err, status = host.run({ "20", "lua5.4", host.file(script) },
      { program = "timeout" })
    assert.same({ "intr\ntimeout\n", "", 0 }, { out, err, status })
  end)

  it("a coroutine may not yield through the run", function()
    local g <close> = counting(function() coroutine.yield() end)
    local co = coroutine.create(function() g.cpu:run() end)
    local ok, message = coroutine.resume(co)
    assert.is_false(ok)
    assert.truthy(message:find("attempt to yield across a C-call boundary", 1,
      true))
    goes_on(g, 2)
  end)

  it("a coroutine of its own may yield", function()
    local seen = {}
    local sink = coroutine.wrap(function()
      while true do seen[#seen + 1] = coroutine.yield() end
    end)
    sink()
    local g <close> = counting(function(g, value)
      sink(value)
      if value == 3 then g.cpu:kick() end
    end)
    g.cpu:run()
    assert.same({ 1, 2, 3 }, seen)
  end)
end)

describe("a handler that closes", function()
  it("its vCPU gets a clear error, and nothing is closed", function()
    local errors
    local g <close> = counting(function(g, value)
      errors = { select(2, pcall(g.cpu.close, g.cpu)),
                 select(2, pcall(getmetatable(g.cpu).__gc, g.cpu)) }
      if value == 2 then g.cpu:kick() end
    end)
    assert.equal("intr", (g.cpu:run()))
    assert.truthy(errors[1]:find("close it after run returns", 1, true))
    assert.truthy(errors[2]:find("close it after run returns", 1, true))
    goes_on(g, 3)
  end)

  it("the VM leaves the vCPU running, without devices", function()
    local g <close> = counting(function(g, value)
      if value == 2 then
        g.vm:close()
        collectgarbage()
      end
    end)
    local reason, exit = g:run()
    assert.equal("mmio", reason)
    assert.equal(3, exit.value)
    assert.equal("mmio", (g:run()))
    assert.equal(4, exit.value)
    g.cpu:close()
  end)

  it("the guest's memory is refused while the guest has it", function()
    local message
    local g <close> = counting(function(g, value)
      message = select(2, pcall(g.ram.close, g.ram))
      if value == 2 then g.cpu:kick() end
    end)
    assert.equal("intr", (g.cpu:run()))
    assert.truthy(message:find("slot", 1, true))
    goes_on(g, 3)
  end)

  it("other objects and collects garbage disturbs nothing", function()
    local g <close> = counting(function(g, value)
      local other = machine.start "count"
      other:run()
      if value % 2 == 0 then getmetatable(other).__close(other) end
      collectgarbage()
      if value == 6 then g.cpu:kick() end
    end)
    assert.equal("intr", (g.cpu:run { timeout = 10 }))
    goes_on(g, 7)
  end)
end)

describe("in a handler", function()
  it("the exit can be read", function()
    local seen
    local g <close> = counting(function(g, value)
      local exit = g.cpu.exit
      seen = { exit.reason, exit.gpa, exit.value, exit.size, exit.is_write }
      assert.equal(value, exit.value)
      assert.equal(value, exit:copy().value)
      if value == 3 then g.cpu:kick() end
    end)
    assert.equal("intr", (g.cpu:run()))
    assert.same({ "mmio", MMIO + 16, 3, 4, true }, seen)
  end)

  it("registers and memory can be changed", function()
    local g <close> = counting(function(g, value)
      if value == 2 then
        g.cpu:kick()
        g.ram:u32(0x8000, value)
      end
    end)
    g.cpu:run()
    g.cpu:complete()
    g.cpu.regs[machine.RESULT] = 100
    assert.equal(2, g.ram:u32(0x8000))
    goes_on(g, 101)
  end)

  it("vCPUs can be made and devices added", function()
    local made
    local g <close> = counting(function(g, value)
      made = g:add "store"
      g.vm:on_mmio(MMIO + value * 0x1000, 0x20, {})
      if value == 2 then g.cpu:kick() end
    end)
    assert.equal("intr", (g.cpu:run()))
    goes_on(g, 3)
    local reason, exit = g:run(made)
    assert.equal("mmio", reason)
    assert.equal(0x11, exit.value)
  end)
end)
