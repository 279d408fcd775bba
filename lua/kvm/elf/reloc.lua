-- SPDX-License-Identifier: MIT
-- Relocating the bytes of one section or segment.

local fields = require "kvm.elf.field"
local problem = require "kvm.elf.problem"
local raise_with = problem.raise_with

local M = {}

local function page(address) return address & ~0xfff end

-- The letters of the ABIs: S the symbol's address, A the addend, P the place,
-- B the base, GOT the global offset table, G the symbol's slot in it.
local formulas = {
  ["S"] = function(v) return v.S end,
  ["S + A"] = function(v) return v.S + v.A end,
  ["S + A - P"] = function(v) return v.S + v.A - v.P end,
  ["S + A - GOT"] = function(v) return v.S + v.A - v.GOT end,
  ["G + A"] = function(v) return v.G + v.A end,
  ["G + A - P"] = function(v) return v.G + v.A - v.P end,
  ["G + A - GOT"] = function(v) return v.G + v.A - v.GOT end,
  ["GOT + A - P"] = function(v) return v.GOT + v.A - v.P end,
  ["B + A"] = function(v) return v.B + v.A end,
  ["Page(S + A) - Page(P)"] = function(v)
    return page(v.S + v.A) - page(v.P)
  end,
  ["Page(G + A) - Page(P)"] = function(v)
    return page(v.G + v.A) - page(v.P)
  end,
}

-- The letters that each formula needs.
local needs = {}
for formula in pairs(formulas) do
  local letters = {}
  for letter in formula:gmatch("%u+") do letters[#letters + 1] = letter end
  needs[formula] = letters
end

--- Whether a relocation needs a slot in the GOT, and whether it needs a GOT.
function M.got_needs(machine, kind)
  local row = machine.relocations[kind]
  local formula = row and row[2] or ""
  if type(formula) == "function" then return true, true end
  local slot = formula:find("G +", 1, true) ~= nil
  return slot, slot or formula:find("GOT", 1, true) ~= nil
end

---@class kvm.elf.edit
---@field offset integer in the bytes
---@field type integer
---@field A? integer nil: the addend stands in the place itself
---@field S? integer
---@field P? integer
---@field B? integer

local function refuse(edit, what, format, ...)
  raise_with({ section = what, offset = edit.offset }, "%s+%#x: " .. format,
    what, edit.offset, ...)
end

local function row_of(machine, edit, what)
  local row = machine.relocations[edit.type]
  if row then return row end
  refuse(edit, what, "relocation type %d of %s is not supported", edit.type,
    machine.name)
end

local function hex(value)
  return value < 0 and value > -1 << 32 and ("-%#x"):format(-value)
    or ("%#x"):format(value)
end

local function check(edit, row, formula, value, what, name_of)
  local objection = fields.objection(row[3], value)
  if not objection then return end
  local kind = formula:find("P", 1, true) and "distance" or "value"
  local name, address = name_of(edit)
  raise_with({ section = what, offset = edit.offset, symbol = name },
    "%s = %s: the %s %s at %s+%#x %s (%s)", name, hex(address), kind,
    hex(value), what, edit.offset, objection, row[1])
end

-- The new bytes of one place.
local function relocated(bytes, edit, row, what, name_of)
  local formula, size = row[2], row[3].size
  if type(formula) == "function" then formula = formula(bytes, edit.offset) end
  local at = edit.offset + 1
  local word = string.unpack("<I" .. size, bytes, at)
  if not edit.A then edit.A = string.unpack("<i" .. size, bytes, at) end
  for _, letter in ipairs(needs[formula]) do
    if not edit[letter] then
      refuse(edit, what, "%s has no meaning in a file of this type", row[1])
    end
  end
  local value = formulas[formula](edit)
  check(edit, row, formula, value, what, name_of)
  return string.pack("<I" .. size, row[3].insert(word, value))
end

--- Apply relocations to bytes.
---@param machine table
---@param bytes string
---@param edits kvm.elf.edit[]
---@param what string the section's name, for messages
---@param name_of fun(edit: kvm.elf.edit): string, integer symbol and value
---@return string
function M.apply(machine, bytes, edits, what, name_of)
  table.sort(edits, function(a, b) return math.ult(a.offset, b.offset) end)
  local pieces, done = {}, 0
  for _, edit in ipairs(edits) do
    local row, offset = row_of(machine, edit, what), edit.offset
    local size = row[3].size
    if math.ult(#bytes, offset) or size > #bytes - offset then
      refuse(edit, what, "a relocation outside of the %#x bytes", #bytes)
    end
    if offset < done then refuse(edit, what, "relocations overlap") end
    pieces[#pieces + 1] = bytes:sub(done + 1, offset)
    pieces[#pieces + 1] = relocated(bytes, edit, row, what, name_of)
    done = offset + size
  end
  pieces[#pieces + 1] = bytes:sub(done + 1)
  return table.concat(pieces)
end

return M
