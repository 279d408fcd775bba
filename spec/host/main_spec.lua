-- SPDX-License-Identifier: MIT
local host = require "spec.support.host"

-- Command lines that kvmlua and lua5.4 must take the same way.
describe("kvmlua does as lua does with", function()
  local script = host.file [[
#!/usr/bin/env lua
local name = arg[0]
arg[0] = name and "SCRIPT"
local low = 0
while arg[low - 1] do low = low - 1 end
for i = low, #arg do io.write(i, "=", i == low and "lua" or arg[i], " ") end
print(select("#", ...), ...)
]]

  local function same(args, opts)
    opts = opts or {}
    local out, _, status = host.run(args, opts)
    local lua_out, _, lua_status = host.run(args,
      { program = "/usr/bin/lua5.4", input = opts.input, env = opts.env })
    assert.equal(lua_out, out)
    assert.equal(lua_status, status)
    return out, status
  end

  it("a script with arguments", function()
    local out = same { script, "a", "", "-b", "--" }
    assert.truthy(out:find("4\ta\t\t%-b\t%-%-\n$"))
  end)

  it("options before the script", function()
    same { "-e", "x = 1", "-W", "-l", "string", "--", script, "x" }
  end)

  it("statements, in order and in one state", function()
    assert.equal("1\t2\n", (same { "-e", "a = 1", "-eb = 2", "-e",
      "print(a, b)" }))
  end)

  it("modules, under their own name or another", function()
    same { "-l", "string", "-e", "print(string.rep('x', 3))" }
    same { "-l", "s=string", "-e", "print(s.rep('x', 3), _G['s=string'])" }
    same { "-ls=string", "-e", "print(s.rep('x', 3))" }
  end)

  it("a script on stdin", function()
    same({ "-", "a", "b" }, { input = "print(arg[0], ...)" })
    same({}, { input = "print(#arg, ...) print(1 + 1)" })
    same({ "-e", "print(1)" }, { input = "print(2)" })
    same({ "-e", "print(1)", "-" }, { input = "print(2)" })
  end)

  it("LUA_INIT", function()
    same({ "-e", "print(x)" }, { env = { LUA_INIT = "x = 1" } })
    same({ "-e", "print(x)" },
      { env = { LUA_INIT = "x = 1", LUA_INIT_5_4 = "x = 2" } })
    same({ "-E", "-e", "print(x)" }, { env = { LUA_INIT = "x = 1" } })
    same({ "-e", "print(x)" },
      { env = { LUA_INIT = "@" .. host.file "x = 'file'" } })
    same({ "-e", "print(x)" }, { env = { LUA_INIT = "error 'x'" } })
    same({ "-e", "print(x)" }, { env = { LUA_INIT = "@/nonexistent" } })
  end)

  it("LUA_PATH", function()
    same({ "-e", "print(package.path)" }, { env = { LUA_PATH = "/x;;" } })
    same({ "-E", "-e", "print(package.path)" }, { env = { LUA_PATH = "/x" } })
  end)

  it("warnings", function()
    local args = { "-e", "warn 'w'" }
    assert.equal("", select(2, host.run(args)))
    table.insert(args, 1, "-W")
    assert.equal("Lua warning: w\n", select(2, host.run(args)))
    same(args)
  end)

  it("os.exit", function()
    same { "-e", "os.exit(7)" }
    same { "-e", "os.exit(false, true)" }
  end)

  it("errors", function()
    local _, status = same { "-e", "error 'x'", "-e", "print(1)" }
    assert.equal(1, status)
    same { "-e", "x x" }
    same { "/nonexistent/script.lua" }
    same { "-l", "no.such.module" }
  end)

  it("the collector's mode", function()
    same { "-e", "print(collectgarbage 'incremental')" }
  end)

  it("the standard library", function()
    local dump = [[
      local names = {}
      for name, value in pairs(_G) do
        names[#names + 1] = name
        if type(value) == "table" and name ~= "_G" and name ~= "arg" then
          for key in pairs(value) do names[#names + 1] = name .. "." .. key end
        end
      end
      table.sort(names)
      print(table.concat(names, " "))]]
    same { "-e", dump }
  end)
end)

describe("a script's error", function()
  it("comes with the place and a traceback, on stderr", function()
    local file = host.file "local function f()\n  error 'oh'\nend\nf()\n"
    local out, err, status = host.run { file }
    assert.equal(1, status)
    assert.equal("", out)
    assert.truthy(err:find(host.kvmlua .. ": " .. file .. ":2: oh\n"
      .. "stack traceback:\n", 1, true))
    assert.truthy(err:find(file .. ":4: in main chunk", 1, true))
  end)

  it("on stdin alone has status 1, too", function()
    local _, err, status = host.run({}, { input = "error 'x'" })
    assert.equal(1, status)
    assert.truthy(err:find("stdin:1: x", 1, true))
  end)
end)

describe("the version", function()
  it("is shown by -v, which starts no prompt", function()
    local out, _, status = host.run({ "-v" }, { input = "print 'no'" })
    assert.equal(0, status)
    assert.truthy(out:find("^kvmlua %d+%.%d+%.%d+  Lua 5%.4%.%d+ [^\n]*\n$"))
  end)

  it("is shown by --version with what is in this build", function()
    local short = host.run { "-v" }
    local long = host.run { "--version" }
    assert.equal(short, long:sub(1, #short))
    local editor, fdt = long:sub(#short + 1):match("^with (.*), (.*)\n$")
    assert.truthy(editor == "no readline" or editor:find "^readline %d")
    assert.truthy(fdt == "libfdt" or fdt == "no libfdt")
    local _, _, status = host.run { "-e", "require 'kvm.fdt.core'" }
    assert.equal(fdt == "libfdt" and 0 or 1, status)
  end)
end)

describe("an observer", function()
  -- Stands in for the embedded module of that name.
  local function modules(name, text)
    local dir = host.file ""
    os.remove(dir)
    assert(os.execute("mkdir -p " .. dir .. "/kvm"))
    local file <close> = assert(io.open(dir .. "/kvm/" .. name .. ".lua", "w"))
    file:write(text)
    return { KVMLUA_PATH = dir }
  end
  local attach = "return { attach = function(...) print('attach', ...) end }"

  for _, name in ipairs { "trace", "calltree" } do
    it("is attached before the script: --" .. name, function()
      local env = modules(name, attach)
      local script = host.file "print 'script'"
      assert.equal("attach\tnil\nscript\n",
        (host.run({ "--" .. name, script }, { env = env })))
      assert.equal("attach\tout.txt\nscript\n",
        (host.run({ "--" .. name .. "=out.txt", script }, { env = env })))
      assert.equal("script\n", (host.run({ script }, { env = env })))
    end)
  end

  it("that cannot be attached keeps the script from running", function()
    local out, err, status = host.run({ "--trace", "-e", "" },
      { env = modules("trace", "return { attach = function() error 'no' end }") })
    assert.equal("", out)
    assert.truthy(err:find("no\n", 1, true))
    assert.equal(1, status)
  end)

  it("whose file cannot be written says so in a line", function()
    for _, name in ipairs { "trace", "calltree" } do
      local out, err, status = host.run { "--" .. name .. "=/nodir/x", "-e",
        "print 'script'" }
      assert.equal("", out)
      assert.equal(("%s: kvm.%s: /nodir/x: No such file or directory\n"):format(
        host.kvmlua, name), err)
      assert.equal(1, status)
    end
  end)

  it("that lacks something says so in a line", function()
    local ok, missing = pcall(require "kvm.calltree".open)
    if ok then
      missing:close()
      return pending "this host has a tracer"
    end
    local _, err, status = host.run { "--calltree", "-e", "" }
    assert.equal(host.kvmlua .. ": " .. missing:match "kvm%.calltree: .*"
      .. "\n", err)
    assert.equal(1, status)
  end)
end)
