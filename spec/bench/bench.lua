-- SPDX-License-Identifier: MIT
-- The benchmark: kvmlua bench.lua BUILD-DIRECTORY, called by tools/bench.
-- Prints a row for each measured thing next to the same in C, and its budget.
local kvm = require "kvm"

local dir = arg[1]
local kvmlua, baseline = dir .. "/kvmlua", dir .. "/bench/baseline"
local script = arg[0]:gsub("[^/]*$", "work.lua")

local SEEDS <const>, ROUNDS <const> = 3, 15

-- ---- measuring ---------------------------------------------------------------

local function median(list)
  table.sort(list)
  return list[#list // 2 + 1]
end

-- What a command prints, or its failure.
local function output(command)
  local pipe <close> = assert(io.popen(command .. " 2>&1"))
  local text = pipe:read "a"
  assert(pipe:close(), ("%s:\n%s"):format(command, text))
  return text
end

local function number(command)
  local text = output(command)
  return assert(tonumber(text:match "%S+"), ("%s:\n%s"):format(command, text))
end

-- A command that stands before others where it is there and permitted.
local function optional(command)
  return os.execute(command .. " true 2>/dev/null") and command .. " " or ""
end

local fixed <const> = optional "setarch -R" -- addresses
local calm <const> = optional "chrt -f 1"   -- before all other work

local function lua(...)
  return table.concat({ kvmlua, script, ... }, " ")
end

local function c(...)
  return table.concat({ baseline, ... }, " ")
end

-- The instructions of one piece of work: those of 2N less those of N.
local function instructions(command, seed)
  local function total(n)
    local text = output(("env -i BENCH_SEED=%d LD_PRELOAD=%s/bench/seed.so " ..
        "%svalgrind --tool=callgrind --callgrind-out-file=/dev/null %s %d")
      :format(seed, dir, fixed, command, n))
    return tonumber(text:match "Collected : (%d+)")
  end
  local N <const> = 1000
  return (total(2 * N) - total(N)) / N
end

local function lua_instructions(work)
  local list = {}
  for seed = 1, SEEDS do list[seed] = instructions(lua(work), seed) end
  return median(list)
end

-- The seconds of one in C and here. The two take turns, as other work on the
-- machine comes and goes.
local function seconds(c_command, lua_command)
  local cs, luas = {}, {}
  for i = 1, ROUNDS do
    cs[i], luas[i] = number(calm .. c_command), number(calm .. lua_command)
  end
  return median(cs), median(luas)
end

-- ---- the table ---------------------------------------------------------------

local FORMAT <const> = "%-44s %10s %10s %7s %7s  %s"
local over = 0

local function row(what, in_c, here, ratio, budget, ok)
  if ok == false then over = over + 1 end
  print(FORMAT:format(what, in_c, here, ratio, budget,
    ok == nil and "" or ok and "ok" or "OVER"))
end

local function instruction_row(what, in_c, work, budget)
  local n = lua_instructions(work)
  row(what, ("%.0f"):format(in_c), ("%.0f"):format(n),
    ("%.1f"):format(n / in_c), budget, n <= budget)
end

-- A thing that must not be there at all.
local function none_row(what, n, text)
  row(what, "0", text, "", 0, n <= 0)
end

-- unit: what the seconds are multiplied by; nil: shown as pieces per second.
local function time_row(what, c_command, lua_command, unit, budget)
  local in_c, here = seconds(c_command, lua_command)
  local ratio = here / in_c
  local function show(s)
    return (unit and "%.2f" or "%.0f"):format(unit and s * unit or 1 / s)
  end
  row(what, show(in_c), show(here), ("%.2f"):format(ratio), budget or "",
    budget and ratio <= budget)
end

-- ---- rows --------------------------------------------------------------------

local US <const>, MS <const> = 1e6, 1e3

local function with_kvm()
  local in_c = instructions(c "exits", 0)
  instruction_row("exit to a device's method, instructions", in_c, "device",
    500)
  instruction_row("run() and three fields, instructions", in_c, "exits", 900)
  for _, work in ipairs { "device", "exits" } do
    local bytes = number(lua(work, 10000, "garbage"))
    none_row("  " .. work .. ", bytes allocated", bytes, bytes)
  end
  time_row("exits to a device's method, per second", c("exits", 500, 5),
    lua("device", 500, 5))
  time_row("run() and three fields, per second", c("exits", 500, 5),
    lua("exits", 500, 5))
  time_row("life of a VM up to an exit, us", c("life", 1, 50),
    lua("life", 1, 50), US, 1.15)
  time_row("get_regs and set_regs, us", c("regs", 200, 10),
    lua("regs", 200, 10), US)
  time_row("a register read and written by name, us", c("regs", 200, 10),
    lua("sync_regs", 200, 10), US)
  local fds, maps = output(lua("life", 10000, "left")):match "(%S+)%s+(%S+)"
  none_row("10000 lives of a VM, descriptors left", tonumber(fds), fds)
  none_row("10000 lives of a VM, mappings left", tonumber(maps), maps)
end

local function without_kvm()
  time_row("1 MiB read and written, us", c("memory", 1, 100),
    lua("memory", 1, 100), US, 1.3)
  time_row("start of kvmlua -e '' (C: lua5.4), ms",
    c("spawn", 10, "/usr/bin/lua5.4 -e ''"),
    c("spawn", 10, kvmlua, "-e ''"), MS, 2)
end

print(FORMAT:format("", "C", "kvmlua", "ratio", "budget", ""))
local is_there, why = kvm.available()
if kvm.arch ~= "x86_64" then
  is_there, why = false, "the benchmark's guest is for x86-64"
end
if is_there then
  with_kvm()
else
  print(("not measured: exits, lives of VMs, registers (%s)")
    :format(why:match("[^\n]*"):gsub("^%S+:%d+: ", "")))
end
without_kvm()
os.exit(over == 0, true)
