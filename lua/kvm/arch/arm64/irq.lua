-- SPDX-License-Identifier: MIT
--- Interrupt numbers as KVM_IRQ_LINE wants them on arm64.
---
---     vm:irq_line{irq = irq.spi(33), level = 1}
---
--- The number packs type << 24 | vCPU << 16 | number, and the vCPU's upper four
--- bits at 28 (api.rst, 4.25).
local M = {}

local CPU <const>, SPI <const>, PPI <const> = 0, 1, 2

local function check(what, value, min, max)
  if math.type(value) ~= "integer" or value < min or value > max then
    error(("%s %s is outside %d..%d"):format(what, tostring(value), min, max),
      3)
  end
end

local function encode(kind, number, vcpu)
  return (vcpu & 0xff) << 16 | (vcpu >> 8) << 28 | kind << 24 | number
end

--- A shared interrupt.
--- Usage: `vm:irq_line{irq = irq.spi(33), level = 1}`
---@param number integer as the GIC counts: 32 to 1019
---@return integer
function M.spi(number)
  check("SPI", number, 32, 1019)
  return encode(SPI, number, 0)
end

--- A private interrupt of a vCPU.
--- Usage: `vm:irq_line{irq = irq.ppi(20, 0), level = 1}`
---@param number integer as the GIC counts: 16 to 31
---@param vcpu integer its number
---@return integer
function M.ppi(number, vcpu)
  check("PPI", number, 16, 31)
  check("vCPU", vcpu, 0, 0xfff)
  return encode(PPI, number, vcpu)
end

--- The IRQ or FIQ input of a vCPU, when the GIC is not the kernel's.
--- Usage: `vm:irq_line{irq = irq.cpu("irq", 0), level = 1}`
---@param line "irq"|"fiq"
---@param vcpu integer its number
---@return integer
function M.cpu(line, vcpu)
  local number = ({ irq = 0, fiq = 1 })[line]
  if not number then
    error(("line '%s' (expected irq or fiq)"):format(tostring(line)), 2)
  end
  check("vCPU", vcpu, 0, 0xfff)
  return encode(CPU, number, vcpu)
end

--- The parts of an encoded number.
--- Usage: `local kind, number, vcpu = irq.decode(0x0201001b)`
---@param irq integer
---@return "cpu"|"spi"|"ppi" kind
---@return integer number
---@return integer vcpu
function M.decode(irq)
  local kind = ({ [CPU] = "cpu", [SPI] = "spi", [PPI] = "ppi" })[irq >> 24 & 15]
  return kind, irq & 0xffff, irq >> 16 & 0xff | (irq >> 28 & 15) << 8
end

return M
