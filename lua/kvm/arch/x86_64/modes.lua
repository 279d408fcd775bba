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

local function check(options, names, fn)
  for name in pairs(options) do
    if not names[name] then
      error(("bad argument to '%s' (unknown option '%s')")
        :format(fn, tostring(name)), 3)
    end
  end
  local at = options.at
  if names.at and at == nil then
    error(("bad argument to '%s' (option 'at' is missing: where its tables go)")
      :format(fn), 3)
  end
  if names.at and (math.type(at) ~= "integer" or at & 0xfff ~= 0) then
    error(("bad argument to '%s' (at %s is not a multiple of the page size "
      .. "0x1000)"):format(fn, tostring(at)), 3)
  end
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

local real_options = { entry = 1, segment = 1, stack = 1, rflags = 1 }

---Real mode: every segment at 16 * segment.
---Usage: `cpu.regs(modes.real { entry = 0x1000 })`
---@param options? table `entry` (offset in the segment), `segment` (0), `stack`
---(sp), `rflags` (2)
---@return table registers
function M.real(options)
  options = options or {}
  check(options, real_options, "real")
  local s = options.segment or 0
  return merge(start(s, descriptor.real(s, true), s, descriptor.real(s),
    options), { cr0 = 0x60000010, cr3 = 0, cr4 = 0, efer = 0, idt_base = 0,
                idt_limit = 0x3ff })
end

-- ---- descriptor tables -----------------------------------------------------

-- Writes descriptors[selector] = descriptor; returns gdt_base and gdt_limit.
local function write_gdt(target, at, descriptors, is_long)
  local last = 0
  for selector, d in pairs(descriptors) do
    local bytes = descriptor.bytes(d, is_long)
    target:write(at + (selector & ~7), bytes)
    last = math.max(last, (selector & ~7) + #bytes - 1)
  end
  target:write(at, ("\0"):rep(8))
  return { gdt_base = at, gdt_limit = last }
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
  for vector, gate in pairs(gates) do
    if math.type(gate) == "integer" then gate = { offset = gate } end
    gate = merge({ selector = M.selector.code, is_long = is_long }, gate)
    if math.type(vector) ~= "integer" or math.ult(255, vector) then
      error(("bad argument #3 to 'write_gates' (vector %s is outside 0..255)")
        :format(tostring(vector)), 2)
    end
    target:write(at + vector * (is_long and 16 or 8), descriptor.gate(gate))
  end
end

-- Writes the tables that both protected modes have. tss: the bytes of the task
-- state; segments: selector -> descriptor.
local function tables(target, options, tss, segments, is_long)
  local at = options.at
  local task = descriptor.tss { base = at + TSS, limit = #tss - 1 }
  segments[M.selector.tss] = task
  M.write_gates(target, at + IDT, options.gates or {}, is_long)
  target:write(at + TSS, tss)
  return merge(write_gdt(target, at, segments, is_long),
    descriptor.registers("tr", M.selector.tss, task),
    descriptor.registers("ldt", 0, { type = descriptor.type.ldt }),
    { ldt_unusable = 1, idt_base = at + IDT,
      idt_limit = (is_long and 16 or 8) * 256 - 1 })
end

local prot32_options = { at = 1, entry = 1, stack = 1, rflags = 1, gates = 1,
                         user = 1, kernel_stack = 1, ports = 1 }

---32-bit protected mode with flat segments and no paging.
---Usage: `cpu.regs(modes.prot32(vm, { at = 0x1000, entry = 0x10000 }))`
---@param target table|userdata as above
---@param options table `at` (required); `entry`, `stack`, `rflags`; `gates`:
---vector -> handler; `user`: start in ring 3, with `kernel_stack` for what
---interrupts it, and with `ports` = true for its port accesses
---@return table registers, with `last` = at + 0x5000
function M.prot32(target, options)
  check(options, prot32_options, "prot32")
  local s, data = M.selector, descriptor.data()
  local segments = {
    [s.code] = descriptor.code(), [s.data] = data,
    [s.user_code] = descriptor.code { dpl = 3 },
    [s.user_data] = descriptor.data { dpl = 3 },
  }
  local tss = descriptor.tss32 { esp0 = options.kernel_stack, ss0 = s.data,
                                 ports = options.ports }
  local regs = tables(target, options, tss, segments, false)
  local code, stack = s.code, s.data
  if options.user then code, stack = s.user_code, s.user_data end
  merge(regs, start(code, segments[code], stack, segments[stack], options),
    { cr0 = 0x33, cr3 = 0, cr4 = 0, efer = 0 })
  return with(regs, { last = options.at + TABLES })
end

local long64_options = merge({ size = 1, page = 1, ist = 1 }, prot32_options)

---64-bit mode. The first size bytes are mapped to themselves. The vCPU's CPUID
---must have long mode: set_cpuid2 comes first.
---Usage: `cpu.regs(modes.long64(vm, { at = 0x1000, entry = 0x100000 }))`
---@param target table|userdata as above
---@param options table as for prot32, and `size` (1 GiB), `page`: the largest
---page, 0x200000 (default) or 0x1000; `ist`: a list of stacks for gates. With
---`user` ring 3 may use all that is mapped
---@return table registers, with `last` and `paging`
function M.long64(target, options)
  check(options, long64_options, "long64")
  local s = M.selector
  local segments = {
    [s.code] = descriptor.code { l = 1 }, [s.data] = descriptor.data(),
    [s.user_code32] = descriptor.code { dpl = 3 },
    [s.user_data] = descriptor.data { dpl = 3 },
    [s.user_code] = descriptor.code { l = 1, dpl = 3 },
    [s.code32] = descriptor.code(),
  }
  local tss = descriptor.tss64 { rsp0 = options.kernel_stack,
                                 ist = options.ist, ports = options.ports }
  local regs = tables(target, options, tss, segments, true)
  local paging = mmu.new { base = options.at + TABLES }
  paging:map(0, 0, options.size or 1 << 30,
    { page = options.page or 0x200000, user = options.user })
  local bytes = paging:bytes()
  target:write(paging.base, bytes)
  local code, stack = s.code, s.data
  if options.user then code, stack = s.user_code, s.user_data end
  merge(regs, start(code, segments[code], stack, segments[stack], options),
    paging:registers())
  regs.cr4 = regs.cr4 | 0x600 -- OSFXSR, OSXMMEXCPT: SSE is part of the mode
  return with(regs, { last = paging.base + #bytes, paging = paging })
end

return M
