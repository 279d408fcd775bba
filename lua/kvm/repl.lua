-- SPDX-License-Identifier: MIT
-- What the prompt reads and shows. The terminal and the loop are the
-- executable's (src/host/repl.c).

local pretty = require "kvm.pretty"

local M = {}

-- More text could help where the parser has stopped at the end of this one.
local function is_open(message) return message:find("<eof>$") ~= nil end

-- A chunk of the text: an expression if it can be one, so that its values are
-- shown, or else statements. Without one: what is wrong, and whether the text
-- is only incomplete.
local function compile(text)
  local chunk, message = load("return " .. text, "=stdin", "t")
  if chunk then return chunk end
  local is_incomplete = is_open(message)
  chunk, message = load(text, "=stdin", "t")
  if chunk then return chunk end
  return nil, message, is_incomplete or is_open(message)
end

-- The prompt's own globals, where a script has none of these names. help is loaded
-- when it is used.
local _, kvm = pcall(require, "kvm")
local help = setmetatable({}, {
  __call = function(_, topic) require "kvm.help" (topic) end,
  __tostring = function() return "help() shows what there is" end,
})

local function offer(name, value)
  if rawget(_G, name) == nil then rawset(_G, name, value) end
end

--- Reads lines until they are a chunk.
---@param readline fun(prompt: string): string|false|nil false: given up
---@param remember fun(text: string) adds to the history
---@return function|false|nil chunk nil at the end of the input, false when
---  there is nothing to run
---@return string? message what is wrong with the text
function M.read(readline, remember)
  offer("help", help)
  offer("kvm", type(kvm) == "table" and kvm or nil)
  local text = readline(tostring(_G._PROMPT or "> "))
  if not text then return text end
  text = text:gsub("^=", "")
  while true do
    local chunk, message, is_incomplete = compile(text)
    if not is_incomplete then
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
