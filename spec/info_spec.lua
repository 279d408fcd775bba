-- SPDX-License-Identifier: MIT
local kvm = require "kvm"
local info = require "kvm.info"

describe("kvm.info", function()
  it("tells why there is no KVM", function()
    local available = kvm.available
    finally(function() kvm.available = available end)
    kvm.available = function() return false, "gone" end
    local found = info.collect()
    assert.is_false(found.available)
    assert.equal("gone", found.reason)
    assert.equal(kvm.arch, found.arch)
    assert.is_nil(found.capabilities)
  end)

  it("names what the kernel can do, with its answers", function()
    local ok, reason = kvm.available()
    if not ok then pending(reason) end
    local found = info.collect()
    assert.equal(12, found.api_version)
    local system <close> = kvm.open()
    local vm <close> = system:create_vm()
    assert.equal(system:get_vcpu_mmap_size(), found.vcpu_mmap_size)
    local count = 0
    for name, value in pairs(found.capabilities) do
      assert.equal(vm:check_extension(kvm.CAP[name]), value)
      count = count + 1
    end
    assert.truthy(count > 20)
    assert.is_nil(found.host.problem)
    assert.is_string(found.host.backend)
    assert.equal(kvm.host().kernel, found.kernel)
    assert.same(require("kvm.host." .. kvm.arch).describe(), found.host)
  end)

  it("tells what an arm64 machine may have", function()
    local ok, reason = kvm.available()
    if not ok then pending(reason) end
    if kvm.arch ~= "arm64" then return pending "this is no arm64 machine" end
    local found = info.collect().host
    local vm <close> = kvm.create_vm(found.ipa_bits)
    assert.is_false((pcall(kvm.create_vm, found.ipa_bits + 1)))
    assert.truthy(#found.gic_versions > 0)
    for _, version in ipairs(found.gic_versions) do
      vm:create_device("ARM_VGIC_V" .. version, { test = true })
    end
  end)
end)
