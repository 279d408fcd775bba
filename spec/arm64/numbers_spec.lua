-- SPDX-License-Identifier: MIT
-- The numbers that pure modules have against those of the kernel's headers.
local arm64 = require "spec.support.arm64".use(_ENV)
local numbers = require "kvm.arch.arm64.numbers"
local smccc = require "kvm.arch.arm64.smccc"
local kvm = arm64.kvm

arm64.describe("kvm.arch.arm64.numbers", function()
  for group, names in pairs(numbers) do
    it("has kvm." .. group, function()
      for name, value in pairs(names) do
        assert.equal(kvm[group][name], value, name)
      end
    end)
  end
end)

arm64.describe("kvm.arch.arm64.smccc", function()
  it("has the ids of PSCI", function()
    for suffix, group in pairs { [""] = kvm.PSCI, _64 = kvm.PSCI64 } do
      for name, id in pairs(group) do
        if type(name) == "string" then
          name = name:lower():gsub("^psci_", "")
          assert.equal(id, smccc.id["psci_" .. name .. suffix], name)
        end
      end
    end
  end)

  it("has its results", function()
    for name, value in pairs(kvm.PSCI_RET) do
      if type(name) == "string" then
        name = name:gsub("PARAMS$", "PARAMETERS")
        assert.equal(value, smccc[name], name)
      end
    end
  end)
end)
