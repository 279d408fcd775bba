-- SPDX-License-Identifier: MIT
local arm64 = require "spec.support.arm64".use(_ENV)
local kvm = arm64.kvm

arm64.describe("mmio exits on arm64", function()
  for size, register in pairs { "w", "w", [4] = "w", [8] = "x" } do
    local suffix = ({ "b", "h" })[size] or ""
    it(("of %d bytes"):format(size), function()
      local g <close> = arm64.guest(([[
        ldr     x1, =mmio
        ldr     x2, =0x1122334455667788
        str%s   %s2, [x1, #%d]
        ldr%s   %s19, [x1]
      ]]):format(suffix, register, size, suffix, register))
      local reason, exit = g:run()
      assert.equal("mmio", reason)
      assert.equal(arm64.MMIO + size, exit.gpa)
      assert.equal(size, exit.size)
      assert.is_true(exit.is_write)
      assert.equal(0x1122334455667788 & -1 >> 64 - 8 * size, exit.value)
      assert.equal("\x88\x77\x66\x55\x44\x33\x22\x11", exit.data
        .. ("\x88\x77\x66\x55\x44\x33\x22\x11"):sub(size + 1))
      reason, exit = g:run()
      assert.equal("mmio", reason)
      assert.is_false(exit.is_write)
      exit.value = 0xf1f2f3f4f5f6f7f8 & -1 >> 64 - 8 * size
      assert.equal(0xf1f2f3f4f5f6f7f8 & -1 >> 64 - 8 * size,
        g:finish "x19")
    end)
  end

  it("reach devices of the VM", function()
    local g <close> = arm64.guest [[
        ldr     x1, =mmio
        ldr     w19, [x1, #8]
        str     w19, [x1, #12]
    ]]
    local seen = {}
    g.vm:on_mmio(arm64.MMIO, 0x1000, {
      read = function(_, offset, size)
        seen[#seen + 1] = { "r", offset, size }
        return 0x1234
      end,
      write = function(_, offset, value, size)
        seen[#seen + 1] = { "w", offset, value, size }
      end,
    })
    g:finish()
    assert.same({ { "r", 8, 4 }, { "w", 12, 0x1234, 4 } }, seen)
  end)

  it("come for writes to read-only memory", function()
    local g <close> = arm64.guest [[
        mov     x1, #0x50000000
        ldr     w19, [x1]
        str     w1, [x1]
    ]]
    local rom = g.vm:map(0x50000000, kvm.page_size, { readonly = true })
    rom:u32(0, 0xabcd)
    local reason, exit = g:run()
    assert.equal("mmio", reason)
    assert.equal(0x50000000, exit.gpa)
    assert.is_true(exit.is_write)
    assert.equal(0xabcd, g:finish "x19")
  end)

  it("are finished by complete, without running on", function()
    local g <close> = arm64.guest [[
        ldr     x1, =mmio
        ldr     w19, [x1]
        mov     w20, #1
    ]]
    local _, exit = g:run()
    exit.value = 0x99
    local pc = g.cpu.regs.pc
    g.cpu:complete()
    assert.equal(0x99, g.cpu.regs.x19)
    assert.equal(pc + 4, g.cpu.regs.pc)
    assert.equal(0, g.cpu.regs.x20)
    g:finish()
  end)
end)

arm64.describe("system_event exits", function()
  local function event(text, cap)
    local g <close> = arm64.guest(text, { before = function(vm)
      if cap then vm:enable_cap(cap) end
    end })
    local reason, exit = g:run()
    assert.equal("system_event", reason)
    return exit:copy()
  end

  it("come for PSCI SYSTEM_OFF", function()
    local exit = event "nop"
    assert.equal("shutdown", exit.event)
    assert.equal(kvm.SYSTEM_EVENT.SHUTDOWN, exit.type)
  end)

  it("come for PSCI SYSTEM_RESET", function()
    local exit = event [[
        ldr     w0, =0x84000009
        hvc     #0
    ]]
    assert.equal("reset", exit.event)
    assert.equal(0, exit.data[1] or 0)
  end)

  it("come for PSCI SYSTEM_RESET2, and tell it", function()
    local exit = event [[
        ldr     w0, =0x84000012
        mov     w1, #0x80000000         // vendor-specific
        mov     w2, #0
        hvc     #0
    ]]
    assert.equal("reset", exit.event)
    assert.equal(kvm.SYSTEM_EVENT_FLAG.RESET_FLAG_PSCI_RESET2, exit.data[1])
  end)

  arm64.it_cap("ARM_SYSTEM_SUSPEND", "come for PSCI SYSTEM_SUSPEND",
    function()
      local exit = event([[
        ldr     w0, =0xc400000e
        adr     x1, power_off
        mov     x2, #0
        hvc     #0
      ]], "ARM_SYSTEM_SUSPEND")
      assert.equal("suspend", exit.event)
    end)

  it("switch the vCPU off", function()
    local g <close> = arm64.guest "mov x19, #5"
    assert.equal(5, g:finish "x19")
    assert.equal(kvm.MP_STATE.STOPPED, g.cpu:get_mp_state().mp_state)
  end)
end)

arm64.describe("a run that would not end", function()
  local function stops(text, prepare)
    local g <close> = arm64.guest(text)
    if prepare then prepare(g) end
    local started = os.time()
    assert.equal("timeout", (g.cpu:run { timeout = 0.1 }))
    assert.is_true(os.time() - started <= 5)
    assert.equal("timeout", (g.cpu:run { timeout = 0.01 }))
  end

  it("because of a loop, is stopped by its timeout", function()
    stops "b ."
  end)

  it("because of WFI, too", function() stops "1: wfi\nb 1b" end)

  it("because the guest branches to nowhere, too", function()
    stops "mov x0, #0x70000000\nbr x0"
  end)

  it("because it starts nowhere, too", function()
    stops("nop", function(g) g.cpu.regs.pc = 0x7000000 end)
  end)

  it("goes on where it was", function()
    local g <close> = arm64.guest [[
        ldr     x1, =ram + 0x100000
1:      ldr     w2, [x1]
        cbz     w2, 1b
        mov     x19, #7
    ]]
    assert.equal("timeout", (g.cpu:run { timeout = 0.05 }))
    g.vm:write(arm64.RAM + 0x100000, "\1")
    assert.equal(7, g:finish "x19")
  end)
end)

arm64.describe("exits of arm64", function()
  local function page(reason)
    return string.pack("<I1I1xxxxxxI4", 0, 0, reason)
  end
  -- A saved kvm_run page: the payload is at 32.
  local function saved(reason, payload, flags)
    local head = page(reason) .. string.pack("<I1I1I2", 0, 0, flags or 0)
    head = head .. ("\0"):rep(32 - #head)
    local bytes = head .. payload
    return bytes .. ("\0"):rep(kvm.page_size - #bytes)
  end

  it("decode a debug exit of a saved page", function()
    local exit = kvm.decode_exit(saved(kvm.EXIT.DEBUG,
      string.pack("<I4I4I8", 0xf2000801, 0x12, 0x40001000)))
    assert.equal("debug", exit.reason)
    assert.equal(0x3c, exit.ec)
    assert.equal(0xf2000801, exit.hsr)
    assert.equal(0, exit.hsr_high) -- not said to be valid
    assert.equal(0x40001000, exit.far)
    exit = kvm.decode_exit(saved(kvm.EXIT.DEBUG,
      string.pack("<I4I4I8", 0xf2000801, 0x12, 0), 1))
    assert.equal(0x12, exit.hsr_high)
  end)

  it("decode a hypercall's flags", function()
    local function hypercall(flags)
      return kvm.decode_exit(saved(kvm.EXIT.HYPERCALL,
        string.pack("<i8", 0xc6000001) .. ("\0"):rep(56)
        .. string.pack("<i8", flags)))
    end
    local exit = hypercall(0)
    assert.equal(0xc6000001, exit.nr)
    assert.is_false(exit.is_smc)
    assert.is_false(exit.is_16bit)
    assert.is_true(hypercall(1).is_smc)
    assert.is_true(hypercall(2).is_16bit)
    assert.equal(3, hypercall(3).flags)
  end)

  it("decode a failed entry", function()
    local function fail(why)
      return kvm.decode_exit(saved(kvm.EXIT.FAIL_ENTRY,
        string.pack("<i8I4", why, 3)))
    end
    assert.equal("fail_entry", fail(1).reason)
    assert.is_true(fail(1).is_cpu_unsupported)
    assert.is_false(fail(2).is_cpu_unsupported)
    assert.equal(3, fail(1).cpu)
  end)

  it("decode aborts of later kernels", function()
    local exit = kvm.decode_exit(saved(41,
      string.pack("<i8i8i8i8", 1, 2, 3, 4)))
    assert.equal("arm_sea", exit.reason)
    assert.same({ 1, 2, 3, 4 }, { exit.flags, exit.esr, exit.gva, exit.gpa })
    exit = kvm.decode_exit(saved(42, string.pack("<i8i8", 5, 6)))
    assert.equal("arm_ldst64b", exit.reason)
    assert.equal(6, exit.fault_ipa)
  end)
end)
