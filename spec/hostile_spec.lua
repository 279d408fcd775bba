-- SPDX-License-Identifier: MIT
-- Scripts that mean harm, or that do at the worst moment what anybody may do:
-- whatever they get is an error, and the process goes on. What finalizers can do
-- is in spec/torture/finalizers.lua.
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm()
if missing then return pending(missing) end
local core = require "kvm.core"
local machine = require "spec.guests.machine"
local raises = require "spec.support.raises"
local ioctls = core.ioctls()

-- Calls f; a tracer calls act() after each ioctl called name ("KVM_RUN").
local function during(name, act, f, ...)
  local request = ioctls[name].request
  core.trace(function(_, _, number)
    if number == request then act() end
  end)
  local results = table.pack(pcall(f, ...))
  core.trace()
  return table.unpack(results, 1, results.n)
end

describe("a raw ioctl", function()
  local vm = kvm.create_vm()
  local cpu = vm:create_vcpu()

  -- These write to the address that is their argument, whatever the file is.
  it("is one of KVM's", function()
    local FIGETBSZ <const>, FIOQSIZE <const> = 2, 0x5460
    for _, handle in ipairs { vm.system, vm, cpu } do
      for _, request in ipairs { FIGETBSZ, FIOQSIZE, 0x541b, 0xc020660b } do
        raises("is not one of KVM's", handle.ioctl, handle, request, 0x1000)
      end
    end
  end)

  it("takes no address for an integer", function()
    for _, row in pairs(ioctls) do
      for _, handle in ipairs { vm.system, vm, cpu } do
        if row.struct then
          local err = raises("", handle.ioctl, handle, row.request, 0x1000)
          assert(not tostring(err):find "EFAULT", tostring(err))
        end
      end
    end
  end)
end)

describe("KVM_RUN", function()
  -- A tracer is shown the page of the vCPU: no other object has one.
  it("by its number is no ioctl of other objects", function()
    local vm <close> = kvm.create_vm()
    core.trace(function() end)
    for _, handle in ipairs { vm.system, vm } do
      local ok, err = pcall(handle.ioctl, handle, ioctls.KVM_RUN.request, 0x1000)
      assert.is_false(ok)
      assert.matches("KVM_RUN is for a vCPU", err, 1, true)
    end
    core.trace()
  end)
end)

describe("metamethods taken out of their metatables", function()
  it("look into nothing that is no table", function()
    for _, index in ipairs { getmetatable(kvm.CAP).__index,
                             getmetatable(core.class["kvm.vcpu"]).__index } do
      for _, value in ipairs { 0x1234, "text", true, print } do
        raises("has no", index, value, "x")
      end
    end
  end)

  it("find the vCPU of an exit, or none", function()
    local g <close> = machine.start "store"
    g:run()
    local meta = getmetatable(g.cpu.exit)
    local kept = meta.__vcpu
    for _, value in ipairs { false, 0x1234, g.vm, {} } do
      meta.__vcpu = value
      raises("kvm.exit expected", meta.__tostring, g.cpu.exit)
      raises("kvm.exit expected", meta.__index, g.cpu.exit, "gpa")
    end
    meta.__vcpu = kept
    assert.matches("^mmio ", tostring(g.cpu.exit))
  end)
end)

describe("the options of a run", function()
  it("may close the vCPU that they are for", function()
    for _, method in ipairs { "run", "exits" } do
      local g <close> = machine.start "store"
      local options = setmetatable({}, { __index = function()
        g.cpu:close()
      end })
      raises("kvm.vcpu is closed", function()
        for _ in g.cpu[method](g.cpu, options) do break end
      end)
    end
  end)
end)

describe("a name with a zero in it", function()
  it("is no shorter name", function()
    local vm <close> = kvm.create_vm()
    raises("unknown name 'IRQCHIP", vm.check_extension, vm, "IRQCHIP\0")
  end)
end)

describe("an address of this process", function()
  it("is no script's to give", function()
    local vm <close> = kvm.create_vm()
    if core.arch ~= "x86_64" then
      return pending "no struct of this machine has one"
    end
    local cpu <close> = vm:create_vcpu()
    local no <const> = "scripts have no addresses of this process"
    raises("kvm_xen_hvm_attr.hva: " .. no, vm.xen_hvm_set_attr, vm,
      { type = "SHARED_INFO_HVA", hva = 0x1000 })
    raises("kvm_xen_hvm_attr.hva: " .. no, vm.xen_hvm_set_attr, vm,
      { type = "SHARED_INFO_HVA", gfn = 0x1000 })
    raises("kvm_xen_vcpu_attr.hva: " .. no, cpu.xen_vcpu_set_attr, cpu,
      { type = "VCPU_INFO_HVA", gpa = 0x1000 })
    raises("kvm_xen_hvm_config.blob_addr_32: " .. no, vm.xen_hvm_config, vm,
      { blob_addr_32 = 0x1000 })
    raises("kvm_enc_region.addr: " .. no, vm.memory_encrypt_reg_region, vm,
      { addr = 0x1000, size = 0x1000 })
    local _, err = pcall(vm.xen_hvm_set_attr, vm,
      { type = "SHARED_INFO", gfn = 0x1000 })
    assert(not tostring(err):find(no, 1, true))
  end)

  it("is not taken by a capability", function()
    local vm <close> = kvm.create_vm()
    local cpu <close> = vm:create_vcpu()
    raises("scripts have no address", cpu.enable_cap, cpu,
      "HYPERV_ENLIGHTENED_VMCS", 0x1000)
  end)
end)

describe("a tracer that closes the VM", function()
  it("leaves the vCPU that is being made", function()
    local vm <close> = kvm.create_vm()
    local ok, cpu = during("KVM_CREATE_VCPU", function() vm:close() end,
      vm.create_vcpu, vm)
    assert.is_true(ok)
    raises("kvm.vm is closed", vm.create_vcpu, vm)
    assert.is_table(cpu:get_mp_state())
    cpu:close()
  end)

  it("leaves the device that is being made", function()
    local vm <close> = kvm.create_vm()
    local type = core.arch == "x86_64" and "VFIO" or "ARM_VGIC_V3"
    if not pcall(vm.create_device, vm, type, { test = true }) then
      return pending("no device of type " .. type)
    end
    local ok, device = during("KVM_CREATE_DEVICE", function() vm:close() end,
      vm.create_device, vm, type)
    assert.is_true(ok)
    assert.is_false(device:has_device_attr(99, 99))
    device:close()
  end)
end)

describe("a tracer that closes the vCPU", function()
  it("does so after complete() at the earliest", function()
    local vm <close> = kvm.create_vm()
    local cpu <close> = vm:create_vcpu()
    local refused
    during("KVM_RUN", function()
      refused = select(2, pcall(cpu.close, cpu))
    end, cpu.complete, cpu)
    assert.matches("kvm.vcpu is running", refused)
    assert.is_table(cpu:get_mp_state())
  end)
end)

describe("metamethods of an exit", function()
  it("may close the vCPU", function()
    local g <close> = machine.start "store"
    g:run()
    local meta = getmetatable(g.cpu.exit)
    local old = meta.__newindex
    finally(function() meta.__newindex = old end)
    for _, name in ipairs { "gpa", "size", "value" } do
      assert.is_number(g.cpu.exit[name])
      rawset(g.cpu.exit, name, nil)
    end
    meta.__newindex = function() g.cpu:close() end
    raises("kvm.vcpu is closed", g.run, g)
    raises("kvm.vcpu is closed", function() return g.cpu.exit.value end)
  end)
end)

describe("kvm.core", function()
  local opener = package.searchers[1] "kvm.core"
  if type(opener) ~= "function" then
    opener = package.loadlib(package.searchpath("kvm.core", package.cpath),
      "luaopen_kvm_core")
  end

  it("can be opened again", function()
    local g <close> = machine.start "store"
    local reason, exit = g:run()
    assert.equal("mmio", reason)
    assert.is_table(opener())
    collectgarbage()
    local junk = {}
    for i = 1, 1000 do junk[i] = ("x"):rep(i) end
    assert.equal(machine.MMIO + 1, exit.gpa)
    assert.equal("mmio", (g:run()))
  end)

  it("is there once in a state", function()
    local path = package.searchpath("kvm.core", package.cpath)
    if not path then return pending "kvm.core is part of the executable" end
    local name <const> = os.tmpname()
    finally(function() os.remove(name) end)
    local from <close> = io.open(path, "rb")
    local to = io.open(name, "wb")
    to:write(from:read "a")
    to:close()
    raises("another copy of kvm.core",
      assert(package.loadlib(name, "luaopen_kvm_core")))
  end)
end)

describe("huge pages", function()
  local SIZE <const> = 0x200000
  local function huge(n)
    return kvm.memory(n * SIZE, { backing = "hugetlb", page_size = SIZE })
  end
  local function free()
    local file <close> = io.open("/sys/kernel/mm/hugepages/"
      .. "hugepages-2048kB/free_hugepages")
    return file and file:read "n" or 0
  end

  -- An access to one that somebody else has taken would be SIGBUS.
  it("are there for whoever has memory of them", function()
    local n = free()
    if n < 2 then return pending "no two free huge pages of 2 MiB" end
    local m <close> = huge(n)
    m:u8(0, 1)
    raises("bytes of hugetlb memory", m.clone, m)
    m:discard(0, SIZE)
    raises("huge pages of 0x200000 bytes are needed", huge, 1)
    assert.equal(0, m:u8(0))
    m:u8(0, 7)
    assert.equal(7, m:u8(0))
  end)
end)
