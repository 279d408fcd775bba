-- SPDX-License-Identifier: MIT
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm()
if missing then return pending(missing) end
local raises = require "spec.support.raises"
local writer = require "spec.support.writer"

local PAGE = kvm.page_size

describe("vcpu:coalesced", function()
  local vm, guest
  local ZONE = 9 * PAGE -- no memory is there
  before_each(function()
    vm = kvm.create_vm()
    if vm:check_extension("COALESCED_MMIO") == 0 then return end
    guest = writer.new(vm)
    vm:register_coalesced_mmio { addr = ZONE, size = 16 }
  end)

  local function it_if(name, body)
    it(name, function()
      if not guest then return pending("this host coalesces nothing") end
      body()
    end)
  end

  it_if("is empty at first", function()
    assert.same({}, guest.cpu:coalesced())
  end)

  it_if("has the guest's writes in their order, without exits", function()
    guest.store { ZONE + 3, ZONE, ZONE + 15 }
    assert.same({
      { gpa = ZONE + 3, is_pio = false, data = "\1" },
      { gpa = ZONE, is_pio = false, data = "\1" },
      { gpa = ZONE + 15, is_pio = false, data = "\1" },
    }, guest.cpu:coalesced())
  end)

  it_if("gives each write once", function()
    guest.store { ZONE }
    assert.equal(1, #guest.cpu:coalesced())
    assert.same({}, guest.cpu:coalesced())
  end)

  it_if("goes round", function()
    local addresses = {}
    for i = 1, 16 do addresses[i] = ZONE + i - 1 end
    for _ = 1, PAGE // 24 // 16 + 2 do
      guest.store(addresses)
      local list = guest.cpu:coalesced()
      assert.equal(16, #list)
      for i, entry in ipairs(list) do
        assert.equal(addresses[i], entry.gpa)
      end
    end
  end)

  it_if("is the same for every vCPU of the VM", function()
    local other = vm:create_vcpu()
    guest.store { ZONE }
    assert.equal(ZONE, other:coalesced()[1].gpa)
    assert.same({}, guest.cpu:coalesced())
  end)

  it_if("leaves writes outside the zone as exits", function()
    assert.equal("mmio", (guest.try { ZONE + 16 }))
    assert.same({}, guest.cpu:coalesced())
  end)

  it_if("refuses arguments and closed vCPUs", function()
    raises("surplus argument", guest.cpu.coalesced, guest.cpu, 1)
    guest.cpu:close()
    raises("kvm.vcpu is closed", guest.cpu.coalesced, guest.cpu)
  end)
end)
