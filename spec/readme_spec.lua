-- SPDX-License-Identifier: MIT
-- The README's code runs, and prints what the block behind it says.
local helper = require "spec.helper"
local kvm = require "kvm"

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

-- Runs a chunk with a print of its own; gives what it printed.
local function run(code, name)
  local lines = {}
  local env = setmetatable({ print = function(...)
    local words = table.pack(...)
    for i = 1, words.n do words[i] = tostring(words[i]) end
    lines[#lines + 1] = table.concat(words, "\t") .. "\n"
  end }, { __index = _G })
  assert(load(code, name, "t", env))()
  return table.concat(lines)
end

describe("README.md", function()
  local text = read(helper.root .. "/README.md")
  local usable, why = kvm.available()
  local count = 0
  for title, code, output in text:gmatch
      "\n## ([^\n]*)\n[^#]-```lua\n(.-)```\n```output\n(.-)```" do
    count = count + 1
    it("runs: " .. title, function()
      if not usable then return pending(why) end
      if kvm.arch ~= "x86_64" then return pending "its guests are x86-64's" end
      assert.equal(output, run(code, "=README " .. title))
    end)
  end

  it("runs: the first guest", function()
    if not usable then return pending(why) end
    if kvm.arch ~= "x86_64" then return pending "its guests are x86-64's" end
    local code, output = text:match "```lua\n(.-)```\n```output\n(.-)```"
    assert.equal(output, run(code, "=README"))
  end)

  it("has no block of code that does not run", function()
    local _, blocks = text:gsub("```lua", "")
    assert.equal(blocks, count + 1)
  end)

  it("lists every example, and its machine", function()
    local pipe <close> = io.popen("ls " .. helper.root .. "/examples")
    for name in pipe:lines() do
      local machine = name:find "arm64" and "arm64" or "x86-64"
      assert(text:find(("| `%s` | %s |"):format(name:gsub("%.lua$", ""), machine),
        1, true), name .. " is not in the README")
    end
  end)

  it("names only files that are there", function()
    for path in text:gmatch "tools/%l+" do
      assert(io.open(helper.root .. "/" .. path), path .. " is not there")
        :close()
    end
    for path in text:gmatch "%f[%w][%w_/]+/<arch>[%w_/]*%.?l?u?a?" do
      path = path:gsub("<arch>", "arm64")
      assert(io.open(helper.root .. "/" .. path), path .. " is not there")
        :close()
    end
  end)

  it("is short", function()
    local _, lines = text:gsub("\n", "")
    assert(lines < 190, lines)
  end)
end)
