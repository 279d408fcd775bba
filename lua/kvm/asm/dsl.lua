-- SPDX-License-Identifier: MIT
--- Assembly as Lua calls. In a function with the parameter _ENV every unknown
--- name is a word: called, it is an instruction; as an argument, it stands for
--- itself (a register, a condition, a label).
---
---   asm.x86_64(function(_ENV)        asm.arm64(function(_ENV)
---     mov(rcx, 10)                     mov(x0, 10)
---     label "again"                    label "again"
---     add(rax, qword[rsi + rcx*8])     ldr(x1, ptr[x2 + (x0 << 3)])
---     dec(rcx)                         subs(x0, x0, 1)
---     jnz "again"                      b.ne "again"
---     rep.movsb()                      str(x1, pre[sp - 16])
---   end)                             end)
---
--- Strings are operands as they are: mov(rax, "offset table + 8"). Data are db,
--- dw, dd, dq (numbers and symbols; db takes strings as characters), ascii and
--- asciz; further there are label, global, equ, align, space, org, section, and
--- raw for plain text. An instruction whose name is a word of Lua has an
--- underscore: and_, or_, not_, in_. Lua's own libraries (string, math, ipairs,
--- ...) are there; other globals are not, locals are.

local operand = require "kvm.asm.operand"
local source = require "kvm.asm.source"

source.hide()

local M = {}

local fail = operand.fail

-- Write one line, with the place in the script that it comes from.
local function emit(state, text)
  local lines = state.lines
  lines[#lines + 1] = text
  state.positions[#lines] = source.position()
end

local function operand_text(state, name, number, value)
  local kind = type(value)
  if kind == "string" then return operand.one_line(value) end
  if kind == "number" then return state.flavour.immediate(value) end
  if operand.is(value) then return operand.text(value) end
  if kind == "table" and not getmetatable(value) and #value > 0 then
    local parts = {}
    for i, part in ipairs(value) do
      parts[i] = operand_text(state, name, number, part)
    end
    return "{" .. table.concat(parts, ", ") .. "}"
  end
  fail("operand #%d of '%s' is a %s value", number, name, kind)
end

local function instruction(state, name, ...)
  local parts = {}
  for i = 1, select("#", ...) do
    parts[i] = operand_text(state, name, i, (select(i, ...)))
  end
  emit(state, name .. " " .. table.concat(parts, ", "))
end

-- A maker of words: operands that can be called, and indexed.
local function word_maker(state)
  local new
  new = operand.extend {
    __index = function(self, key)
      local text = operand.word(self)
      if type(key) == "string" then
        return new(text .. state.flavour.joint .. key)
      elseif not state.flavour.indexed then
        fail("'%s' cannot be indexed with a %s value", text, type(key))
      end
      return operand.new(state.flavour.indexed(text, key))
    end,
    __call = function(self, ...)
      instruction(state, operand.word(self), ...)
    end,
  }
  return new
end

local function check_string(name, number, value)
  if type(value) ~= "string" then
    fail("argument #%d of '%s' is a %s value, not a string", number, name,
      type(value))
  end
end

local function quoted(text)
  return '"' .. text:gsub('[%c"\\\127-\255]', function(c)
    return ("\\%03o"):format(c:byte())
  end) .. '"'
end

local function name_text(what, value)
  local name = operand.is(value) and operand.word(value) or value
  if type(name) ~= "string" or not name:find("^[%w_.$]+$") then
    fail("%s: a name expected, got %s", what, type(name) == "string"
      and ("%q"):format(name) or "a " .. type(name) .. " value")
  end
  return name
end

local function datum(state, name, number, value)
  if type(value) == "number" then return operand.number(value) end
  return operand_text(state, name, number, value)
end

-- Numbers and symbols as data of one size.
local function data(state, name, directive)
  return function(...)
    local parts = {}
    for i = 1, select("#", ...) do
      parts[i] = datum(state, name, i, (select(i, ...)))
    end
    emit(state, directive .. " " .. table.concat(parts, ", "))
  end
end

local function text_data(state, name, directive)
  return function(...)
    for i = 1, select("#", ...) do
      local value = select(i, ...)
      check_string(name, i, value)
      emit(state, directive .. " " .. quoted(value))
    end
  end
end

local function byte_data(state)
  return function(...)
    for i = 1, select("#", ...) do
      local value = select(i, ...)
      emit(state, type(value) == "string" and ".ascii " .. quoted(value)
        or ".byte " .. datum(state, "db", i, value))
    end
  end
end

-- The names that are neither words nor Lua's own.
local function directives(state)
  return {
    db = byte_data(state),
    dw = data(state, "dw", ".2byte"),
    dd = data(state, "dd", ".4byte"),
    dq = data(state, "dq", ".8byte"),
    ascii = text_data(state, "ascii", ".ascii"),
    asciz = text_data(state, "asciz", ".asciz"),
    align = data(state, "align", ".balign"),
    space = data(state, "space", ".space"),
    org = data(state, "org", ".org"),
    label = function(name) emit(state, name_text("label", name) .. ":") end,
    global = function(name)
      emit(state, ".global " .. name_text("global", name))
    end,
    equ = function(name, value)
      emit(state, (".equ %s, %s"):format(name_text("equ", name),
        datum(state, "equ", 2, value)))
    end,
    section = function(name, flags)
      emit(state, ".section " .. name_text("section", name)
        .. (flags and ", " .. quoted(flags) or ""))
    end,
    raw = function(text)
      check_string("raw", 1, text)
      for line in (text .. "\n"):gmatch("([^\n]*)\n") do emit(state, line) end
    end,
  }
end

local lua_names = {}
for name in ([[_G _VERSION assert collectgarbage coroutine debug error
  getmetatable io ipairs load math next os package pairs pcall print rawequal
  rawget rawlen rawset require select setmetatable string table tonumber
  tostring type utf8 warn xpcall]]):gmatch("%S+") do
  lua_names[name] = true
end

local lua_words = { and_ = "and", or_ = "or", not_ = "not", in_ = "in" }

local function environment(state)
  local names, new_word = directives(state), word_maker(state)
  for name, value in pairs(state.flavour.names()) do names[name] = value end
  return setmetatable(names, { __index = function(_, name)
    if lua_names[name] then return _G[name] end
    return new_word(lua_words[name] or tostring(name))
  end })
end

--- The text that a function makes by calls, and for each of its lines the
--- place in the script.
--- Usage: `local text = dsl.render(flavour, function(_ENV) hlt() end)`
---@param flavour kvm.asm.flavour
---@param make fun(env: table)
---@return string text
---@return string[] positions
function M.render(flavour, make)
  local state = { flavour = flavour, lines = {}, positions = {} }
  make(environment(state))
  return table.concat(state.lines, "\n"), state.positions
end

return M
