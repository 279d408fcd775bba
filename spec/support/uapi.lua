-- SPDX-License-Identifier: MIT
-- Asks the C compiler: what is the value of these expressions, which macros
-- does this header define.

local helper = require "spec.helper"

local M = {}

local compiler = os.getenv("CC") or "cc"
local source = helper.root .. "/src"

local function run(command)
  local pipe <close> = assert(io.popen(command .. " 2>&1"))
  local text = pipe:read("a")
  return pipe:close(), text
end

--- Why nothing can be asked here, or nil.
function M.missing()
  local file <close> = io.open(source .. "/uapi.h")
  if not file then return "the sources are not on this machine" end
  if not run(compiler .. " --version") then return "no C compiler here" end
end

local function write(name, text)
  local file <close> = assert(io.open(name, "w"))
  file:write(text)
end

local main = [[
#include <stddef.h>
#include <stdio.h>
%s
#define SIZE(s, m) sizeof(((struct s *)0)->m)
#define IS_SIGNED(s, m) ((__typeof__(((struct s *)0)->m))-1 < 0)
static const unsigned long long values[] = {
%s};
int main(void) {
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
    printf("%%llx\n", values[i]);
  return 0;
}
]]

--- The values of constant C expressions, in the same order. Where this
--- project's own header knows a name, its value is taken.
function M.values(arch, expressions)
  local base = os.tmpname()
  local program = main:format('#include "arch_uapi.h"',
    table.concat(expressions, ",\n"))
  write(base .. ".c", program)
  local ok, text = run(("%s -w -I %s -I %s/%s -o %s %s.c"):format(compiler,
    source, source, arch, base, base))
  local out
  if ok then ok, out = run(base) end
  os.remove(base)
  os.remove(base .. ".c")
  assert(ok, "the C compiler does not know all of it:\n" .. text)
  local values = {}
  for hex in out:gmatch("%x+") do
    values[#values + 1] = tonumber(hex, 16)
  end
  assert(#values == #expressions)
  return values
end

--- The macros that the installed headers and this project's own define:
--- name -> body.
function M.macros(arch)
  local base = os.tmpname()
  local file = base .. ".c"
  write(file, '#include "arch_uapi.h"\n')
  local ok, text = run(("%s -I %s -I %s/%s -dM -E %s"):format(compiler,
    source, source, arch, file))
  os.remove(base)
  os.remove(file)
  assert(ok, text)
  local macros = {}
  for name, body in text:gmatch("#define ([%w_]+) ([^\n]*)") do
    macros[name] = body
  end
  return macros
end

--- The machines that have a directory of sources.
function M.machines()
  local machines = {}
  local _, list = run("ls -d " .. source .. "/*/arch.c")
  for name in list:gmatch("([%w_]+)/arch%.c") do
    machines[#machines + 1] = name
  end
  return machines
end

--- The names of the ioctls that have rows in a file of src/.
function M.rows(path)
  local file <close> = assert(io.open(source .. "/" .. path))
  local names = {}
  for name in file:read("a"):gmatch("KL_ROW%(([%w_]+)") do
    names["KVM_" .. name] = true
  end
  return names
end

return M
