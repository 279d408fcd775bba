-- SPDX-License-Identifier: MIT
-- tools/try, with everything it calls replaced: which example runs, and where.
local helper = require "spec.helper"

-- name -> the body of a shell script.
local STUBS <const> = {
  ["bin/uname"] = "echo $MACHINE",
  ["bin/cmake"] = "exit 0",
  ["tools/deps"] = "exit 0",
  ["tools/box"] = "echo box $*",
  ["build/release/kvmlua"] = '[ "$1" != -e ] || exit $NO_KVM\necho here $*',
}

-- Its status and output on a machine, with or without KVM.
local function try(machine, has_kvm)
  local dir <const> = os.tmpname()
  os.remove(dir)
  finally(function() os.execute("rm -r " .. dir) end)
  assert(os.execute(("mkdir -p %s/bin %s/tools %s/build/release"):format(dir,
    dir, dir)))
  for name, body in pairs(STUBS) do
    local file <close> = assert(io.open(dir .. "/" .. name, "w"))
    file:write("#!/bin/sh\n", body, "\n")
  end
  local pipe = assert(io.popen(([[
    cp %s/tools/try %s/tools && cd %s && chmod +x bin/* tools/* build/*/*
    MACHINE=%s NO_KVM=%d PATH=$PWD/bin:$PATH tools/try 2>&1]]):format(
    helper.root, dir, dir, machine, has_kvm and 0 or 1)))
  local output = pipe:read "a"
  local _, _, status = pipe:close()
  return status, output
end

describe("tools/try", function()
  it("runs an example of the machine's", function()
    assert.same({ 0, "here examples/hello.lua\n" }, { try("x86_64", true) })
    assert.same({ 0, "here examples/walk_arm64.lua\n" },
      { try("aarch64", true) })
  end)

  it("runs it in an emulated machine where there is no KVM", function()
    local status, output = try("aarch64", false)
    assert.equal(0, status)
    assert.truthy(output:find("box arm64 -- kvmlua examples/walk_arm64.lua",
      1, true))
    assert.truthy(select(2, try("x86_64", false))
      :find("box x86_64 -- kvmlua examples/hello.lua", 1, true))
  end)

  it("says so on a machine that has none", function()
    assert.same({ 1, "tools/try: no example for riscv64: kvmlua is for x86_64 "
      .. "and aarch64\n" }, { try("riscv64", true) })
  end)
end)
