-- SPDX-License-Identifier: MIT
-- Runs the kvmlua under test, as a person or a script would.

local M = {}

M.build = require("spec.helper").build
M.kvmlua = M.build .. "/kvmlua"

local function quote(text)
  return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end
M.quote = quote

local temporary = {}

--- A file with that text; it lives as long as the specs.
function M.file(text)
  local name = os.tmpname()
  temporary[#temporary + 1] = name
  local file <close> = assert(io.open(name, "w"))
  file:write(text)
  return name
end

-- os.tmpname makes the files: they go when the state does.
setmetatable(temporary, { __gc = function(names)
  for _, name in ipairs(names) do os.remove(name) end
end })

local function slurp(name)
  local file <close> = assert(io.open(name))
  return file:read("a")
end

-- The environment starts out without what a user's shell may have set.
local function environment(env)
  local words = { "env", "-u LUA_INIT", "-u LUA_INIT_5_4", "-u KVMLUA_PATH" }
  for name, value in pairs(env or {}) do
    words[#words + 1] = name .. "=" .. quote(value)
  end
  return table.concat(words, " ")
end

--- Runs a program with arguments. opts: input, env (a table), program (the
--- kvmlua under test when absent).
---@return string out, string err, integer status
function M.run(args, opts)
  opts = opts or {}
  local words = { environment(opts.env), quote(opts.program or M.kvmlua) }
  for _, arg in ipairs(args) do words[#words + 1] = quote(arg) end
  local out, err = M.file "", M.file ""
  local input = opts.input and M.file(opts.input) or "/dev/null"
  local _, how, status = os.execute(("%s <%s >%s 2>%s"):format(
    table.concat(words, " "), input, out, err))
  if how == "signal" then status = 128 + status end
  return slurp(out), slurp(err), status
end

--- The same at a terminal: steps as in spec/support/pty.c. HOME is an empty
--- directory unless opts.env has one.
---@return string screen
---@return integer status
function M.type(args, steps, opts)
  opts = opts or {}
  local env = { TERM = "xterm", HOME = "/nonexistent", INPUTRC = "/dev/null" }
  for name, value in pairs(opts.env or {}) do env[name] = value end
  local screen, err, status = M.run(
    { M.file(table.concat(steps, "\n") .. "\n"), opts.program or M.kvmlua,
      table.unpack(args) },
    { program = M.build .. "/pty", env = env })
  return screen .. err, status
end

return M
