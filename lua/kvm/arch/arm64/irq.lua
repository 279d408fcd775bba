-- SPDX-License-Identifier: MIT
--- Interrupt numbers as KVM_IRQ_LINE wants them on arm64.
---
---     vm:irq_line{irq = irq.spi(33), level = 1}
---
--- The number packs type << 24 | vCPU << 16 | number, and the vCPU's upper four
--- bits at 28 (api.rst, 4.25).
local check = require "kvm.check"
local numbers = require "kvm.arch.arm64.numbers"

local M = {}

local TYPE <const>, IRQ <const> = numbers.IRQ_TYPE, numbers.IRQ

local vcpu_kind <const> = check.integer(0, 0xfff)

local function encode(kind, number, vcpu)
  return (vcpu & 0xff) << IRQ.VCPU_SHIFT | (vcpu >> 8) << IRQ.VCPU2_SHIFT
    | kind << IRQ.TYPE_SHIFT | number << IRQ.NUM_SHIFT
end

--- A shared interrupt.
--- Usage: `vm:irq_line{irq = irq.spi(33), level = 1}`
---@param number integer as the GIC counts: 32 to 1019
---@return integer
function M.spi(number)
  number = check.argument(1, "spi", "SPI", check.integer(32, 1019), number)
  return encode(TYPE.SPI, number, 0)
end

--- A private interrupt of a vCPU.
--- Usage: `vm:irq_line{irq = irq.ppi(20, 0), level = 1}`
---@param number integer as the GIC counts: 16 to 31
---@param vcpu integer its number
---@return integer
function M.ppi(number, vcpu)
  number = check.argument(1, "ppi", "PPI", check.integer(16, 31), number)
  vcpu = check.argument(2, "ppi", "vCPU", vcpu_kind, vcpu)
  return encode(TYPE.PPI, number, vcpu)
end

--- The IRQ or FIQ input of a vCPU, when the GIC is not the kernel's.
--- Usage: `vm:irq_line{irq = irq.cpu("irq", 0), level = 1}`
---@param line "irq"|"fiq"
---@param vcpu integer its number
---@return integer
function M.cpu(line, vcpu)
  check.argument(1, "cpu", "line", { "irq", "fiq" }, line)
  vcpu = check.argument(2, "cpu", "vCPU", vcpu_kind, vcpu)
  return encode(TYPE.CPU, line == "irq" and IRQ.CPU_IRQ or IRQ.CPU_FIQ, vcpu)
end

local names = { [TYPE.CPU] = "cpu", [TYPE.SPI] = "spi", [TYPE.PPI] = "ppi" }

--- The parts of an encoded number.
--- Usage: `local kind, number, vcpu = irq.decode(0x0201001b)`
---@param irq integer
---@return "cpu"|"spi"|"ppi"? kind nil: none of these
---@return integer number
---@return integer vcpu
function M.decode(irq)
  irq = check.argument(1, "decode", "irq", check.bits(32), irq)
  return names[irq >> IRQ.TYPE_SHIFT & 15], irq >> IRQ.NUM_SHIFT & 0xffff,
    irq >> IRQ.VCPU_SHIFT & 0xff | (irq >> IRQ.VCPU2_SHIFT & 15) << 8
end

return M
