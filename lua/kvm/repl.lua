-- SPDX-License-Identifier: MIT
-- What the prompt reads and shows. The terminal and the loop are the
-- executable's (src/host/repl.c).

local pretty = require "kvm.pretty"

local M = {}

-- A chunk of the text: an expression if it can be one, so that its values are
-- shown, or else statements.
local function compile(text)
  return load("return " .. text, "=stdin", "t")
    or load(text, "=stdin", "t")
end

-- Would more lines help? The parser says where it stopped.
local function is_incomplete(text)
  local chunk, message = load(text, "=stdin", "t")
  return not chunk and message:find("<eof>$") ~= nil, message
end

--- Reads lines until they are a chunk.
---@param readline fun(prompt: string): string|false|nil false: given up
---@param remember fun(text: string) adds to the history
---@return function|false|nil chunk nil at the end of the input, false when
---  there is nothing to run
---@return string? message what is wrong with the text
function M.read(readline, remember)
  local text = readline(tostring(_G._PROMPT or "> "))
  if not text then return text end
  text = text:gsub("^=", "")
  while true do
    local chunk = compile(text)
    local is_open, message = not chunk and is_incomplete(text)
    if not is_open then
      if text:find("%S") then remember(text) end
      return chunk or false, message
    end
    local line = readline(tostring(_G._PROMPT2 or ">> "))
    if not line then return line end
    text = text .. "\n" .. line
  end
end

--- Shows values, one a line.
function M.show(...)
  for i = 1, select("#", ...) do
    io.stdout:write(pretty.format((select(i, ...))), "\n")
  end
  io.stdout:flush()
end

return M
