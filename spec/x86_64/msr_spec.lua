-- SPDX-License-Identifier: MIT
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm "x86_64"
if missing then return pending(missing) end
local guests = require "spec.support.x86_64"
local raises = require "spec.support.raises"

local LSTAR <const>, SYSENTER_EIP <const> = 0xc0000082, 0x176
local MTRRCAP <const> = 0xfe -- read-only

local function set(regs, name, value) regs[name] = value end
local function get(regs, name) return regs[name] end

local SYSTEM = kvm.open()

local vcpu = guests.vcpu

describe("kvm.regs: MSRs", function()
  local cpu, r
  before_each(function()
    cpu = vcpu()
    r = cpu.regs
  end)

  it("have the names of the manuals", function()
    for name, index in pairs {
      lstar = 0xc0000082, star = 0xc0000081, cstar = 0xc0000083,
      fmask = 0xc0000084, kernel_gs_base = 0xc0000102,
      sysenter_cs = 0x174, sysenter_esp = 0x175, sysenter_eip = 0x176,
      pat = 0x277, mtrr_def_type = 0x2ff, mtrr_physbase3 = 0x206,
      mtrr_physmask3 = 0x207, mtrr_fix4k_f8000 = 0x26f, mc2_status = 0x409,
      tsc_adjust = 0x3b,
    } do
      local value = cpu:get_msrs { index }[index]
      assert.equal(value, r[name], name)
      assert.equal(value, r[("msr:0x%x"):format(index)], name)
    end
  end)

  it("are written by name and by number", function()
    r.lstar = 0xffff800000001000
    assert.equal(0xffff800000001000, r["msr:0xc0000082"])
    r["msr:0x176"] = 0x5000
    assert.equal(0x5000, r.sysenter_eip)
    r["msr:374"] = 0x6000
    assert.equal(0x6000, r.sysenter_eip)
    r { lstar = 1, sysenter_eip = 2, ["msr:0x175"] = 3, rax = 4 }
    assert.same({ 1, 2, 3, 4 },
      { r.lstar, r.sysenter_eip, r.sysenter_esp, r.rax })
  end)

  it("that the vCPU has not are named with their number", function()
    local err = raises("mtrrcap (0xfe) cannot be set to 0x5", set, r,
      "mtrrcap", 5)
    assert.equal("KVM_SET_MSRS", err.ioctl)
    err = raises("msr:0x12345 (0x12345) cannot be read", get, r,
      "msr:0x12345")
    assert.equal("KVM_GET_MSRS", err.ioctl)
    assert(err.hint:find("get_msr_index_list", 1, true))
  end)

  it("are no registers when the number is none", function()
    for _, name in ipairs { "msr:", "msr:x", "msr:-1", "msr:0x100000000",
                            "msr:1x", "msr: 1", "msr:99999999999999999999" } do
      raises("kvm.regs has no register '" .. name .. "'", get, r, name)
    end
  end)

  it("that can be read are listed", function()
    local seen = {}
    for name, value in pairs(r) do seen[name] = value end
    assert.equal(r.pat, seen.pat)
    assert.equal(0, seen.lstar)
    local missing = 0
    for _, name in ipairs { "hv_reset", "x2apic_eoi", "smrr_physbase",
                            "vmx_basic", "sgxlepubkeyhash0" } do
      local ok = pcall(get, r, name)
      assert.equal(ok, seen[name] ~= nil, name)
      if not ok then missing = missing + 1 end
    end
    assert(missing > 0)
  end)

  it("are what the guest writes", function()
    cpu = guests.guest("long64", [[
      mov $0xc0000082, %ecx
      mov $0x1234, %eax
      mov $0xffff8000, %edx
      wrmsr
      hlt ]])
    guests.run(cpu)
    assert.equal(0xffff800000001234, cpu.regs.lstar)
  end)

  it("are what the guest reads", function()
    cpu = guests.guest("long64", [[
      mov $0x176, %ecx
      rdmsr
      out %eax, $0x80
      hlt ]])
    cpu.regs.sysenter_eip = 0x4321
    assert.same({ 0x4321 }, guests.run(cpu))
  end)
end)

describe("get_msrs", function()
  it("gives a table by the keys that were asked for", function()
    local cpu = vcpu()
    cpu.regs { lstar = 5, sysenter_eip = 6 }
    assert.same({ [LSTAR] = 5, [SYSENTER_EIP] = 6, lstar = 5 },
      cpu:get_msrs { LSTAR, SYSENTER_EIP, "lstar" })
    assert.same({}, cpu:get_msrs {})
  end)

  it("reads all that KVM says must be saved", function()
    local cpu = vcpu()
    local list = {}
    for _, index in ipairs(SYSTEM:get_msr_index_list()) do
      if pcall(cpu.get_msrs, cpu, { index }) then list[#list + 1] = index end
    end
    assert(#list > 10)
    local values = cpu:get_msrs(list)
    for _, index in ipairs(list) do
      assert.equal("integer", math.type(values[index]))
    end
  end)

  it("reads the features that the system can give", function()
    local list = SYSTEM:get_msr_feature_index_list()
    if #list == 0 then return pending "this host has no feature MSRs" end
    local values = SYSTEM:get_msrs(list)
    assert.equal("integer", math.type(values[list[1]]))
  end)

  it("names the one that is refused", function()
    local cpu = vcpu()
    local err = raises("MSR 0x12345, number 2 of 3, is refused", cpu.get_msrs,
      cpu, { LSTAR, 0x12345, SYSENTER_EIP })
    assert.equal("KVM_GET_MSRS", err.ioctl)
    assert.same({ index = 0x12345, done = 1, count = 3 }, err.args)
  end)

  it("takes a list of indices and names", function()
    local cpu = vcpu()
    raises("an MSR's index (0 to 0xffffffff) or name expected, got 1.5",
      cpu.get_msrs, cpu, { 1.5 })
    raises("got 4294967296", cpu.get_msrs, cpu, { 1 << 32 })
    raises("no register 'nonsense'", cpu.get_msrs, cpu, { "nonsense" })
    raises("register 'rax' is not an MSR", cpu.get_msrs, cpu, { "rax" })
    raises("table expected", cpu.get_msrs, cpu, LSTAR)
    raises("surplus argument", cpu.get_msrs, cpu, {}, {})
  end)
end)

describe("set_msrs", function()
  it("takes index or name -> value", function()
    local cpu = vcpu()
    cpu:set_msrs { [LSTAR] = 0x10, sysenter_eip = 0x20 }
    assert.equal(0x10, cpu.regs.lstar)
    assert.equal(0x20, cpu.regs.sysenter_eip)
    cpu:set_msrs {}
  end)

  it("takes a list of entries, in its order", function()
    local cpu = vcpu()
    cpu:set_msrs { { index = LSTAR, data = 1 }, { index = "lstar", data = 2 } }
    assert.equal(2, cpu.regs.lstar)
  end)

  it("sets lower indices first, whatever order the table has", function()
    local cpu = vcpu()
    local values = cpu:get_msrs { "lstar", "star", "cstar", "fmask",
      "sysenter_cs", "sysenter_esp", "sysenter_eip", "kernel_gs_base" }
    values.lstar, values[MTRRCAP] = 0x33, 5
    raises("number 1 of 9, is refused", cpu.set_msrs, cpu, values)
    assert.equal(0, cpu.regs.lstar)
    values[MTRRCAP], values[0xffffffff] = nil, 5
    raises("number 9 of 9, is refused", cpu.set_msrs, cpu, values)
    assert.equal(0x33, cpu.regs.lstar)
  end)

  it("takes what get_msrs gave", function()
    local cpu, other = vcpu(), vcpu()
    cpu:set_msrs { [LSTAR] = 77, [SYSENTER_EIP] = 78 }
    other:set_msrs(cpu:get_msrs { LSTAR, SYSENTER_EIP })
    assert.equal(77, other.regs.lstar)
    assert.equal(78, other.regs.sysenter_eip)
  end)

  it("tells how far it came", function()
    local cpu = vcpu()
    local err = raises(
      "MSR 0xfe (mtrrcap) = 0x5, number 2 of 3, is refused; those before it "
      .. "are set", cpu.set_msrs, cpu, { { index = LSTAR, data = 0x33 },
      { index = MTRRCAP, data = 5 }, { index = SYSENTER_EIP, data = 0x44 } })
    assert.equal("KVM_SET_MSRS", err.ioctl)
    assert.same({ index = MTRRCAP, value = 5, done = 1, count = 3 }, err.args)
    assert.equal(0x33, cpu.regs.lstar)
    assert.equal(0, cpu.regs.sysenter_eip)
  end)

  it("refuses what is no MSR or no value", function()
    local cpu = vcpu()
    raises("an MSR's index (0 to 0xffffffff) or name expected, got -1",
      cpu.set_msrs, cpu, { [-1] = 5 })
    raises("register 'rax' is not an MSR", cpu.set_msrs, cpu, { rax = 5 })
    raises("no register 'nonsense'", cpu.set_msrs, cpu, { nonsense = 5 })
    raises("MSR 0xc0000082: an integer expected, got x", cpu.set_msrs, cpu,
      { lstar = "x" })
    raises("unknown field 'value'", cpu.set_msrs, cpu,
      { { index = 1, value = 2 } })
    raises("entry 2 is a number", cpu.set_msrs, cpu,
      { { index = LSTAR, data = 2 }, 5 })
    raises("a list of entries has no other keys", cpu.set_msrs, cpu,
      { { index = LSTAR, data = 2 }, lstar = 5 })
    raises("table expected", cpu.set_msrs, cpu, 5)
    assert.equal(0, cpu.regs.lstar)
  end)

  it("leaves the kernel's limit to the kernel", function()
    local cpu, many = vcpu(), {}
    for i = 1, 300 do many[i] = { index = LSTAR, data = i } end
    local err = raises("E2BIG", cpu.set_msrs, cpu, many)
    assert(err.hint:find("255", 1, true))
  end)

  it("is closed with its vCPU", function()
    local cpu = vcpu()
    cpu:close()
    raises("kvm.vcpu is closed", cpu.set_msrs, cpu, {})
    raises("kvm.vcpu is closed", cpu.get_msrs, cpu, {})
  end)
end)

describe("MSR exits", function()
  local USER <const> = 0x4b564dff -- no MSR of KVM's or of a processor's
  local VALUE <const> = 0x556611223344

  local READ <const> = [[
    mov $0x4b564dff, %ecx
    rdmsr
    out %eax, $0x80
    hlt ]]
  local WRITE <const> = [[
    mov $0x4b564dff, %ecx
    mov $0x11223344, %eax
    mov $0x5566, %edx
    wrmsr
    hlt ]]

  -- A guest whose accesses to that MSR, and all that fail, are exits.
  local function guest(code, options)
    local cpu, vm = guests.guest("long64", code, options)
    vm:enable_cap("X86_USER_SPACE_MSR", kvm.MSR_EXIT.UNKNOWN
      | kvm.MSR_EXIT.FILTER | kvm.MSR_EXIT.INVAL)
    vm:x86_set_msr_filter { ranges = {
      { flags = { "READ", "WRITE" }, base = USER, nmsrs = 1 } } }
    return cpu, vm
  end

  it("are answered with a value", function()
    local cpu = guest(READ)
    local reason, exit = cpu:run { timeout = 10 }
    assert.equal("x86_rdmsr", reason)
    assert.equal(USER, exit.index)
    assert.equal("filter", exit.cause)
    assert.is_false(exit.error)
    exit.value = 0x77
    assert.equal(0x77, exit.data)
    assert.same({ 0x77 }, guests.run(cpu))
  end)

  it("have what the guest writes", function()
    local cpu = guest(WRITE)
    local reason, exit = cpu:run { timeout = 10 }
    assert.equal("x86_wrmsr", reason)
    raises("cannot be assigned", set, exit, "data", 1)
    assert.equal(VALUE, exit.value)
    assert.same({ reason = "x86_wrmsr", code = kvm.EXIT.X86_WRMSR,
                  index = USER, value = VALUE, data = VALUE, error = false,
                  cause = "filter" }, exit:copy())
    assert.equal("hlt", (cpu:run { timeout = 10 }))
  end)

  it("come for what KVM does not know", function()
    local cpu, vm = guest(READ)
    vm:x86_set_msr_filter {}
    local reason, exit = cpu:run { timeout = 10 }
    assert.equal("x86_rdmsr", reason)
    assert(exit.cause == "unknown" or exit.cause == "inval", exit.cause)
  end)

  it("give the guest #GP when they are answered with an error", function()
    local cpu = guest(READ .. "\n" .. [[
      .org 0x100
      mov $0x0d, %al
      out %al, $0x81
      hlt ]], { gates = { [13] = guests.CODE + 0x100 } })
    local _, exit = cpu:run { timeout = 10 }
    exit.error = true
    assert.is_true(exit.error)
    assert.same({ 0x0d }, guests.run(cpu))
  end)

  it("come for the zeros of a bitmap", function()
    local cpu, vm = guest [[
      mov $0x176, %ecx
      rdmsr
      out %eax, $0x80
      mov $0x175, %ecx
      rdmsr
      out %eax, $0x80
      hlt ]]
    vm:x86_set_msr_filter { ranges = {
      { flags = { "READ", "WRITE" }, base = 0x174, nmsrs = 3,
        bitmap = "\3" } } } -- 0x176 is not allowed
    cpu.regs.sysenter_esp = 0x99
    local reason, exit = cpu:run { timeout = 10 }
    assert.equal("x86_rdmsr", reason)
    assert.equal(0x176, exit.index)
    exit.value = 0x88
    assert.same({ 0x88, 0x99 }, guests.run(cpu))
  end)

  it("come for whole ranges without a bitmap", function()
    local cpu, vm = guest((WRITE:gsub("0x4b564dff", "0x176")))
    vm:x86_set_msr_filter { ranges = {
      { flags = "WRITE", base = 0x174, nmsrs = 3 } } }
    assert.equal("x86_wrmsr", (cpu:run { timeout = 10 }))
    cpu:complete()
    assert.equal(0, cpu.regs.sysenter_eip)
    vm:x86_set_msr_filter {}
    cpu.regs.rip = guests.CODE
    guests.run(cpu)
    -- AMD's processors keep 32 bits of it.
    assert.equal(VALUE & 0xffffffff, cpu.regs.sysenter_eip & 0xffffffff)
  end)
end)

describe("x86_set_msr_filter", function()
  local vm
  before_each(function() vm = kvm.create_vm() end)

  local function range(r) vm:x86_set_msr_filter { ranges = { r } } end

  it("names what is wrong with a range", function()
    raises("kvm_msr_filter_range.base", range, { nmsrs = 1 })
    raises("kvm_msr_filter_range.nmsrs: 0 MSRs, a range has 1 to 12288",
      range, { base = 0 })
    raises("12289 MSRs", range, { base = 0, nmsrs = 12289 })
    raises("kvm_msr_filter_range.bitmap: 2 bytes given for 3 MSRs", range,
      { base = 0, nmsrs = 3, bitmap = "ab" })
    raises("a byte string expected, got number", range,
      { base = 0, bitmap = 5 })
    raises("16000 MSRs", range, { base = 0, bitmap = ("x"):rep(2000) })
    raises("MSRs, a range has", range,
      { base = 0, bitmap = ("x"):rep(1 << 20) })
    raises("100000 MSRs", range, { base = 0, nmsrs = 100000,
                                   bitmap = ("x"):rep(12500) })
    raises("unknown name 'FLY'", range, { base = 0, nmsrs = 1, flags = "FLY" })
    raises("unknown field 'count'", range, { base = 0, count = 1 })
    raises("table expected", range, 5)
  end)

  it("takes up to 16 ranges", function()
    local ranges = {}
    for i = 1, 17 do
      ranges[i] = { flags = "READ", base = i * 0x1000, nmsrs = 1 }
    end
    raises("at most 16 ranges", vm.x86_set_msr_filter, vm, { ranges = ranges })
    ranges[17] = nil
    vm:x86_set_msr_filter { ranges = ranges }
    vm:x86_set_msr_filter { flags = "DENY", ranges = {
      { flags = "READ", base = 0, bitmap = ("\xff"):rep(0x600) } } }
    vm:x86_set_msr_filter {}
  end)

  it("tells what the kernel refuses", function()
    local err = raises("KVM_X86_SET_MSR_FILTER: EINVAL", vm.x86_set_msr_filter,
      vm, { flags = "DENY" })
    assert(err.hint)
    raises("EINVAL", range, { base = 0, nmsrs = 1, flags = 0x80 })
  end)
end)
