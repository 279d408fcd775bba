-- SPDX-License-Identifier: MIT
-- Guests for the specs of x86-64.
local kvm = require "kvm"
local asm = require "kvm.asm"
local cpuid = require "kvm.arch.x86_64.cpuid"
local modes = require "kvm.arch.x86_64.modes"

local M = {}

M.CODE = 0x10000  -- where guest code lies
M.STACK = 0x80000

local supported = cpuid.host(kvm.open())

--- A fresh vCPU of a fresh VM, with the host's CPUID: newer kernels let no
--- guest without it into long mode. The VM has ram at gpa 0.
function M.vcpu()
  local vm = kvm.create_vm()
  local ram = vm:map(0, 0x100000)
  local cpu = vm:create_vcpu()
  cpu:set_cpuid2(supported)
  return cpu, vm, ram
end

--- A vCPU that will run this code in a mode ("real", "prot32", "long64", with
--- options of kvm.arch.x86_64.modes).
function M.guest(mode, code, options)
  local cpu, vm, ram = M.vcpu()
  local engine = { real = asm.x86_16, prot32 = asm.x86_32,
                   long64 = asm.x86_64 }
  ram:write(M.CODE, engine[mode](code))
  if mode == "real" then
    cpu.regs(modes.real { segment = M.CODE >> 4, stack = 0x8000 })
  else
    local o = { at = 0x1000, entry = M.CODE, stack = M.STACK, size = 0x200000 }
    for name, value in pairs(options or {}) do o[name] = value end
    if mode == "prot32" then o.size = nil end
    cpu.regs((modes[mode](vm, o)))
  end
  return cpu, vm, ram
end

--- Runs until HLT; returns the values written to ports. Fails on other exits.
function M.run(cpu)
  local out = {}
  for reason, exit in cpu:exits { timeout = 10 } do
    if reason == "hlt" then return out end
    assert(reason == "io", "the guest stopped with " .. tostring(exit))
    out[#out + 1] = exit.value
  end
  error "the guest did not halt"
end

return M
