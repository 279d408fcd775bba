-- SPDX-License-Identifier: MIT
local host = require "spec.support.host"
local kvm = require "kvm"

-- What -i answers to lines; stdout, stderr.
local function answers(lines, ...)
  local out, err, status = host.run({ "-i", ... }, { input = lines })
  assert.equal(0, status)
  return out:gsub("^kvmlua [^\n]*\n", ""), err
end

describe("the prompt", function()
  it("shows every value of an expression", function()
    assert.equal("1\ntwo\nnil\n", (answers "1, 'two', nil\n"))
    assert.equal("3\n", (answers "= 3\n"))
    assert.equal("42  (0x2a)\n", (answers "6 * 7\n"))
    assert.equal("", (answers "x = 3\n\n  \n-- no\nlocal y\n"))
  end)

  it("keeps globals, and what a script left", function()
    assert.equal("8\n", (answers("x * 2\n", "-e", "x = 4")))
    assert.equal("8\n", (answers("x * 2\n", host.file "x = 4")))
  end)

  it("continues a chunk that is not complete", function()
    assert.equal("1\n2\n", (answers "for i = 1, 2 do\nprint(i)\nend\n"))
    assert.equal("a\nb\n", (answers "[[a\nb]]\n"))
    assert.equal("3\n", (answers "1 +\n2\n"))
  end)

  it("goes on after an error", function()
    local out, err = answers "error 'x'\nnil + 1\n1 + 1\n"
    assert.equal("2\n", out)
    assert.truthy(err:find("stdin:1: x\nstack traceback:\n", 1, true))
    assert.truthy(err:find("attempt to perform arithmetic on a nil value", 1,
      true))
  end)

  it("goes on after a syntax error, which it shows", function()
    local out, err = answers "x x\n}\n1 + 1\n"
    assert.equal("2\n", out)
    assert.truthy(err:find("stdin:1: syntax error near 'x'", 1, true))
    assert.truthy(err:find("stdin:1: unexpected symbol near '}'", 1, true))
  end)

  it("goes on after a value that can not be shown", function()
    local out, err = answers
      "setmetatable({}, {__tostring = function() error 'ts' end})\n1 + 1\n"
    assert.equal("2\n", out)
    assert.truthy(err:find("ts", 1, true))
  end)

  it("ends at the end of the input, also amid a chunk", function()
    assert.equal("", (answers ""))
    assert.equal("", (answers "for i = 1, 2 do\n"))
    assert.equal("1\n", (answers "1"))
  end)

  it("has no traces of itself in a traceback", function()
    local _, err = answers "error 'x'\n"
    assert.equal("stdin:1: x\nstack traceback:\n\t[C]: in function 'error'\n"
      .. "\tstdin:1: in main chunk\n\t[C]: in ?\n", err)
  end)

  it("shows prompts of the script's choice", function()
    local screen, status = host.type({ "-i", "-e",
      "_PROMPT, _PROMPT2 = 'one: ', 'two: '" },
      { "<one: ", ">print(\\n", "<two: ", ">6 * 7)\\n", "<42", "<one: ",
        ">\\x04" })
    assert.equal(0, status, screen)
  end)

  it("can be left by os.exit", function()
    local _, _, status = host.run({ "-i" }, { input = "os.exit(7)\n" })
    assert.equal(7, status)
  end)
end)

describe("Ctrl-C", function()
  it("stops a loop and keeps the prompt", function()
    local screen, status = host.type({}, { "<> ", ">print 'x1' while true do end\\n",
      "<\\nx1", ">\\x03", "<interrupted!", "<> ",
      ">print 'x2' while true do end\\n", "<\\nx2", ">\\x03", "<interrupted!",
      "<> ", ">\\x03", "<> ", ">6 * 7\\n", "<42", "<> ", ">\\x04" })
    assert.equal(0, status, screen)
  end)

  it("stops a value that takes long to show", function()
    local screen, status = host.type({}, { "<> ",
      ">setmetatable({}, {__tostring = function() print 'x1' "
        .. "while true do end end})\\n", "<\\nx1", ">\\x03", "<interrupted!",
      "<> ", ">\\x04" })
    assert.equal(0, status, screen)
  end)

  it("stops a guest, whose vCPU can go on", function()
    local ok, reason = kvm.available()
    if not ok then pending(reason) end
    local script = host.file [[
      local asm = require "kvm.asm"
      kvm = require "kvm"
      vm = kvm.create_vm()
      vm:map(0x1000, 0x1000):write(0, (kvm.arch == "arm64"
        and asm.arm64 "1: b 1b" or asm.x86_16 "1: jmp 1b"))
      cpu = vm:create_vcpu()
      if kvm.arch == "arm64" then
        cpu:arm_vcpu_init(vm:arm_preferred_target())
        cpu.regs { pc = 0x1000 }
      else
        cpu.regs { cs_base = 0, cs_selector = 0, rip = 0x1000, rflags = 2 }
      end]]
    local screen, status = host.type({ "-i", script }, { "<> ",
      ">print 'x1' cpu:run()\\n", "<\\nx1", ">\\x03", "<interrupted!", "<> ",
      ">print 'x2' while true do end\\n", "<\\nx2", ">\\x03", "<interrupted!",
      "<> ", ">print(cpu:run { timeout = 0.01 })\\n", "<\\ntimeout", "<> ", ">\\x04" })
    assert.equal(0, status, screen)
  end)
end)
