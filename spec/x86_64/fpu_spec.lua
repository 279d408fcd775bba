-- SPDX-License-Identifier: MIT
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm "x86_64"
if missing then return pending(missing) end
local cpuid = require "kvm.arch.x86_64.cpuid"
local guests = require "spec.support.x86_64"
local raises = require "spec.support.raises"

local function set(regs, name, value) regs[name] = value end
local function bytes(c, n) return c:rep(n) end

local HOST = kvm.open():get_supported_cpuid()

local vcpu = guests.vcpu

-- State components that the host has: leaf 0xd. (Its feature bits can say less
-- than what guests may use.)
local AVX <const>, AVX512 <const> = 4, 0xe4

local function needs(components)
  local e = cpuid.find(HOST, 0xd, 0)
  if e and e.eax & components == components then return true end
  pending(components == AVX and "this host has no AVX"
    or "this host has no AVX-512")
end

describe("kvm.regs: x87 and SSE", function()
  local cpu, r
  before_each(function()
    cpu = vcpu()
    r = cpu.regs
  end)

  it("start as the processor initialises them", function()
    assert.equal(0x37f, r.fcw)
    assert.equal(0x1f80, r.mxcsr)
    assert.equal(0, r.fsw)
    assert.equal(0, r.ftw)
    assert.equal(bytes("\0", 10), r.st0)
    assert.equal(bytes("\0", 16), r.xmm15)
  end)

  it("are those of KVM_GET_FPU", function()
    r { fcw = 0x27f, fsw = 0x3800, ftw = 0x81, fop = 0x123, fip = 0x4567,
        fdp = 0x89ab, mxcsr = 0x1fa0, st0 = bytes("a", 10),
        st7 = bytes("b", 10), xmm0 = bytes("c", 16), xmm15 = bytes("d", 16) }
    local f = cpu:get_fpu()
    assert.equal(0x27f, f.fcw)
    assert.equal(0x3800, f.fsw)
    assert.equal(0x81, f.ftwx)
    assert.equal(0x123, f.last_opcode)
    assert.equal(0x4567, f.last_ip)
    assert.equal(0x89ab, f.last_dp)
    assert.equal(0x1fa0, r.mxcsr) -- KVM_GET_FPU leaves it out
    assert.equal(bytes("a", 10), f.fpr[1]:sub(1, 10))
    assert.equal(bytes("b", 10), f.fpr[8]:sub(1, 10))
    assert.equal(bytes("c", 16), f.xmm[1])
    assert.equal(bytes("d", 16), f.xmm[16])
    assert.equal(bytes("d", 16), r.xmm15)
    assert.equal(0x81, r.ftw)
  end)

  it("refuse reserved bits of MXCSR", function()
    local err = raises("mxcsr cannot be set to 0xffffffff", set, r, "mxcsr",
      0xffffffff)
    assert.equal("KVM_SET_XSAVE", err.ioctl)
    assert.equal(0x1f80, r.mxcsr)
  end)

  it("take exactly their bytes", function()
    raises("st0: 16 bytes given, it takes 10", set, r, "st0", bytes("x", 16))
    raises("xmm0: 32 bytes given, it takes 16", set, r, "xmm0",
      bytes("x", 32))
    raises("fcw: 65536 does not fit in 16 bits", set, r, "fcw", 65536)
    raises("ftw: 256 does not fit in 8 bits", set, r, "ftw", 256)
  end)

  it("reach the guest, and come back", function()
    cpu = guests.guest("long64", [[
      movdqu %xmm3, 0x40000
      mov $0x55, %eax
      movd %eax, %xmm4
      out %al, $0x80 ]], { user = true, ports = true })
    cpu.regs.xmm3 = "0123456789abcdef"
    assert.equal("io", (cpu:run { timeout = 10 }))
    assert.equal("0123456789abcdef", cpu.vm:read(0x40000, 16))
    assert.equal("\x55" .. bytes("\0", 15), cpu.regs.xmm4)
  end)
end)

describe("kvm.regs: wider vectors", function()
  it("hold the narrower ones", function()
    if not needs(AVX) then return end
    local r = vcpu().regs
    r.ymm3 = bytes("y", 32)
    assert.equal(bytes("y", 32), r.ymm3)
    assert.equal(bytes("y", 16), r.xmm3)
    r.xmm3 = bytes("x", 16)
    assert.equal(bytes("x", 16) .. bytes("y", 16), r.ymm3)
    assert.equal(bytes("\0", 32), r.ymm4)
  end)

  it("have AVX-512 where the host has it", function()
    if not needs(AVX512) then return end
    local r = vcpu().regs
    local wide = {}
    for i = 0, 31 do wide["zmm" .. i] = string.char(65 + i):rep(64) end
    for i = 0, 7 do wide["k" .. i] = 0x0101010101010101 * i end
    r(wide)
    for name, value in pairs(wide) do assert.equal(value, r[name], name) end
    assert.equal(bytes("C", 32), r.ymm2)
    assert.equal(bytes("U", 16), r.xmm20)
    r.ymm20 = bytes("u", 32)
    assert.equal(bytes("u", 32) .. bytes("U", 32), r.zmm20)
  end)

  it("are listed after the rows", function()
    if not needs(AVX) then return end
    local seen = {}
    for name, value in pairs(vcpu().regs) do seen[name] = value end
    assert.equal(32, #seen.ymm0)
    assert.equal(32, #seen.ymm15)
    assert.is_nil(seen.ymm16)
    assert.is_nil(seen.zmm32)
  end)

  it("reach the guest, and come back", function()
    if not needs(AVX) then return end
    local cpu = guests.guest("long64", [[
      vmovdqu %ymm1, 0x40000
      vmovaps %ymm1, %ymm5
      out %al, $0x80 ]], { user = true, ports = true })
    cpu.regs { cr4 = cpu.regs.cr4 | 1 << 18, ymm1 = bytes("q", 32) }
    cpu.regs.xcr0 = 7
    assert.equal("io", (cpu:run { timeout = 10 }))
    assert.equal(bytes("q", 32), cpu.vm:read(0x40000, 32))
    assert.equal(bytes("q", 32), cpu.regs.ymm5)
  end)

  it("are not dropped silently when the CPUID lacks them", function()
    if not needs(AVX) then return end
    local r = kvm.create_vm():create_vcpu().regs
    local ok, err = pcall(set, r, "ymm3", bytes("y", 32))
    if ok then -- kernels before 6.6 keep what the CPUID hides
      assert.equal(bytes("y", 32), r.ymm3)
    else
      assert.equal("EOPNOTSUPP", err.code)
      assert(err.hint:find("set_cpuid2", 1, true))
    end
  end)

  it("are no registers beyond their number", function()
    local r = vcpu().regs
    for _, name in ipairs { "ymm32", "zmm32", "k8", "xmm32", "ymm", "ymm-1",
                            "ymm01", "ymm1x", "k", "zmm99999999999" } do
      raises("kvm.regs has no register '" .. name .. "'", set, r, name, "")
    end
  end)
end)

describe("xcr0", function()
  it("is what KVM_GET_XCRS has first", function()
    local cpu = vcpu()
    if cpu.vm:check_extension "XCRS" == 0 then
      return pending "this host has no XSAVE"
    end
    assert.equal(1, cpu.regs.xcr0)
    cpu.regs.xcr0 = 3
    assert.equal(3, cpu.regs.xcr0)
    assert.equal(3, cpu:get_xcrs().xcrs[1].value)
    raises("xcr0 cannot be set to 0x0", set, cpu.regs, "xcr0", 0)
    assert.equal(3, cpu.regs.xcr0)
  end)
end)

describe("the XSAVE area", function()
  it("comes and goes as bytes", function()
    local cpu = vcpu()
    cpu.regs.xmm1 = bytes("m", 16)
    local x = cpu:get_xsave()
    assert.equal(4096, #x.region)
    assert.equal(bytes("m", 16), x.region:sub(177, 192))
    local other = vcpu()
    other:set_xsave(x)
    assert.equal(bytes("m", 16), other.regs.xmm1)
  end)

  it("may be larger than 4096 bytes", function()
    local cpu = vcpu()
    local size = cpu.vm:check_extension "XSAVE2"
    if size == 0 then return pending "this kernel has no KVM_CAP_XSAVE2" end
    local x = cpu:get_xsave2()
    assert.equal(4096, #x.region)
    assert.equal(size - 4096, #x.extra)
    vcpu():set_xsave(x)
  end)

  it("keeps what set_xsave is not given", function()
    local cpu = vcpu()
    cpu.regs.xmm1 = bytes("m", 16)
    cpu:set_xsave {}
    assert.equal(bytes("m", 16), cpu.regs.xmm1)
  end)

  it("has a size of its own", function()
    local cpu = vcpu()
    raises("kvm_xsave.region: 3 bytes given, it takes 4096", cpu.set_xsave,
      cpu, { region = "abc" })
    raises("kvm_xsave.region: a byte string expected, got number",
      cpu.set_xsave, cpu, { region = 5 })
    raises("unknown field 'size'", cpu.set_xsave, cpu, { size = 5 })
    local err = raises("KVM_SET_XSAVE: EINVAL", cpu.set_xsave, cpu,
      { region = bytes("\xff", 4096) })
    assert(err.hint)
  end)
end)
