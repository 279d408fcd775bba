-- SPDX-License-Identifier: MIT
-- What CMakeLists.txt decides: the machine.
local root = require "spec.helper".root

-- Configures for a processor, in a directory of its own: what it says.
local function configure(processor)
  local dir <const> = os.tmpname()
  os.remove(dir)
  finally(function() os.execute("rm -rf " .. dir) end)
  local pipe <close> = assert(io.popen(([[
    cmake -S %s -B %s -G Ninja -D CMAKE_C_COMPILER_WORKS=1 \
      -D CMAKE_SYSTEM_NAME=Linux -D CMAKE_SYSTEM_PROCESSOR=%s 2>&1
    ls %s]]):format(root, dir, processor, dir)))
  return pipe:read "a"
end

describe("the build", function()
  local has_cmake = os.execute "command -v cmake ninja cc >/dev/null"

  local function it_configures(name, f)
    it(name, has_cmake and f or function()
      pending "this host has no cmake"
    end)
  end

  it_configures("takes a machine by its own name and by another", function()
    for _, name in ipairs { "x86_64", "amd64", "arm64", "aarch64" } do
      assert.truthy(configure(name):find("build.ninja", 1, true), name)
    end
  end)

  it_configures("says which machine it lacks", function()
    local answer = configure "riscv64"
    assert.truthy(answer:find("kvmlua has no src/riscv64", 1, true), answer)
    assert.falsy(answer:find("build.ninja", 1, true))
    assert.truthy(configure "host":find("kvmlua has no src/host", 1, true))
  end)
end)
