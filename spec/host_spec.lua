-- SPDX-License-Identifier: MIT
-- kvm.host: what this host is, and what its tiny guests find out.
local kvm = require "kvm"
local raises = require "spec.support.raises"

local module = require "kvm.host"
local arch = require("kvm.host." .. kvm.arch)

local BACKENDS <const> = {
  x86_64 = { vmx = true, svm = true, pvm = true, unknown = true },
  arm64 = { vhe = true, nvhe = true, hvhe = true, pkvm = true,
            unknown = true },
}

-- kvm.host as a fresh state has it.
local function fresh()
  package.loaded["kvm.host"] = nil
  local new = require "kvm.host"
  package.loaded["kvm.host"] = module
  return new.get()
end

describe("kvm.host()", function()
  it("is one object", function()
    assert.equal(kvm.host(), kvm.host())
    assert.equal(kvm.host(), module.get())
  end)

  it("tells the architecture, the backend and the kernel", function()
    local host = kvm.host()
    assert.equal(kvm.arch, host.arch)
    assert.is_true(BACKENDS[kvm.arch][host.backend])
    assert.truthy(host.kernel:find "^%d+%.%d+")
    assert.equal(("kvm.host: %s, %s, Linux %s"):format(kvm.arch, host.backend,
      host.kernel), tostring(host))
  end)

  it("has the backend whose module is loaded", function()
    if kvm.arch ~= "x86_64" then
      local host = kvm.host()
      assert.equal(host.boot_line == nil, host.backend == "unknown")
      return
    end
    local modules = { vmx = "kvm_intel", svm = "kvm_amd", pvm = "kvm_pvm" }
    local name = modules[kvm.host().backend]
    if not name then pending "KVM is built into this kernel" end
    assert.is_true(os.execute("test -d /sys/module/" .. name))
  end)

  it("lists its questions, sorted", function()
    local questions = kvm.host().questions
    local n = 0
    for name in pairs(arch.probes) do
      n = n + 1
      assert.equal("string", type(name))
    end
    assert.equal(n, #questions)
    for i = 2, #questions do assert(questions[i - 1] < questions[i]) end
  end)

  it("answers each, with the reason of a no", function()
    local host = kvm.host()
    for _, name in ipairs(host.questions) do
      local yes, reason, more = host:can(name)
      assert.is_boolean(yes, name)
      assert.equal(yes and "nil" or "string", type(reason), name)
      assert.is_nil(more)
    end
  end)

  it("refuses a question that it does not know", function()
    local where = debug.getinfo(1, "Sl")
    local ok, err = pcall(function() kvm.host():can "fly" end)
    assert.is_false(ok)
    local start = ("%s:%d: bad argument #1 to 'can' (unknown question 'fly' "
      .. "("):format(where.short_src, where.currentline + 1)
    assert.equal(start, err:sub(1, #start))
    raises("unknown question 'nil'", kvm.host().can, kvm.host())
    raises("unknown question 'table'", kvm.host().can, kvm.host(), {})
  end)

  it("gives all answers at once", function()
    local host = kvm.host()
    local found = host:behaviour()
    local n = 0
    for name, answer in pairs(found) do
      local yes, reason = host:can(name)
      assert.equal(yes or reason, answer)
      n = n + 1
    end
    assert.equal(#host.questions, n)
  end)
end)

describe("an answer", function()
  local probes = arch.probes
  after_each(function()
    for _, name in ipairs { "counted", "raises", "empty", "refused" } do
      probes[name] = nil
    end
  end)

  it("is found once", function()
    local runs = 0
    probes.counted = { run = function()
      runs = runs + 1
      return runs > 1, "the first time"
    end }
    local host = fresh()
    for _ = 1, 3 do
      assert.same({ false, "the first time" }, { host:can "counted" })
    end
    assert.equal(1, runs)
  end)

  it("is no where the probe raises: the error is the reason", function()
    probes.raises = { run = function() error("no such thing", 0) end }
    probes.refused = { run = function() kvm.open "/nonexistent" end }
    probes.empty = { run = function() end }
    local host = fresh()
    assert.same({ false, "no such thing" }, { host:can "raises" })
    local yes, reason = host:can "refused"
    assert.is_false(yes)
    assert.truthy(reason:find("ENOENT", 1, true))
    assert.is_false((host:can "empty"))
  end)

  it("is the same when it is asked again", function()
    local first, second = kvm.host():behaviour(), fresh():behaviour()
    for name, answer in pairs(first) do
      assert.equal(answer == true, second[name] == true, name)
    end
  end)

  it("leaves nothing open", function()
    local process = require "spec.support.process"
    collectgarbage()
    collectgarbage()
    local before = process.fds()
    fresh():behaviour()
    assert.same(before, process.fds())
  end)
end)

describe("a probe's guest", function()
  local asm = require "kvm.asm"
  for name, probe in pairs(arch.probes) do
    if probe.guest then
      it(name .. " has the code of its source", function()
        local guest = probe.guest
        assert.equal(guest.code, (asm.assemble(guest.bits, guest.source)))
      end)
    end
  end

  it("exists for every question that a guest answers", function()
    for name, probe in pairs(arch.probes) do
      assert.equal("function", type(probe.run), name)
      assert.equal("table", type(probe.guest), name)
    end
  end)
end)

local missing = require "spec.support.needs".kvm "x86_64"
if missing then return pending(missing) end

-- The same found in another way.
describe("an answer agrees with a guest of the specs", function()
  local guests = require "spec.support.x86_64"
  local mmu = require "kvm.arch.x86_64.mmu"
  local checked = {}

  local function check(name, expected, mode, code, options, prepare)
    checked[name] = true
    it("about " .. name, function()
      local cpu, vm = guests.guest(mode, code, options)
      if prepare then prepare(cpu, vm) end
      local reason = cpu:run { timeout = 1 }
      assert.equal((kvm.host():can(name)), reason == expected, reason)
    end)
  end

  check("single_step", "debug", "long64", "nop; nop; hlt", nil,
    function(cpu)
      cpu:set_guest_debug { control = { "ENABLE", "SINGLESTEP" } }
    end)
  check("hardware_breakpoints", "debug", "long64", "nop; nop; nop; hlt", nil,
    function(cpu)
      cpu:set_guest_debug { control = { "ENABLE", "USE_HW_BP" }, arch = {
        debugreg = { guests.CODE + 2, [8] = 0x402 } } }
    end)
  check("ring0_sse", "hlt", "long64", "mulps %xmm1, %xmm2; hlt")
  check("ring0_x87", "hlt", "long64", "fldpi; fstp %st(0); hlt")
  check("ring0_popcnt", "hlt", "long64", "popcnt %eax, %edx; hlt")
  check("ring0_cmpxchg16b", "hlt", "long64", "lock cmpxchg16b 0x70000; hlt")

  -- What runs in ring 3: the way back to ring 0 is a gate to the code's HLT.
  local function user(gates)
    return { user = true, stack = 0x90000, kernel_stack = guests.STACK,
             gates = gates }
  end

  check("ring3", "hlt", "long64", "cli; 1: jmp 1b; hlt",
    user { [13] = guests.CODE + 3 })
  check("single_step_ring3", "debug", "long64", "nop; nop; 1: jmp 1b", user(),
    function(cpu)
      cpu:set_guest_debug { control = { "ENABLE", "SINGLESTEP" } }
    end)
  check("hardware_breakpoints_ring3", "debug", "long64",
    "nop; nop; nop; 1: jmp 1b", user(), function(cpu)
      cpu:set_guest_debug { control = { "ENABLE", "USE_HW_BP" }, arch = {
        debugreg = { guests.CODE + 2, [8] = 0x402 } } }
    end)
  check("watchpoints", "debug", "long64", "movb $1, 0x70000; nop; hlt", nil,
    function(cpu) -- writes of one byte
      cpu:set_guest_debug { control = { "ENABLE", "USE_HW_BP" }, arch = {
        debugreg = { 0x70000, [8] = 0x10402 } } }
    end)
  check("software_breakpoints", "debug", "long64", "nop; int3; hlt",
    { gates = { [3] = guests.CODE + 2 } }, function(cpu)
      cpu:set_guest_debug { control = { "ENABLE", "USE_SW_BP" } }
    end)
  check("int_prot32", "hlt", "prot32", "int $0x41; cli; 1: jmp 1b; hlt",
    { gates = { [0x41] = guests.CODE + 5 } })
  check("int_long64", "hlt", "long64", "int $0x41; cli; 1: jmp 1b; hlt",
    { gates = { [0x41] = guests.CODE + 5 } })
  check("int_ring3", "hlt", "long64", "int $0x41; 1: jmp 1b; hlt",
    user { [0x41] = { offset = guests.CODE + 4, dpl = 3 } })
  check("pages_1g", "hlt", "long64", "nop; hlt",
    { page = 1 << 30, size = 1 << 30 })
  for name, mode in pairs { paging32 = "legacy", paging_pae = "pae" } do
    check(name, "hlt", "prot32", "mov 0x70000, %eax; hlt", nil,
      function(cpu, vm)
        local tables = mmu.new { base = 0x40000, mode = mode }
        tables:map(0, 0, 0x100000, { page = 0x1000 })
        vm:write(tables.base, tables:bytes())
        cpu.regs(tables:registers())
      end)
  end
  check("hypercall_exits", "hypercall", "long64", "vmcall; hlt", nil,
    function(cpu, vm)
      pcall(vm.enable_cap, vm, "EXIT_HYPERCALL", 1 << 12)
      cpu.regs { rax = 12, rbx = 0x1000, rcx = 2, rdx = 0x10 }
    end)

  it("for every question", function()
    for name in pairs(arch.probes) do assert.is_true(checked[name], name) end
  end)
end)
