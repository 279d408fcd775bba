-- SPDX-License-Identifier: MIT
-- The walk where it cannot run; where it can, examples_spec has its output.
local arm64 = require "spec.support.arm64".use(_ENV)
local helper = require "spec.helper"

local SCRIPT <const> = helper.root .. "/examples/walk_arm64.lua"

-- Runs it with the interpreter and the modules of this process.
local function run()
  local command = ("LUA_PATH='%s' LUA_CPATH='%s' lua5.4 %s 2>&1"):format(
    package.path, package.cpath, SCRIPT)
  local pipe = io.popen(command)
  local output = pipe:read "a"
  local _, _, status = pipe:close()
  return output, status
end

local function in_box() return arm64.why == nil end

describe("examples/walk_arm64.lua", function()
  if in_box() then
    it("names the six steps in their order", function()
      local output, status = run()
      assert.equal(0, status)
      local names = {}
      for number, name in output:gmatch "(%d)%. (KVM_[%u_]+)" do
        assert.equal(#names + 1, tonumber(number))
        names[#names + 1] = name
      end
      assert.same({ "KVM_CREATE_VM", "KVM_SET_USER_MEMORY_REGION",
        "KVM_CREATE_VCPU", "KVM_ARM_VCPU_INIT", "KVM_SET_ONE_REG",
        "KVM_RUN" }, names)
      assert.matches("15 MMIO exits, then shutdown\n", output)
      assert.matches("the guest printed: Hello from EL1\n$", output)
    end)
  elseif pcall(require, "kvm") then
    it("says in one line how to run it elsewhere", function()
      local output, status = run()
      assert.equal(3, status)
      assert.equal("this walk is arm64's; on this machine: tools/box arm64 " ..
        "-- kvmlua examples/walk_arm64.lua\n", output)
    end)
  else
    pending(arm64.why)
  end
end)
