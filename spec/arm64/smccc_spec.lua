-- SPDX-License-Identifier: MIT
local arm64 = require "spec.support.arm64".use(_ENV)
local attr = require "kvm.arch.arm64.attr"
local smccc = require "kvm.arch.arm64.smccc"

describe("kvm.arch.arm64.smccc", function()
  it("has ids whose bits say what their names say", function()
    for name, id in pairs(smccc.id) do
      local t = smccc.decode(id)
      assert.equal(name, t.name)
      assert.is_true(t.is_fast, name)
      assert.equal(name:match "_64$" ~= nil, t.is_64bit, name)
      local service = name:match "^smccc_" and "arch"
        or name:match "^pv_time_" and "standard_hyp"
        or name:match "^vendor_hyp_" and "vendor_hyp" or "standard"
      assert.equal(service, t.service, name)
    end
  end)

  it("has both widths of a call at one number", function()
    for name, id in pairs(smccc.id) do
      local wide = smccc.id[name .. "_64"]
      if wide then assert.equal(id | 1 << 30, wide, name) end
    end
  end)

  it("takes any id apart", function()
    assert.same({ is_fast = true, is_64bit = true, service = "sip",
                  number = 0x123 }, smccc.decode(0xc2000123))
    assert.equal("trusted_os", smccc.decode(0xbf000001).service)
    assert.equal("trusted_application", smccc.decode(0xb0000000).service)
    assert.equal("reserved", smccc.decode(0x88000000).service)
    assert.is_false(smccc.decode(0x02000000).is_fast)
  end)

  it("takes names and numbers for ids", function()
    assert.equal(0x84000008, smccc.number "psci_system_off")
    assert.equal(0xc6000000, smccc.number(0xc6000000))
    assert.error_matches(function() smccc.number "psci_off" end,
      "no SMCCC function is called 'psci_off' (the names", 1, true)
    assert.error_matches(function() smccc.number "psci_cpu_in" end,
      "(did you mean 'psci_cpu_on'?", 1, true)
    assert.error_matches(function() smccc.number(nil) end,
      "bad argument #1 to 'number' (id: integer expected, got nil)", 1, true)
  end)

  it("packs a filter as the kernel reads it", function()
    local group, number, bytes
    local vm = { set_device_attr = function(_, ...)
      group, number, bytes = ...
    end }
    smccc.filter(vm, "psci_cpu_on_64", 1, "forward")
    assert.same({ 0, 0, 24 }, { group, number, #bytes })
    assert.same({ 0xc4000003, 1, 2 },
      { (string.unpack("<I4I4I1", bytes)), select(2,
        string.unpack("<I4I4I1", bytes)), bytes:byte(9) })
    assert.error_matches(function() smccc.filter(vm, 1, 1, "allow") end,
      "action 'allow' (expected handle, deny or forward)", 1, true)
  end)

  it("reads arguments and answers through registers", function()
    local regs = setmetatable({}, { __call = function(self, changes)
      for name, value in pairs(changes) do self[name] = value end
    end })
    for i = 0, 17 do regs["x" .. i] = 100 + i end
    local cpu = { regs = regs }
    assert.same({ 101, 102, 103 }, { smccc.arguments(cpu, 3) })
    assert.equal(17, select("#", smccc.arguments(cpu, 17)))
    smccc.result(cpu, smccc.NOT_SUPPORTED)
    assert.same({ -1, 101 }, { regs.x0, regs.x1 })
    smccc.result(cpu, 1, 2, 3, 4)
    assert.same({ 1, 2, 3, 4 }, { regs.x0, regs.x1, regs.x2, regs.x3 })
  end)
end)

arm64.describe("calls that KVM answers", function()
  local function call(id, ...)
    local g <close> = arm64.guest(([[
        ldr     w0, =0x%x
        mov     x1, #%d
        hvc     #0
        mov     x19, x0
    ]]):format(smccc.number(id), ... or 0))
    return g:finish "x19"
  end

  it("have a version", function()
    assert.is_true(call "smccc_version" >= 0x10001)
    assert.is_true(call "psci_version" >= 0x10000)
  end)

  it("have features", function()
    local g <close> = arm64.guest [[
        ldr     w0, =0x8400000a         // PSCI_FEATURES
        ldr     w1, =0xc4000003         // CPU_ON
        hvc     #0
        mov     x19, x0
        ldr     w0, =0x8400000a
        ldr     w1, =0x8400ffff
        hvc     #0
        mov     x20, x0
    ]]
    assert.equal(0, g:finish "x19")
    assert.equal(smccc.NOT_SUPPORTED, g.cpu.regs.x20)
  end)

  it("are refused when they are unknown", function()
    assert.equal(smccc.NOT_SUPPORTED, call(0xc6001234))
  end)

  it("follow the version that the script chose", function()
    local g <close> = arm64.guest [[
        ldr     w0, =0x84000000
        hvc     #0
        mov     x19, x0
    ]]
    g.cpu.regs.psci_version = 0x10000
    assert.equal(0x10000, g:finish "x19")
  end)

  it("lose a service that the script takes away", function()
    local g <close> = arm64.guest [[
        ldr     w0, =0x84000050         // TRNG_VERSION
        hvc     #0
        mov     x19, x0
    ]]
    g.cpu.regs.std_bmap = 0
    assert.equal(smccc.NOT_SUPPORTED, g:finish "x19")
    local ok, err = pcall(function() g.cpu.regs.std_bmap = 1 end)
    assert.is_false(ok)
    assert.equal("EBUSY", err.code)
    assert.matches("fixed once a vCPU of the VM has run", err.hint)
  end)
end)

arm64.describe("calls that come to the script", function()
  local function has(vm) return attr.has(vm, "smccc_filter") end
  local function it_filter(...)
    arm64.it_with(has, "this kernel has no SMCCC filter (6.4)", ...)
  end

  local TEXT <const> = [[
        ldr     w0, =0xc6000007
        mov     x1, #20
        mov     x2, #22
        hvc     #0
        mov     x19, x0
        mov     x20, x1
  ]]
  local function forwarding(text, first, count)
    local g = arm64.guest(text)
    smccc.filter(g.vm, first or 0xc6000000, count or 16, "forward")
    return g
  end

  it_filter("arrive as hypercall exits", function()
    local g <close> = forwarding(TEXT)
    local reason, exit = g:run()
    assert.equal("hypercall", reason)
    assert.equal(0xc6000007, exit.nr)
    assert.is_false(exit.is_smc)
    assert.is_false(exit.is_16bit)
    assert.same({ 20, 22 }, { smccc.arguments(g.cpu, 2) })
    smccc.result(g.cpu, 42, 43)
    assert.equal(42, g:finish "x19")
    assert.equal(43, g.cpu.regs.x20)
  end)

  it_filter("are denied without an exit", function()
    local g <close> = arm64.guest(TEXT)
    smccc.filter(g.vm, 0xc6000007, 1, "deny")
    assert.equal(smccc.NOT_SUPPORTED, g:finish "x19")
  end)

  it_filter("can be PSCI's own", function()
    local g <close> = forwarding("nop", "psci_system_off", 1)
    local reason, exit = g:run()
    assert.equal("hypercall", reason)
    assert.equal("psci_system_off", smccc.decode(exit.nr).name)
  end)

  it_filter("are only those of the filter", function()
    local g <close> = forwarding(TEXT, 0xc6000008, 8)
    assert.equal(smccc.NOT_SUPPORTED, g:finish "x19")
  end)

  it_filter("cannot be filtered twice, nor the architecture's", function()
    local g <close> = forwarding(TEXT)
    local ok, err = pcall(smccc.filter, g.vm, 0xc6000000, 1, "deny")
    assert.is_false(ok)
    assert.equal("EEXIST", err.code)
    assert.matches("must not overlap", err.hint)
    ok, err = pcall(smccc.filter, g.vm, "smccc_version", 1, "forward")
    assert.is_false(ok)
    assert.equal("EEXIST", err.code)
  end)

  it("need a kernel that has the filter", function()
    local g <close> = arm64.guest()
    if has(g.vm) then return end
    local ok, err = pcall(smccc.filter, g.vm, 0xc6000000, 1, "deny")
    assert.is_false(ok)
    assert.is_string(err.hint)
  end)
end)
