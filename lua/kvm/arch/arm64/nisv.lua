-- SPDX-License-Identifier: MIT
--- Loads and stores that the processor does not describe to KVM (an arm_nisv
--- exit, ISV = 0): pairs, vector registers and write-back. Decodes the
--- instruction, does it on a device, and skips it.
---
---     vm:enable_cap("ARM_NISV_TO_USER")
---     for reason, exit in cpu:exits() do
---       if reason == "arm_nisv" then nisv.emulate(cpu, exit, uart, 0x9000000)
---       ...
local check = require "kvm.check"
local mmu = require "kvm.arch.arm64.mmu"

local M = {}

local function signed(value, bits)
  local sign = 1 << bits - 1
  return (value ~ sign) - sign
end

local function field(insn, high, low)
  return insn >> low & (1 << high - low + 1) - 1
end

-- ---- decoding (DDI 0487, C4.1: "Loads and Stores") --------------------------

local indices = { [0] = "offset", "post", "offset", "pre" }

-- ldp, stp, ldpsw, ldnp, stnp
local function decode_pair(insn)
  local opc, vector = field(insn, 31, 30), field(insn, 26, 26) == 1
  local is_load = field(insn, 22, 22) == 1
  if opc == 3 or (opc == 1 and not vector and not is_load) then return nil end
  local size = vector and 4 << opc or opc == 2 and 8 or 4
  return {
    is_load = is_load, size = size, is_vector = vector,
    is_signed = opc == 1 and not vector, width = opc == 0 and 4 or 8,
    registers = { insn & 31, field(insn, 14, 10) }, base = field(insn, 9, 5),
    index = indices[field(insn, 24, 23)],
    offset = signed(field(insn, 21, 15), 7) * size,
  }
end

-- What size and opc of a single load or store say; nil: something else.
local function decode_kind(insn)
  local size, opc = 1 << field(insn, 31, 30), field(insn, 23, 22)
  if field(insn, 26, 26) == 1 then
    if opc >= 2 and size > 1 then return nil end
    return { is_load = opc & 1 == 1, size = opc >= 2 and 16 or size,
             is_vector = true }
  end
  if (opc == 3 and size >= 4) or (opc == 2 and size == 8) then return nil end
  return { is_load = opc ~= 0, size = size, is_vector = false,
           is_signed = opc >= 2, width = (opc == 2 or size == 8) and 8 or 4 }
end

local extends = { [2] = "uxtw", [3] = "lsl", [6] = "sxtw", [7] = "sxtx" }

local function set_register_offset(insn, op)
  local extend = extends[field(insn, 15, 13)]
  if not extend then return nil end
  local scale = field(insn, 12, 12) == 1 and op.size or 1
  op.offset_register = { number = field(insn, 20, 16), extend = extend,
                         scale = scale }
  op.index, op.offset = "offset", 0
  return op
end

local function set_offset(insn, op)
  if field(insn, 24, 24) == 1 then
    op.index, op.offset = "offset", field(insn, 21, 10) * op.size
    return op
  end
  local how = field(insn, 11, 10)
  if field(insn, 21, 21) == 1 then
    return how == 2 and set_register_offset(insn, op) or nil
  end
  op.index = ({ [0] = "offset", "post", "offset", "pre" })[how]
  op.offset = signed(field(insn, 20, 12), 9)
  return op
end

---@class kvm.arch.arm64.access
---@field is_load boolean
---@field size integer bytes of a register's part
---@field registers integer[] one or two
---@field is_vector boolean they are V registers
---@field is_signed boolean the sign is extended, to width bytes
---@field width? integer
---@field base integer register of the address; 31: the stack pointer
---@field index "offset"|"pre"|"post"
---@field offset integer
---@field offset_register? {number: integer, extend: string, scale: integer}

--- Decodes a load or store of one or two general or vector registers.
--- Usage: `print(nisv.decode(0xa9be0861).index)`
---@param insn integer the instruction word
---@return kvm.arch.arm64.access? nil: it is another instruction
function M.decode(insn)
  insn = check.argument(1, "decode", "insn", check.bits(32), insn)
  local class = field(insn, 29, 27)
  if class == 5 and field(insn, 25, 25) == 0 then return decode_pair(insn) end
  if class ~= 7 or field(insn, 25, 25) == 1 then return nil end
  local op = decode_kind(insn)
  if not op then return nil end
  op.registers, op.base = { insn & 31 }, field(insn, 9, 5)
  return set_offset(insn, op)
end

-- ---- doing ------------------------------------------------------------------

-- The stack pointer in use: PSTATE.SP, and EL0 has only SP_EL0.
local function sp_name(regs)
  return regs.pstate & 1 == 1 and "sp_el1" or "sp"
end

local function read_x(regs, n) return n == 31 and 0 or regs["x" .. n] end

local function read_base(regs, n)
  return regs[n == 31 and sp_name(regs) or "x" .. n]
end

local function offset_of(regs, op)
  local r = op.offset_register
  if not r then return op.offset end
  local value = read_x(regs, r.number)
  if r.extend == "uxtw" then value = value & 0xffffffff end
  if r.extend == "sxtw" then value = signed(value & 0xffffffff, 32) end
  return value * r.scale
end

-- The device sees accesses of at most 8 bytes.
local function device_read(device, offset, size)
  if size <= 8 then return device:read(offset, size) end
  return string.pack("<i8i8", device:read(offset, 8),
    device:read(offset + 8, 8))
end

local function device_write(device, offset, value, size)
  if size <= 8 then return device:write(offset, value, size) end
  local low, high = string.unpack("<i8i8", value)
  device:write(offset, low, 8)
  device:write(offset + 8, high, 8)
end

local function mask(value, size)
  return size == 8 and value or value & (1 << 8 * size) - 1
end

local function stored(regs, op, n)
  if not op.is_vector then return mask(read_x(regs, n), op.size) end
  local bytes = regs["v" .. n]
  return op.size == 16 and bytes or string.unpack("<I" .. op.size, bytes)
end

-- What a loaded value makes of the register.
local function loaded(op, value)
  if op.is_vector then
    if op.size == 16 then return value end
    return string.pack("<i8i8", mask(value, op.size), 0)
  end
  value = mask(value, op.size)
  if op.is_signed then value = mask(signed(value, 8 * op.size), op.width) end
  return value
end

-- Does the accesses; returns the registers that a load changes.
local function access(regs, op, device, offset)
  local changes = {}
  for i, n in ipairs(op.registers) do
    local at = offset + (i - 1) * op.size
    if not op.is_load then
      device_write(device, at, stored(regs, op, n), op.size)
    else
      local value = loaded(op, device_read(device, at, op.size))
      if op.is_vector then
        changes["v" .. n] = value
      elseif n ~= 31 then
        changes["x" .. n] = value
      end
    end
  end
  return changes
end

local function fetch_from(vcpu)
  return function(pc)
    local page, why = mmu.walk(vcpu.regs, vcpu.vm, pc)
    if not page then
      check.fail("pc 0x%x has no translation: %s", pc, why.syndrome)
    end
    local ok, bytes = pcall(vcpu.vm.read, vcpu.vm, page.pa, 4)
    return ok and bytes or
      check.fail("pc 0x%x is at gpa 0x%x, which is in no slot", pc, page.pa)
  end
end

local function is_device(name, value)
  if type(value) ~= "userdata" then
    return check.problem(name, "table", value)
  end
end

--- Emulates the instruction of an arm_nisv exit and skips it. Registers change
--- only after every access went well.
--- Usage: `nisv.emulate(cpu, exit, uart, 0x9000000)`
---@param vcpu kvm.vcpu
---@param exit kvm.exit
---@param device table read(self, offset, size) and write(self, offset, value,
---size), as for on_mmio
---@param base integer guest physical address of the device's offset 0
---@param fetch? fun(pc: integer): string the four bytes of the instruction; by
---default they are read through the guest's page tables
---@return kvm.arch.arm64.access
---Raises for other instructions, and for a guest in AArch32 state.
function M.emulate(vcpu, exit, device, base, fetch)
  check.argument(1, "emulate", "vcpu", check.object("kvm.vcpu", "regs"), vcpu)
  check.argument(2, "emulate", "exit",
    check.object("kvm.exit of reason arm_nisv", "fault_ipa"), exit)
  check.argument(3, "emulate", "device", is_device, device)
  base = check.argument(4, "emulate", "base", "integer", base)
  check.optional(5, "emulate", "fetch", "function", fetch)
  local regs = vcpu.regs
  local pc = regs.pc
  if regs.pstate & 0x10 ~= 0 then
    check.fail("the guest is in AArch32 state, whose instructions are not "
      .. "decoded")
  end
  local insn = string.unpack("<I4", (fetch or fetch_from(vcpu))(pc))
  local op = M.decode(insn)
  if not op then
    check.fail("instruction 0x%08x at pc 0x%x is no load or store that can be "
      .. "emulated", insn, pc)
  end
  local address = read_base(regs, op.base)
  local after = address + offset_of(regs, op)
  local start = op.index == "post" and address or after
  local n = op.size * #op.registers
  if (start & 0xfff) + n > 0x1000 then
    check.fail("%d bytes at va 0x%x straddle two pages, which may lie apart: "
      .. "no device has both", n, start)
  end
  -- The fault may lie anywhere in the access: what starts it is in its page.
  local ipa = exit.fault_ipa & ~0xfff | start & 0xfff
  local changes = access(regs, op, device, ipa - base)
  if op.index ~= "offset" then
    changes[op.base == 31 and sp_name(regs) or "x" .. op.base] = after
  end
  changes.pc = pc + 4
  regs(changes)
  return op
end

return M
