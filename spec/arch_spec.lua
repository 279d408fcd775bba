-- SPDX-License-Identifier: MIT
-- What src/arch.h asks of a machine's tables.
local kvm = require "kvm"
local build = require "spec.support.build"

local usable, why = kvm.available()

describe("the machine's part", function()
  it("keeps what src/arch.h says", function()
    local problems = build.open "contract"
    if not problems then return pending(build.MISSING) end
    assert.same({}, problems())
  end)

  it("finds every register that it lists", function()
    if not usable then return pending(why) end
    local cpu = kvm.create_vm():create_vcpu()
    if kvm.arch == "arm64" then cpu:arm_vcpu_init() end
    local n = 0
    for name, value in pairs(cpu.regs) do
      assert.equal(type(value), type(cpu.regs[name]), name)
      n = n + 1
    end
    assert(n > 40, n)
  end)
end)
