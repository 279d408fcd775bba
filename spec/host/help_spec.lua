-- SPDX-License-Identifier: MIT
local host = require "spec.support.host"

local nowhere = { LUA_PATH = "/nonexistent/?.lua", LUA_CPATH = "/none/?.so" }

local function at_prompt(lines, env)
  local out, err, status = host.run({ "-i" }, { input = lines, env = env })
  assert.equal("", err)
  assert.equal(0, status)
  return (out:gsub("^kvmlua [^\n]*\n", ""))
end

describe("help at the prompt", function()
  it("is there without a file", function()
    local answer = at_prompt('help "vm:map"\n', nowhere)
    assert.truthy(answer:find("Usage: local ram = vm:map(0x1000, 0x4000)", 1,
      true))
  end)

  it("knows functions and modules", function()
    assert.truthy(at_prompt('kvm = require "kvm"\nhelp(kvm.create_vm)\n', nowhere)
      :find("^kvm%.create_vm%(type%?%)"))
    assert.truthy(at_prompt("help()\n", nowhere):find("kvm.vcpu", 1, true))
  end)

  it("says how it is used", function()
    assert.equal("help() shows what there is\n", at_prompt "help\n")
  end)

  it("leaves a global of the script's alone", function()
    assert.equal("7\n", at_prompt "help = 7\nhelp\n")
    local out = host.run({ "-i", "-e", "help = 8" }, { input = "help\n" })
    assert.truthy(out:find "\n8\n$")
  end)

  it("is not there in a script", function()
    assert.equal("nil\n", (host.run { "-e", "print(help)" }))
  end)
end)

describe("kvm at the prompt", function()
  it("is the module", function()
    assert.equal("true\n", at_prompt("kvm == require 'kvm'\n", nowhere))
  end)

  it("leaves a global of the script's alone", function()
    assert.equal("7\n", at_prompt "kvm = 7\nkvm\n")
    local out = host.run({ "-i", "-e", "kvm = 8" }, { input = "kvm\n" })
    assert.truthy(out:find "\n8\n$")
  end)

  it("is not there in a script", function()
    assert.equal("nil\n", (host.run { "-e", "print(kvm)" }))
    assert.equal("nil\n", (host.run({ "-i", "-e", "print(kvm)" },
      { input = "" }):gsub("^kvmlua [^\n]*\n", "")))
  end)
end)

describe("embedded texts", function()
  local function eval(code, env)
    local out, err, status = host.run({ "-e", code }, { env = env })
    assert.equal("", err)
    assert.equal(0, status)
    return out
  end

  it("are those of the files", function()
    local file <close> = assert(io.open "lua/kvm/meta/vm.lua")
    assert.equal(file:read "a", eval(
      'io.write(require("kvm.embedded").source "kvm.meta.vm")', nowhere))
    assert.equal("nil\n", eval 'print(require("kvm.embedded").source "kvm.nosuch")')
  end)

  it("give way to KVMLUA_PATH", function()
    local dir = host.file ""
    os.remove(dir)
    assert(os.execute("mkdir -p " .. dir .. "/kvm"))
    local file = assert(io.open(dir .. "/kvm/json.lua", "w"))
    file:write "-- mine\n"
    file:close()
    local code = 'io.write(require("kvm.reference").source "kvm.json")'
    assert.equal("-- mine\n", eval(code, { KVMLUA_PATH = dir }))
    assert.truthy(eval(code, nowhere):find "function M.encode")
    os.execute("rm -r " .. dir)
  end)
end)
