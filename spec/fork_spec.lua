-- SPDX-License-Identifier: MIT
-- A child of this process: the kernel lets it use none of the parent's VMs, and
-- what it does to its copies of the objects leaves the parent's alone.
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm()
if missing then return pending(missing) end
local machine = require "spec.guests.machine"
local root = require "spec.helper".root

-- forked(f) of spec/support/fork.c, or nothing where no compiler is.
local function build()
  local name = os.tmpname()
  local ok = os.execute(("gcc -shared -fPIC -I/usr/include/lua5.4 -o %s "
    .. "%s/spec/support/fork.c 2>/dev/null"):format(name, root))
  local open = ok and package.loadlib(name, "luaopen_forked")
  os.remove(name)
  return open and open()
end

local HINT <const> = "a VM belongs to the process that made it"

describe("a forked child", function()
  local forked = build()
  if not forked then return pending "gcc is not here" end

  it("is told that the VM is its parent's", function()
    local g <close> = machine.start "count"
    g.cpu:run { timeout = 10 }
    local calls = {
      KVM_RUN = function() g.cpu:run() end,
      ["KVM_RUN "] = function() g.cpu:run { timeout = 10 } end,
      KVM_CREATE_VCPU = function() g.vm:create_vcpu() end,
      KVM_GET_MP_STATE = function() g.cpu:get_mp_state() end,
      KVM_SET_USER_MEMORY_REGION = function()
        g.vm:map(0x100000000, 0x10000)
      end,
    }
    for name, call in pairs(calls) do
      local text, status = forked(call)
      assert.equal(0, status)
      assert(text:find(name:gsub(" ", "") .. ": EIO", 1, true), text)
      assert(text:find(HINT, 1, true), text)
    end
    g.cpu:run()
    assert.equal(2, g.cpu.exit.value)
  end)

  it("changes no register and answers no exit of its parent's", function()
    local g <close> = machine.start "load"
    g.cpu:run { timeout = 10 }
    local first <const> = kvm.arch == "arm64" and "x9" or "rsi"
    for _, change in ipairs {
      function() g.cpu.regs[first] = 0x66 end,
      function() g.cpu.regs { [first] = 0x66 } end,
      function() g.cpu.exit.value = 0x66 end,
      function() g.cpu.exit.data = "\x66\0\0\0" end,
    } do
      local text = forked(change)
      assert(text:find("EIO: it is of process", 1, true), text)
      assert(text:find(HINT, 1, true), text)
    end
    g.cpu.exit.value = 0x41
    g.cpu:run { timeout = 10 }
    assert.equal(0x41, g.cpu.regs[machine.RESULT])
    assert.not_equal(0x66, g.cpu.regs[first])
  end)

  -- Timers have numbers, from 0 on in each process.
  it("keeps its own timers when it closes its parent's vCPU", function()
    local g <close> = machine.start "endless"
    assert.equal("timeout", (g.cpu:run { timeout = 0.001 }))
    local text = forked(function()
      local own <close> = machine.start "endless"
      for _ = 1, 50 do own:add "endless":run { timeout = 0.0001 } end
      g.cpu:close()
      for _, cpu in ipairs(own.cpus) do
        local reason = cpu:run { timeout = 0.001 }
        if reason ~= "timeout" then return reason end
      end
      return "kept"
    end)
    assert.equal("kept", text)
    assert.equal("timeout", (g.cpu:run { timeout = 0.001 }))
  end)

  it("may make VMs of its own", function()
    local text = forked(function()
      local g <close> = machine.start "count"
      for _ = 1, 3 do g.cpu:run { timeout = 10 } end
      return g.cpu.exit.value
    end)
    assert.equal("3", text)
  end)

  it("closes copies, and nothing of its parent's", function()
    local g <close> = machine.start "count"
    g.cpu:run { timeout = 10 }
    local text = forked(function()
      g.cpu:close()
      g.vm:close()
      g.ram:close()
      collectgarbage()
      return "closed"
    end)
    assert.equal("closed", text)
    for i = 2, 5 do
      assert.equal("mmio", (g.cpu:run { timeout = 10 }))
      assert.equal(i, g.cpu.exit.value)
    end
    assert.equal(0, g.ram:u8(0x8000))
  end)
end)
