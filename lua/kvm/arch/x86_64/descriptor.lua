-- SPDX-License-Identifier: MIT
--- Segment descriptors, gates and task state segments: Intel SDM, volume 3,
--- sections 3.4.5, 6.11, 6.14, 8.2 and 8.7.
---
---     local descriptor = require "kvm.arch.x86_64.descriptor"
---     local code = descriptor.code { l = 1 }
---     vm:write(0x8, descriptor.bytes(code))
---     cpu.regs(descriptor.registers("cs", 0x8, code))
---
--- A descriptor is a table with the fields that KVM gives a segment: base,
--- limit (in bytes, whatever g is), type, s, dpl, present, avl, l, db, g.
local check = require "kvm.check"

local M = {}

--- Types of system segments and gates (s = 0).
M.type = {
  ldt = 0x2, tss_available = 0x9, tss_busy = 0xb,
  call_gate = 0xc, interrupt_gate = 0xe, trap_gate = 0xf,
}

-- A bit may be said as a boolean, too.
local function flag(name, value)
  if type(value) ~= "boolean" then return check.bits(1)(name, value) end
end

local FIELDS <const> = { base = check.bits(64), limit = check.bits(32),
  type = check.bits(4), s = flag, dpl = check.bits(2), present = flag,
  avl = flag, l = flag, db = flag, g = flag }

-- The descriptor d over the defaults, checked: the n-th argument of fn.
local function complete(n, fn, d, defaults)
  local out = {}
  for name in pairs(FIELDS) do out[name] = defaults[name] or 0 end
  for name, value in pairs(check.options(n, fn, d, FIELDS, "field")) do
    if type(value) == "boolean" then value = value and 1 or 0 end
    out[name] = value
  end
  if out.limit > 0xfffff and out.limit & 0xfff ~= 0xfff then
    check.bad(n, fn, "limit 0x%x cannot be said in pages", out.limit)
  end
  if out.limit > 0xfffff then out.g = 1 end
  return out
end

-- One that must be there.
local function whole(n, fn, d)
  return complete(n, fn, check.argument(n, fn, "descriptor", "table", d), {})
end

---A flat code segment; fields of d replace its own (`l = 1` for 64-bit, `db =
---0` for 16-bit, `dpl = 3` for ring 3).
---Usage: `local code = descriptor.code { l = 1, db = 0 }`
---@param d? table
---@return table descriptor
function M.code(d)
  local r = complete(1, "code", d, { limit = 0xffffffff, type = 0xb, s = 1,
                                     present = 1, db = 1 })
  if r.l == 1 and d.db == nil then r.db = 0 end -- as 64-bit segments must
  return r
end

---A flat data segment, writable.
---Usage: `local data = descriptor.data { dpl = 3 }`
---@param d? table
---@return table descriptor
function M.data(d)
  return complete(1, "data", d, { limit = 0xffffffff, type = 0x3, s = 1,
                                  present = 1, db = 1 })
end

---The segment of a task state, which the task register has loaded (busy).
---Usage: `local tss = descriptor.tss { base = 0x3000, limit = 0x67 }`
---@param d? table
---@return table descriptor
function M.tss(d)
  return complete(1, "tss", d, { limit = 0x67, type = M.type.tss_busy,
                                 present = 1 })
end

---A segment as the processor has it in real mode: 64 KiB at 16 * selector.
---Usage: `cpu.regs(descriptor.registers("ds", 0x100, descriptor.real(0x100)))`
---@param selector integer
---@param is_code? boolean
---@return table descriptor
function M.real(selector, is_code)
  selector = check.argument(1, "real", "selector", check.bits(16), selector)
  return complete(1, "real", { base = selector << 4 }, { limit = 0xffff,
    type = is_code and 0xb or 0x3, s = 1, present = 1 })
end

---The integer that lies in a descriptor table; system segments of long mode
---have a second one, with the upper half of the base.
---Usage: `local low, high = descriptor.encode(tss)`
---@param d table
---@return integer low
---@return integer high
function M.encode(d)
  d = whole(1, "encode", d)
  local limit = d.g == 1 and d.limit >> 12 or d.limit
  local low = limit & 0xffff | (d.base & 0xffffff) << 16 | d.type << 40
    | d.s << 44 | d.dpl << 45 | d.present << 47 | (limit >> 16) << 48
    | d.avl << 52 | d.l << 53 | d.db << 54 | d.g << 55
    | (d.base >> 24 & 0xff) << 56
  return low, d.base >> 32
end

---The descriptor that encode gives these integers for.
---Usage: `local d = descriptor.decode(ram:u64(gdt + 8))`
---@param low integer
---@param high? integer of a system segment in long mode
---@return table descriptor
function M.decode(low, high)
  low = check.argument(1, "decode", "low", "integer", low)
  high = check.optional(2, "decode", "high", "integer", high)
  local limit = low & 0xffff | (low >> 48 & 0xf) << 16
  local g = low >> 55 & 1
  return {
    base = low >> 16 & 0xffffff | (low >> 56) << 24 | (high or 0) << 32,
    limit = g == 1 and limit << 12 | 0xfff or limit,
    type = low >> 40 & 0xf, s = low >> 44 & 1, dpl = low >> 45 & 3,
    present = low >> 47 & 1, avl = low >> 52 & 1, l = low >> 53 & 1,
    db = low >> 54 & 1, g = g,
  }
end

---The bytes of a descriptor in its table: 8, or 16 for a system segment in long
---mode.
---Usage: `vm:write(gdt + 8, descriptor.bytes(code))`
---@param d table
---@param is_long? boolean
---@return string
function M.bytes(d, is_long)
  d = whole(1, "bytes", d)
  local low, high = M.encode(d)
  if is_long and d.s == 0 then return string.pack("<i8i8", low, high) end
  return string.pack("<i8", low)
end

local SEGMENTS <const> = { "cs", "ds", "es", "fs", "gs", "ss", "tr", "ldt" }

---The register values of a loaded segment, for cpu.regs.
---Usage: `cpu.regs(descriptor.registers("cs", 0x8, code))`
---@param name string "cs", "ds", "es", "fs", "gs", "ss", "tr" or "ldt"
---@param selector integer
---@param d table
---@return table registers
function M.registers(name, selector, d)
  check.argument(1, "registers", "name", SEGMENTS, name)
  selector = check.argument(2, "registers", "selector", check.bits(16),
    selector)
  local r = { [name .. "_selector"] = selector, [name .. "_unusable"] = 0 }
  for field, value in pairs(whole(3, "registers", d)) do
    r[name .. "_" .. field] = value
  end
  return r
end

local GATE <const> = { "offset: where the handler lies", "selector",
  offset = check.bits(64), selector = check.bits(16),
  type = { "interrupt", "trap" }, dpl = check.bits(2), ist = check.bits(3),
  is_long = "boolean" }

---The bytes of a gate in an interrupt descriptor table: 16 in long mode, 8
---otherwise.
---Usage: `vm:write(idt + 16 * 14, descriptor.gate { offset = handler,
---selector = 0x8, is_long = true })`
---@param g table offset, selector, type ("interrupt" or "trap"), dpl, ist,
---is_long
---@return string
function M.gate(g)
  g = check.options(1, "gate", g, GATE, "field")
  if not g.is_long and g.ist then
    check.bad(1, "gate", "ist is for gates of long mode: is_long")
  elseif not g.is_long and g.offset >> 32 ~= 0 then
    check.bad(1, "gate", "offset 0x%x does not fit in 32 bits", g.offset)
  end
  local low = g.offset & 0xffff | g.selector << 16 | (g.ist or 0) << 32
    | M.type[(g.type or "interrupt") .. "_gate"] << 40 | (g.dpl or 0) << 45
    | 1 << 47 | (g.offset >> 16 & 0xffff) << 48
  if not g.is_long then return string.pack("<i8", low) end
  return string.pack("<i8i8", low, g.offset >> 32)
end

local function stacks(name, value)
  local text = check.problem(name, check.list("integer", "list of stacks"),
    value)
  if text then return text end
  for i in pairs(value) do
    if i < 1 or i > 7 then
      return ("%s: stack %d is outside 1..7"):format(name, i)
    end
  end
end

local TSS64 <const> = { rsp0 = "integer", rsp1 = "integer", rsp2 = "integer",
  ist = stacks, ports = "boolean" }

---The bytes of a task state segment of long mode. With ports, ring 3 may use
---every I/O port: a bitmap of zeros follows.
---Usage: `vm:write(0x3000, descriptor.tss64 { rsp0 = 0x9000, ports = true })`
---@param t? table rsp0, rsp1, rsp2, ist (a list of up to 7 stacks), ports
---@return string
function M.tss64(t)
  t = check.options(1, "tss64", t, TSS64, "field")
  local ist = t.ist or {}
  local words = { t.rsp0 or 0, t.rsp1 or 0, t.rsp2 or 0, 0 }
  for i = 1, 7 do words[4 + i] = ist[i] or 0 end
  return string.pack("<I4" .. ("i8"):rep(11), 0, table.unpack(words))
    .. string.pack("<i8I2I2", 0, 0, 0x68)
    .. (t.ports and ("\0"):rep(0x2000) .. "\xff" or "")
end

local TSS32 <const> = { esp0 = check.bits(32), ss0 = check.bits(16),
  ports = "boolean" }

---The bytes of a task state segment of protected mode.
---Usage: `vm:write(0x3000, descriptor.tss32 { esp0 = 0x9000, ss0 = 0x10 })`
---@param t? table esp0, ss0, ports
---@return string
function M.tss32(t)
  t = check.options(1, "tss32", t, TSS32, "field")
  return string.pack("<I4I4I4", 0, t.esp0 or 0, t.ss0 or 0)
    .. ("\0"):rep(0x66 - 12) .. string.pack("<I2", 0x68)
    .. (t.ports and ("\0"):rep(0x2000) .. "\xff" or "")
end

return M
