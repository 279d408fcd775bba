-- SPDX-License-Identifier: MIT
local kvm = require "kvm"
local complete = require "kvm.complete"

local usable, why = kvm.available()

-- What a word becomes, with a global `it_`.
local function becomes(word, global)
  local old = rawget(_G, "it_")
  rawset(_G, "it_", global)
  local list = complete.list(word)
  rawset(_G, "it_", old)
  return list
end

local function has(list, word)
  for _, one in ipairs(list) do
    if one == word then return true end
  end
  return false
end

describe("kvm.complete", function()
  it("knows globals", function()
    assert.same({ "tonumber", "tostring" }, becomes "to")
    assert.same({ "it_" }, becomes("it_", 1))
    assert.truthy(has(becomes "", "print"))
  end)

  it("knows fields, in their order", function()
    assert.same({ "it_.r8", "it_.r9", "it_.r10" },
      becomes("it_.r", { r10 = 1, r9 = 1, r8 = 1, x = 1, [1] = 1,
        ["r no name"] = 1 }))
    assert.same({ "it_.a.b.c" }, becomes("it_.a.b.", { a = { b = { c = 1 } } }))
    assert.same({ "string.rep", "string.reverse" }, becomes "string.re")
  end)

  it("knows functions behind a colon", function()
    assert.same({ "it_:f" }, becomes("it_:", { f = print, g = 1 }))
    assert.truthy(has(becomes("it_:", "text"), "it_:gsub"))
  end)

  it("knows what __index tables have", function()
    local class = { turn = print, __name = "x" }
    class.__index = class
    assert.same({ "it_:turn" }, becomes("it_:t", setmetatable({}, class)))
    assert.same({ "it_.deep" }, becomes("it_.d",
      setmetatable({}, { __index = setmetatable({}, { __index = { deep = 1 } }) })))
  end)

  it("knows constants", function()
    assert.same({ "it_.CAP.USER_MEMORY", "it_.CAP.USER_NMI" }, (function()
      local list = {}
      for _, word in ipairs(becomes("it_.CAP.USER_", kvm)) do
        if word:find "_MEMORY$" or word:find "_NMI$" then
          list[#list + 1] = word
        end
      end
      return list
    end)())
  end)

  it("knows methods and fields of the core's objects", function()
    local ram = kvm.memory(0x1000)
    local list = becomes("it_.", ram)
    assert.truthy(has(list, "it_.size") and has(list, "it_.read"))
    list = becomes("it_:", ram)
    assert.truthy(has(list, "it_:read"))
    assert.falsy(has(list, "it_:size"))
  end)

  it("knows registers, methods and the exit of a vCPU", function()
    if not usable then return pending(why) end
    local cpu = kvm.create_vm():create_vcpu()
    local pc = kvm.arch == "arm64" and "it_.regs.pc" or "it_.regs.rip"
    assert.truthy(has(becomes("it_.regs.", cpu), pc))
    assert.truthy(has(becomes("it_:get_", cpu), "it_:get_mp_state"))
    assert.truthy(has(becomes("it_.vm:", cpu), "it_.vm:map"))
    if kvm.arch == "arm64" then cpu:arm_vcpu_init() end
    cpu:kick()
    cpu:run()
    assert.truthy(has(becomes("it_.exit.", cpu), "it_.exit.reason"))
  end)

  it("does no ioctl", function()
    if not usable then return pending(why) end
    local cpu, calls = kvm.create_vm():create_vcpu(), 0
    kvm.trace(function() calls = calls + 1 end)
    becomes("it_.regs.", cpu)
    becomes("it_.exit.", cpu)
    becomes("it_.vm.", cpu)
    kvm.trace(nil)
    assert.equal(0, calls)
  end)

  it("calls no metamethod and never raises", function()
    local function never() error "called" end
    local value = setmetatable({ a = 1 }, { __index = never, __pairs = never,
      __len = never, __metatable = false })
    assert.same({ "it_.a" }, becomes("it_.", value))
    value = setmetatable({}, {})
    getmetatable(value).__index = value
    assert.same({}, becomes("it_.x.y", value))
    for _, word in ipairs { ".", ":", "..", "a..b", "it_:x:y", "1.", "nosuch.a",
        "it_.regs.", "a b", "\0", "é" } do
      assert.same({}, becomes(word, 5))
    end
    local memory = kvm.memory(0x1000)
    memory:close()
    assert.same({}, becomes("it_.size.", memory))
    assert.same({}, complete.list(nil))
  end)
end)
