-- SPDX-License-Identifier: MIT
-- Small guests that every machine has, for the specs of what is common to all.
--   local machine = require "spec.guests.machine"
--   local g <close> = machine.start "count"
--   local reason, exit = g.cpu:run { timeout = 10 }
--
-- Programs:
--   halt     ends: the exit is machine.STOP
--   endless  a loop without an exit
--   store    writes 0x11 (1 byte at MMIO + 1), 0x2211 (2 at + 2) and 0x44332211
--            (4 at + 4), then halts
--   load     reads 4 bytes at MMIO + 8 into machine.RESULT, then halts
--   narrow   the same of 1 byte
--   count    writes 1, 2, 3 ... (4 bytes at MMIO + 16) for ever
--   echo     reads 4 bytes at MMIO + 8, writes them at MMIO + 16, for ever
local kvm = require "kvm"

local M = setmetatable({}, { __index = require("spec.guests." .. kvm.arch) })

local Guest = {}
Guest.__index = Guest
Guest.__close = function(g)
  for _, cpu in ipairs(g.cpus) do cpu:close() end
  g.vm:close()
end

--- Adds a vCPU that will run a program, which is a name or text.
function Guest:add(program)
  local cpu = self.vm:create_vcpu()
  self.cpus[#self.cpus + 1] = cpu
  M.prepare(cpu)
  M.load(self, cpu, M.programs[program] or program, #self.cpus)
  return cpu
end

--- Runs until something happens that is no interruption, for 10 s at most.
function Guest:run(cpu)
  local deadline = kvm.clock() + 10
  repeat
    local reason, exit = (cpu or self.cpu):run { timeout = 10 }
    if reason ~= "intr" then return reason, exit end
  until kvm.clock() > deadline
  return "timeout"
end

--- A VM with memory and a vCPU that will run a program.
function M.start(program)
  local g = setmetatable({ cpus = {}, vm = kvm.create_vm() }, Guest)
  g.ram = g.vm:map(M.RAM, M.SIZE)
  g.cpu = g:add(program)
  return g
end

local HOLE_SIZE <const> = 0x10000

local function resize(name, size)
  local file <close> = assert(io.open(name, "wb"))
  file:write(("\0"):rep(size))
end

--- A guest that writes to MMIO + 16, to memory at machine.HOLE, which is not
--- there before repair() is called: KVM_RUN fails, and to MMIO + 20.
function M.faulting()
  local g = setmetatable({ cpus = {}, vm = kvm.create_vm() }, Guest)
  g.ram = g.vm:map(M.RAM, M.SIZE)
  g.cpu = g.vm:create_vcpu()
  g.cpus[1] = g.cpu
  M.prepare(g.cpu)
  M.load_fault(g, g.cpu)
  local name = os.tmpname()
  resize(name, HOLE_SIZE)
  g.hole = g.vm:map(M.HOLE, kvm.memory(HOLE_SIZE,
    { backing = "file", path = name }))
  resize(name, 0) -- the mapping stays, the pages go
  function g.repair() resize(name, HOLE_SIZE) end
  function g.forget() os.remove(name) end
  return g
end

--- Whether fn holds within some seconds.
function M.eventually(fn)
  local deadline = kvm.clock() + 10
  repeat
    if fn() then return true end
  until kvm.clock() > deadline
  return false
end

return M
