-- SPDX-License-Identifier: MIT
local host = require "spec.support.host"

local function fails(code)
  local _, err, status = host.run { "-e", code }
  return err, status
end

describe("an error object", function()
  it("is shown by its __tostring, with a traceback", function()
    local err, status = fails [[
      error(setmetatable({}, { __tostring = function() return "obj\n hint" end }))]]
    assert.equal(1, status)
    assert.truthy(err:find(": obj\n hint\nstack traceback:\n", 1, true))
  end)

  it("without one is named by its type", function()
    assert.truthy(fails("error {}"):find("(error object is a table value)", 1,
      true))
    assert.truthy(fails("error()"):find("(error object is a nil value)", 1,
      true))
  end)

  it("that is a table shows what is in it", function()
    local err, status = fails 'error { code = 7, message = "no\\ndisk" }'
    assert.equal(1, status)
    assert.truthy(err:find('(error object is a table value) { code = 7, '
      .. 'message = "no\\ndisk" }\nstack traceback:\n', 1, true), err)
    err = fails [[
      package.preload["kvm.pretty"] = error
      error { code = 7 }]]
    assert.truthy(err:find("(error object is a table value)\n", 1, true))
    err = fails "error(setmetatable({}, { __pairs = error, __name = 'mine' }))"
    assert.truthy(err:find("(error object is a table value) mine: 0x", 1, true))
  end)

  it("whose __tostring or fields raise does no harm", function()
    local err, status = fails [[
      error(setmetatable({}, { __index = function() error "field" end,
        __tostring = function() return "shown" end }))]]
    assert.equal(1, status)
    assert.truthy(err:find(": shown\n", 1, true))
    err, status = fails [[
      error(setmetatable({}, { __tostring = function() error "deep" end }))]]
    assert.equal(1, status)
    assert.truthy(#err > 0)
  end)
end)

describe("status 3", function()
  it("says that /dev/kvm did not open", function()
    local err, status = fails 'require("kvm").open("/nonexistent/kvm")'
    assert.truthy(err:find("ENOENT", 1, true))
    assert.equal(3, status)
  end)

  it("is for what nobody caught", function()
    local _, status = fails [[
      pcall(require("kvm").open, "/nonexistent/kvm")
      error "another"]]
    assert.equal(1, status)
  end)

  it("is not for other errors of the kernel", function()
    local _, status = fails [[error { code = "EINVAL", ioctl = "KVM_RUN" }]]
    assert.equal(1, status)
    _, status = fails [[error { ioctl = "open" }]]
    assert.equal(1, status)
  end)
end)
