-- SPDX-License-Identifier: MIT
local host = require "spec.support.host"
local dkjson = require "dkjson"
local kvm = require "kvm"

-- A kvm whose device is not there, in the place of the embedded one.
local function without_kvm()
  local dir = host.file ""
  os.remove(dir)
  assert(os.execute("mkdir -p " .. dir .. "/kvm"))
  local file <close> = assert(io.open(dir .. "/kvm/init.lua", "w"))
  file:write [[
    local M = {}
    for name, value in pairs(require "kvm.core") do M[name] = value end
    function M.available() return false, "no device" end
    return M]]
  return { KVMLUA_PATH = dir }
end

describe("kvmlua --info", function()
  it("shows machine, backend and capabilities", function()
    local ok, reason = kvm.available()
    if not ok then pending(reason) end
    local out, err, status = host.run { "--info" }
    assert.equal("", err)
    assert.equal(0, status)
    assert.truthy(out:find("^kvmlua [%d.]+, " .. kvm.arch .. ", Linux "))
    assert.truthy(out:find("\n  USER_MEMORY +1\n"))
  end)

  it("says the same in JSON", function()
    local ok, reason = kvm.available()
    if not ok then pending(reason) end
    local out, _, status = host.run { "--info=json" }
    assert.equal(0, status)
    local info = assert(dkjson.decode(out))
    assert.equal(12, info.api_version)
    assert.equal(1, info.capabilities.USER_MEMORY)
    assert.equal(kvm.arch, info.arch)
    assert.truthy(info.kvmlua:find "^%d+%.%d+%.%d+$")
  end)

  it("has status 3 and a reason without KVM", function()
    local out, _, status = host.run({ "--info" }, { env = without_kvm() })
    assert.equal(3, status)
    assert.truthy(out:find("\nno KVM: no device\n", 1, true))
    out, _, status = host.run({ "--info=json" }, { env = without_kvm() })
    assert.equal(3, status)
    assert.equal("no device", dkjson.decode(out).reason)
  end)

  it("runs no script", function()
    assert.falsy((host.run { "--info", host.file "print 'script'" })
      :find "script")
  end)
end)
