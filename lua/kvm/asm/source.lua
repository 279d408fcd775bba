-- SPDX-License-Identifier: MIT
-- Which line of which script: the call stack tells who asked, and the script's
-- own text tells where in it a literal stands. Looked at only for an error.

local M = {}

-- Functions of these chunks are not the caller.
local own = {}

--- Leave the calling module's functions out of the search for the caller.
function M.hide()
  local chunk = debug.getinfo(2, "S").source
  if chunk ~= "=?" then own[chunk] = true end
end

own[debug.getinfo(1, "S").source] = true

---@class kvm.asm.frame
---@field source string
---@field short_src string
---@field currentline integer

--- The Lua functions outside this module that led here, innermost first.
---@return kvm.asm.frame[]
function M.callers()
  local frames = {}
  for level = 2, 200 do
    local info = debug.getinfo(level, "Sl")
    if not info then break end
    if info.what ~= "C" and (frames[1] or not own[info.source]) then
      frames[#frames + 1] = info
    end
  end
  return frames
end

--- "script.lua:12", or nothing where no Lua function called.
---@return string?
function M.position()
  for level = 2, 200 do
    local info = debug.getinfo(level, "Sl")
    if not info then return nil end
    if info.what ~= "C" and not own[info.source] then
      return ("%s:%d"):format(info.short_src, info.currentline)
    end
  end
end

-- The text of the script that a frame runs, with the line ends Lua gives.
local function script_text(frame)
  local kind, rest = frame.source:sub(1, 1), frame.source:sub(2)
  if kind == "=" then return nil end
  if kind ~= "@" then return frame.source end
  local file <close> = io.open(rest, "rb")
  local text = file and file:read("a")
  return text and text:gsub("\r\n?", "\n")
end

local function lines_before(text, position)
  local _, count = text:sub(1, position - 1):gsub("\n", "")
  return count
end

-- Is [first, last] of the script all that stands between two brackets or two
-- quotes?
local function is_literal(script, first, last)
  local open = script:sub(math.max(1, first - 20), first - 1)
  local close = script:sub(last + 1, last + 20)
  local bracket = open:match("%[(=*)%[\n?$")
  if bracket then return close:match("^%](=*)%]") == bracket end
  local quote = open:match("[\"']$")
  return quote ~= nil and close:sub(1, 1) == quote
end

-- The line on which the literal begins, of several the nearest to `line`.
local function literal_line(script, text, line)
  local best
  local first, last = script:find(text, 1, true)
  while first do
    if is_literal(script, first, last) then
      local at = lines_before(script, first) + 1
      if not best or math.abs(at - line) < math.abs(best - line) then
        best = at
      end
    end
    first, last = script:find(text, first + 1, true)
  end
  return best
end

local function trim(line)
  return line:match("^%s*(.-)%s*$")
end

-- The only line of the script that reads so, or nil.
local function only_line(script, wanted)
  local found, number = nil, 0
  for line in (script .. "\n"):gmatch("([^\n]*)\n") do
    number = number + 1
    if trim(line) == wanted then
      if found then return nil end
      found = number
    end
  end
  return found
end

--- A function that tells where line n of a text stands in the script that
--- holds it as a literal, or, for a text put together from pieces, where that
--- line stands alone; it gives nil where that cannot be told.
---@param text string
---@param frames kvm.asm.frame[]
---@return fun(line: integer, content: string): string?
function M.locator(text, frames)
  local scripts, seen = {}, {}
  for _, frame in ipairs(frames) do
    local script = not seen[frame.source] and script_text(frame)
    seen[frame.source] = true
    if script then
      scripts[#scripts + 1] = { text = script, name = frame.short_src }
      local first = text ~= "" and literal_line(script, text, frame.currentline)
      if first then
        return function(line)
          return ("%s:%d"):format(frame.short_src, first + line - 1)
        end
      end
    end
  end
  return function(_, content)
    for _, script in ipairs(scripts) do
      local line = only_line(script.text, trim(content))
      if line then return ("%s:%d"):format(script.name, line) end
    end
  end
end

return M
