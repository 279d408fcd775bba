-- SPDX-License-Identifier: MIT
-- Calls every function, method, getter and metamethod of kvm.core that
-- reflection finds, with hostile arguments (values.lua), on objects that are
-- hostile themselves (world.lua), with finalizers that are no better. Usage:
-- arguments.lua CALLS SEED. Ends with "reached N", how many calls did something,
-- and the names of what it never reached; a crash is the failure it looks for.
package.path = "./?.lua;" .. package.path
require "spec.helper"
local core = require "kvm.core"
require "kvm"
local values = require "spec.fuzz.values"
local worlds = require "spec.fuzz.world"

local CALLS <const> = tonumber(arg[1]) or 50000
local SEED <const> = tonumber(arg[2]) or os.time()
math.randomseed(SEED)

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

-- Guests and waits must end: these get a time limit whatever else they get.
local bounded <const> = { ["kvm.vcpu:run"] = { timeout = 0.002 },
  ["kvm.vcpu:exits"] = { timeout = 0.002 }, ["kvm.eventfd:wait"] = 0.001 }

local function arguments(world, name)
  local args = { n = math.random(0, math.random(0, 5)) }
  for i = 1, args.n do args[i] = values.any(world) end
  local class = name:match "^(kvm%.%l+)[:.]"
  if class and math.random(8) > 1 then
    args[1], args.n = worlds.fitting(world, class), math.max(args.n, 1)
  end
  if math.random(2) == 1 then -- nearly right
    local nearly = table.pack(values.arguments(world, name))
    local first = class and 1 or 0
    for i = 1, nearly.n do args[first + i] = nearly[i] end
    if nearly[1] ~= nil then args.n = first + nearly.n end
  end
  if bounded[name] then args[2], args.n = bounded[name], math.max(args.n, 2) end
  return args
end

-- ---- finalizers ------------------------------------------------------------------

local world
local finalized = {}
function finalized.__gc()
  if world.stormy then
    if math.random(6) == 1 then worlds.misbehave(world) end
    setmetatable({}, finalized)
  end
end

-- Has the collector run at each allocation while f runs.
local function storm(f, ...)
  collectgarbage("incremental", 1, 1000, 40)
  collectgarbage("setpause", 0)
  collectgarbage()
  world.stormy = true
  setmetatable({}, finalized)
  local ok = f(...)
  world.stormy = false
  collectgarbage("incremental", 200, 100, 13)
  return ok
end

-- ---- the calls -------------------------------------------------------------------

world = worlds.build()
local names, reached, done = {}, {}, 0
local functions = exports(world)
for name in pairs(functions) do names[#names + 1] = name end
table.sort(names)
io.stderr:write(("seed %d, %d exports\n"):format(SEED, #names))

-- In a coroutine, as some of it yields. What it returns is called, when it can
-- be, and closed.
local function call(f, args)
  local co = coroutine.create(f)
  local ok, result = coroutine.resume(co, table.unpack(args, 1, args.n))
  if ok and type(result) == "function" and f ~= print then pcall(result) end
  coroutine.close(co)
  return ok
end

for i = 1, CALLS do
  if i % 50 == 0 then
    world = worlds.build()
    functions = exports(world)
  end
  local name = names[(i - 1) % #names + 1]
  local f = functions[name]
  if f then
    reached[name] = true
    local args = arguments(world, name)
    if os.getenv "FUZZ_TRACE" then io.stderr:write(i, " ", name, "\n") end
    local ok
    if math.random(20) == 1 then
      ok = storm(call, f, args)
    else
      ok = call(f, args)
    end
    if ok then done = done + 1 end
    core.trace()
  end
end

local missed, count = {}, 0
for _, name in ipairs(names) do
  if reached[name] then count = count + 1 else missed[#missed + 1] = name end
end
print(("reached %d, %d of %d calls without an error"):format(count, done, CALLS))
for _, name in ipairs(missed) do print("missed " .. name) end
