-- SPDX-License-Identifier: MIT
local host = require "spec.support.host"

describe("a wrong command line", function()
  local function refused(args, message)
    local out, err, status = host.run(args)
    assert.equal(2, status)
    assert.equal("", out)
    assert.equal(("%s: %s (see '%s --help')\n"):format(host.kvmlua, message,
      host.kvmlua), err)
  end

  for _, option in ipairs { "-z", "-ix", "-vx", "-Ex", "-Wx", "--foo", "-x=1",
    "--help=1", "--timeoutx", "---" } do
    it("is refused: " .. option, function()
      refused({ option }, ("unknown option '%s'"):format(option))
    end)
  end

  it("lacks an argument", function()
    refused({ "-e" }, "missing argument after '-e'")
    refused({ "-l" }, "missing argument after '-l'")
    refused({ "-e", "-v" }, "missing argument after '-e'")
    refused({ "--timeout" }, "missing argument after '--timeout'")
  end)

  it("has a timeout that is no time", function()
    for _, text in ipairs { "0", "-1", "x", "1x", "nan", "inf", "1e300" } do
      refused({ "--timeout=" .. text },
        ("--timeout wants a positive number of seconds, got '%s'"):format(text))
    end
  end)

  it("asks for an unknown form of --info", function()
    refused({ "--info=xml" }, "--info shows text or json, not 'xml'")
  end)

  it("runs nothing of what came before", function()
    refused({ "-e", "print(1)", "-z" }, "unknown option '-z'")
  end)
end)

describe("kvmlua --help", function()
  it("names every option on stdout", function()
    local out, err, status = host.run { "--help" }
    assert.equal(0, status)
    assert.equal("", err)
    for _, option in ipairs { "-e", "-l", "-i", "-v", "-E", "-W", "--", "-",
      "--info", "--timeout", "--trace", "--calltree", "--version", "--help" } do
      assert.truthy(out:find("\n  " .. option:gsub("%-", "%%-") .. "[ %[]"),
        option .. " is not in the usage")
    end
  end)
end)
