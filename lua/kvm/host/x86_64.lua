-- SPDX-License-Identifier: MIT
-- The x86-64 half of kvm.host: which backend runs, and guests that show how it
-- behaves. The code of each guest stands beside its source; a spec assembles
-- the source and compares, so that a host without an assembler can be asked.
local core = require "kvm.core"
local mmu = require "kvm.arch.x86_64.mmu"
local modes = require "kvm.arch.x86_64.modes"

local M = {}

local TABLES <const>, CODE <const>, HANDLER <const> = 0x10000, 0x4000, 0x5000
local STACK <const>, USER_STACK <const> = 0x7000, 0x8000
local SIZE <const> = 0x200000
local TIMEOUT <const> = 0.2

-- Opening a directory succeeds, reading it would not.
local function exists(path)
  local file <close> = io.open(path)
  return file ~= nil
end

---The module that drives the processor: "vmx", "svm", "pvm" or "unknown".
---@return table
function M.describe()
  local backend = "unknown"
  for module, name in pairs { kvm_intel = "vmx", kvm_amd = "svm",
                              kvm_pvm = "pvm" } do
    if exists("/sys/module/" .. module) then backend = name end
  end
  return { backend = backend }
end

-- ---- running a guest --------------------------------------------------------

-- A VM with one slot at 0 and the guest's code at CODE, closed when it leaves
-- the scope.
local function machine(code)
  local system <close> = core.open()
  local vm = system:create_vm()
  local memory = core.memory(SIZE)
  memory:write(CODE, code)
  memory:write(HANDLER, "\xf4") -- hlt
  vm:set_user_memory_region { slot = 0, guest_phys_addr = 0,
    memory_size = SIZE, memory = memory }
  local cpu = vm:create_vcpu()
  -- Newer kernels let no guest into long mode whose CPUID lacks it.
  cpu:set_cpuid2(system:get_supported_cpuid())
  return setmetatable({ vm = vm, memory = memory, cpu = cpu }, {
    __close = function(m)
      m.cpu:close()
      m.vm:close()
      m.memory:close()
    end })
end

-- Whether the guest's next exit is the one expected; what it is if not.
local function expect(cpu, expected)
  local reason, exit = cpu:run { timeout = TIMEOUT }
  if reason == expected then return true end
  return false, tostring(exit)
end

-- Runs code in the mode that enter gives the registers of.
local function runs(code, enter, expected, prepare)
  local m <close> = machine(code)
  m.cpu.regs(enter(m))
  if prepare then prepare(m.cpu, m) end
  return expect(m.cpu, expected or "hlt")
end

local function long64(options)
  return function(m)
    local all = { at = TABLES, entry = CODE, stack = STACK, size = SIZE }
    for k, v in pairs(options or {}) do all[k] = v end
    return modes.long64(m.vm, all)
  end
end

local function prot32(options)
  return function(m)
    local all = { at = TABLES, entry = CODE, stack = STACK }
    for k, v in pairs(options or {}) do all[k] = v end
    return modes.prot32(m.vm, all)
  end
end

local USER <const> = { user = true, stack = USER_STACK, kernel_stack = STACK,
                       gates = { [6] = HANDLER } }

-- 32-bit protected mode with the tables of a paging mode.
local function paged(mode, page)
  return function(m)
    local regs = prot32()(m)
    local tables = mmu.new { base = 0x20000, mode = mode }
    tables:map(0, 0, SIZE, { page = page })
    m.vm:write(tables.base, tables:bytes())
    for k, v in pairs(tables:registers()) do regs[k] = v end
    return regs
  end
end

-- Long mode whose first GiB is one page.
local function one_page(m)
  local regs = long64()(m)
  m.vm:write(0x20000, string.pack("<I8", 0x21003))
  m.vm:write(0x21000, string.pack("<I8", 0x83))
  regs.cr3 = 0x20000
  return regs
end

-- ---- debugging ---------------------------------------------------------------

local function stepping(cpu)
  cpu:set_guest_debug { control = { "ENABLE", "SINGLESTEP" } }
end

-- DR7: enable breakpoint 0; read-or-write of 4 bytes when data.
local function breakpoint(address, data)
  return function(cpu)
    cpu:set_guest_debug { control = { "ENABLE", "USE_HW_BP" }, arch = {
      debugreg = { address, [8] = data and 0xf0402 or 0x402 } } }
  end
end

local function catch_int3(cpu)
  cpu:set_guest_debug { control = { "ENABLE", "USE_SW_BP" } }
end

-- KVM_HC_MAP_GPA_RANGE, the one hypercall that KVM hands to user space.
local function hypercall(m_cpu, m)
  m.vm:enable_cap("EXIT_HYPERCALL", 1 << 12)
  m_cpu.regs { rax = 12, rbx = 0, rcx = 1, rdx = 0 }
end

-- ---- the questions -------------------------------------------------------------

-- source is AT&T syntax for the mode's assembler; code is what it gives.
local HLT <const> = { bits = "x86_64", source = "hlt", code = "\xf4" }

local function probe(guest, enter, expected, prepare)
  return { guest = guest, run = function()
    return runs(guest.code, enter, expected, prepare)
  end }
end

local function guest(bits, source, code)
  return { bits = bits, source = source, code = code }
end

M.probes = {
  ring0_sse = probe(guest("x86_64", "addps %xmm0, %xmm1; hlt",
    "\x0f\x58\xc8\xf4"), long64()),
  ring0_x87 = probe(guest("x86_64", "fld1; fstp %st(0); hlt",
    "\xd9\xe8\xdd\xd8\xf4"), long64()),
  ring0_cmpxchg16b = probe(guest("x86_64", "cmpxchg16b (%rsp); hlt",
    "\x48\x0f\xc7\x0c\x24\xf4"), long64()),
  ring0_popcnt = probe(guest("x86_64", "popcnt %rax, %rbx; hlt",
    "\xf3\x48\x0f\xb8\xd8\xf4"), long64()),
  paging32 = probe(HLT, paged("legacy", 0x1000)),
  paging_pae = probe(HLT, paged("pae", 0x1000)),
  pages_1g = probe(HLT, one_page),
  int_prot32 = probe(guest("x86_32", "int $0x30; cli; 1: jmp 1b",
    "\xcd\x30\xfa\xeb\xfe"), prot32 { gates = { [0x30] = HANDLER } }),
  int_long64 = probe(guest("x86_64", "int $0x30; cli; 1: jmp 1b",
    "\xcd\x30\xfa\xeb\xfe"), long64 { gates = { [0x30] = HANDLER } }),
  int_ring3 = probe(guest("x86_64", "int $0x30; 1: jmp 1b",
    "\xcd\x30\xeb\xfe"), long64 { user = true, stack = USER_STACK,
    kernel_stack = STACK, gates = { [0x30] = { offset = HANDLER, dpl = 3 } } }),
  ring3 = probe(guest("x86_64", "ud2", "\x0f\x0b"), long64(USER)),
  single_step = probe(guest("x86_64", "nop; hlt", "\x90\xf4"), long64(),
    "debug", stepping),
  single_step_ring3 = probe(guest("x86_64", "nop; 1: jmp 1b",
    "\x90\xeb\xfe"), long64(USER), "debug", stepping),
  hardware_breakpoints = probe(guest("x86_64", "nop; nop; hlt",
    "\x90\x90\xf4"), long64(), "debug", breakpoint(CODE + 1)),
  hardware_breakpoints_ring3 = probe(guest("x86_64", "nop; nop; 1: jmp 1b",
    "\x90\x90\xeb\xfe"), long64(USER), "debug", breakpoint(CODE + 1)),
  watchpoints = probe(guest("x86_64", "mov %eax, 0x6000; hlt",
    "\x89\x04\x25\x00\x60\x00\x00\xf4"), long64(), "debug",
    breakpoint(0x6000, true)),
  software_breakpoints = probe(guest("x86_64", "int3; hlt", "\xcc\xf4"),
    long64 { gates = { [3] = HANDLER } }, "debug", catch_int3),
  hypercall_exits = probe(guest("x86_64", "vmcall; hlt",
    "\x0f\x01\xc1\xf4"), long64(), "hypercall", hypercall),
}

return M
