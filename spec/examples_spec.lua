-- SPDX-License-Identifier: MIT
-- Every example prints exactly what stands in spec/examples/NAME.txt. One that
-- is for another machine says so in its file name.
local kvm = require "kvm"

local helper = require "spec.helper"

local ROOT <const> = helper.root .. "/"

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

local function list(directory)
  local pipe <close> = assert(io.popen("ls " .. directory))
  local names = {}
  for name in pipe:lines() do names[#names + 1] = name end
  return names
end

local function exists(path)
  local file <close> = io.open(path)
  return file ~= nil
end

-- The executable under test, or the one on the path.
local kvmlua = helper.build .. "/kvmlua"
if not exists(kvmlua) then kvmlua = "kvmlua" end

-- Runs a script as a user does.
local function run(path)
  local pipe <close> = io.popen(kvmlua .. " " .. path .. " 2>&1")
  return pipe:read "a"
end

local function arch_of(name)
  return name:match "_(arm64)%.lua$" or "x86_64"
end

describe("examples", function()
  local usable, why = kvm.available()
  for _, name in ipairs(list(ROOT .. "examples")) do
    it(name .. " prints what it says", function()
      if not usable then return pending(why) end
      local arch = arch_of(name)
      if arch ~= kvm.arch then
        return pending("it is for " .. arch .. ", this is " .. kvm.arch)
      end
      local expected = read(ROOT .. "spec/examples/"
        .. name:gsub("%.lua$", ".txt"))
      assert.equal(expected, run(ROOT .. "examples/" .. name))
    end)
  end

  it("has the expected output of each, and no other", function()
    for _, name in ipairs(list(ROOT .. "spec/examples")) do
      assert(io.open(ROOT .. "examples/" .. name:gsub("%.txt$", ".lua")),
        name .. " belongs to no example"):close()
    end
  end)
end)
