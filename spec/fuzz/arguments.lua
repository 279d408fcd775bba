-- SPDX-License-Identifier: MIT
-- Calls every function, method, getter and metamethod of kvm.core that
-- reflection finds, with hostile arguments. Usage: arguments.lua CALLS SEED
-- Ends with "reached N" and the names of what it never reached; a crash is the
-- failure it looks for.
package.path = "./?.lua;" .. package.path
require "spec.helper"
local core = require "kvm.core"
require "kvm"

local CALLS <const> = tonumber(arg[1]) or 50000
local SEED <const> = tonumber(arg[2]) or os.time()
math.randomseed(SEED)

-- ---- the objects ------------------------------------------------------------

local function pick(list) return list[math.random(#list)] end

-- Objects of every class, some closed, in a VM whose memory is all HLT: any run
-- ends soon.
local function build()
  local world = {}
  local function add(name, make, ...)
    local ok, object = pcall(make, ...)
    if ok then world[#world + 1] = { name = name, object = object } end
    return ok and object
  end
  local system = add("kvm.system", core.open)
  local vm = add("kvm.vm", system.create_vm, system)
  local memory = add("kvm.memory", core.memory, 0x10000)
  memory:fill(0, 0x10000, 0xf4)
  add("kvm.memory", memory.view, memory, 0x1000, 0x1000)
  pcall(vm.set_user_memory_region, vm, { slot = 0, guest_phys_addr = 0,
    memory_size = 0x10000, memory = memory })
  local cpu = add("kvm.vcpu", vm.create_vcpu, vm)
  pcall(function() cpu.regs { cs_base = 0, cs_selector = 0, rip = 0x1000 } end)
  pcall(cpu.run, cpu, { timeout = 0.01 })
  add("kvm.exit", function() return cpu.exit end)
  add("kvm.regs", function() return cpu.regs end)
  add("kvm.eventfd", core.eventfd)
  add("kvm.stats", function() return vm:get_stats_fd() end)
  add("kvm.device", function() return vm:create_device "VFIO" end)
  local closed = core.memory(0x1000)
  closed:close()
  add("kvm.memory", function() return closed end)
  local closed_vm = system:create_vm()
  local closed_cpu = closed_vm:create_vcpu()
  closed_cpu:close()
  closed_vm:close()
  add("kvm.vm", function() return closed_vm end)
  add("kvm.vcpu", function() return closed_cpu end)
  add("kvm.error", function() return select(2, pcall(core.open, "/nowhere")) end)
  world.vm, world.cpu = vm, cpu
  return world
end

-- ---- the exports -------------------------------------------------------------

-- name -> function: what can be called without an object of ours, or with any.
local function exports(world)
  local found = {}
  local function add(prefix, functions)
    for name, f in pairs(functions) do
      if type(f) == "function" then found[prefix .. tostring(name)] = f end
    end
  end
  add("core.", core)
  for class, methods in pairs(core.class) do add(class .. ":", methods) end
  for _, entry in ipairs(world) do
    add(entry.name .. ".", debug.getmetatable(entry.object) or {})
  end
  return found
end

-- ---- the arguments -----------------------------------------------------------

local function trap(world)
  local function close()
    local victim = pick(world).object
    pcall(function() victim:close() end)
    if math.random(4) == 1 then collectgarbage() end
    return 1
  end
  return setmetatable({}, { __index = close, __len = close, __pairs = close,
    __tostring = close, __name = 7, __call = close, __eq = close })
end

local plain = { true, false, 0, 1, -1, 2, 7, 8, 63, 64, 255, 0x1000, 0xfff,
  0x1001, 0x7fffffff, 0x80000000, 0xffffffff, 1 << 32, 1 << 47, 1 << 62,
  math.maxinteger, math.mininteger, 0 / 0, 1 / 0, -1 / 0, 0.5, 1e300, "", "x",
  "IRQCHIP", "x86", "\0", ("A"):rep(300), ("\xff"):rep(4096), "10", "0x10",
  "rax", "pc", "run", "close", "__index", "<I8", print, {}, { 1, 2, 3 },
  { -1 }, { {} }, { timeout = 0.001 }, { size = 0x1000 }, { slot = 0 },
  { "LOG_DIRTY_PAGES", "READONLY" }, { cap = 1, args = { 1, 2, 3, 4, 5 } },
  { index = 0x10, data = 1 }, { { index = 0x10, data = 1 } }, io.stdout,
  coroutine.create(print), { backing = "memfd" }, { backing = 7 },
  { slot = 1, guest_phys_addr = 0x20000, memory_size = 0x1000 }, { fd = 0 } }

local function hostile(world)
  local n = math.random(10)
  if n == 1 then return nil end
  if n == 2 then return trap(world) end
  if n <= 5 then return pick(world).object end
  if n == 6 then return math.random(0) end
  return pick(plain)
end

-- Guests and waits must end: these get a time limit whatever else they get.
local bounded = { ["kvm.vcpu:run"] = { timeout = 0.002 },
  ["kvm.vcpu:exits"] = { timeout = 0.002 }, ["kvm.eventfd:wait"] = 0.001 }

local function arguments(world, name)
  local args = { n = math.random(0, 5) }
  for i = 1, args.n do args[i] = hostile(world) end
  local class = name:match "^(kvm%.%l+)[:.]"
  if class and math.random(4) > 1 then -- mostly an object of the right class
    local fitting = {}
    for _, entry in ipairs(world) do
      if entry.name == class then fitting[#fitting + 1] = entry.object end
    end
    if fitting[1] then args[1], args.n = pick(fitting), math.max(args.n, 1) end
  end
  if bounded[name] then args[2], args.n = bounded[name], math.max(args.n, 2) end
  return args
end

-- ---- the calls -------------------------------------------------------------------

local world = build()
local names, reached = {}, {}
local functions = exports(world)
for name in pairs(functions) do names[#names + 1] = name end
table.sort(names)
io.stderr:write(("seed %d, %d exports\n"):format(SEED, #names))

for call = 1, CALLS do
  if call % 100 == 0 then
    world = build()
    functions = exports(world)
  end
  local name = names[(call - 1) % #names + 1]
  local f = functions[name]
  if f then
    local args = arguments(world, name)
    local co = coroutine.create(f)
    reached[name] = true
    if os.getenv "FUZZ_TRACE" then io.stderr:write(name, "\n") end
    coroutine.resume(co, table.unpack(args, 1, args.n))
    core.trace(nil)
  end
end

local missed, count = {}, 0
for _, name in ipairs(names) do
  if reached[name] then count = count + 1 else missed[#missed + 1] = name end
end
print("reached " .. count)
for _, name in ipairs(missed) do print("missed " .. name) end
