-- SPDX-License-Identifier: MIT
-- Every order in which a VM, its vCPU, memory, a view of it, a device and an exit
-- can be closed or collected (an exit is only collected; it holds its vCPU until
-- then). Each order is tried with a quarter of the ways to choose between the
-- two for each object, the next order with the next quarter. After each step the
-- vCPU runs, if it still can: it must find the memory it was given, and never
-- what the host has mapped since where that memory was.
-- Usage: close_orders.lua [SHARD SHARDS]: the share of one of several processes;
-- prints "N orders".
package.path = "./?.lua;" .. package.path
require "spec.helper"
local core = require "kvm.core"

local NAMES <const> = { "vm", "cpu", "memory", "view", "device", "exit" }
local WAYS <const> = 1 << 5 -- to close or to collect all but the exit
-- A guest of one byte, the same on every machine that has it: hlt here, and an
-- instruction that leaves memory for the bus elsewhere.
local GUEST <const> = core.arch == "x86_64" and "\xf4" or nil

local SHARD <const>, SHARDS <const> = tonumber(arg[1]) or 0,
  tonumber(arg[2]) or 1

local system = core.open()

local function build()
  local o = { vm = system:create_vm(), memory = core.memory(0x4000) }
  o.memory:fill(0, 0x4000, 0xf4)
  o.vm:set_user_memory_region { slot = 0, guest_phys_addr = 0x1000,
    memory_size = 0x2000, memory = o.memory }
  o.view = o.memory:view(0x2000, 0x1000)
  o.vm:set_user_memory_region { slot = 1, guest_phys_addr = 0x8000,
    memory_size = 0x1000, memory = o.view }
  o.cpu = o.vm:create_vcpu()
  local ok, device = pcall(o.vm.create_device, o.vm, "VFIO")
  o.device = ok and device or core.eventfd()
  if GUEST then o.cpu.regs { cs_base = 0, cs_selector = 0 } end
  o.exit = o.cpu.exit
  return o
end

-- What the host maps next, full of another guest (out %al, $0x10).
local function decoy()
  local memory = core.memory(0x4000)
  memory:write(0, ("\xe6\x10"):rep(0x2000))
  return memory
end

local function check(o, what)
  collectgarbage()
  local cpu = o.cpu
  if cpu and GUEST and pcall(function() return cpu:get_mp_state() end) then
    for _, rip in ipairs { 0x1000, 0x2ff0, 0x8000 } do
      cpu.regs.rip = rip
      local reason = cpu:run { timeout = 1 }
      assert(reason == "hlt", what .. ": the guest ran something else: "
        .. tostring(cpu.exit))
    end
  end
  for _, name in ipairs { "memory", "view" } do
    local memory = o[name]
    local ok, byte = pcall(function() return memory:u8(0) end)
    assert(not ok or byte == 0xf4, what .. ": " .. name .. " has changed")
  end
end

-- Takes one object away. A memory that is in use may refuse to be closed, and
-- is let go of then.
local function take(o, name, collect)
  local object = o[name]
  if not collect and not pcall(object.close, object) then
    assert(name == "memory" or name == "view", name .. " refused to close")
  end
  if collect then o[name] = nil end
end

-- One order; bit i of mode says whether object i, the exit apart, is collected
-- or closed.
local function try(order, mode)
  local o, decoys, what, bit = build(), {}, "", 0
  for i, name in ipairs(order) do
    local collect = name == "exit" or mode >> bit & 1 == 1
    if name ~= "exit" then bit = bit + 1 end
    what = what .. (collect and " collect " or " close ") .. name
    take(o, name, collect)
    decoys[i] = decoy()
    check(o, what)
  end
  assert(next(o) == nil or mode < WAYS - 1, "something was not collected")
  for _, d in ipairs(decoys) do d:close() end
end

local orders, cases, count = 0, 0, 0
local function permute(order, n)
  if n == 0 then
    orders = orders + 1
    for mode = orders % 4, WAYS - 1, 4 do
      cases = cases + 1
      if cases % SHARDS == SHARD then
        try(order, mode)
        count = count + 1
      end
    end
    return
  end
  for i = 1, n do
    order[i], order[n] = order[n], order[i]
    permute(order, n - 1)
    order[i], order[n] = order[n], order[i]
  end
end
permute({ table.unpack(NAMES) }, #NAMES)
print(count .. " orders")
