-- SPDX-License-Identifier: MIT
-- A guest that stores a byte to each of some addresses and then stops, for
-- every architecture. Addresses below 256 pages, the 16th of which is its own.

local kvm, asm = require "kvm", require "kvm.asm"

local M = {}

local CODE = 15 * kvm.page_size

local machines = {}

machines.x86_64 = {
  start = function(cpu)
    cpu.regs { cs_base = 0, cs_selector = 0, ds_base = 0, rip = CODE,
      rflags = 2 }
  end,
  program = function(addresses)
    local text = {}
    for _, a in ipairs(addresses) do
      text[#text + 1] = ("movw $%d, %%ax\nmovw %%ax, %%ds\nmovb $1, %d")
        :format(a >> 4 & 0xf000, a & 0xffff)
    end
    return asm.x86_16(table.concat(text, "\n") .. "\nhlt", { origin = CODE })
  end,
  stop = "hlt",
}

-- The store to an address without memory is what stops it.
machines.arm64 = {
  init = function(cpu) cpu:arm_vcpu_init() end,
  start = function(cpu) cpu.regs { pc = CODE } end,
  program = function(addresses)
    local text = { "mov w1, #1" }
    for _, a in ipairs(addresses) do
      text[#text + 1] = ("ldr x0, =%d\nstrb w1, [x0]"):format(a)
    end
    text[#text + 1] = "ldr x0, =0x10000000\nstr w1, [x0]"
    return asm.arm64(table.concat(text, "\n"), { origin = CODE })
  end,
  stop = "mmio",
}

local machine = machines[kvm.arch]

---Maps the code page and makes the vCPU.
---@return table guest with `store(addresses)` and `cpu`
function M.new(vm)
  local code = vm:map(CODE, kvm.page_size, { slot = 20 })
  local cpu = vm:create_vcpu()
  if machine.init then machine.init(cpu) end

  local guest = { cpu = cpu }

  ---Runs the guest; returns the reason it stopped for.
  function guest.try(addresses)
    code:write(0, machine.program(addresses))
    machine.start(cpu)
    return cpu:run { timeout = 10 }
  end

  function guest.store(addresses)
    local reason = guest.try(addresses)
    if reason == "mmio" then cpu:complete() end
    assert(reason == machine.stop, reason)
  end

  return guest
end

return M
