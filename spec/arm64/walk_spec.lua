-- SPDX-License-Identifier: MIT
-- The walk where it cannot run; where it can, examples_spec has its output.
local arm64 = require "spec.support.arm64".use(_ENV)
local helper = require "spec.helper"

local SCRIPT <const> = helper.root .. "/examples/walk_arm64.lua"

-- Runs it with the interpreter and the modules of this process.
local function run(option)
  local command = ("LUA_PATH='%s' LUA_CPATH='%s' lua5.4 %s %s 2>&1"):format(
    package.path, package.cpath, SCRIPT, option or "")
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

-- ---- the kernel's functions ---------------------------------------------------------

-- Step -> the text below it, and the names in its tree.
local function read_steps(output)
  local steps = {}
  for line in output:gmatch "[^\n]+" do
    local name = line:match "^%d%. (KVM_[%u_]+)"
    if name then
      steps[#steps + 1] = { name = name, text = "", called = {} }
      steps[name] = steps[#steps]
    end
    local step = steps[#steps]
    step.text = step.text .. line .. "\n"
    local called = line:match "^%s+%-> ([%w_.]+)"
    if called then step.called[called] = true end
  end
  return steps
end

-- The first words of a file's lines that a pattern takes out of them.
local function set_of(path, pattern)
  local names = {}
  for line in io.lines(path) do names[line:match(pattern) or ""] = true end
  return names
end

describe("examples/walk_arm64.lua --tree", function()
  if not in_box() then return pending(arm64.why) end
  local tracefs = require "kvm.calltree.tracefs"
  local walk = require "kvm.calltree.walk"
  local base, missing = tracefs.find()
  if not base then return pending(missing) end
  local steps, status, symbols, traceable

  setup(function()
    local output
    output, status = run "--tree"
    steps = read_steps(output)
    symbols = set_of("/proc/kallsyms", "^%x+ %a ([%w_.]+)$")
    traceable = set_of(base .. "/available_filter_functions", "^[%w_.]+")
  end)

  it("has the six steps, each with its tree", function()
    assert.equal(0, status)
    assert.equal(6, #steps)
    for _, step in ipairs(steps) do
      assert.matches("\n   " .. step.name .. "%(.-\n   %-> kvm_%l+_ioctl [%d.]+ us",
        step.text)
    end
    assert.matches("the guest printed: Hello from EL1\n", steps.KVM_RUN.text)
  end)

  for _, row in ipairs(walk.rows) do
    it("has " .. row.was .. ", or knows where it is", function()
      local step, now = steps[row.step], nil
      for _, name in ipairs { row.was, table.unpack(row.now or {}) } do
        if traceable[name] then now = name end
      end
      if now then
        assert.is_true(step.called[now], now .. " was not called")
        if now ~= row.was then
          assert.is_string(row.since)
          assert.matches("-> " .. now .. " (4.19: " .. row.was .. ")", step.text,
            1, true)
        end
        return
      end
      assert.equal(row.untraced ~= nil, symbols[row.was] == true,
        row.was .. " is a symbol of this kernel")
      assert.is_true(step.called[row.inside],
        row.was .. " is not called, and the table does not say where it is")
      assert.matches("\n   4.19's " .. row.was .. ": "
        .. (row.untraced or "compiled into " .. row.inside) .. "\n", step.text,
        1, true)
    end)
  end
end)
