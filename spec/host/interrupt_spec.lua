-- SPDX-License-Identifier: MIT
local host = require "spec.support.host"
local kvm = require "kvm"

-- A guest that never stops by itself; kvm and cpu for the script.
local endless = [[
  local kvm, asm = require "kvm", require "kvm.asm"
  local code = {
    x86_64 = function() return asm.x86_16 "1: jmp 1b" end,
    arm64 = function() return asm.arm64 "1: b 1b" end,
  }
  local vm = kvm.create_vm()
  local ram = vm:map(0x40000000, 0x1000)
  ram:write(0, (code[kvm.arch]()))
  local cpu = vm:create_vcpu()
  if kvm.arch == "arm64" then
    cpu:arm_vcpu_init(vm:arm_preferred_target())
    cpu.regs { pc = 0x40000000 }
  else
    cpu.regs { cs_base = 0x40000000, cs_selector = 0, rip = 0, rflags = 2 }
  end
]]

local function needs_kvm()
  local ok, reason = kvm.available()
  if not ok then pending(reason) end
end

local function seconds(f, ...)
  local clock = kvm.clock
  local start = clock()
  f(...)
  return clock() - start
end

describe("--timeout", function()
  local function stopped(code, timeout)
    local out, err, status = host.run { "--timeout", timeout or "0.2", "-e",
      code }
    assert.equal(124, status)
    return out, err
  end

  it("stops a loop, with the place", function()
    local took = seconds(function()
      local _, err = stopped "while true do end"
      assert.truthy(err:find("stopped after 0.2 s (--timeout)\nstack traceback:",
        1, true))
      assert.truthy(err:find("(command line):1: in main chunk", 1, true))
    end)
    assert.truthy(took >= 0.2)
  end)

  it("stops a guest, and closes what is to be closed", function()
    needs_kvm()
    local out = stopped(endless .. [[
      local guard <close> = setmetatable({}, { __close = function()
        print "closed" end })
      while true do cpu:run() end]], 1)
    assert.equal("closed\n", out)
  end)

  it("stops a wait for input", function()
    local fifo = host.file ""
    os.remove(fifo)
    local _, err, status = host.run({ "-c", ("mkfifo %s; %s <>%s --timeout=0.2 "
      .. "-e 'io.read()'"):format(fifo, host.kvmlua, fifo) }, { program = "sh" })
    assert.equal(124, status)
    assert.truthy(err:find("(--timeout)", 1, true))
  end)

  it("ends a script that takes no notice", function()
    local _, err = stopped "while true do pcall(function() while true do end end) end"
    assert.equal("kvmlua: killed after its --timeout\n", err)
    stopped "coroutine.wrap(function() while true do end end)()"
    stopped "('x'):rep(40):find(('x*'):rep(30) .. 'y')"
  end)

  it("makes the status of a script that caught the error", function()
    stopped "pcall(function() while true do end end)"
  end)

  it("does not touch a script that is in time", function()
    local out, _, status = host.run { "--timeout=30", "-e", "print(1)" }
    assert.equal("1\n", out)
    assert.equal(0, status)
  end)

  it("ends a process whose state is closed already", function()
    local _, err = host.run({ "-c", host.quote(host.kvmlua) .. [[ --timeout=0.3 -e '
      io.stdout:setvbuf "full"
      io.write(("x"):rep(65536 + 4096))
      os.exit(true, true)' | sleep 1.5]] }, { program = "/bin/sh" })
    assert.equal("kvmlua: killed after its --timeout\n", err)
  end)

  it("is over at the prompt", function()
    local screen, status = host.type({ "--timeout=0.2", "-i" },
      { "<> ", ">local t = os.clock() while os.clock() < t + 0.4 do end\\n",
        "<> ", ">6 * 7\\n", "<42", "<> ", ">\\x04" })
    assert.truthy(screen:find "42")
    assert.equal(0, status)
  end)
end)

describe("Ctrl-C", function()
  it("stops a script with a traceback", function()
    local screen, status = host.type({ "-e",
      "print 'ready' while true do end" }, { "<ready", ">\\x03" })
    assert.truthy(screen:find("interrupted!\nstack traceback:", 1, true))
    assert.equal(1, status)
  end)

  it("stops a guest", function()
    needs_kvm()
    local screen, status = host.type({ "-e", endless
      .. "print 'ready' while true do cpu:run() end" }, { "<ready", ">\\x03" })
    assert.truthy(screen:find("interrupted!\nstack traceback:", 1, true))
    assert.equal(1, status)
  end)

  it("leaves a wait for input", function()
    local screen, status = host.type({ "-e", "print 'ready' io.read()" },
      { "<ready", ">\\x03" })
    assert.truthy(screen:find("interrupted!", 1, true))
    assert.equal(1, status)
  end)

  it("ends a script for good the second time", function()
    -- a coroutine is not stopped by the first
    local out, _, status = host.run { "-e", [[
      coroutine.wrap(function()
        io.popen("kill -INT $PPID"):close()
        io.write "once "
        io.stdout:flush()
        io.popen("kill -INT $PPID"):close()
        io.write "twice "
      end)()]] }
    assert.equal("once ", out)
    assert.equal(128 + 2, status)
  end)

  it("can be caught like any error", function()
    local screen, status = host.type({ "-e", [[
      print(pcall(function() print "ready" while true do end end))
      print(1 + 1)]] }, { "<ready", ">\\x03" })
    assert.truthy(screen:find("false\t[^\n]*interrupted!\n2\n"))
    assert.equal(0, status)
  end)

  it("stays ignored where it was", function()
    local out, _, status = host.run({ "-c", ("trap '' INT; %s -e %s"):format(
      host.kvmlua, host.quote       "io.popen('kill -INT $PPID'):close() print 'alive'") },
      { program = "sh" })
    assert.equal("alive\n", out)
    assert.equal(0, status)
  end)
end)
