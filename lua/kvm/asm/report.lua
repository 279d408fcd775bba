-- SPDX-License-Identifier: MIT
-- Faults as one error message: every one with its place in the script and the
-- line itself.

local source = require "kvm.asm.source"

source.hide()

local M = {}

local MOST = 8

local function lines_of(text)
  local lines = {}
  for line in (text .. "\n"):gmatch("([^\n]*)\n") do
    lines[#lines + 1] = line
  end
  return lines
end

-- A function that names line n of the text.
local function placer(text, options, lines)
  local name = options.name
  if name then return function(n) return ("%s:%d"):format(name, n) end end
  if options.positions then
    return function(n) return options.positions[n] or "asm:" .. n end
  end
  local frames = source.callers()
  local locate = source.locator(text, frames)
  local caller = frames[1] and
    ("%s:%d: "):format(frames[1].short_src, frames[1].currentline) or ""
  return function(n)
    return locate(n, lines[n] or "") or ("%sasm:%d"):format(caller, n)
  end
end

local function place_of(fault, place, options)
  if fault.file then
    return ("%s:%d"):format(fault.file, fault.line or 0)
  elseif fault.line then
    return place(fault.line)
  end
  return options.name or source.position() or "asm"
end

-- Symbols are known to the linker only; an assembler that wants a number at
-- once (an arm64 immediate, .if, .rept) does not find them.
local function symbol_hint(fault, line, symbols)
  local message = fault.message:lower()
  if not (message:find("constant") or message:find("immediate")
    or message:find("absolute")) then
    return nil
  end
  for name in line:gmatch("[%a_.$][%w_.$]*") do
    local value = symbols[name]
    if value then
      return ("%s = %#x is not known before linking; for a constant write"
        .. " '%s = %#x' in the text"):format(name, value, name, value)
    end
  end
end

local function describe(fault, place, lines, options)
  local line = fault.line and not fault.file and lines[fault.line]
  local parts = { place_of(fault, place, options) .. ": " .. fault.message }
  if line then parts[2] = "\t" .. line:match("^%s*(.-)%s*$") end
  for _, note in ipairs(fault.notes or {}) do
    parts[#parts + 1] = ("\t(%s: %s)"):format(note.message,
      place_of(note, place, options))
  end
  local hint = line and symbol_hint(fault, line, options.symbols)
  if hint then parts[#parts + 1] = "\t(" .. hint .. ")" end
  return table.concat(parts, "\n")
end

-- What the assembler says of Intel syntax when it reads AT&T's.
local intel_faults = { "operand size mismatch", "too many memory references",
  "operand type mismatch", "junk `", "bad register name" }

local function syntax_hint(faults, syntax)
  if syntax ~= "att" then return nil end
  for _, fault in ipairs(faults) do
    for _, text in ipairs(intel_faults) do
      if fault.message:find(text, 1, true) then
        return '(this is read as AT&T syntax; the other: syntax = "intel")'
      end
    end
  end
end

--- The message for some faults of a text.
---@param faults kvm.asm.fault[]
---@param text string
---@param options table {name?, positions?, symbols}
---@return string
function M.message(faults, text, options)
  local lines = lines_of(text)
  local place = placer(text, options, lines)
  local parts = {}
  for i = 1, math.min(#faults, MOST) do
    parts[i] = describe(faults[i], place, lines, options)
  end
  if #faults > MOST then
    parts[#parts + 1] = ("(and %d more)"):format(#faults - MOST)
  end
  parts[#parts + 1] = syntax_hint(faults, options.syntax)
  return table.concat(parts, "\n")
end

return M
