-- SPDX-License-Identifier: MIT
-- Small arm64 guests for the specs, and whether they can run here.
--   local arm64 = require "spec.support.arm64".use(_ENV)
local M = {}

local describe, it, pending

-- busted gives its functions to the chunk of a spec alone.
function M.use(env)
  describe, it, pending = env.describe, env.it, env.pending
  return M
end

-- Nil, or why no arm64 guest runs on this machine.
local function reason()
  local ok, kvm = pcall(require, "kvm")
  if not ok then return "no kvm.core: " .. kvm:match("[^\n]*") end
  if kvm.arch ~= "arm64" then
    return "needs an arm64 machine: tools/box arm64 -- busted spec/arm64"
  end
  local available, why = kvm.available()
  return not available and why or nil
end

M.why = reason()
M.kvm = not M.why and require "kvm" or nil

--- describe(), or one pending test where no arm64 guest can run.
function M.describe(name, body)
  local why = M.why
  describe(name, why and function() pending(why) end or body)
end

-- Whether what(vm) holds; it is called with a VM when the spec is read.
local function probe(what)
  local vm <close> = M.kvm.create_vm()
  return what(vm)
end

--- it(), or pending with what a probe says this host lacks.
function M.it_with(what, why, name, body)
  if probe(what) then it(name, body) else pending(name .. ": " .. why) end
end

--- describe() alike.
function M.describe_with(what, why, name, body)
  M.describe(name, function()
    if probe(what) then body() else pending(why) end
  end)
end

--- The same for a capability that check_extension names.
function M.it_cap(cap, name, body)
  M.it_with(function(vm) return vm:check_extension(cap) > 0 end,
    "this kernel has no KVM_CAP_" .. cap, name, body)
end

-- Where guests are, and the device that nobody has: an access to it exits.
M.RAM, M.SIZE, M.MMIO = 0x40000000, 0x200000, 0x9000000

-- What most guests end with: PSCI SYSTEM_OFF.
local POWER_OFF = [[

power_off:
        ldr     w0, =0x84000008
        hvc     #0
        b       .
        .ltorg
]]

--- Where guests have their GICv3, as kvm.arch.arm64.gic takes it.
M.GIC = { version = 3, dist = 0x8000000, redist = 0x80a0000 }

--- Text that turns it on for the vCPU, all interrupts in group 1 and of the
--- same priority. Then x10 is the distributor and x11 the redistributor's page
--- of private interrupts.
M.GIC_ON = [[
        ldr     x0, =vectors
        msr     vbar_el1, x0
        mov     x10, #0x8000000
        mov     w0, #0x12               // GICD_CTLR: ARE, EnableGrp1
        str     w0, [x10]
        mov     w1, #-1
        str     w1, [x10, #0x84]        // GICD_IGROUPR1
        ldr     x11, =0x80a0000
        str     wzr, [x11, #0x14]       // GICR_WAKER
        add     x11, x11, #0x10000
        str     w1, [x11, #0x80]        // GICR_IGROUPR0
        mov     x0, #1
        msr     icc_sre_el1, x0
        mov     x0, #0xff
        msr     icc_pmr_el1, x0
        mov     x0, #1
        msr     icc_igrpen1_el1, x0
        isb
]]

--- Vectors whose IRQ takes one interrupt: x19 is its number, the guest ends.
M.TAKE_IRQ = [[

        .balign 2048
vectors:
        .skip   0x280
        mrs     x19, icc_iar1_el1
        msr     icc_eoir1_el1, x19
        b       power_off
]]

local assembled = {}

--- Assembles a guest that runs at M.RAM; `mmio` is M.MMIO, `ram` M.RAM.
function M.assemble(text)
  local asm = require "kvm.asm"
  if not assembled[text] then
    local bytes, symbols = asm.arm64(text .. POWER_OFF,
      { origin = M.RAM, symbols = { mmio = M.MMIO, ram = M.RAM } })
    assembled[text] = { bytes = bytes, symbols = symbols }
  end
  return assembled[text].bytes, assembled[text].symbols
end

local Guest = {}
Guest.__index = Guest
Guest.__close = function(self)
  for _, cpu in ipairs(self.cpus) do cpu:close() end
  self.vm:close()
end

--- Makes a VM with memory and vCPUs. text: assembly that ends by running into
--- power_off. options: init (of arm_vcpu_init), vcpus, type (of the VM), map
--- (options of vm:map), before(vm) (called before the vCPUs are made).
function M.guest(text, options)
  options = options or {}
  local self = setmetatable({ cpus = {} }, Guest)
  self.vm = M.kvm.create_vm(options.type)
  self.ram = self.vm:map(M.RAM, M.SIZE, options.map)
  if text then
    local bytes
    bytes, self.symbols = M.assemble(text)
    self.ram:write(0, bytes)
  end
  if options.before then options.before(self.vm) end
  for i = 1, options.vcpus or 1 do
    self.cpus[i] = self.vm:create_vcpu()
    self.cpus[i]:arm_vcpu_init(options.init)
    if text then self.cpus[i].regs.pc = M.RAM end
  end
  self.cpu = self.cpus[1]
  return self
end

--- Runs until something happens that is no interruption; never for long.
function Guest:run(cpu)
  local deadline = os.time() + 20
  repeat
    local reason_, exit = (cpu or self.cpu):run { timeout = 10 }
    if reason_ ~= "intr" then return reason_, exit end
  until os.time() > deadline
  return "timeout"
end

--- Runs to the guest's SYSTEM_OFF and returns the value of a register then.
function Guest:finish(register)
  local regs = self.cpu.regs
  local reason_, exit = self:run()
  if reason_ ~= "system_event" then
    error(("the guest stopped with %s at pc 0x%x"):format(tostring(exit),
      regs.pc), 2)
  end
  return register and regs[register]
end

return M
