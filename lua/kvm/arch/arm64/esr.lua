-- SPDX-License-Identifier: MIT
--- Exception syndromes (ESR_ELx) in words. Arm Architecture Reference Manual,
--- DDI 0487, "ESR_EL1, Exception Syndrome Register".
---
---     local esr = require "kvm.arch.arm64.esr"
---     print(esr.describe(cpu.regs.esr_el1))
local check = require "kvm.check"

local M = {}

--- Exception class -> its short name and what it says.
M.class = {
  [0x00] = { "unknown", "unknown reason" },
  [0x01] = { "wfx", "trapped WFI or WFE" },
  [0x03] = { "cp15_32", "trapped MCR or MRC (coprocessor 15)" },
  [0x04] = { "cp15_64", "trapped MCRR or MRRC (coprocessor 15)" },
  [0x05] = { "cp14_32", "trapped MCR or MRC (coprocessor 14)" },
  [0x06] = { "cp14_ls", "trapped LDC or STC" },
  [0x07] = { "fp_trap", "trapped access to SIMD or floating point" },
  [0x08] = { "cp10", "trapped VMRS" },
  [0x09] = { "pauth_trap", "trapped pointer authentication" },
  [0x0a] = { "ls64", "trapped LD64B or ST64B" },
  [0x0c] = { "cp14_64", "trapped MRRC (coprocessor 14)" },
  [0x0d] = { "bti", "branch target exception" },
  [0x0e] = { "illegal_state", "illegal execution state" },
  [0x11] = { "svc32", "SVC in AArch32" },
  [0x12] = { "hvc32", "HVC in AArch32" },
  [0x13] = { "smc32", "SMC in AArch32" },
  [0x14] = { "sysreg128", "trapped MSRR, MRRS or 128-bit system instruction" },
  [0x15] = { "svc", "SVC" },
  [0x16] = { "hvc", "HVC" },
  [0x17] = { "smc", "SMC" },
  [0x18] = { "sysreg", "trapped MSR, MRS or system instruction" },
  [0x19] = { "sve_trap", "trapped access to SVE" },
  [0x1a] = { "eret", "trapped ERET" },
  [0x1b] = { "tstart", "trapped TSTART" },
  [0x1c] = { "fpac", "pointer authentication failure" },
  [0x1d] = { "sme_trap", "trapped access to SME" },
  [0x1e] = { "gpc", "granule protection check" },
  [0x20] = { "iabt_lower", "instruction abort from a lower level" },
  [0x21] = { "iabt", "instruction abort" },
  [0x22] = { "pc_alignment", "misaligned PC" },
  [0x24] = { "dabt_lower", "data abort from a lower level" },
  [0x25] = { "dabt", "data abort" },
  [0x26] = { "sp_alignment", "misaligned SP" },
  [0x27] = { "mops", "memory copy or set operation" },
  [0x28] = { "fp32", "floating-point exception in AArch32" },
  [0x2c] = { "fp", "floating-point exception" },
  [0x2d] = { "gcs", "guarded control stack exception" },
  [0x2f] = { "serror", "SError" },
  [0x30] = { "breakpoint_lower", "breakpoint from a lower level" },
  [0x31] = { "breakpoint", "breakpoint" },
  [0x32] = { "step_lower", "software step from a lower level" },
  [0x33] = { "step", "software step" },
  [0x34] = { "watchpoint_lower", "watchpoint from a lower level" },
  [0x35] = { "watchpoint", "watchpoint" },
  [0x38] = { "bkpt32", "BKPT in AArch32" },
  [0x3a] = { "vector_catch", "vector catch in AArch32" },
  [0x3c] = { "brk", "BRK" },
  [0x3d] = { "profiling", "PMU exception" },
}

-- Fault status codes whose low two bits are the level of the walk.
local levelled = {
  [0] = "address size fault",
  [1] = "translation fault",
  [2] = "access flag fault",
  [3] = "permission fault",
  [5] = "external abort on a table walk",
  [7] = "parity error on a table walk",
  [9] = "granule protection fault on a table walk",
}

local single = {
  [0x10] = "external abort",
  [0x11] = "tag check fault",
  [0x18] = "parity error",
  [0x21] = "alignment fault",
  [0x22] = "granule protection fault on a table walk, level -2",
  [0x23] = "granule protection fault on a table walk, level -1",
  [0x28] = "granule protection fault",
  [0x29] = "address size fault, level -1",
  [0x2a] = "translation fault, level -2",
  [0x2b] = "translation fault, level -1",
  [0x2c] = "address size fault, level -2",
  [0x13] = "external abort on a table walk, level -1",
  [0x12] = "external abort on a table walk, level -2",
  [0x30] = "TLB conflict abort",
  [0x31] = "unsupported atomic update",
  [0x34] = "lockdown fault",
  [0x35] = "unsupported exclusive or atomic access",
}

--- A fault status code in words.
--- Usage: `print(esr.fault(far_status & 0x3f))`
---@param code integer six bits: DFSC or IFSC
---@return string
function M.fault(code)
  code = check.argument(1, "fault", "code", check.bits(6), code)
  if single[code] then return single[code] end
  local kind = levelled[code >> 2]
  if kind then return ("%s, level %d"):format(kind, code & 3) end
  return ("reserved fault status 0x%x"):format(code)
end

local function bit(iss, n) return iss >> n & 1 == 1 end

-- ---- syndromes of the classes: iss -> fields --------------------------------

local function data_abort(iss)
  local t = {
    isv = bit(iss, 24), fnv = bit(iss, 10), ea = bit(iss, 9),
    cm = bit(iss, 8), s1ptw = bit(iss, 7), is_write = bit(iss, 6),
    fault = M.fault(iss & 0x3f),
  }
  if t.isv then -- the instruction is described: SAS, SSE, SRT, SF, AR
    t.size, t.sign_extend = 1 << (iss >> 22 & 3), bit(iss, 21)
    t.register, t.is_64bit = iss >> 16 & 31, bit(iss, 15)
    t.is_ordered = bit(iss, 14)
  end
  return t
end

local function instruction_abort(iss)
  return { fnv = bit(iss, 10), ea = bit(iss, 9), s1ptw = bit(iss, 7),
           fault = M.fault(iss & 0x3f) }
end

local function sysreg(iss)
  return {
    is_read = bit(iss, 0),
    register = iss >> 5 & 31,
    sysreg = ("s%d_%d_c%d_c%d_%d"):format(iss >> 20 & 3, iss >> 14 & 7,
      iss >> 10 & 15, iss >> 1 & 15, iss >> 17 & 7),
  }
end

local function immediate(iss) return { immediate = iss & 0xffff } end

local function wfx(iss)
  return { instruction = ({ [0] = "wfi", "wfe", "wfit", "wfet" })[iss & 3] }
end

local function step(iss) return { isv = bit(iss, 24), ex = bit(iss, 6) } end

local function watchpoint(iss)
  return { is_write = bit(iss, 6), cm = bit(iss, 8) }
end

local function serror(iss)
  return { ids = bit(iss, 24), ea = bit(iss, 9), fault = M.fault(iss & 0x3f) }
end

local syndromes = {
  [0x01] = wfx, [0x18] = sysreg, [0x2f] = serror,
  [0x15] = immediate, [0x16] = immediate, [0x17] = immediate,
  [0x3c] = immediate,
  [0x20] = instruction_abort, [0x21] = instruction_abort,
  [0x24] = data_abort, [0x25] = data_abort,
  [0x32] = step, [0x33] = step,
  [0x34] = watchpoint, [0x35] = watchpoint,
}

---@class kvm.arch.arm64.syndrome
---@field ec integer exception class
---@field name string of the class: "dabt", "svc", ...
---@field description string
---@field il boolean the instruction has 32 bits
---@field iss integer bits 24 to 0
---@field iss2 integer bits 52 to 32
---@field fault? string of an abort
---@field is_write? boolean of a data abort or watchpoint
---@field isv? boolean of a data abort: size and register are valid
---@field size? integer bytes
---@field register? integer number of the general register
---@field sysreg? string of a trapped MSR or MRS: "s3_0_c1_c0_0"
---@field immediate? integer of SVC, HVC, SMC and BRK

--- Takes a syndrome apart.
--- Usage: `print(esr.decode(cpu.regs.esr_el1).name)`
---@param value integer ESR_ELx
---@return kvm.arch.arm64.syndrome
function M.decode(value)
  value = check.argument(1, "decode", "value", "integer", value)
  local ec, iss = value >> 26 & 0x3f, value & 0x1ffffff
  local class = M.class[ec] or { "reserved", "reserved class" }
  local decode = syndromes[ec]
  local t = decode and decode(iss) or {}
  t.ec, t.name, t.description = ec, class[1], class[2]
  t.il, t.iss, t.iss2 = bit(value, 25), iss, value >> 32 & 0x1fffff
  return t
end

local function add(parts, ...) parts[#parts + 1] = string.format(...) end

--- A syndrome as one line: "data abort: write, translation fault, level 3".
--- Usage: `print(esr.describe(cpu.regs.esr_el1))`
---@param value integer ESR_ELx
---@return string
function M.describe(value)
  value = check.argument(1, "describe", "value", "integer", value)
  local t, parts = M.decode(value), {}
  if t.is_write ~= nil then add(parts, t.is_write and "write" or "read") end
  if t.size then
    add(parts, "%d byte%s, x%d", t.size, t.size > 1 and "s" or "", t.register)
  end
  if t.fault then add(parts, "%s", t.fault) end
  if t.sysreg then
    add(parts, "%s %s, x%d", t.is_read and "mrs" or "msr", t.sysreg,
      t.register)
  end
  if t.immediate then add(parts, "#0x%x", t.immediate) end
  if t.instruction then add(parts, "%s", t.instruction) end
  if #parts == 0 then return t.description end
  return t.description .. ": " .. table.concat(parts, ", ")
end

return M
