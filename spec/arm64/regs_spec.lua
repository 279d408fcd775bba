-- SPDX-License-Identifier: MIT
local arm64 = require "spec.support.arm64".use(_ENV)

arm64.describe("vcpu.regs on arm64", function()
  local guest, cpu, regs

  before_each(function()
    guest = arm64.guest()
    cpu, regs = guest.cpu, guest.cpu.regs
  end)
  after_each(function() guest:__close() end)

  local function names()
    local list, set = {}, {}
    for name, value in pairs(regs) do
      list[#list + 1], set[name] = name, value
    end
    return list, set
  end

  it("keeps every general register apart", function()
    for i = 0, 30 do regs["x" .. i] = 0x1111 * (i + 1) end
    for i = 0, 30 do assert.equal(0x1111 * (i + 1), regs["x" .. i]) end
  end)

  it("holds all 64 bits", function()
    regs.x7 = -2
    assert.equal(-2, regs.x7)
    regs.x7 = math.mininteger
    assert.equal(math.mininteger, regs.x7)
  end)

  it("has sp, pc, pstate and the registers of EL1", function()
    for i, name in ipairs { "sp", "pc", "sp_el1", "elr_el1" } do
      regs[name] = 0x1000 * i
    end
    for i, name in ipairs { "sp", "pc", "sp_el1", "elr_el1" } do
      assert.equal(0x1000 * i, regs[name])
    end
    assert.equal(0x3c5, regs.pstate)
    regs.spsr_el1 = 0x3c4
    assert.equal(0x3c4, regs.spsr_el1)
  end)

  it("has the saved states of the AArch32 modes", function()
    for i, mode in ipairs { "abt", "und", "irq", "fiq" } do
      regs["spsr_" .. mode] = 0x1d0 + i
    end
    for i, mode in ipairs { "abt", "und", "irq", "fiq" } do
      assert.equal(0x1d0 + i, regs["spsr_" .. mode])
    end
  end)

  it("has V registers of 16 bytes", function()
    for i = 0, 31 do regs["v" .. i] = string.char(i):rep(8) .. "abcdefgh" end
    for i = 0, 31 do
      assert.equal(string.char(i):rep(8) .. "abcdefgh", regs["v" .. i])
    end
  end)

  it("has fpsr and fpcr of 32 bits", function()
    regs.fpcr, regs.fpsr = 1 << 24, 1 << 27
    assert.equal(1 << 24, regs.fpcr)
    assert.equal(1 << 27, regs.fpsr)
    assert.error_matches(function() regs.fpcr = 1 << 32 end,
      "fpcr: 4294967296 does not fit in 32 bits", 1, true)
  end)

  it("reads and writes system registers by name", function()
    for name, value in pairs {
      ttbr0_el1 = 0x40100000, ttbr1_el1 = 0x40200000, tcr_el1 = 0x80,
      mair_el1 = 0x44ff, vbar_el1 = 0x40000800, tpidr_el0 = 0x55,
      tpidr_el1 = 0x66, far_el1 = -1, esr_el1 = 0x96000045,
      contextidr_el1 = 7, cntkctl_el1 = 3,
    } do
      regs[name] = value
      assert.equal(value, regs[name], name)
    end
  end)

  it("reads and writes them by encoding too", function()
    regs.s3_0_c2_c0_0 = 0x1234000
    assert.equal(0x1234000, regs.ttbr0_el1)
    regs.tpidr_el0 = 99
    assert.equal(99, regs.s3_3_c13_c0_2)
  end)

  it("has one spelling of an encoding", function()
    for _, name in ipairs { "S3_0_c2_c0_0", "s3_0_c02_c0_0", "s3_0_c2_c0_00",
      "s3_0_c2_c0", "s3_0_c2_c0_8", "s1_0_c2_c0_0", "s3_0_c2_c16_0",
      "s3_ 0_c2_c0_0", "s3_0_c2_c0_0 " } do
      assert.error_matches(function() return regs[name] end,
        "has no register '" .. name .. "'", 1, true)
    end
  end)

  it("reads the ID registers of the processor", function()
    assert.is_true(regs.id_aa64pfr0_el1 & 0xf > 0) -- EL0 is there
    assert.equal(1 << 31, regs.mpidr_el1 & 1 << 31)
    assert.is_true(regs.ctr_el0 & 0xf > 0)
    assert.equal("integer", math.type(regs.midr_el1))
  end)

  it("has the cache sizes by their number", function()
    assert.equal("integer", math.type(regs["ccsidr_el1:0"]))
    assert.error_matches(function() return regs["ccsidr_el1:256"] end,
      "has no register", 1, true)
  end)

  it("has the firmware's registers", function()
    assert.is_true(regs.psci_version >= 0x10000)
    regs.psci_version = 0x10000
    assert.equal(0x10000, regs.psci_version)
    for i = 1, 3 do
      assert.equal("integer", math.type(regs["smccc_arch_workaround_" .. i]))
    end
    regs.std_bmap = 0
    assert.equal(0, regs.std_bmap)
    assert.equal("integer", math.type(regs.std_hyp_bmap))
    assert.equal("integer", math.type(regs.vendor_hyp_bmap))
  end)

  it("lists exactly what KVM_GET_REG_LIST lists", function()
    local ids = cpu:get_reg_list()
    local list, set = names()
    assert.equal(#ids, #list)
    local unique = 0
    for _ in pairs(set) do unique = unique + 1 end
    assert.equal(#list, unique)
  end)

  it("gives every id its own name, and finds it again", function()
    local left = {}
    for _, id in ipairs(cpu:get_reg_list()) do left[id] = true end
    local mixed = 0
    for name, value in pairs(regs) do
      local now = regs[name]
      assert.equal(type(value), type(now), name)
      if value == now then mixed = mixed + 1 end
    end
    assert.is_true(mixed > 200) -- all but the counters
  end)

  it("writes back what it reads", function()
    local refused = {}
    for name, value in pairs(regs) do
      local ok = pcall(function() regs[name] = value end)
      if not ok then refused[#refused + 1] = name end
    end
    assert.same({}, refused)
  end)

  it("names what the kernels' lists contain", function()
    local _, set = names()
    for _, name in ipairs {
      "x0", "pc", "v31", "dbgbvr15_el1", "dbgwcr0_el1", "mdscr_el1",
      "oslsr_el1", "dbgvcr32_el2", "id_aa64pfr0_el1", "id_aa64mmfr4_el1",
      "s3_0_c0_c7_7", "sctlr_el1", "cntv_ctl_el0", "cntvct_el0",
      "cntv_cval_el0", "par_el1", "fpexc32_el2", "psci_version",
      "ccsidr_el1:0", "std_bmap",
    } do
      assert.is_not_nil(set[name], name)
    end
    for name in pairs(set) do assert.not_matches("^0x", name) end
  end)

  it("sets many at once", function()
    regs { x0 = 1, x30 = 2, pc = 0x40000000, ttbr0_el1 = 0x1000,
           v3 = ("z"):rep(16) }
    assert.equal(1, regs.x0)
    assert.equal(2, regs.x30)
    assert.equal(0x40000000, regs.pc)
    assert.equal(0x1000, regs.ttbr0_el1)
    assert.equal(("z"):rep(16), regs.v3)
  end)

  it("shows the registers that matter as text", function()
    regs.x5, regs.pc = 0xabcdef, 0x40001234
    local text = tostring(regs)
    assert.matches("x5=0000000000abcdef", text)
    assert.matches("pc=0000000040001234", text)
    assert.not_matches("dbgbvr", text)
  end)

  it("is what the guest uses and leaves", function()
    local g <close> = arm64.guest [[
        add     x21, x19, x20
        msr     tpidr_el0, x21
        mov     x0, #3 << 20
        msr     cpacr_el1, x0
        isb
        fmov    d9, x21
    ]]
    g.cpu.regs { x19 = 40, x20 = 2 }
    g:finish()
    assert.equal(42, g.cpu.regs.x21)
    assert.equal(42, g.cpu.regs.tpidr_el0)
    assert.equal(string.pack("<i8i8", 42, 0), g.cpu.regs.v9)
  end)

  it("is the same as get_one_reg and set_one_reg by id", function()
    local X1 <const>, SCTLR <const> = 0x6030000000100002, 0x603000000013c080
    cpu:set_one_reg(X1, 0x77)
    assert.equal(0x77, regs.x1)
    assert.equal(cpu:get_one_reg(SCTLR), regs.sctlr_el1)
  end)

  it("knows the core registers by the architecture's names too", function()
    for name, other in pairs { sp_el0 = "sp", s3_0_c4_c1_0 = "sp", lr = "x30",
        fp = "x29", s3_4_c4_c1_0 = "sp_el1", s3_0_c4_c0_1 = "elr_el1",
        s3_0_c4_c0_0 = "spsr_el1", s3_3_c4_c4_0 = "fpcr",
        s3_3_c4_c4_1 = "fpsr" } do
      local value = name:find "fp?s" and 0 or 0x1230
      if name ~= "s3_3_c4_c4_0" and name ~= "s3_3_c4_c4_1" then
        regs[name] = value
        assert.equal(value, regs[other], name)
      end
      assert.equal(regs[other], regs[name], name)
    end
  end)

  it("takes an id in hex for what has no name", function()
    assert.equal(regs.x1, regs["0x6030000000100002"])
    assert.error_matches(function() return regs["0x8030000000100002"] end,
      "has no register", 1, true)
  end)
end)

arm64.describe("the timer registers", function()
  it("are not swapped as the ABI's ids are", function()
    local g <close> = arm64.guest [[
        ldr     x0, =0x1122334455
        msr     cntv_cval_el0, x0
        mrs     x19, cntvct_el0
        mov     x0, #2          // masked, off
        msr     cntv_ctl_el0, x0
    ]]
    g:finish()
    local regs = g.cpu.regs
    assert.equal(0x1122334455, regs.cntv_cval_el0)
    assert.equal(0x1122334455, regs.s3_3_c14_c3_2)
    assert.is_true(regs.cntvct_el0 > regs.x19)
    assert.is_true(regs.s3_3_c14_c0_2 > regs.x19)
    assert.equal(2, regs.cntv_ctl_el0 & 3)
  end)

  it("set the guest's time", function()
    local g <close> = arm64.guest "mrs x19, cntvct_el0"
    g.cpu.regs.cntvct_el0 = 1 << 40
    assert.is_true(g:finish "x19" >= 1 << 40)
  end)

  it("have the physical timer where the kernel shows it", function()
    local g <close> = arm64.guest()
    local regs = g.cpu.regs
    local ok, value = pcall(function() return regs.cntp_cval_el0 end)
    if ok then
      assert.equal("integer", math.type(value))
    else
      assert.equal("ENOENT", value.code)
    end
  end)
end)

arm64.describe("refused registers", function()
  local guest, regs
  before_each(function()
    guest = arm64.guest()
    regs = guest.cpu.regs
  end)
  after_each(function() guest:__close() end)

  local function refused(f)
    local ok, err = pcall(f)
    assert.is_false(ok)
    return err
  end

  it("that the vCPU lacks are named, with their id", function()
    local err = refused(function() return regs.s3_0_c15_c15_7 end)
    assert.equal("KVM_GET_ONE_REG", err.ioctl)
    assert.equal("ENOENT", err.code)
    assert.matches("s3_0_c15_c15_7", err.message)
    assert.matches("0x603000000013c7ff", err.message)
    assert.matches("pairs%(vcpu.regs%)", err.hint)
    err = refused(function() regs.hcr_el2 = 1 end)
    assert.equal("KVM_SET_ONE_REG", err.ioctl)
    assert.equal("ENOENT", err.code)
  end)

  it("are refused by get_one_reg alike", function()
    local err = refused(function()
      return guest.cpu:get_one_reg(0x603000000013ffff)
    end)
    assert.equal("ENOENT", err.code)
    err = refused(function()
      return guest.cpu:get_one_reg(0x6020000000100000) -- x0 as 32 bits
    end)
    assert.equal("EINVAL", err.code)
  end)

  it("that nobody has are misspelt", function()
    for _, name in ipairs { "x31", "v32", "z32", "p16", "ttbr2_el1", "X0",
      "x07", "", "rip" } do
      assert.error_matches(function() return regs[name] end,
        "has no register '" .. name .. "'", 1, true)
    end
  end)

  it("have no zero byte in their names", function()
    assert.error_matches(function() return regs["ttbr0_el1\0x"] end,
      "has no register 'ttbr0_el1", 1, true)
    assert.error_matches(function() return regs["x0\0"] end,
      "has no register 'x0", 1, true)
  end)

  it("take no value of another width, and name both", function()
    assert.error_matches(function() regs.x3 = ("a"):rep(16) end,
      "x3 has 64 bits and takes an integer, got a string of 128 bits", 1,
      true)
    assert.error_matches(function() regs.ttbr0_el1 = ("a"):rep(16) end,
      "ttbr0_el1 has 64 bits", 1, true)
    assert.error_matches(function() regs.v3 = "short" end,
      "v3: 5 bytes given, it takes 16", 1, true)
    assert.error_matches(function() regs.v3 = 1 end,
      "v3: a string of 16 bytes", 1, true)
    assert.error_matches(function() regs.x3 = 1.5 end,
      "x3: an integer expected, got 1.5", 1, true)
  end)

  it("that cannot change say so", function()
    local err = refused(function() regs.midr_el1 = regs.midr_el1 ~ 1 end)
    assert.equal("EINVAL", err.code)
    assert.matches("midr_el1", err.message)
    err = refused(function() regs.psci_version = 0x99 end)
    assert.equal("EINVAL", err.code)
    assert.matches("does not take this value", err.hint)
  end)

  it("are not there before arm_vcpu_init", function()
    local vm <close> = arm64.kvm.create_vm()
    local cpu <close> = vm:create_vcpu()
    for _, f in ipairs {
      function() return cpu.regs.x0 end,
      function() cpu.regs.x0 = 1 end,
      function() return cpu.regs.sctlr_el1 end,
      function() for _ in pairs(cpu.regs) do error "none" end end,
    } do
      local err = refused(f)
      assert.equal("ENOEXEC", err.code)
      assert.matches("vcpu:arm_vcpu_init", err.hint)
    end
  end)
end)

arm64.describe("SVE registers", function()
  local function has_sve(vm) return vm:check_extension "ARM_SVE" > 0 end
  local why = "this host has no SVE (tools/box arm64 --cpu max)"
  local features = { "psci_0_2", "sve" }

  it("are refused where there is no SVE", function()
    local vm <close> = arm64.kvm.create_vm()
    if has_sve(vm) then return end
    local cpu <close> = vm:create_vcpu()
    cpu:arm_vcpu_init()
    local ok, err = pcall(function() return cpu.regs.z0 end)
    assert.is_false(ok)
    assert.equal("ENOENT", err.code)
  end)

  arm64.it_with(has_sve, why, "exist after finalize", function()
    local g <close> = arm64.guest(nil, { init = features })
    local regs = g.cpu.regs
    local ok, err = pcall(function() return regs.z0 end)
    assert.is_false(ok)
    assert.equal("EPERM", err.code)
    assert.matches("arm_vcpu_finalize", err.hint)
    assert.equal(64, #regs.vls)
    g.cpu:arm_vcpu_finalize("sve")
    regs.z5 = ("0123456789abcdef"):rep(16)
    assert.equal("0123456789abcdef", regs.z5:sub(1, 16))
    assert.equal(32, #regs.p3)
    assert.equal(32, #regs.ffr)
  end)

  arm64.it_with(has_sve, why, "hold the V registers", function()
    local g <close> = arm64.guest(nil, { init = features })
    local regs = g.cpu.regs
    g.cpu:arm_vcpu_finalize("sve")
    regs.z7 = ("\1"):rep(256)
    regs.v7 = ("v"):rep(16)
    assert.equal(("v"):rep(16), regs.v7)
    assert.equal(("v"):rep(16) .. "\1", regs.z7:sub(1, 17))
  end)

  arm64.it_with(has_sve, why, "are listed in place of V", function()
    local g <close> = arm64.guest(nil, { init = features })
    g.cpu:arm_vcpu_finalize("sve")
    local set, n = {}, 0
    for name in pairs(g.cpu.regs) do set[name], n = true, n + 1 end
    assert.equal(#g.cpu:get_reg_list(), n)
    assert.is_nil(set.v0)
    assert.is_true(set.z0 and set.z31 and set.p15 and set.ffr and set.vls)
  end)

  arm64.it_with(has_sve, why, "have their lengths set before", function()
    local g <close> = arm64.guest(nil, { init = features })
    local regs = g.cpu.regs
    local only128 = "\1" .. ("\0"):rep(63)
    regs.vls = only128
    g.cpu:arm_vcpu_finalize("sve")
    assert.equal(only128, regs.vls)
    regs.vls = only128 -- as it is
    local ok, err = pcall(function() regs.vls = "\3" .. ("\0"):rep(63) end)
    assert.is_false(ok)
    assert.equal("EPERM", err.code)
  end)

  arm64.it_with(has_sve, why, "must be final before the run", function()
    local g <close> = arm64.guest("nop", { init = features })
    local ok, err = pcall(g.run, g)
    assert.is_false(ok)
    assert.equal("EPERM", err.code)
    assert.matches("arm_vcpu_finalize", err.hint)
  end)
end)
