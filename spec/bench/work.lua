-- SPDX-License-Identifier: MIT
-- One measured piece of work: kvmlua work.lua NAME SIZE [BATCHES] prints the
-- seconds of one, the median over batches of SIZE. baseline.c is the same in C.
local kvm, asm = require "kvm", require "kvm.asm"

-- Writes cx times, another value each time; cx = 0 is 65536.
local code = asm.x86_16 [[
        mov $0x10, %dx
1:      out %al, (%dx)
        inc %al
        loop 1b
        hlt ]]

local function machine()
  local vm = kvm.create_vm()
  local ram = vm:map(0x1000, 0x1000)
  ram:write(0, code)
  local cpu = vm:create_vcpu()
  cpu.regs { cs_base = 0, cs_selector = 0, rip = 0x1000, rflags = 2 }
  return vm, cpu, ram
end

-- Each makes what it needs and returns the function that works n times, and
-- what to do between batches, if anything.
local works = {}

-- reason, exit = run() and three fields.
function works.exits()
  local _, cpu = machine()
  return function(n)
    local cpu <const> = cpu
    for _ = 1, n do
      local _, exit = cpu:run()
      local port, size, value = exit.port, exit.size, exit.value
    end
  end
end

-- The same exits, each handled by a device's method.
function works.device()
  local vm, cpu = machine()
  local device = {}
  function device:write(offset, value, size) self.value = value end
  vm:on_pio(0x10, 1, device)
  return function(n)
    cpu.regs { rip = 0x1000, rcx = n }
    assert(cpu:run() == "hlt")
  end
end

-- A VM, its memory and its vCPU, up to the first exit, and their end.
function works.life()
  return function(n)
    for _ = 1, n do
      local vm, cpu, ram = machine()
      assert(cpu:run() == "io")
      cpu:close()
      vm:close()
      ram:close()
    end
  end
end

-- KVM_GET_REGS and KVM_SET_REGS, one register changed.
function works.regs()
  local _, cpu = machine()
  return function(n)
    for i = 1, n do
      local r = cpu:get_regs()
      r.rax = i
      cpu:set_regs(r)
    end
  end
end

-- The same by name.
function works.sync_regs()
  local _, cpu = machine()
  cpu:run()
  return function(n)
    local regs <const> = cpu.regs
    for i = 1, n do regs.rax = regs.rax + i end
  end
end

-- 1 MiB read into a string, and written back. Strings that wait for the
-- collector would fill the caches, where C has the same block every time.
function works.memory()
  local mem = kvm.memory(1 << 20)
  mem:fill(0, 1 << 20, 1)
  return function(n)
    for _ = 1, n do mem:write(0, mem:read(0, 1 << 20)) end
  end, collectgarbage
end

local function measure(work, between, size, batches)
  local seconds = {}
  for i = 1, batches do
    if between then between() end
    local start = kvm.clock()
    work(size)
    seconds[i] = (kvm.clock() - start) / size
  end
  table.sort(seconds)
  return seconds[#seconds // 2 + 1]
end

-- The bytes that one allocates when nothing is collected: from twice size
-- comes off what beginning costs.
local function garbage(work, size)
  local function allocated(n)
    collectgarbage()
    local before = collectgarbage "count"
    work(n)
    return (collectgarbage "count" - before) * 1024
  end
  collectgarbage "stop"
  allocated(size) -- the first times make tables grow
  return (allocated(2 * size) - allocated(size)) / size
end

-- How many descriptors and mappings this process has.
local function open()
  collectgarbage()
  local maps = 0
  for _ in io.lines "/proc/self/maps" do maps = maps + 1 end
  local pipe <close> = assert(io.popen "ls /proc/$PPID/fd | wc -l")
  return pipe:read "n", maps
end

-- How many more there are after size of them.
local function left(work, size)
  work(size // 100) -- what is opened once is open then
  local fds, maps = open()
  work(size)
  local fds_after, maps_after = open()
  return fds_after - fds, maps_after - maps
end

local name, size, how = arg[1], tonumber(arg[2]), arg[3] or "1"
local work, between = works[name]()
if how == "garbage" then
  print(("%.3f"):format(garbage(work, size)))
elseif how == "left" then
  print(left(work, size))
else
  print(("%.9f"):format(measure(work, between, size, tonumber(how))))
end
