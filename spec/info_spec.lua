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
  end)
end)
