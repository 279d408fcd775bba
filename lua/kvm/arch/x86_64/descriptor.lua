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
local M = {}

--- Types of system segments and gates (s = 0).
M.type = {
  ldt = 0x2, tss_available = 0x9, tss_busy = 0xb,
  call_gate = 0xc, interrupt_gate = 0xe, trap_gate = 0xf,
}

local fields = { base = 64, limit = 32, type = 4, s = 1, dpl = 2, present = 1,
                 avl = 1, l = 1, db = 1, g = 1 }

-- The descriptor d over the defaults, checked. level: whose error it is.
local function complete(d, defaults, level)
  local out = {}
  for name in pairs(fields) do out[name] = defaults[name] or 0 end
  for name, value in pairs(d or {}) do
    local bits = fields[name]
    if not bits then error(("a descriptor has no field '%s'")
      :format(tostring(name)), level + 1) end
    if value == true or value == false then value = value and 1 or 0 end
    if math.type(value) ~= "integer" or
       (bits < 64 and math.ult((1 << bits) - 1, value)) then
      error(("descriptor.%s: %s does not fit in %d bits")
        :format(name, tostring(value), bits), level + 1)
    end
    out[name] = value
  end
  if out.limit > 0xfffff and out.limit & 0xfff ~= 0xfff then
    error(("descriptor.limit: 0x%x cannot be said in pages"):format(out.limit),
      level + 1)
  end
  if out.limit > 0xfffff then out.g = 1 end
  return out
end

---A flat code segment; fields of d replace its own (`l = 1` for 64-bit, `db =
---0` for 16-bit, `dpl = 3` for ring 3).
---Usage: `local code = descriptor.code { l = 1, db = 0 }`
---@param d? table
---@return table descriptor
function M.code(d)
  local long = d and (d.l == 1 or d.l == true)
  return complete(d, { limit = 0xffffffff, type = 0xb, s = 1, present = 1,
                       db = long and 0 or 1 }, 2)
end

---A flat data segment, writable.
---Usage: `local data = descriptor.data { dpl = 3 }`
---@param d? table
---@return table descriptor
function M.data(d)
  return complete(d, { limit = 0xffffffff, type = 0x3, s = 1, present = 1,
                       db = 1 }, 2)
end

---The segment of a task state, which the task register has loaded (busy).
---Usage: `local tss = descriptor.tss { base = 0x3000, limit = 0x67 }`
---@param d? table
---@return table descriptor
function M.tss(d)
  return complete(d, { limit = 0x67, type = M.type.tss_busy, present = 1 }, 2)
end

---A segment as the processor has it in real mode: 64 KiB at 16 * selector.
---Usage: `cpu.regs(descriptor.registers("ds", 0x100, descriptor.real(0x100)))`
---@param selector integer
---@param is_code? boolean
---@return table descriptor
function M.real(selector, is_code)
  return complete({ base = selector << 4 }, { limit = 0xffff,
    type = is_code and 0xb or 0x3, s = 1, present = 1 }, 2)
end

---The integer that lies in a descriptor table; system segments of long mode
---have a second one, with the upper half of the base.
---Usage: `local low, high = descriptor.encode(tss)`
---@param d table
---@return integer low
---@return integer high
function M.encode(d)
  d = complete(d, {}, 2)
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
  local low, high = M.encode(d)
  if is_long and (d.s or 0) == 0 then return string.pack("<i8i8", low, high) end
  return string.pack("<i8", low)
end

---The register values of a loaded segment, for cpu.regs.
---Usage: `cpu.regs(descriptor.registers("cs", 0x8, code))`
---@param name string "cs", "ds", "es", "fs", "gs", "ss", "tr" or "ldt"
---@param selector integer
---@param d table
---@return table registers
function M.registers(name, selector, d)
  local r = { [name .. "_selector"] = selector, [name .. "_unusable"] = 0 }
  for field, value in pairs(complete(d, {}, 2)) do
    r[name .. "_" .. field] = value
  end
  return r
end

---The bytes of a gate in an interrupt descriptor table: 16 in long mode, 8
---otherwise.
---Usage: `vm:write(idt + 16 * 14, descriptor.gate { offset = handler,
---selector = 0x8, is_long = true })`
---@param g table offset, selector, type ("interrupt" or "trap"), dpl, ist,
---is_long
---@return string
function M.gate(g)
  local kind = g.type or "interrupt"
  if kind ~= "interrupt" and kind ~= "trap" then
    error(("gate type '%s' (expected interrupt or trap)"):format(kind), 2)
  end
  local offset, ist = g.offset, g.is_long and g.ist or 0
  local low = offset & 0xffff | g.selector << 16 | ist << 32
    | M.type[kind .. "_gate"] << 40 | (g.dpl or 0) << 45 | 1 << 47
    | (offset >> 16 & 0xffff) << 48
  if g.is_long then return string.pack("<i8i8", low, offset >> 32 & 0xffffffff)
  end
  return string.pack("<i8", low)
end

---The bytes of a task state segment of long mode. With ports, ring 3 may use
---every I/O port: a bitmap of zeros follows.
---Usage: `vm:write(0x3000, descriptor.tss64 { rsp0 = 0x9000, ports = true })`
---@param t? table rsp0, rsp1, rsp2, ist (a list of up to 7 stacks), ports
---@return string
function M.tss64(t)
  t = t or {}
  local ist = t.ist or {}
  local stacks = { t.rsp0 or 0, t.rsp1 or 0, t.rsp2 or 0, 0 }
  for i = 1, 7 do stacks[4 + i] = ist[i] or 0 end
  return string.pack("<I4" .. ("i8"):rep(11) .. "i8I2I2", 0, stacks[1],
    stacks[2], stacks[3], stacks[4], stacks[5], stacks[6], stacks[7],
    stacks[8], stacks[9], stacks[10], stacks[11], 0, 0, 0x68)
    .. (t.ports and ("\0"):rep(0x2000) .. "\xff" or "")
end

---The bytes of a task state segment of protected mode.
---Usage: `vm:write(0x3000, descriptor.tss32 { esp0 = 0x9000, ss0 = 0x10 })`
---@param t? table esp0, ss0, ports
---@return string
function M.tss32(t)
  t = t or {}
  return string.pack("<I4I4I4", 0, t.esp0 or 0, t.ss0 or 0)
    .. ("\0"):rep(0x66 - 12) .. string.pack("<I2", 0x68)
    .. (t.ports and ("\0"):rep(0x2000) .. "\xff" or "")
end

return M
