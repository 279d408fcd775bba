-- SPDX-License-Identifier: MIT
-- The objects that are fuzzed: one of every class and state, in a VM whose guest
-- runs a little and whose devices are no good.
local core = require "kvm.core"

local M = {}

local X86 <const> = core.arch == "x86_64"
local RAM <const>, SIZE <const>, DEVICE <const> = 0x1000, 0x10000, 0xd0000

-- 1: in $0x10, %al; out %al, $0x11; mov 0x9000, %al; hlt; jmp 1b
local GUEST <const> = "\xe4\x10\xe6\x11\xa0\x00\x90\xf4\xeb\xf6"

function M.pick(list) return list[math.random(#list)] end
local pick = M.pick

---An object of a class, mostly; any other.
function M.fitting(w, class)
  local list = {}
  for _, entry in ipairs(w) do
    if entry.name == class then list[#list + 1] = entry.object end
  end
  if #list == 0 or math.random(6) == 1 then return pick(w).object end
  return pick(list)
end

-- ---- misdeeds ------------------------------------------------------------------

-- What a script does at the worst moment: in a handler, a finalizer, a
-- metamethod, a tracer. What ends things is rarer.
local endings = {
  function(w) pick(w).object:close() end,
  function(w) w.cpu:close() end,
  function(w) w.vm:close() end,
}
local misdeeds = {
  function(w) if math.random(3) == 1 then pick(endings)(w) end end,
  function() collectgarbage() end,
  function() error(setmetatable({}, { __tostring = error })) end,
  function() coroutine.yield(1) end,
  function(w) w.cpu:run { timeout = 0.001 } end,
  function(w) w.cpu:complete() end,
  function(w) w.cpu:kick() end,
  function(w) return tostring(w.cpu.exit), w.cpu.exit:copy() end,
  function(w) w.cpu.exit.value = 1 end,
  function(w) return tostring(w.cpu.regs) end,
  function(w) w.vm:set_user_memory_region { slot = 0, memory_size = 0 } end,
  function(w) w.vm:off_mmio(DEVICE) end,
  function(w) w.vm:on_mmio(DEVICE, 8, M.device(w)) end,
  function(w) w.vm:create_vcpu():run { timeout = 0.001 } end,
  function(w) core.trace(function() M.misbehave(w) end) end,
  function() core.trace() end,
}

---One of them, without an error. Not for ever: they can cause each other.
function M.misbehave(w)
  w.depth = w.depth + 1
  if w.depth < 8 then pcall(pick(misdeeds), w) end
  w.depth = w.depth - 1
  return 1
end

---A device in Lua that answers wrongly, and misbehaves first.
function M.device(w)
  local answers = { 1, -1, 1 << 40, 0.5, false, "x", {}, error }
  local function answer()
    M.misbehave(w)
    if math.random(8) == 1 then error(pick(answers)) end
    return pick(answers)
  end
  return pick { { read = answer, write = answer, call = answer }, {},
    setmetatable({}, { __index = function() return answer end }),
    setmetatable({}, { __index = error }) }
end

-- ---- objects -------------------------------------------------------------------

local function prepare(vm)
  if X86 and math.random(3) == 1 then pcall(vm.create_irqchip, vm) end
  if X86 and math.random(3) == 1 then pcall(vm.create_pit2, vm, {}) end
  if X86 and math.random(3) == 1 then
    pcall(vm.enable_cap, vm, "SPLIT_IRQCHIP", 24)
  end
  if math.random(3) == 1 then
    pcall(vm.enable_cap, vm, "DIRTY_LOG_RING_ACQ_REL", 0x10000)
  end
end

local function guest(w, memory)
  memory:fill(0, SIZE, 0xf4)
  memory:write(0, GUEST)
  pcall(w.vm.set_user_memory_region, w.vm, { slot = 0, memory = memory,
    guest_phys_addr = RAM, memory_size = SIZE, flags = "LOG_DIRTY_PAGES" })
  if math.random(2) == 1 then
    w.vm:on_mmio(DEVICE, 8, M.device(w))
    if X86 then w.vm:on_pio(0x10, math.random(2), M.device(w)) end
  end
  pcall(w.vm.register_coalesced_mmio, w.vm, { addr = DEVICE, size = 4 })
  pcall(function() w.cpu:arm_vcpu_init() end)
  pcall(function()
    w.cpu.regs { cs_base = 0, cs_selector = 0, rip = RAM, ds_base = 0xc7000 }
  end)
end

---A list of { name = class, object = }, and the fields vm, cpu and depth.
function M.build()
  local w = { depth = 0 }
  local function add(name, make, ...)
    local ok, object = pcall(make, ...)
    if ok then w[#w + 1] = { name = name, object = object } end
    return ok and object
  end
  local system = add("kvm.system", core.open)
  local vm, closed = system:create_vm(), core.memory(0x1000)
  local cpu = vm:create_vcpu()
  for _, object in ipairs { vm, cpu, closed } do object:close() end
  if math.random(4) == 1 then
    add("kvm.vm", function() return vm end)
    add("kvm.vcpu", function() return cpu end)
    add("kvm.memory", function() return closed end)
  end
  w.vm = add("kvm.vm", system.create_vm, system)
  prepare(w.vm)
  local memory = add("kvm.memory", core.memory, SIZE,
    { backing = pick { "anonymous", "memfd" } })
  w.cpu = add("kvm.vcpu", w.vm.create_vcpu, w.vm)
  guest(w, memory)
  add("kvm.memory", memory.view, memory, 0x1000, 0x1000)
  add("kvm.memory", memory.clone, memory)
  add("kvm.memory", w.vm.create_guest_memfd, w.vm, { size = SIZE })
  add("kvm.vcpu", w.vm.create_vcpu, w.vm)
  pcall(w.cpu.run, w.cpu, { timeout = 0.01 })
  add("kvm.exit", function() return w.cpu.exit end)
  add("kvm.regs", function() return w.cpu.regs end)
  add("kvm.eventfd", core.eventfd)
  w.stats = add("kvm.stats", function() return w.vm:get_stats_fd() end)
  add("kvm.device", function()
    return w.vm:create_device(X86 and "VFIO" or "ARM_VGIC_V3")
  end)
  add("kvm.error", function() return select(2, pcall(core.open, "/nowhere")) end)
  return w
end

return M
