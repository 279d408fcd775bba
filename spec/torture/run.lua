#!/usr/bin/env lua5.4
-- SPDX-License-Identifier: MIT
-- Everything that can go wrong below a script: objects closed and collected in
-- every order, finalizers at every allocation, allocations that fail, system
-- calls that fail.
package.path = "./?.lua;" .. package.path
local harness = require "spec.support.harness"
require "spec.helper"
local kvm = require "kvm"

local BUILD <const> = harness.build
local SHARDS <const> = 8
local SCRIPT <const> = "spec/torture/script.lua"

local usable, why = kvm.available()
if not usable then
  harness.skip("torture", why)
  print(("%d passed, 0 failed, %d skipped"):format(0, harness.skipped))
  os.exit(true)
end

-- ---- orders of close and collection -----------------------------------------

local orders, total = {}, 0
for shard = 0, SHARDS - 1 do
  orders[#orders + 1] = { "close orders " .. shard, ("%slua5.4 "
    .. "spec/torture/close_orders.lua %d %d"):format(harness.sanitized(),
    shard, SHARDS) }
end
harness.parallel(orders, function(output)
  local count = tonumber(output:match "^(%d+) orders\n$")
  total = total + (count or 0)
  return count
end)
print(total .. " orders of close and collection")
harness.result(total == 720 * 8, "every order was tried", tostring(total))

-- ---- finalizers -------------------------------------------------------------------

harness.parallel({ { "finalizers", ("%slua5.4 spec/torture/finalizers.lua 5")
  :format(harness.sanitized()) } }, function(output)
  local count = tonumber(output:match "^(%d+) storms\n$")
  print((count or "no") .. " storms of finalizers")
  return count and count > 1000
end)

-- ---- allocations ----------------------------------------------------------------

local program = BUILD .. "/allocations"
local compile = ("cc -O1 -D_GNU_SOURCE -Isrc -I/usr/include/lua5.4 "
  .. "spec/torture/allocations.c %s/libkvmlua.a -Wl,--wrap=malloc,"
  .. "--wrap=calloc,--wrap=realloc,--wrap=free -l:liblua5.4.a -lfdt -lm -ldl "
  .. "-o %s"):format(BUILD, program)
if harness.result(os.execute(compile), "allocations.c compiles") then
  harness.parallel({
    { "one allocation fails", program .. " " .. SCRIPT .. " once 5" },
    { "allocations fail from one on", program .. " " .. SCRIPT .. " on 1" },
  }, function(output, ok, command)
    print(command[1] .. ": " .. output)
    return ok and output:find "runs"
  end)
end

-- ---- system calls ------------------------------------------------------------------

-- How many calls of a kind the interpreter makes without a script: what fails
-- there is the loader's and libc's.
local function startup(call, log)
  os.execute(("strace -f -o %s -e trace=%s %s/kvmlua -e '' >/dev/null 2>&1")
    :format(log, call, BUILD))
  local n = 0
  for line in io.lines(log) do
    if line:find(call .. "(", 1, true) then n = n + 1 end
  end
  return n
end

-- Fails the n-th call of a kind, for every n until there is no n-th.
local function inject(call)
  local log = os.tmpname()
  local first = startup(call, log)
  local n = first
  repeat
    n = n + 1
    local command = ("strace -f -o %s -e trace=%s -e inject=%s:error=ENOMEM:"
      .. "when=%d %s/kvmlua %s >/dev/null 2>&1"):format(log, call, call, n,
      BUILD, SCRIPT)
    local _, kind, code = os.execute(command)
    local file <close> = assert(io.open(log))
    local injected = file:read "a":find("INJECTED", 1, true)
    if kind == "signal" or code > 128 then
      harness.result(false, ("%s %d: %s %d"):format(call, n, kind, code))
    elseif injected then
      harness.passed = harness.passed + 1
    end
  until not injected or n == first + 400
  os.remove(log)
  print(("%s: %d calls failed in turn"):format(call, n - 1 - first))
  harness.result(n > first + 1 and n < first + 400, call .. " was injected")
end

if os.execute "strace -V >/dev/null 2>&1" then
  for _, call in ipairs { "ioctl", "mmap", "openat" } do inject(call) end
else
  harness.skip("system calls", "no strace")
end

harness.finish()
