-- SPDX-License-Identifier: MIT
local host = require "spec.support.host"

local function eval(code, opts)
  local out, err, status = host.run({ "-e", code }, opts)
  assert.equal("", err)
  assert.equal(0, status)
  return out
end

-- A directory with one file, kvm/<name>.lua.
local function directory(name, text)
  local dir = host.file ""
  os.remove(dir)
  assert(os.execute("mkdir -p " .. dir .. "/kvm"))
  local file <close> = assert(io.open(dir .. "/kvm/" .. name .. ".lua", "w"))
  file:write(text)
  return dir
end

describe("the embedded modules", function()
  local nowhere = { LUA_PATH = "/nonexistent/?.lua", LUA_CPATH = "/none/?.so" }

  it("are all there, each with the text of its file", function()
    local list = assert(io.popen "find lua -name '*.lua' | LC_ALL=C sort")
    local count = 0
    for file in list:lines() do
      local module = file:match("^lua/(.*)%.lua$"):gsub("/init$", "")
        :gsub("/", ".")
      local code = ([[
        local loader, name = package.searchers[2](%q)
        print(name, #string.dump(loader))]]):format(module)
      local size = #string.dump(assert(loadfile(file, "t"),
        file .. " has an error"), false)
      -- the dump has the chunk's name in it: "@kvm/x.lua", "@lua/kvm/x.lua"
      assert.equal(("%s\t%d\n"):format(file:gsub("^lua/", ""), size - 4),
        eval(code, { env = nowhere }))
      count = count + 1
    end
    list:close()
    assert.truthy(count > 10)
  end)

  it("need no files", function()
    assert.equal("function\n", eval("print(type(require('kvm').create_vm))",
      { env = nowhere }))
  end)

  it("are not loaded before they are required", function()
    assert.equal("", eval [[
      for name in pairs(package.loaded) do
        if name:find "^kvm" then print(name) end
      end]])
  end)

  it("show their own names in a traceback", function()
    assert.equal("kvm/pretty.lua\n", eval [[
      print(debug.getinfo(require("kvm.pretty").format, "S").short_src)]])
  end)

  it("give way to package.preload", function()
    assert.equal("mine\n", eval [[
      package.preload["kvm.pretty"] = function() return "mine" end
      print((require "kvm.pretty"))]])
  end)

  it("come before package.path", function()
    assert.equal("table\n", eval("print(type(require 'kvm.pretty'))",
      { env = { LUA_PATH = directory("pretty", "return 1") .. "/?.lua" } }))
  end)

  it("are named when one is missing", function()
    local _, err = host.run { "-e", "require 'kvm.nosuch'" }
    assert.truthy(err:find("no embedded module 'kvm.nosuch'", 1, true))
    _, err = host.run { "-e", "require 'nosuch'" }
    assert.falsy(err:find("embedded", 1, true))
  end)
end)

describe("KVMLUA_PATH", function()
  it("puts a file in the place of an embedded one", function()
    local dir = directory("pretty", "return ...")
    assert.equal("kvm.pretty\n", eval("print((require 'kvm.pretty'))",
      { env = { KVMLUA_PATH = dir } }))
    assert.equal("table\n", eval("print(type(require 'kvm.json'))",
      { env = { KVMLUA_PATH = dir } }))
  end)

  it("is ignored with -E", function()
    local out = host.run({ "-E", "-e", "print(type(require 'kvm.pretty'))" },
      { env = { KVMLUA_PATH = directory("pretty", "return 1") } })
    assert.equal("table\n", out)
  end)

  it("reports a file that does not load", function()
    local dir = directory("pretty", "x x")
    local _, err, status = host.run({ "-e", "require 'kvm.pretty'" },
      { env = { KVMLUA_PATH = dir } })
    assert.equal(1, status)
    assert.truthy(err:find("error loading module 'kvm.pretty'", 1, true))
    assert.truthy(err:find(dir .. "/kvm/pretty.lua:1:", 1, true))
  end)
end)

describe("the executable", function()
  local function symbols(file)
    local pipe = assert(io.popen("nm -D --defined-only " .. file))
    local set = {}
    for name in pipe:read("a"):gmatch(" %a ([^\n@]+)") do set[name] = true end
    pipe:close()
    return set
  end

  -- What the linker adds, and copies of libc's variables.
  local linker = { _IO_stdin_used = true, __bss_start = true, _edata = true,
    __data_start = true, _end = true, _start = true, data_start = true,
    stdin = true, stdout = true, stderr = true, _fini = true, _init = true,
    environ = true, __environ = true, _environ = true }

  local is_sanitized = host.build:find("san") ~= nil

  it("exports Lua, what kvmlua.h declares, and nothing else", function()
    if is_sanitized then pending("a sanitizer adds symbols of its own") end
    local exported = symbols(host.kvmlua)
    local header <close> = assert(io.open "src/kvmlua.h")
    local declared = {}
    for name in header:read("a"):gmatch("\nKVMLUA_API[^(]-([%w_]+)%(") do
      declared[name] = true
    end
    assert.truthy(declared.kvmlua_openlibs)
    for name in pairs(declared) do
      if name ~= "luaopen_kvm_fdt_core" then
        assert.truthy(exported[name], name .. " is not exported")
      end
    end
    for name in pairs(exported) do
      assert.truthy(name:find "^luaL?_" or name:find "^luaopen_"
        or declared[name] or linker[name], name .. " is exported")
    end
    for _, name in ipairs { "lua_callk", "luaL_loadstring", "lua_newstate" } do
      assert.truthy(exported[name], name .. " is not exported")
    end
  end)

  it("needs the libc that the README tells, and nothing else", function()
    if is_sanitized then pending "a sanitizer needs libraries of its own" end
    local pipe <close> = assert(io.popen("objdump -p " .. host.kvmlua))
    local text, newest = pipe:read "a", 0
    for minor in text:gmatch "GLIBC_2%.(%d+)" do
      newest = math.max(newest, tonumber(minor))
    end
    for library in text:gmatch "NEEDED +(%S+)" do
      assert.truthy(library:find "^lib[cm]%.so" or library:find "^ld%-linux",
        library)
    end
    local libc <close> = assert(io.popen "getconf GNU_LIBC_VERSION")
    if libc:read "a":match "%d+%.%d+" ~= "2.36" then
      pending "built with another libc than Debian 12's"
    end
    local readme <close> = assert(io.open "README.md")
    assert.equal(("2.%d"):format(newest),
      readme:read "a":match "glibc, (%d+%.%d+) or newer")
  end)

  it("lets the modules show their openers alone", function()
    local found = symbols(host.build .. "/kvm/core.so")
    assert.same({ luaopen_kvm_core = true }, found)
  end)

  it("takes C modules of other people", function()
    assert.equal("function\n", eval "print(type(require('lfs').attributes))")
  end)
end)

describe("libkvmlua.a", function()
  local program = [[
#include <kvmlua.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>

int main(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  kvmlua_openlibs(L);
  int top = lua_gettop(L);
  kvmlua_interrupt(kvmlua_context(L));
  kvmlua_resume(kvmlua_context(L));
  if (luaL_dostring(L, "print(require 'kvm'.arch, require 'kvm.json'.encode {1})"))
    return puts(lua_tostring(L, -1)), 1;
  printf("%d\n", lua_gettop(L) - top);
  lua_close(L);
  return 0;
}
]]

  -- Builds a program with what is installed, and runs it; stdout.
  local function run(source)
    if not os.execute "command -v cc cmake pkg-config >/dev/null" then
      pending("this host has no C compiler, cmake or pkg-config")
    end
    local flags = host.build:find "asan" and "-fsanitize=address,undefined"
      or host.build:find "tsan" and "-fsanitize=thread" or ""
    local prefix = host.file ""
    os.remove(prefix)
    finally(function() os.execute("rm -rf " .. prefix) end)
    local out, err, status = host.run({ "-ec", ([[
      cmake --install %s --prefix %s >/dev/null
      export PKG_CONFIG_PATH=$(dirname $(find %s -name kvmlua.pc))
      cd %s
      cc -std=c11 -Wall -Wextra -Werror %s -x c %s -x none -o program \
        $(pkg-config --cflags --libs kvmlua)
      ./program]]):format(host.build, prefix, prefix, prefix, flags,
      host.file(source)) }, { program = "sh" })
    assert.equal("", err)
    assert.equal(0, status)
    return out
  end

  it("puts kvmlua into another program, from where it is installed", function()
    assert.equal(require "kvm".arch .. "\t[1]\n0\n", run(program))
  end)

  it("does so in the program of the README", function()
    local file <close> = assert(io.open "README.md")
    local source = file:read "a":match "\n```c\n(.-)```"
    assert.equal(require "kvm".page_size .. "\n", run(source))
  end)
end)
