-- SPDX-License-Identifier: MIT
-- Finalizers that do the worst, at every place where a collection can run: the
-- collector runs at each allocation, and the n-th finalizer closes, releases or
-- runs what is in use, for every n until the operation makes no n-th.
-- A crash, or what a sanitizer says, is the failure. Usage: finalizers.lua [STEP
-- [NAME]]: every STEP-th n of the operations and misdeeds whose "operation:
-- misdeed" contains NAME; prints "N storms".
package.path = "./?.lua;" .. package.path
require "spec.helper"
local core = require "kvm.core"

local X86 <const> = core.arch == "x86_64"
local RAM <const>, DEVICE <const> = 0x1000, 0x9000
local system = core.open()

-- ---- the worlds ----------------------------------------------------------------

-- 1: in $0x10, %al; out %al, $0x11; mov DEVICE, %al; hlt; jmp 1b
local GUEST <const> = "\xe4\x10\xe6\x11\xa0\x00\x90\xf4\xeb\xf6"

-- A VM with a guest that has two port accesses and one to the device.
local function build(vm)
  local w = { vm = vm or system:create_vm(), event = core.eventfd(), spare = {},
    memory = core.memory(0x4000, { backing = "memfd" }) }
  w.memory:write(0, GUEST)
  for slot = 0, 1 do
    w.vm:set_user_memory_region { slot = slot, memory = w.memory,
      guest_phys_addr = RAM + slot * 0x2000, memory_size = 0x2000,
      offset = slot * 0x2000, flags = "LOG_DIRTY_PAGES" }
  end
  w.cpu = w.vm:create_vcpu()
  if X86 then
    w.cpu.regs { cs_base = 0, cs_selector = 0, rip = RAM }
  else
    w.cpu:arm_vcpu_init()
  end
  w.regs, w.exit = w.cpu.regs, w.cpu.exit
  w.device = { read = function() return 1 end, write = function() end }
  function w.step() return w.cpu:run { timeout = 0.1 } end
  return w
end

local function look(w)
  local e = w.exit
  pcall(function() return e.port, e.size, e.count, e.is_write, e.value end)
  pcall(function() return e.gpa, e.size, e.is_write, e.value, e.data end)
end

-- One whose vCPU is at an exit.
local function stopped()
  local w = build()
  w.step()
  return w
end

-- One whose exits and registers are kept from run to run.
local function kept()
  local w = stopped()
  for _ = 1, 3 do
    look(w)
    pcall(function() return w.regs[X86 and "rax" or "x0"] end)
    w.step()
  end
  if X86 then w.regs.rip = RAM end
  return w
end

local function served()
  local w = build()
  if X86 then w.vm:on_pio(0x10, 2, w.device) end
  w.vm:on_mmio(DEVICE, 1, w.device)
  return w
end

-- One whose vCPU has a dirty ring, where the host has them.
local function ringed()
  local vm = system:create_vm()
  pcall(vm.enable_cap, vm, "DIRTY_LOG_RING_ACQ_REL", 0x10000)
  local w = build(vm)
  w.memory:write(0, "\xa2\x00\x20\xa2\x00\x30\xf4") -- two stores, hlt
  w.step()
  return w
end

local function traced()
  core.trace(function(...) return { ... } end)
  return build()
end

-- ---- operations: how the world is made, what is done with it ------------------

local operations = {
  ["first fields"] = { build, function(w)
    for _ = 1, 4 do
      w.step()
      look(w)
    end
  end },
  ["kept fields"] = { kept, function(w) for _ = 1, 4 do w.step() end end },
  ["exit as text"] = { stopped, function(w) return tostring(w.exit) end },
  ["exit copied"] = { stopped, function(w) return w.exit:copy() end },
  ["exit in pairs"] = { stopped, function(w) for _ in pairs(w.exit) do end end },
  complete = { stopped, function(w) return w.cpu:complete() end },
  exits = { served, function(w)
    local n = 0
    for _ in w.cpu:exits { timeout = 0.1 } do
      look(w)
      n = n + 1
      if n == 3 then break end
    end
  end },
  ["one register"] = { kept, function(w)
    local r = w.regs
    if X86 then
      r.rbx, r.xmm1, r.cr2 = r.rax, r.xmm0, r.cr3
    else
      r.x1, r.v1 = r.x0, r.v0
    end
  end },
  ["many registers"] = { kept, function(w)
    w.regs(X86 and { rax = 1, rip = RAM, tsc = 1, cs_base = 0 }
      or { x0 = 1, pc = RAM, sp_el1 = 4 })
  end },
  ["registers as text"] = { kept, function(w) return tostring(w.regs) end },
  ["registers in pairs"] = { kept, function(w)
    local n = 0
    for _ in pairs(w.regs) do
      n = n + 1
      if n == 30 then break end
    end
  end },
  ["a vCPU is made"] = { build, function(w) w.spare[1] = w.vm:create_vcpu() end },
  ["a device is made"] = { build, function(w)
    w.spare[1] = w.vm:create_device(X86 and "VFIO" or "ARM_VGIC_V3")
  end },
  ["a VM is made"] = { build, function(w) w.spare[1] = system:create_vm() end },
  ["devices come and go"] = { build, function(w)
    for i = 0, 9 do w.vm:on_mmio(DEVICE + i, 1, w.device) end
    w.vm:off_mmio(DEVICE)
  end },
  ["devices are served"] = { served, function(w) return w.step() end },
  ["slots are read"] = { build, function(w)
    w.vm:slots()
    w.vm:memory_at(RAM)
    w.vm:write(RAM + 0x1ff0, ("y"):rep(64))
    return w.vm:read(RAM, 0x4000)
  end },
  ["slots come and go"] = { build, function(w)
    w.vm:set_user_memory_region { slot = 2, guest_phys_addr = 0x10000,
      memory = w.memory }
    w.vm:set_user_memory_region { slot = 2, memory_size = 0 }
  end },
  memory = { build, function(w)
    local m = w.memory
    m:view(0x1000, 0x1000):read(0, 0x1000)
    m:clone():pack(0, "I4s4", 1, ("z"):rep(300))
    m:unpack(0, "<I4z")
    m:find "\xf4"
    return tostring(m), m.backing, m:discard(0x1000, 0x1000)
  end },
  ["dirty log"] = { build, function(w)
    w.vm:get_dirty_log(0)
    w.vm:clear_dirty_log(0, 0, 2)
  end },
  ["dirty ring"] = { ringed, function(w) return w.cpu:dirty_ring() end },
  ["coalesced ring"] = { build, function(w) return w.cpu:coalesced() end },
  events = { build, function(w)
    w.vm:ioeventfd { fd = w.event, addr = 0x100, len = 4 }
    w.vm:irqfd { fd = w.event, gsi = 1 }
  end },
  attributes = { build, function(w)
    w.cpu:has_device_attr(0, 0)
    pcall(w.cpu.get_device_attr, w.cpu, 0, 0)
    pcall(w.cpu.set_device_attr, w.cpu, 0, 0, 5)
  end },
  statistics = { build, function(w)
    local stats = w.cpu:get_stats_fd()
    return stats:read(), stats:describe(), stats.id
  end },
  structs = { build, function(w)
    for _, name in ipairs { "mp_state", "vcpu_events", "sregs", "fpu",
      "debugregs", "regs" } do
      if w.cpu["get_" .. name] then
        w.cpu["set_" .. name](w.cpu, w.cpu["get_" .. name](w.cpu))
      end
    end
  end },
  lists = { build, function(w)
    if not X86 then return w.cpu:get_reg_list() end
    w.cpu:set_cpuid2(system:get_supported_cpuid())
    w.cpu:set_msrs { [0x174] = w.cpu:get_msrs({ 0x174 })[0x174] }
    w.cpu:set_xsave(w.cpu:get_xsave2())
  end },
  ["a tracer"] = { traced, function(w)
    w.step()
    w.cpu:get_mp_state()
    w.cpu:complete()
    w.spare[1] = w.vm:create_vcpu()
  end },
}

-- ---- misdeeds ------------------------------------------------------------------

local misdeeds = {
  ["closes the vCPU"] = function(w) w.cpu:close() end,
  ["closes the VM"] = function(w) w.vm:close() end,
  ["closes all"] = function(w)
    for _, name in ipairs { "cpu", "vm", "event" } do w[name]:close() end
  end,
  ["releases memory"] = function(w)
    getmetatable(w.memory).__gc(w.memory)
  end,
  ["deletes slots"] = function(w)
    for slot = 0, 1 do
      w.vm:set_user_memory_region { slot = slot, memory_size = 0 }
    end
    w.memory:close()
  end,
  ["runs the vCPU"] = function(w) return w.step(), tostring(w.exit) end,
  ["reads the exit"] = look,
  ["sets registers"] = function(w)
    if X86 then w.regs.rip = RAM else w.regs.pc = RAM end
  end,
  ["changes devices"] = function(w)
    w.vm:off_mmio(DEVICE)
    for i = 0, 9 do w.vm:on_mmio(DEVICE + 0x10 * i, 1, w.device) end
  end,
}

-- ---- storms --------------------------------------------------------------------

local calm, count, at, misdeed, world = true, 0, 0, nil, nil
local finalized = {}
function finalized.__gc()
  if calm then return end
  count = count + 1
  if count == at then pcall(misdeed, world) end
  setmetatable({}, finalized)
end

-- A full cycle at each allocation, as the pause is none and a step is endless.
local function storm(f)
  collectgarbage("incremental", 1, 1000, 40)
  collectgarbage("setpause", 0)
  collectgarbage()
  calm, count = false, 0
  setmetatable({}, finalized)
  pcall(f, world)
  calm = true
  core.trace()
  collectgarbage("incremental", 200, 100, 13)
end

-- Has the worst happen at collection first, first + step, ... of an operation;
-- returns how many times it was tried.
local function try(operation, evil, first, step)
  local n = 0
  misdeed, at = evil, first - step
  repeat
    at, n = at + step, n + 1
    world = operation[1]()
    storm(operation[2])
    for _, name in ipairs { "cpu", "vm", "event" } do world[name]:close() end
    world = nil
  until count < at
  return n
end

local function sorted(t)
  local names = {}
  for name in pairs(t) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local step <const>, wanted <const> = tonumber(arg[1]) or 1, arg[2]
local pairs_tried, total = 0, 0
for _, name in ipairs(sorted(operations)) do
  for _, evil in ipairs(sorted(misdeeds)) do
    local what = name .. ": " .. evil
    if what:find(wanted or "", 1, true) then
      if wanted then io.stderr:write(what, "\n") end
      total = total + try(operations[name], misdeeds[evil],
        1 + pairs_tried % step, step)
      pairs_tried = pairs_tried + 1
    end
  end
end
print(total .. " storms")
