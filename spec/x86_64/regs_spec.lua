-- SPDX-License-Identifier: MIT
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm "x86_64"
if missing then return pending(missing) end
local guests = require "spec.support.x86_64"
local raises = require "spec.support.raises"

local function set(regs, name, value) regs[name] = value end

-- The names of the ioctls that f issues.
local function calls(f)
  local names, seen = {}, {}
  for name, row in pairs(kvm.ioctls()) do names[row.request] = name end
  kvm.trace(function(_, _, request) seen[#seen + 1] = names[request] end)
  local ok, err = pcall(f)
  kvm.trace(nil)
  assert(ok, err)
  return table.concat(seen, " ")
end

describe("kvm.regs of x86-64", function()
  local cpu, r
  before_each(function()
    cpu = guests.vcpu()
    r = cpu.regs
  end)

  it("has the general registers of KVM_GET_REGS", function()
    local n = 0
    for name in pairs(cpu:get_regs()) do
      n = n + 1
      r[name] = 0x1000 + n * 0x10
    end
    assert.equal(18, n)
    r.rflags = 0x202
    for name, value in pairs(cpu:get_regs()) do
      assert.equal(value, r[name], name)
    end
    cpu:set_regs { r13 = 99 }
    assert.equal(99, r.r13)
    assert.equal(0x202, r.rflags)
  end)

  it("shows what the kernel makes of a value", function()
    r.rflags = 0
    assert.equal(2, r.rflags)
    r { rflags = 0x40, rax = 1 }
    assert.equal(0x42, r.rflags)
    assert.equal(0x42, cpu:get_regs().rflags)
  end)

  it("has what one-reg ids name", function()
    if cpu.vm:check_extension "ONE_REG" == 0 then
      return pending "this kernel has no KVM_CAP_ONE_REG"
    end
    local lstar <const> = 0x20300002c0000082 -- KVM_X86_REG_TYPE_MSR
    r.lstar = 0x1234
    assert.equal(0x1234, cpu:get_one_reg(lstar))
    cpu:set_one_reg(lstar, 0x5678)
    assert.equal(0x5678, r.lstar)
  end)

  it("has every segment field of KVM_GET_SREGS", function()
    for _, segment in ipairs { "cs", "ds", "es", "fs", "gs", "ss", "tr",
                               "ldt" } do
      for field, value in pairs(cpu:get_sregs()[segment]) do
        assert.equal(value, r[segment .. "_" .. field], segment .. field)
      end
      r { [segment .. "_base"] = 0x12340, [segment .. "_selector"] = 0x1234,
          [segment .. "_limit"] = 0xffff }
      assert.equal(0x12340, cpu:get_sregs()[segment].base)
      assert.equal(0x1234, cpu:get_sregs()[segment].selector)
    end
  end)

  it("has control registers and descriptor tables", function()
    for name, value in pairs {
      cr0 = 0x60000011, cr2 = 0xdeadbeef000, cr3 = 0x3000, cr4 = 0x20,
      cr8 = 5, efer = 0x100, gdt_base = 0x5000, gdt_limit = 0x67,
      idt_base = 0x6000, idt_limit = 0xfff, apic_base = 0xfee00900,
    } do
      r[name] = value
      assert.equal(value, r[name], name)
    end
    local s = cpu:get_sregs()
    assert.equal(0x60000011, s.cr0)
    assert.equal(0x67, s.gdt.limit)
    assert.equal(0x6000, s.idt.base)
  end)

  it("has debug registers", function()
    r { dr0 = 0x1000, dr1 = 0x2000, dr2 = 0x3000, dr3 = 0x4000,
        dr6 = 0xffff0ff1, dr7 = 0x401 }
    local d = cpu:get_debugregs()
    assert.same({ 0x1000, 0x2000, 0x3000, 0x4000 }, d.db)
    assert.equal(0xffff0ff1, d.dr6)
    assert.equal(0x401, d.dr7)
    assert.equal(0x4000, r.dr3)
  end)

  it("says how many bits a value may have", function()
    raises("cs_selector: 74565 does not fit in 16 bits", set, r,
      "cs_selector", 74565)
    raises("cs_limit: 4294967296 does not fit in 32 bits", set, r, "cs_limit",
      1 << 32)
    raises("cs_type: 16 does not fit in 4 bits", set, r, "cs_type", 16)
    raises("cs_dpl: 4 does not fit in 2 bits", set, r, "cs_dpl", 4)
    raises("cs_l: 2 does not fit in 1 bit", set, r, "cs_l", 2)
    raises("cs_l: -1 does not fit in 1 bit", set, r, "cs_l", -1)
    raises("gdt_limit: 65536 does not fit in 16 bits", set, r, "gdt_limit",
      65536)
    r.ds_avl = true
    assert.equal(1, r.ds_avl)
  end)

  it("tells at once what the kernel refuses, and changes nothing", function()
    local err = raises("cr4 cannot be set to 0xffffffffffffffff", set, r,
      "cr4", -1)
    assert.equal("KVM_SET_SREGS", err.ioctl)
    assert.equal("EINVAL", err.code)
    assert(err.hint)
    assert.equal(0, r.cr4)
    raises("the segment and control registers are refused", r,
      { cr4 = -1, cr2 = 0x1000 })
    assert.equal(0, r.cr2)
  end)

  it("gives KVM_RUN the cr8 that was set", function()
    cpu = guests.guest("long64", [[
      mov %cr8, %rax
      out %al, $0x80
      hlt ]])
    cpu.regs.cr8 = 7
    assert.same({ 7 }, guests.run(cpu))
    assert.equal(7, cpu.regs.cr8)
  end)

  it("prints the registers one looks at first", function()
    r.rip = 0xabc
    local text = tostring(r)
    assert(text:find("rip=0000000000000abc", 1, true))
    assert(text:find("cs_selector=f000", 1, true))
    assert.is_nil(text:find("xmm", 1, true))
    assert.is_nil(text:find("lstar", 1, true))
  end)
end)

describe("kvm.regs of x86-64 across a run", function()
  local LOOP = [[
    again:
      inc %rax
      out %al, $0x80
      jmp again ]]

  it("sees what the guest did", function()
    local cpu = guests.guest("long64", [[
      mov $0x1122334455667788, %rbx
      add $5, %rcx
      mov %rcx, %cr2
      out %al, $0x80
      hlt ]])
    cpu.regs.rcx = 10
    guests.run(cpu)
    assert.equal(0x1122334455667788, cpu.regs.rbx)
    assert.equal(15, cpu.regs.rcx)
    assert.equal(15, cpu.regs.cr2)
  end)

  it("gives the guest what was set between exits", function()
    local cpu = guests.guest("long64", LOOP)
    for i = 1, 6 do -- first by ioctls, then through the kvm_run page
      cpu.regs.rax = i * 10
      local reason, exit = cpu:run { timeout = 10 }
      assert.equal("io", reason)
      assert.equal(i * 10 + 1, exit.value)
      assert.equal(i * 10 + 1, cpu.regs.rax)
      cpu.regs { rax = 0, cr2 = i }
      assert.equal(i, cpu.regs.cr2)
      assert.equal(i, cpu:get_sregs().cr2)
    end
  end)

  it("moves the guest by writing rip", function()
    local cpu = guests.guest("long64", [[
      mov $1, %al
      out %al, $0x80
      hlt
      .org 0x40
      mov $2, %al
      out %al, $0x80
      hlt ]])
    cpu:run { timeout = 10 }
    cpu.regs.rip = guests.CODE + 0x40
    assert.same({ 2 }, guests.run(cpu))
  end)

  it("has the values that the faithful calls have, either way", function()
    local cpu = guests.guest("long64", LOOP)
    for i = 1, 4 do
      cpu:run { timeout = 10 }
      assert.equal(i, cpu.regs.rax)
      cpu.regs.rbx = i
      assert.equal(i, cpu:get_regs().rbx)
      cpu:set_regs { rbx = i + 1 }
      assert.equal(i + 1, cpu.regs.rbx)
      cpu:set_sregs { cr2 = i + 2 }
      assert.equal(i + 2, cpu.regs.cr2)
      assert.equal(i, cpu.regs.rax)
    end
  end)

  it("makes no ioctl for what the kvm_run page has", function()
    local cpu, vm = guests.guest("long64", LOOP)
    if vm:check_extension "SYNC_REGS" & 3 ~= 3 then
      return pending "this kernel has no KVM_CAP_SYNC_REGS"
    end
    local r = cpu.regs
    for _ = 1, 2 do
      cpu:run { timeout = 10 }
      assert.equal("number", type(r.rip + r.cr0))
    end
    assert.equal("KVM_RUN", calls(function()
      cpu:run { timeout = 10 }
      for _ = 1, 3 do
        local _ = r.rip + r.rax + r.cr3 + r.cs_base
        r.rbx = 5
        r { rcx = 6, rdx = 7 }
      end
    end))
    assert.equal("KVM_GET_REGS", calls(function()
      local g = cpu:get_regs()
      assert.same({ 5, 6, 7 }, { g.rbx, g.rcx, g.rdx })
    end))
  end)

  it("reads and writes each struct once for a table", function()
    local cpu, vm = guests.vcpu()
    local r = cpu.regs
    local seen = calls(function()
      r { rax = 1, rbx = 2, rip = 3, cr2 = 4, cs_base = 0, cr3 = 0x1000,
          dr0 = 5, dr1 = 6, xmm0 = ("x"):rep(16), fcw = 0x37f }
    end)
    for _, name in ipairs { "GET_SREGS", "SET_SREGS", "GET_DEBUGREGS",
                            "SET_DEBUGREGS", "SET_XSAVE", "GET_REGS" } do
      local _, n = seen:gsub("KVM_" .. name .. "%f[^%w_]", "")
      assert.equal(1, n, name .. " in " .. seen)
    end
    assert.same({ 1, 2, 3 }, { r.rax, r.rbx, r.rip })
    vm:close()
  end)

  it("is at hand in a device's handler", function()
    local cpu, vm = guests.guest("long64", [[
      mov $3, %eax
      out %eax, $0x80
      hlt ]])
    local seen
    vm:on_pio(0x80, 4, {
      read = function() return 0 end,
      write = function() seen = cpu.regs.rax; cpu.regs.rbx = 44 end,
    })
    assert.equal("hlt", (cpu:run { timeout = 10 }))
    assert.equal(3, seen)
    assert.equal(44, cpu.regs.rbx)
  end)

  it("keeps what was set before the first run and after the last", function()
    local cpu = guests.guest("real", "hlt")
    cpu.regs.rdi = 0x77
    assert.equal("hlt", (cpu:run { timeout = 10 }))
    assert.equal(0x77, cpu.regs.rdi)
    cpu.regs.rdi = 0x78
    assert.equal(0x78, cpu:get_regs().rdi)
  end)
end)
