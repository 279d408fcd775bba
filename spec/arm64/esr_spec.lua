-- SPDX-License-Identifier: MIT
local esr = require "kvm.arch.arm64.esr"
local arm64 = require "spec.support.arm64".use(_ENV)

local function syndrome(ec, iss) return ec << 26 | 1 << 25 | iss end

describe("kvm.arch.arm64.esr", function()
  it("names the class", function()
    for ec, name in pairs {
      [0x15] = "svc", [0x16] = "hvc", [0x18] = "sysreg", [0x20] = "iabt_lower",
      [0x24] = "dabt_lower", [0x25] = "dabt", [0x32] = "step_lower",
      [0x34] = "watchpoint_lower", [0x3c] = "brk",
    } do
      assert.equal(name, esr.decode(syndrome(ec, 0)).name)
    end
  end)

  it("has a class for every number, known or not", function()
    for ec = 0, 63 do
      local t = esr.decode(syndrome(ec, 0))
      assert.equal(ec, t.ec)
      assert.is_string(t.name)
      assert.is_string(t.description)
    end
    assert.equal("reserved", esr.decode(syndrome(0x3f, 0)).name)
  end)

  it("keeps il, iss and iss2", function()
    local t = esr.decode(0x15 << 26 | 0x1abcdef | 3 << 32)
    assert.is_false(t.il)
    assert.equal(0x1abcdef, t.iss)
    assert.equal(3, t.iss2)
    assert.is_true(esr.decode(syndrome(0, 0)).il)
  end)

  it("describes a data abort whose instruction is known", function()
    -- ISV, SAS = 2 (4 bytes), SSE, SRT = 7, SF, WnR, translation level 3
    local iss = 1 << 24 | 2 << 22 | 1 << 21 | 7 << 16 | 1 << 15 | 1 << 6 | 7
    local t = esr.decode(syndrome(0x24, iss))
    assert.equal(4, t.size)
    assert.equal(7, t.register)
    assert.is_true(t.isv and t.sign_extend and t.is_64bit and t.is_write)
    assert.equal("translation fault, level 3", t.fault)
  end)

  it("tells nothing of an instruction that is not described", function()
    local t = esr.decode(syndrome(0x24, 0x45))
    assert.is_false(t.isv)
    assert.is_nil(t.size)
    assert.is_nil(t.register)
  end)

  it("names every level of the levelled faults", function()
    for code, text in pairs {
      [0x00] = "address size fault, level 0",
      [0x05] = "translation fault, level 1",
      [0x0a] = "access flag fault, level 2",
      [0x0f] = "permission fault, level 3",
      [0x15] = "external abort on a table walk, level 1",
      [0x2b] = "translation fault, level -1",
    } do
      assert.equal(text, esr.fault(code))
    end
  end)

  it("names the single faults, and numbers the reserved ones", function()
    assert.equal("alignment fault", esr.fault(0x21))
    assert.equal("external abort", esr.fault(0x10))
    assert.equal("TLB conflict abort", esr.fault(0x30))
    assert.equal("reserved fault status 0x3f", esr.fault(0x3f))
  end)

  it("gives the register of a trapped MSR the assembler's name", function()
    -- msr s3_0_c1_c0_1, x9 (ACTLR_EL1)
    local iss = 3 << 20 | 1 << 17 | 0 << 14 | 1 << 10 | 9 << 5 | 0 << 1 | 0
    local t = esr.decode(syndrome(0x18, iss))
    assert.equal("s3_0_c1_c0_1", t.sysreg)
    assert.equal(9, t.register)
    assert.is_false(t.is_read)
    assert.is_true(esr.decode(syndrome(0x18, iss | 1)).is_read)
  end)

  it("reads the immediate of SVC, HVC, SMC and BRK", function()
    for _, ec in ipairs { 0x15, 0x16, 0x17, 0x3c } do
      assert.equal(0xf00d, esr.decode(syndrome(ec, 0xf00d)).immediate)
    end
  end)

  it("tells WFI from WFE", function()
    assert.equal("wfi", esr.decode(syndrome(1, 0)).instruction)
    assert.equal("wfe", esr.decode(syndrome(1, 1)).instruction)
  end)

  it("says it in one line", function()
    assert.equal("data abort: write, translation fault, level 1",
      esr.describe(syndrome(0x25, 0x45)))
    assert.equal("BRK: #0x801", esr.describe(syndrome(0x3c, 0x801)))
    assert.equal("misaligned PC", esr.describe(syndrome(0x22, 0)))
    assert.equal("trapped MSR, MRS or system instruction: " ..
      "mrs s3_3_c0_c0_1, x2",
      esr.describe(syndrome(0x18, 3 << 20 | 1 << 17 | 3 << 14 | 2 << 5 | 1)))
  end)
end)

arm64.describe("the syndrome of a real exception", function()
  -- Takes one exception, keeps ESR_EL1 and FAR_EL1, and powers off.
  local function esr_of(text)
    local guest <close> = arm64.guest([[
        ldr     x0, =vectors
        msr     vbar_el1, x0
        isb
]] .. text .. [[

        b       power_off
        .balign 2048
vectors:
        .skip   0x200 // synchronous, same level, SP_ELx
        mrs     x19, esr_el1
        mrs     x20, far_el1
        b       power_off
]])
    guest:finish()
    local regs = guest.cpu.regs
    return esr.decode(regs.x19), regs.x20
  end

  it("of SVC has its immediate", function()
    local t = esr_of "svc #0x1234"
    assert.equal("svc", t.name)
    assert.equal(0x1234, t.immediate)
  end)

  it("of BRK has its immediate", function()
    local t = esr_of "brk #77"
    assert.equal("brk", t.name)
    assert.equal(77, t.immediate)
  end)

  it("of an undefined instruction has no reason", function()
    assert.equal("unknown", esr_of "udf #0".name)
  end)

  it("of a misaligned branch is a PC alignment fault", function()
    local t, far = esr_of "ldr x1, =ram + 0x1002\nbr x1"
    assert.equal("pc_alignment", t.name)
    assert.equal(arm64.RAM + 0x1002, far)
  end)

  it("of floating point that is off is a trap", function()
    assert.equal("fp_trap", esr_of "msr cpacr_el1, xzr\nisb\nfmov d0, x0".name)
  end)
end)
