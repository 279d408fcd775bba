-- SPDX-License-Identifier: MIT
-- A machine for the usage lines of the reference to run on.
local kvm = require "kvm"
local asm = require "kvm.asm"
local exits = require "spec.support.reference".exits

local M = {}

local function nothing() end

local function device()
  return { read = function() return 0 end, write = nothing, call = nothing }
end

local function vcpu(vm)
  local cpu = vm:create_vcpu()
  if kvm.arch == "arm64" then
    cpu:arm_vcpu_init()
    cpu.regs.pc = 0x1000
    return cpu, asm.arm64 "mov x0, 0x100000; str w0, [x0, 8]; b ."
  end
  cpu.regs { cs_base = 0, cs_selector = 0, rip = 0x1000, rflags = 2 }
  return cpu, asm.x86_16 "out %al, $0x10; hlt"
end

-- An exit of a reason: a field that it does not have raises.
local function an_exit(class)
  local reason = class:match "^kvm%.exit%.([%w_]+)$"
  local fields = reason and exits()[reason]
  if not fields then return nil end
  fields.reason, fields.code = reason, 0
  return setmetatable(fields, { __index = function(_, name)
    assert(name == "insn_bytes" or name == "data", "has no field " .. name)
  end })
end

--- What an entry's usage may name.
function M.environment(entry)
  local vm = kvm.create_vm()
  local ram = kvm.memory(0x40000, { backing = "memfd" })
  vm:map(0, ram, { log_dirty = true })
  local cpu, code = vcpu(vm)
  ram:write(0x1000, code)
  local exit = an_exit(entry.name) or cpu.exit
  return setmetatable({
    kvm = kvm, asm = asm, system = kvm.open(), vm = vm, cpu = cpu,
    ram = entry.owner == "kvm.memory" and kvm.memory(0x10000) or ram,
    base = ram, child = ram:clone(), bitmap = ("\0"):rep(8), fd = 0,
    event = kvm.eventfd(), stats = vm:get_stats_fd(), gic = vm, uart = device(),
    serial = device(), private = nil, request = 0xae03, bytes = ("\0"):rep(4096),
    page = ("\0"):rep(0x3000), exit = exit, reason = exit.reason,
    print = nothing, io = { write = nothing },
    os = { exit = nothing }, nisv = { emulate = nothing },
    filter = ("\0"):rep(24),
  }, { __index = _G })
end

--- What is wrong with a usage: nil when it runs, or is refused by the kernel or for
--- its values, but not for its names and types.
function M.problem(entry)
  local env = M.environment(entry)
  local chunk = load(entry.usage, "=usage", "t", env)
    or load("return " .. entry.usage, "=usage", "t", env)
  local ok, problem = pcall(chunk)
  kvm.trace(nil)
  if ok or type(problem) ~= "string" then return nil end
  for _, pattern in ipairs { "attempt to", "unknown", "has no field", "no register",
      "expected", "surplus" } do
    if problem:find(pattern) then return problem end
  end
end

return M
