-- SPDX-License-Identifier: MIT
-- Objects come and go in any order, and leave the process as it was.
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm()
if missing then return pending(missing) end
local machine = require "spec.guests.machine"
local process = require "spec.support.process"
local raises = require "spec.support.raises"

local function collect()
  for _ = 1, 3 do collectgarbage() end
end

-- Every order of a list.
local function orders(list, n, out)
  n, out = n or #list, out or {}
  if n == 0 then
    out[#out + 1] = { table.unpack(list) }
  end
  for i = 1, n do
    list[i], list[n] = list[n], list[i]
    orders(list, n - 1, out)
    list[i], list[n] = list[n], list[i]
  end
  return out
end

-- Calls f with each order of the names, shuffled: as many as there is time for,
-- but 24 at least.
local function each_order(names, f)
  local list = orders(names)
  local deadline = kvm.clock() + 4
  for n = #list, 1, -1 do
    if #list - n >= 24 and kvm.clock() > deadline then break end
    local i = math.random(n)
    list[i], list[n] = list[n], list[i]
    f(list[n])
  end
end

local NAMES <const> = { "system", "vm", "memory", "view", "cpu" }

-- A guest's objects by name.
local function build()
  local o = { system = kvm.open() }
  o.vm = o.system:create_vm()
  o.memory = o.vm:map(machine.RAM, machine.SIZE)
  o.view = o.memory:view(0, kvm.page_size)
  o.cpu = o.vm:create_vcpu()
  machine.prepare(o.cpu)
  machine.load({ ram = o.memory, vm = o.vm }, o.cpu,
    machine.programs.count, 1)
  return o
end

describe("objects", function()
  it("may be closed in any order", function()
    collect()
    local before = process.fds()
    each_order(NAMES, function(order)
      local o = build()
      for _, name in ipairs(order) do
        -- Memory that a guest has stays until the guest is gone.
        local ok, err = pcall(o[name].close, o[name])
        if not ok then
          assert(name == "memory", err)
          assert(tostring(err):find("is mapped as slot 0 of a VM", 1, true),
            err)
        end
        if order[#order] ~= "cpu" or name ~= "cpu" then
          local runs, reason = pcall(function() return o.cpu:run() end)
          assert(runs and reason == "mmio"
            or not runs and reason:find("kvm.vcpu is closed", 1, true), reason)
        end
      end
    end)
    collect()
    assert.same(before, process.fds())
  end)

  it("may be forgotten in any order", function()
    collect()
    local before, mapped = process.fds(), process.mapped()
    each_order(NAMES, function(order)
      local o = build()
      for _, name in ipairs(order) do
        o[name] = nil
        collectgarbage()
        if o.cpu then assert.equal("mmio", (o.cpu:run())) end
        if o.memory then assert.equal(machine.SIZE, #o.memory) end
      end
    end)
    collect()
    assert.same(before, process.fds())
    assert.equal(mapped, (process.mapped())) -- other specs may hold some
  end)

  it("keep alive what they are made of", function()
    local cpu
    do
      local o = build()
      cpu = o.cpu
    end
    collect()
    assert.equal("mmio", (cpu:run()))
    assert.equal("kvm.vm", getmetatable(cpu.vm).__name)
    assert.equal("kvm.system", getmetatable(cpu.vm.system).__name)
    assert.equal(1, #cpu.vm:slots())
    cpu:close()
  end)

  it("may refer to each other in circles", function()
    collect()
    local before = process.fds()
    for _ = 1, 20 do
      local o = build()
      o.vm:on_mmio(machine.MMIO, 0x100, { everything = o,
        write = function() o.cpu:kick() end })
      assert.equal("intr", (o.cpu:run()))
    end
    collect()
    collect()
    assert.same(before, process.fds())
  end)

  it("are closed when the state ends", function()
    local script = ([[
      package.path, package.cpath = %q, %q
      local kvm = require "kvm"
      for i = 1, 5 do
        local vm = kvm.create_vm()
        _G["vm" .. i], _G["ram" .. i] = vm, vm:map(0x10000, 0x10000)
        _G["cpu" .. i] = vm:create_vcpu()
        _G["exit" .. i] = _G["cpu" .. i].exit
        vm:on_mmio(0, 0x100, { vm = vm })
      end
      print "done"
    ]]):format(package.path, package.cpath)
    local name = os.tmpname()
    local file <close> = assert(io.open(name, "w"))
    file:write(script)
    file:flush()
    local pipe = assert(io.popen("lua5.4 " .. name .. " 2>&1"))
    local out = pipe:read "a"
    local ok, how, status = pipe:close()
    os.remove(name)
    assert.equal("done\n", out)
    assert.is_true(ok, tostring(how) .. " " .. tostring(status))
  end)
end)

describe("life cycles", function()
  -- As many as there is time for: a VM takes 1 ms here and 30 ms in an
  -- emulated machine. Returns their number.
  local function batch(limit, seconds, cycle)
    local deadline, n = kvm.clock() + seconds, 0
    repeat
      cycle()
      n = n + 1
    until n == limit or kvm.clock() > deadline
    collect()
    return n
  end

  -- The heap grows at first, and later when much else is in it: a leak shows in
  -- every batch of cycles, the heap is settled in one of them.
  local function cycles(limit, seconds, cycle)
    batch(20, seconds, cycle) -- what is made once is there now
    local fds = process.fds()
    local kvm_bytes, before = process.mapped()
    local growth = {}
    repeat
      local n = batch(limit // 4, seconds / 4, cycle)
      local kvm_after, after = process.mapped()
      assert.same(fds, process.fds())
      assert.equal(kvm_bytes, kvm_after)
      growth[#growth + 1] = ("%d bytes more after %d cycles"):format(
        after - before, n)
      if after - before < n * kvm.page_size / 4 then return end
      before = after
    until #growth == 8
    error(table.concat(growth, "\n"))
  end

  it("leave nothing when everything is closed", function()
    cycles(2000, 4, function()
      local o = build()
      o.cpu:run()
      o.cpu:close()
      o.vm:close()
      o.view:close()
      o.memory:close()
      o.system:close()
    end)
  end)

  it("leave nothing when everything is forgotten", function()
    cycles(1000, 2, function()
      local o = build()
      o.cpu:run { timeout = 1 }
      o.vm:on_mmio(machine.MMIO, 0x100, { o = o })
    end)
  end)

  it("leave nothing when making or running them fails", function()
    local system = kvm.open()
    cycles(500, 1, function()
      pcall(kvm.open, "/dev/null")
      pcall(system.create_vm, system, 0x7fff)
      local vm = system:create_vm()
      pcall(vm.create_vcpu, vm, 0x7fffffff)
      pcall(vm.create_device, vm, 99)
      pcall(vm.map, vm, 0, kvm.page_size, { slot = 0x7ffffff })
      local cpu = vm:create_vcpu(3)
      pcall(vm.create_vcpu, vm, 3)
      machine.prepare(cpu)
      machine.load({ ram = vm:map(machine.RAM, machine.SIZE), vm = vm }, cpu,
        machine.programs.count, 1)
      vm:on_mmio(machine.MMIO, 0x100, { write = function() error "no" end })
      raises("no", cpu.run, cpu, { timeout = 10 })
      cpu:close()
      vm:close()
    end)
    system:close()
  end)

  it("leave nothing of devices, events and statistics", function()
    cycles(500, 1, function()
      local vm = kvm.create_vm()
      local event = kvm.eventfd()
      kvm.memory(kvm.page_size, { backing = "memfd" }):close()
      pcall(vm.ioeventfd, vm, { fd = event, addr = 0x1000, len = 4 })
      local ok, device = pcall(vm.create_device, vm, "VFIO")
      if ok then device:close() end
      local has_stats, stats = pcall(vm.get_stats_fd, vm)
      if has_stats then stats:close() end
      vm:close()
      event:close()
    end)
  end)
end)

describe("a timer", function()
  local function timers()
    local file <close> = io.open "/proc/self/timers"
    if not file then pending "this kernel does not list timers" end
    local _, n = file:read "a":gsub("ClockID:", "")
    return n
  end

  it("goes with its vCPU", function()
    collect()
    local before = timers()
    local g = machine.start "endless"
    for _ = 1, 5 do g.cpu:run { timeout = 0 } end
    assert.equal(before + 1, timers())
    g.cpu:close()
    assert.equal(before, timers())
    for _ = 1, 5 do machine.start "endless".cpu:run { timeout = 0 } end
    collect()
    assert.equal(before, timers())
  end)
end)

describe("every descriptor", function()
  it("is closed by exec", function()
    local before = {}
    for _, fd in ipairs(process.fds()) do before[fd] = true end
    local o = build()
    local vm = o.vm
    local made = { kvm.eventfd(), kvm.memory(kvm.page_size,
      { backing = "memfd" }), select(2, pcall(vm.create_device, vm, "VFIO")),
      select(2, pcall(vm.get_stats_fd, vm)) }
    local n = 0
    for _, fd in ipairs(process.fds()) do
      if not before[fd] then
        assert.equal(0x80000, process.fd_flags(fd) & 0x80000, fd) -- O_CLOEXEC
        n = n + 1
      end
    end
    assert(n >= 5, n)
    assert(#made >= 2)
    o.cpu:close()
    vm:close()
  end)
end)
