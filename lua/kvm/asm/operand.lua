-- SPDX-License-Identifier: MIT
-- Operands of the DSL: values that stand for a piece of assembly text, and
-- that can be added up to addresses: ptr[rbx + rcx*8 + 16].

local check = require "kvm.check"
local source = require "kvm.asm.source"

source.hide()

local M = {}

-- Keys that no program can spell, so that an index is always the user's.
local TEXT, TERMS, OFFSET = {}, {}, {}
local private = { [TEXT] = true, [TERMS] = true, [OFFSET] = true }

--- Raise an error at the script's line.
M.fail = check.fail

local fail = M.fail

--- A number as assemblers read it.
function M.number(value)
  local integer = math.tointeger(value)
  if not integer then fail("%s is not an integer", value) end
  return integer == math.mininteger and "0x8000000000000000"
    or ("%d"):format(integer)
end

--- Text that cannot begin another statement's line.
function M.one_line(text)
  if text:find("\n", 1, true) then fail("%q has a line break in it", text) end
  return text
end

--- Whether a value is an operand.
function M.is(value)
  return type(value) == "table"
    and (rawget(value, TEXT) or rawget(value, TERMS)) ~= nil
end

--- The word that an operand is; nil for a sum.
function M.word(value)
  return rawget(value, TEXT)
end

local Operand = {}

--- An operand that reads as `text`.
function M.new(text)
  return setmetatable({ [TEXT] = text }, Operand)
end

local function sum(terms, offset)
  return setmetatable({ [TERMS] = terms, [OFFSET] = offset }, Operand)
end

-- Any part of an address as terms and a number.
local function split(value)
  if type(value) == "number" then
    local offset = math.tointeger(value)
    if not offset then fail("%s is not an integer", value) end
    return {}, offset
  elseif type(value) == "string" then
    return { M.one_line(value) }, 0
  elseif M.is(value) then
    return rawget(value, TERMS) or { rawget(value, TEXT) },
      rawget(value, OFFSET) or 0
  end
  fail("a %s value cannot be part of an address", type(value))
end

-- A sum in the form rbx+rcx*8+16.
local function joined(terms, offset)
  local text = table.concat(terms, "+")
  if offset == 0 and text ~= "" then return text end
  return text .. (text == "" and "%d" or "%+d"):format(offset)
end

--- What an operand reads as.
function M.text(value)
  return rawget(value, TEXT)
    or joined(rawget(value, TERMS), rawget(value, OFFSET))
end

function Operand.__add(a, b)
  local terms, offset = split(a)
  local more, more_offset = split(b)
  terms = table.move(terms, 1, #terms, 1, {})
  table.move(more, 1, #more, #terms + 1, terms)
  return sum(terms, offset + more_offset)
end

function Operand.__sub(a, b)
  local terms, offset = split(a)
  if math.type(b) ~= "integer" then
    fail("only an integer can be subtracted, not a %s value", type(b))
  end
  return sum(terms, offset - b)
end

-- The register and the number of an operation that takes just these.
local function register_and_number(a, b, what)
  if math.type(b) ~= "integer" or not M.is(a) or not rawget(a, TEXT) then
    fail("only a register can be %s, and by an integer", what)
  end
  return rawget(a, TEXT), b
end

function Operand.__mul(a, b)
  if math.type(a) == "integer" then a, b = b, a end
  local register, factor = register_and_number(a, b, "multiplied")
  return sum({ ("%s*%d"):format(register, factor) }, 0)
end

local function shift(kind)
  return function(a, b)
    local register, count = register_and_number(a, b, "shifted")
    return sum({ ("%s, %s #%d"):format(register, kind, count) }, 0)
  end
end

Operand.__shl = shift "lsl"
Operand.__shr = shift "lsr"

local function string_of(value)
  return M.is(value) and M.text(value) or tostring(value)
end

--- zmm0 .. "{k1}"
function Operand.__concat(a, b)
  return M.new(M.one_line(string_of(a) .. string_of(b)))
end

Operand.__tostring = M.text

function Operand.__index(_, key)
  fail("an operand has no field '%s'", tostring(key))
end

--- Make a kind of operand that can do more; `new(text)` makes one of it.
function M.extend(methods)
  local class = {}
  for event, method in pairs(Operand) do class[event] = method end
  for event, method in pairs(methods) do class[event] = method end
  return function(text) return setmetatable({ [TEXT] = text }, class) end
end

-- ptr[...], byte[...], pre[...]: what is indexed with an address.
local function maker(make, dotted)
  return setmetatable({}, { __index = function(_, key)
    return dotted and dotted(key) or M.new(make(key))
  end })
end

local function x86_memory(prefix, key)
  return prefix .. "[" .. joined(split(key)) .. "]"
end

local function arm64_memory(key)
  local terms, offset = split(key)
  terms = table.move(terms, 1, #terms, 1, {})
  if offset ~= 0 then terms[#terms + 1] = ("#%d"):format(offset) end
  return "[" .. table.concat(terms, ", ") .. "]"
end

local segments = { cs = true, ds = true, es = true, fs = true, gs = true,
  ss = true }
local sizes = { "byte", "word", "dword", "fword", "qword", "tbyte", "oword",
  "xmmword", "ymmword", "zmmword" }

-- qword[rbx + 8] and, with a segment, qword.gs[0x28].
local function sized(prefix)
  return maker(function(key) return x86_memory(prefix, key) end, function(key)
    return segments[key] and maker(function(inner)
      return x86_memory(prefix .. key .. ":", inner)
    end)
  end)
end

local new_stack_top = M.extend { __call = function(_, index)
  return M.new(("st(%d)"):format(index))
end }

local function x86_names()
  local names = { ptr = sized "", st = new_stack_top "st" }
  for _, size in ipairs(sizes) do names[size] = sized(size .. " ptr ") end
  return names
end

local function arm64_names()
  return {
    ptr = maker(arm64_memory),
    pre = maker(function(key) return arm64_memory(key) .. "!" end),
  }
end

---@class kvm.asm.flavour
---@field syntax string what the lines are written in
---@field joint string between a word and its index: rep.movsb, b.eq
---@field immediate fun(value: number): string
---@field indexed? fun(word: string, key: any): string for fs[0x28]
---@field names fun(): table<string, any> names that are not plain words

---@type table<string, kvm.asm.flavour>
M.flavours = {
  x86 = {
    syntax = "intel",
    joint = " ",
    immediate = M.number,
    indexed = function(word, key) return x86_memory(word .. ":", key) end,
    names = x86_names,
  },
  arm64 = {
    syntax = "arm64",
    joint = ".",
    immediate = function(value) return "#" .. M.number(value) end,
    names = arm64_names,
  },
}

return M
