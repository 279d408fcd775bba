-- SPDX-License-Identifier: MIT
local cpuid = require "kvm.arch.x86_64.cpuid"
local features = require "kvm.arch.x86_64.cpuid_features"
local kvm = require "kvm"
local raises = require "spec.support.raises"

local function entry(leaf, subleaf, eax, ebx, ecx, edx)
  return { ["function"] = leaf, index = subleaf or 0,
           flags = subleaf and 1 or 0, eax = eax or 0, ebx = ebx or 0,
           ecx = ecx or 0, edx = edx or 0 }
end

local function list()
  return { entry(0, nil, 0xd, 0x756e6547, 0x6c65746e, 0x49656e69),
           entry(1, nil, 0x306c3, 0x12000800, 1 << 21 | 1, 1 << 26),
           entry(7, 0, 1, 1 << 5), entry(7, 1, 1 << 4),
           entry(0xb, 0, 1, 1, 0x100, 9), entry(0xb, 1, 4, 2, 0x201, 9) }
end

describe("kvm.arch.x86_64.cpuid: lists", function()
  it("finds a leaf, whose subleaf counts where it has some", function()
    local l = list()
    assert.equal(l[2], cpuid.find(l, 1))
    assert.equal(l[2], cpuid.find(l, 1, 7))
    assert.equal(l[3], cpuid.find(l, 7))
    assert.equal(l[4], cpuid.find(l, 7, 1))
    assert.is_nil(cpuid.find(l, 7, 2))
    assert.is_nil(cpuid.find(l, 2))
  end)

  it("sets registers and leaves the others", function()
    local l = list()
    assert.equal(l[4], cpuid.set(l, 7, 1, { edx = 5 }))
    assert.same(entry(7, 1, 1 << 4, 0, 0, 5), l[4])
    assert.equal(6, #l)
  end)

  it("adds the leaf that is not there", function()
    local l = list()
    cpuid.set(l, 0x40000000, nil, { eax = 0x40000001, ebx = 0x4b4d564b })
    assert.same(entry(0x40000000, nil, 0x40000001, 0x4b4d564b), l[7])
    cpuid.set(l, 7, 2, { edx = 1 })
    assert.same(entry(7, 2, 0, 0, 0, 1), l[8])
  end)

  it("refuses other registers and wider values, and adds nothing", function()
    local l = list()
    raises("bad argument #4 to 'set' (unknown register 'rax' (did you mean "
      .. "'eax'? there are eax, ebx, ecx and edx))", cpuid.set, l, 9, nil,
      { rax = 1 })
    raises("eax 0x100000000 does not fit in 32 bits", cpuid.set, l, 9, nil,
      { eax = 1 << 32 })
    raises("does not fit", cpuid.set, l, 9, nil, { eax = -1 })
    raises("eax: integer expected, got 1.5", cpuid.set, l, 9, nil,
      { eax = 1.5 })
    raises("bad argument #3 to 'set' (subleaf: integer or nil expected, got "
      .. "table: set(list, leaf, nil, registers))", cpuid.set, l, 1,
      { eax = 1 })
    raises("#2 to 'set' (leaf: integer expected, got nil)", cpuid.set, l)
    assert.same(list(), l)
  end)

  it("takes lists of whole entries only", function()
    raises("bad argument #1 to 'find' (list: table expected, got nil)",
      cpuid.find)
    raises("list[1]: table expected, got 5", cpuid.features, { 5 })
    raises("list[1].ecx: integer expected, got nil", cpuid.vendor,
      { { ["function"] = 0, index = 0, flags = 0, eax = 1, ebx = 1 } })
    raises("#1 to 'host' (system: kvm.system expected, got nil)", cpuid.host)
  end)

  it("removes a leaf or a subleaf", function()
    local l = list()
    assert.equal(1, cpuid.remove(l, 7, 1))
    assert.is_nil(cpuid.find(l, 7, 1))
    assert(cpuid.find(l, 7, 0))
    assert.equal(2, cpuid.remove(l, 0xb))
    assert.equal(3, #l)
    assert.equal(0, cpuid.remove(l, 0xb))
  end)
end)

describe("kvm.arch.x86_64.cpuid: features", function()
  it("are told by name", function()
    local l = list()
    assert.is_true(cpuid.feature(l, "x2apic"))
    assert.is_true(cpuid.feature(l, "sse3"))
    assert.is_true(cpuid.feature(l, "sse2"))
    assert.is_true(cpuid.feature(l, "avx2"))
    assert.is_true(cpuid.feature(l, "avx_vnni"))
    assert.is_false(cpuid.feature(l, "sse4_2"))
    assert.is_false(cpuid.feature(l, "psfd")) -- no such leaf
    assert.same({ "avx2", "avx_vnni", "sse2", "sse3", "x2apic" },
      cpuid.features(l))
  end)

  it("are set and cleared", function()
    local l = list()
    cpuid.clear(l, "x2apic", "avx2", "psfd")
    cpuid.enable(l, "sse4_2", "sha512", "psfd")
    assert.same({ "avx_vnni", "psfd", "sha512", "sse2", "sse3", "sse4_2" },
      cpuid.features(l))
    assert.equal(1 << 20 | 1, l[2].ecx)
  end)

  it("have names that are checked", function()
    raises("no CPUID feature is called 'sse5'", cpuid.feature, list(), "sse5")
    raises("bad argument #3 to 'enable' (no CPUID feature is called 'sse5' "
      .. "(did you mean 'sse", cpuid.enable, list(), "avx", "sse5")
    raises("#2 to 'feature' (no CPUID feature is called nil (the names",
      cpuid.feature, list(), nil)
  end)

  it("are where the manuals say", function()
    -- Intel SDM, volume 2, tables 3-10, 3-11 and "leaf 07H"; AMD APM, volume
    -- 3, appendix E.
    for name, place in pairs {
      pse36 = { 1, false, "edx", 17 }, clfsh = { 1, false, "edx", 19 },
      pbe = { 1, false, "edx", 31 }, ssse3 = { 1, false, "ecx", 9 },
      pcid = { 1, false, "ecx", 17 }, sse4_2 = { 1, false, "ecx", 20 },
      osxsave = { 1, false, "ecx", 27 }, hypervisor = { 1, false, "ecx", 31 },
      smep = { 7, 0, "ebx", 7 }, avx512f = { 7, 0, "ebx", 16 },
      smap = { 7, 0, "ebx", 20 }, avx512vl = { 7, 0, "ebx", 31 },
      umip = { 7, 0, "ecx", 2 }, la57 = { 7, 0, "ecx", 16 },
      rdpid = { 7, 0, "ecx", 22 }, pks = { 7, 0, "ecx", 31 },
      fsrm = { 7, 0, "edx", 4 }, serialize = { 7, 0, "edx", 14 },
      cet_ibt = { 7, 0, "edx", 20 }, amx_tile = { 7, 0, "edx", 24 },
      ssbd = { 7, 0, "edx", 31 }, avx_vnni = { 7, 1, "eax", 4 },
      fred = { 7, 1, "eax", 17 }, lam = { 7, 1, "eax", 26 },
      apx_f = { 7, 1, "edx", 21 }, xsaves = { 0xd, 1, "eax", 3 },
      svm = { 0x80000001, false, "ecx", 2 },
      topoext = { 0x80000001, false, "ecx", 22 },
      syscall = { 0x80000001, false, "edx", 11 },
      nx = { 0x80000001, false, "edx", 20 },
      rdtscp = { 0x80000001, false, "edx", 27 },
      lm = { 0x80000001, false, "edx", 29 },
      ["3dnow"] = { 0x80000001, false, "edx", 31 },
      invtsc = { 0x80000007, false, "edx", 8 },
      ibpb = { 0x80000008, false, "ebx", 12 },
      ibrs = { 0x80000008, false, "ebx", 14 },
      ssb_no = { 0x80000008, false, "ebx", 26 },
      npt = { 0x8000000a, false, "edx", 0 },
      vgif = { 0x8000000a, false, "edx", 16 },
      automatic_ibrs = { 0x80000021, false, "eax", 8 },
      kvm_pv_tlb_flush = { 0x40000001, false, "eax", 9 },
      kvm_migration_control = { 0x40000001, false, "eax", 17 },
      kvm_clocksource_stable = { 0x40000001, false, "eax", 24 },
    } do
      assert.same(place, features[name], name)
    end
  end)
end)

describe("kvm.arch.x86_64.cpuid: identity", function()
  it("has a vendor", function()
    local l = list()
    assert.equal("GenuineIntel", cpuid.vendor(l))
    cpuid.set_vendor(l, "KvmLuaKvmLua")
    assert.equal("KvmLuaKvmLua", cpuid.vendor(l))
    assert.equal(cpuid.find(l, 0).ebx, cpuid.find(l, 0x80000000).ebx)
    assert.equal(0xd, cpuid.find(l, 0).eax)
    raises("vendor 'x' has 1 bytes, it takes 12", cpuid.set_vendor, l, "x")
    assert.is_nil(cpuid.vendor {})
  end)

  it("has a brand", function()
    local l = list()
    assert.equal("", cpuid.brand(l))
    cpuid.set_brand(l, "kvmlua, the processor")
    assert.equal("kvmlua, the processor", cpuid.brand(l))
    cpuid.set_brand(l, ("x"):rep(47))
    assert.equal(("x"):rep(47), cpuid.brand(l))
    raises("has 48 bytes, it takes at most 47", cpuid.set_brand, l,
      ("x"):rep(48))
  end)

  it("has an APIC id wherever it is told", function()
    local l = list()
    cpuid.set_apic_id(l, 3)
    assert.equal(0x03000800, l[2].ebx)
    assert.equal(3, l[5].edx)
    assert.equal(3, l[6].edx)
  end)
end)

local missing = require "spec.support.needs".kvm "x86_64"
if missing then return pending(missing) end
local guests = require "spec.support.x86_64"

describe("CPUID of a vCPU", function()
  local system = kvm.open()

  it("is the host's, and can be edited", function()
    local cpu = guests.guest("long64", [[
      mov $0, %eax
      cpuid
      mov %ebx, %eax
      out %eax, $0x80
      mov %edx, %eax
      out %eax, $0x80
      mov %ecx, %eax
      out %eax, $0x80
      hlt ]])
    local l = cpuid.host(system, cpu.id)
    assert(#l > 10)
    cpuid.set_vendor(l, "KvmLuaKvmLua")
    cpu:set_cpuid2(l)
    assert.equal("KvmLuaKvmLua",
      cpuid.vendor(cpu:get_cpuid2()))
    local out = guests.run(cpu)
    assert.equal("KvmLuaKvmLua",
      string.pack("<I4I4I4", out[1], out[2], out[3]))
  end)

  it("comes from a system, which a VM has", function()
    local vm <close> = kvm.create_vm()
    raises("system: kvm.system expected, got kvm.vm: its field system is one",
      cpuid.host, vm)
    assert.equal(#cpuid.host(system), #cpuid.host(vm.system))
  end)

  it("has a feature less when it is cleared", function()
    local cpu = guests.vcpu()
    local l = cpuid.host(system, 0)
    assert.is_true(cpuid.feature(l, "kvm_steal_time"))
    cpuid.clear(l, "kvm_steal_time")
    cpu:set_cpuid2(l)
    assert.is_false(cpuid.feature(cpu:get_cpuid2(), "kvm_steal_time"))
  end)

  it("takes 256 entries", function()
    local cpu, many = guests.vcpu(), {}
    for i = 1, 257 do many[i] = entry(0x40000000 + i, nil, i) end
    raises("257 entries", cpu.set_cpuid2, cpu, many)
    many[257] = nil
    cpu:set_cpuid2(many)
    assert.equal(256, #cpu:get_cpuid2())
  end)

  it("stays what it is once the vCPU has run", function()
    local cpu = guests.guest("real", "hlt")
    local l = cpuid.host(system, 0)
    cpu:set_cpuid2(l)
    guests.run(cpu)
    cpuid.set_vendor(l, "KvmLuaKvmLua")
    local ok, err = pcall(cpu.set_cpuid2, cpu, l)
    assert.is_false(ok)
    assert(err.hint:find("must stay the same", 1, true))
  end)
end)
