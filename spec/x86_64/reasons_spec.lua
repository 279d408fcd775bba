-- SPDX-License-Identifier: MIT
-- Exits that other specs do not come across, and guests that run natively.
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm "x86_64"
if missing then return pending(missing) end
local asm = require "kvm.asm"
local guests = require "spec.support.x86_64"
local modes = require "kvm.arch.x86_64.modes"
local process = require "spec.support.process"
local raises = require "spec.support.raises"

local RING3 <const> = { user = true, kernel_stack = 0x90000 }

local function ring3(text)
  local yes, why = kvm.host():can "ring3"
  if not yes then pending("no ring 3: " .. why) end
  return guests.guest("long64", text, RING3)
end

describe("a native guest", function()
  it("is stopped by timeouts, however early they come", function()
    local cpu = ring3 "1: jmp 1b"
    for i = 0, 999 do
      local reason = cpu:run { timeout = i % 4 * 1e-6 * (i % 50) }
      assert.equal("timeout", reason)
    end
    assert.equal(guests.CODE, cpu.regs.rip)
  end)

  it("runs on between them", function()
    local cpu = ring3 "1: inc %rax; jmp 1b"
    cpu.regs.rax = 0
    local last, advances = 0, 0
    for _ = 1, 20 do -- a busy host may use up one of them before it enters
      assert.equal("timeout", (cpu:run { timeout = 0.005 }))
      assert(cpu.regs.rax >= last)
      if cpu.regs.rax > last then advances = advances + 1 end
      last = cpu.regs.rax
    end
    assert(advances >= 2)
  end)

  it("is stopped by a signal", function()
    local cpu = ring3 "1: jmp 1b"
    local pid = process.pid()
    os.execute(("(sleep 0.1; kill -STOP %d; kill -CONT %d) &"):format(pid,
      pid))
    assert.equal("intr", (cpu:run()))
  end)

  it("is stopped by a kick before it begins", function()
    local cpu = ring3 "1: jmp 1b"
    cpu:kick()
    assert.equal("intr", (cpu:run()))
    assert.equal("timeout", (cpu:run { timeout = 0.01 }))
  end)

  it("has accesses to devices", function()
    local cpu, vm = ring3 [[
        mov $0x180000, %esi
     1: inc %eax
        mov %eax, (%rsi)
        jmp 1b ]]
    cpu.regs.rax = 0
    local n = 0
    vm:on_mmio(0x180000, 4, { write = function(_, _, value)
      n = n + 1
      assert.equal(n, value)
      if n == 50 then cpu:kick() end
    end })
    assert.equal("intr", (cpu:run { timeout = 10 }))
    assert.equal(50, n)
  end)
end)

describe("exit shutdown", function()
  it("comes for a triple fault", function()
    local cpu = ring3 "ud2" -- without a handler
    local reason, exit = cpu:run { timeout = 10 }
    assert.equal("shutdown", reason)
    assert.same({ reason = "shutdown", code = kvm.EXIT.SHUTDOWN }, exit:copy())
    raises("exit 'shutdown' has no field 'rip' (it has reason, code)",
      function() return exit.rip end)
  end)
end)

describe("exit internal_error", function()
  it("comes for code where no memory is", function()
    local cpu = guests.guest("long64", "mov $0x180000, %eax; jmp *%rax")
    local reason, exit = cpu:run { timeout = 10 }
    assert.equal("internal_error", reason)
    assert.equal(1, exit.suberror) -- emulation
    assert.equal(exit.ndata, #exit.data)
    assert.truthy(tostring(exit):find("suberror=1", 1, true))
    local copy = exit:copy()
    assert.equal(kvm.EXIT.INTERNAL_ERROR, copy.code)
    assert.same(exit.data, copy.data)
  end)

  it("has the bytes of what could not be emulated", function()
    local can = kvm.host():can "ring0_sse"
    if can then pending "this processor runs what the emulator cannot" end
    local cpu = guests.guest("long64", "addps %xmm0, %xmm1; hlt")
    local reason, exit = cpu:run { timeout = 10 }
    assert.equal("internal_error", reason)
    assert.equal("\x0f\x58\xc8\xf4", exit.insn_bytes:sub(1, 4))
    assert.equal(guests.CODE, cpu.regs.rip)
    cpu.regs.rip = guests.CODE + 3 -- past it
    assert.equal("hlt", (cpu:run { timeout = 10 }))
  end)
end)

describe("exit set_tpr", function()
  it("comes when the guest lowers CR8", function()
    local cpu = guests.guest("long64", [[
        mov $9, %eax
        mov %rax, %cr8
        mov $3, %eax
        mov %rax, %cr8
        hlt ]])
    local reason, exit = cpu:run { timeout = 10 }
    if reason == "hlt" then pending "CR8 is no exit on this host" end
    assert.equal("set_tpr", reason)
    assert.equal(3, exit.cr8)
    assert.equal("hlt", (cpu:run { timeout = 10 }))
    assert.equal(3, cpu.regs.cr8)
  end)
end)

describe("exit tpr_access", function()
  it("comes for the task priority of an in-kernel APIC", function()
    local vm <close> = kvm.create_vm()
    vm:create_irqchip()
    local ram = vm:map(0, 0x100000)
    local cpu <close> = vm:create_vcpu()
    cpu:set_cpuid2(vm.system:get_supported_cpuid())
    ram:write(guests.CODE, asm.x86_64 [[
        mov $0xfee00080, %ebx
        movl $0x20, (%rbx)
     1: jmp 1b ]])
    cpu.regs(modes.long64(vm, { at = 0x1000, entry = guests.CODE,
      stack = 0x80000, size = 4 << 30 }))
    local answer = cpu:tpr_access_reporting { enabled = 1 }
    assert.equal(1, answer.enabled)
    local reason, exit = cpu:run { timeout = 5 }
    assert.equal("tpr_access", reason)
    assert.is_true(exit.is_write)
    assert.equal(guests.CODE + 5, exit.rip)
    raises("kvm_tpr_access_ctl has no field 'on'", cpu.tpr_access_reporting,
      cpu, { on = 1 })
  end)
end)

describe("exits that end a loop", function()
  it("are seen by exits like any other", function()
    local cpu = guests.guest("real", [[
        out %al, $0x10
        in $0x11, %al
        hlt ]])
    local reasons = {}
    for reason, exit in cpu:exits { timeout = 10 } do
      reasons[#reasons + 1] = reason .. (reason == "io" and exit.port or "")
      if reason == "hlt" then break end
    end
    assert.same({ "io16", "io17", "hlt" }, reasons)
  end)

  it("go on after HLT", function()
    local cpu = guests.guest("real", "hlt; hlt; out %al, $0x10; hlt")
    local reasons = {}
    for i = 1, 4 do reasons[i] = cpu:run { timeout = 10 } end
    assert.same({ "hlt", "hlt", "io", "hlt" }, reasons)
  end)
end)
