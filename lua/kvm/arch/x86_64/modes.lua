-- SPDX-License-Identifier: MIT
--- Puts a vCPU into a mode: each function writes the tables that the mode needs
--- and returns the registers for cpu.regs.
---
---     local modes = require "kvm.arch.x86_64.modes"
---     cpu:set_cpuid2(system:get_supported_cpuid())
---     cpu.regs(modes.long64(vm, { at = 0x1000, entry = 0x100000 }))
---
--- The tables are written with target:write(gpa, bytes): a VM, or memory that
--- the guest has at gpa 0. at is where they go. Besides the registers, a result
--- answers to two more names: last, the first gpa behind the tables, and
--- paging, the page tables (kvm.arch.x86_64.mmu) of a mode that has them.
local check = require "kvm.check"
local descriptor = require "kvm.arch.x86_64.descriptor"
local mmu = require "kvm.arch.x86_64.mmu"

local M = {}

--- Selectors of the descriptor tables that are written here. The order is the
--- one that SYSCALL and SYSRET want.
M.selector = {
  code = 0x08, data = 0x10, user_code32 = 0x1b, user_data = 0x23,
  user_code = 0x2b, tss = 0x30, code32 = 0x40,
}

local DATA_SEGMENTS = { "ds", "es", "fs", "gs", "ss" }
local IDT <const>, TSS <const> = 0x1000, 0x2000 -- behind at; TSS is two pages
local TABLES <const> = 0x5000                   -- and a byte

local function merge(into, ...)
  for _, t in ipairs { ... } do
    for name, value in pairs(t) do into[name] = value end
  end
  return into
end

-- Answers to more names without having them: cpu.regs takes every key of a
-- table for a register.
local function with(regs, more)
  return setmetatable(regs, { __index = more })
end

-- The values of a code segment, the data segments and the general registers.
local function start(code_selector, code, data_selector, data, options)
  local r = descriptor.registers("cs", code_selector, code)
  for _, name in ipairs(DATA_SEGMENTS) do
    merge(r, descriptor.registers(name, data_selector, data))
  end
  return merge(r, { rip = options.entry or 0, rsp = options.stack or 0,
                    rflags = options.rflags or 2 })
end

local REAL <const> = { entry = check.bits(16), segment = check.bits(16),
  stack = check.bits(16), rflags = check.bits(32) }

---Real mode: every segment at 16 * segment.
---Usage: `cpu.regs(modes.real { entry = 0x1000 })`
---@param options? table `entry` (offset in the segment), `segment` (0), `stack`
---(sp), `rflags` (2)
---@return table registers
function M.real(options)
  options = check.options(1, "real", options, REAL)
  local s = options.segment or 0
  return merge(start(s, descriptor.real(s, true), s, descriptor.real(s),
    options), { cr0 = 0x60000010, cr3 = 0, cr4 = 0, efer = 0, idt_base = 0,
                idt_limit = 0x3ff })
end

-- ---- descriptor tables -----------------------------------------------------

-- What tables are written to.
local can_write = check.object("kvm.vm or kvm.memory", "write")

-- Calls f for the n-th argument of fn, whose fault it is when that raises.
local function attempt(n, fn, what, f, ...)
  local ok, result = pcall(f, ...)
  if ok then return result end
  check.bad(n, fn, "%s: %s", what,
    tostring(result):match "%((.*)%)$" or tostring(result))
end

-- Writes pieces {gpa, bytes} of tables that need size bytes at a gpa.
local function write(n, fn, target, at, size, pieces)
  local what = ("the tables need 0x%x bytes at 0x%x"):format(size, at)
  for _, piece in ipairs(pieces) do
    attempt(n, fn, what, target.write, target, piece[1], piece[2])
  end
end

-- Adds the piece of descriptors[selector] = descriptor; returns gdt_base and
-- gdt_limit.
local function add_gdt(pieces, at, descriptors, is_long)
  local last = 0
  pieces[#pieces + 1] = { at, ("\0"):rep(8) }
  for selector, d in pairs(descriptors) do
    local bytes = descriptor.bytes(d, is_long)
    pieces[#pieces + 1] = { at + (selector & ~7), bytes }
    last = math.max(last, (selector & ~7) + #bytes - 1)
  end
  return { gdt_base = at, gdt_limit = last }
end

-- Adds the pieces of gates: vector -> the handler's address, or what
-- descriptor.gate takes.
local function add_gates(n, fn, pieces, at, gates, is_long)
  check.argument(n, fn, "gates", "table", gates)
  for vector, gate in pairs(gates) do
    if math.type(vector) ~= "integer" or math.ult(255, vector) then
      check.bad(n, fn, "gates: vector %s is outside 0..255", check.show(vector))
    end
    local name = ("gates[%d]"):format(vector)
    if math.type(gate) == "integer" then gate = { offset = gate } end
    if type(gate) ~= "table" then
      check.bad(n, fn, "%s: integer or table expected, got %s", name,
        check.show(gate))
    end
    gate = merge({ selector = M.selector.code, is_long = is_long }, gate)
    pieces[#pieces + 1] = { at + vector * (is_long and 16 or 8),
      attempt(n, fn, name, descriptor.gate, gate) }
  end
end

---Writes gates into an interrupt descriptor table; the vectors that gates does
---not name stay as they are.
---Usage: `modes.write_gates(vm, idt, { [14] = on_page_fault }, true)`
---@param target table|userdata as above
---@param at integer gpa of the table
---@param gates table vector -> address of the handler, or a table as
---descriptor.gate takes
---@param is_long boolean
function M.write_gates(target, at, gates, is_long)
  check.argument(1, "write_gates", "target", can_write, target)
  at = check.argument(2, "write_gates", "at", "integer", at)
  is_long = check.optional(4, "write_gates", "is_long", "boolean", is_long)
  local pieces = {}
  add_gates(3, "write_gates", pieces, at, gates, is_long or false)
  write(2, "write_gates", target, at, is_long and 0x1000 or 0x800, pieces)
end

-- Adds the tables that both protected modes have. tss: the bytes of the task
-- state; segments: selector -> descriptor.
local function tables(fn, pieces, options, tss, segments, is_long)
  local at = options.at
  local task = descriptor.tss { base = at + TSS, limit = #tss - 1 }
  segments[M.selector.tss] = task
  add_gates(2, fn, pieces, at + IDT, options.gates or {}, is_long)
  pieces[#pieces + 1] = { at + TSS, tss }
  return merge(add_gdt(pieces, at, segments, is_long),
    descriptor.registers("tr", M.selector.tss, task),
    descriptor.registers("ldt", 0, { type = descriptor.type.ldt }),
    { ldt_unusable = 1, idt_base = at + IDT,
      idt_limit = (is_long and 16 or 8) * 256 - 1 })
end

local PROT32 <const> = { "at: where its tables go",
  at = check.multiple(0x1000, "the page size"), gates = "table",
  entry = check.bits(32), stack = check.bits(32), rflags = check.bits(32),
  user = "boolean", kernel_stack = check.bits(32), ports = "boolean" }

---32-bit protected mode with flat segments and no paging.
---Usage: `cpu.regs(modes.prot32(vm, { at = 0x1000, entry = 0x10000 }))`
---@param target table|userdata as above
---@param options table `at` (required); `entry`, `stack`, `rflags`; `gates`:
---vector -> handler; `user`: start in ring 3, with `kernel_stack` for what
---interrupts it, and with `ports` = true for its port accesses
---@return table registers, with `last` = at + 0x5000
function M.prot32(target, options)
  check.argument(1, "prot32", "target", can_write, target)
  options = check.options(2, "prot32", options, PROT32)
  local s, data, pieces = M.selector, descriptor.data(), {}
  local segments = {
    [s.code] = descriptor.code(), [s.data] = data,
    [s.user_code] = descriptor.code { dpl = 3 },
    [s.user_data] = descriptor.data { dpl = 3 },
  }
  local tss = descriptor.tss32 { esp0 = options.kernel_stack, ss0 = s.data,
                                 ports = options.ports }
  local regs = tables("prot32", pieces, options, tss, segments, false)
  write(2, "prot32", target, options.at, TABLES, pieces)
  local code, stack = s.code, s.data
  if options.user then code, stack = s.user_code, s.user_data end
  merge(regs, start(code, segments[code], stack, segments[stack], options),
    { cr0 = 0x33, cr3 = 0, cr4 = 0, efer = 0 })
  return with(regs, { last = options.at + TABLES })
end

-- Addresses below 2^47: those that a process has, and all that size can map.
local function low_half(name, value)
  return check.multiple(0x1000, "the page size")(name, value)
    or (value <= 0 or value > 1 << 47)
    and ("%s 0x%x is outside 0x1000..0x%x"):format(name, value, 1 << 47) or nil
end

local LONG64 <const> = merge({}, PROT32, { size = low_half,
  page = { 0x1000, 0x200000, 1 << 30 }, ist = "table",
  entry = check.bits(64), stack = check.bits(64),
  kernel_stack = check.bits(64) })

---64-bit mode. The first size bytes are mapped to themselves. The vCPU's CPUID
---must have long mode: set_cpuid2 comes first.
---Usage: `cpu.regs(modes.long64(vm, { at = 0x1000, entry = 0x100000 }))`
---@param target table|userdata as above
---@param options table as for prot32, and `size` (1 GiB), `page`: the largest
---page, 0x200000 (default), 0x1000 or 1 << 30; `ist`: a list of stacks for
---gates. With `user` ring 3 may use all that is mapped
---@return table registers, with `last` and `paging`
function M.long64(target, options)
  check.argument(1, "long64", "target", can_write, target)
  options = check.options(2, "long64", options, LONG64)
  local s, pieces = M.selector, {}
  local segments = {
    [s.code] = descriptor.code { l = 1 }, [s.data] = descriptor.data(),
    [s.user_code32] = descriptor.code { dpl = 3 },
    [s.user_data] = descriptor.data { dpl = 3 },
    [s.user_code] = descriptor.code { l = 1, dpl = 3 },
    [s.code32] = descriptor.code(),
  }
  local tss = attempt(2, "long64", "its task state", descriptor.tss64,
    { rsp0 = options.kernel_stack, ist = options.ist, ports = options.ports })
  local regs = tables("long64", pieces, options, tss, segments, true)
  local paging = mmu.new { base = options.at + TABLES }
  paging:map(0, 0, options.size or 1 << 30,
    { page = options.page or 0x200000, user = options.user })
  local bytes = paging:bytes()
  pieces[#pieces + 1] = { paging.base, bytes }
  write(2, "long64", target, options.at, TABLES + #bytes, pieces)
  local code, stack = s.code, s.data
  if options.user then code, stack = s.user_code, s.user_data end
  merge(regs, start(code, segments[code], stack, segments[stack], options),
    paging:registers())
  regs.cr4 = regs.cr4 | 0x600 -- OSFXSR, OSXMMEXCPT: SSE is part of the mode
  return with(regs, { last = paging.base + #bytes, paging = paging })
end

return M
