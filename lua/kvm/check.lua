-- SPDX-License-Identifier: MIT
-- Arguments and tables of options, checked: one error at the line of the script
-- that names the argument, shows the value and tells what would do.
--
-- A kind says what a value must be: the name of a type ("integer" and the
-- classes of kvm.core are some), the list of the values there are, or a
-- function of a name and a value that returns what is wrong with it, or nil. A
-- shape is a table option -> kind, whose list part names those that must be
-- there ("at", or "at: where it lies"). As everywhere in Lua, 2^20 is an
-- integer, too.
local distance = require "kvm.distance"

local M = {}

-- ---- raising ----------------------------------------------------------------

local here <const> = debug.getinfo(1, "S").source:match "^(.*)check%.lua$"

-- The files beside this one, and those that the executable embeds.
local function is_layer(source)
  return source:sub(1, #here) == here or source:sub(1, 5) == "@kvm/"
end

---"file:line: " of the innermost call that is not in the Lua layer, or "". As
---kl_pushwhere of kvm.core.
---@return string
function M.where()
  for level = 2, math.maxinteger do
    local info = debug.getinfo(level, "Sl")
    if not info then return "" end
    if info.currentline > 0 and not is_layer(info.source) then
      return ("%s:%d: "):format(info.short_src, info.currentline)
    end
  end
end

---Raises at the line of the script.
---@param format string as for string.format
---@param ... any
function M.fail(format, ...)
  error(M.where() .. format:format(...), 0)
end

---Raises what is wrong with an argument.
---@param n integer which one: self is not counted
---@param fn string the function's name
---@param format string
---@param ... any
function M.bad(n, fn, format, ...)
  M.fail("bad argument #%d to '%s' (%s)", n, fn, format:format(...))
end

---Refuses arguments behind the last one that a function has.
---@param max integer how many it has
---@param fn string
---@param ... any the arguments behind those
function M.surplus(max, fn, ...)
  if select("#", ...) == 0 then return end
  M.bad(max + 1, fn, "surplus argument: %s",
    max == 0 and "it takes none" or "at most " .. max)
end

-- ---- words ------------------------------------------------------------------

-- What a class calls itself, or nil.
local function class_of(value)
  local meta = (type(value) == "table" or type(value) == "userdata")
    and getmetatable(value)
  local name = type(meta) == "table" and rawget(meta, "__name")
  return type(name) == "string" and name or nil
end

---A value as an error shows it: integers that may be addresses in hex.
---@param value any
---@return string
function M.show(value)
  if type(value) == "string" then
    if #value > 40 then value = value:sub(1, 40) .. "..." end
    return "'" .. value:gsub("[^\x20-\x7e]", "?") .. "'"
  elseif math.type(value) == "integer" then
    local is_small = value < 0x1000 and value > -0x10000
    return (is_small and "%d" or "0x%x"):format(value)
  elseif type(value) == "number" or type(value) == "boolean" then
    return tostring(value)
  end
  return class_of(value) or type(value)
end

---"a, b and c".
---@param words string[]
---@param last? string the word before the last one ("and")
---@return string
function M.join(words, last)
  local n = #words
  if n < 2 then return words[1] or "" end
  return ("%s %s %s"):format(table.concat(words, ", ", 1, n - 1), last or "and",
    words[n])
end

---The name that was probably meant, or nil.
---@param name any
---@param names string[]
---@return string?
function M.nearest(name, names)
  if type(name) ~= "string" or #name > 40 then return nil end
  local best, least = nil, #name > 4 and 3 or 2
  for _, known in ipairs(names) do
    local d = distance(name, known, least)
    if d < least then best, least = known, d end
  end
  return best
end

---Says that a name is none of those there are.
---@param what string "option"
---@param name any
---@param names string[]
---@return string
function M.unknown(what, name, names)
  local shown = type(name) == "string" and M.show(name)
    or "'" .. M.show(name) .. "'"
  if #names == 1 then
    return ("unknown %s %s (there is only %s)"):format(what, shown, names[1])
  end
  local near = M.nearest(name, names)
  return ("unknown %s %s (%sthere are %s)"):format(what, shown,
    near and ("did you mean '%s'? "):format(near) or "", M.join(names))
end

-- ---- kinds ------------------------------------------------------------------

-- A number without a fraction as an integer.
local function whole(value)
  return type(value) == "number" and math.tointeger(value) or value
end

local function expected(name, what, value)
  return ("%s: %s expected, got %s"):format(name, what, M.show(value))
end

---An integer; of a range when that is given.
---@param min? integer
---@param max? integer
function M.integer(min, max)
  return function(name, value)
    if math.type(value) ~= "integer" then
      return expected(name, "integer", value)
    elseif min and (value < min or value > max) then
      return ("%s %s is outside %s..%s"):format(name, M.show(value),
        M.show(min), M.show(max))
    end
  end
end

---An unsigned integer of so many bits.
---@param n integer
function M.bits(n)
  return function(name, value)
    if math.type(value) ~= "integer" then
      return expected(name, "integer", value)
    elseif n < 64 and value >> n ~= 0 then
      return ("%s %s does not fit in %d bits"):format(name, M.show(value), n)
    end
  end
end

---An address or a size in units.
---@param unit integer a power of two
---@param what? string what the unit is: "the page size"
function M.multiple(unit, what)
  return function(name, value)
    if math.type(value) ~= "integer" then
      return expected(name, "integer", value)
    elseif value & unit - 1 ~= 0 then
      return ("%s 0x%x is not a multiple of %s0x%x"):format(name, value,
        what and what .. " " or "", unit)
    end
  end
end

---A list whose elements are of a kind.
---@param kind any
---@param what string what it is called: "list of integers"
function M.list(kind, what)
  return function(name, value)
    if type(value) ~= "table" then return expected(name, what, value) end
    for i, element in pairs(value) do
      local text = math.type(i) ~= "integer"
        and ("%s: a list has no '%s'"):format(name, tostring(i))
        or M.problem(("%s[%d]"):format(name, i), kind, element)
      if text then return text end
    end
  end
end

local name_list = M.list("string", "name or list of names")

---A name, or a list of names.
function M.names(name, value)
  return type(value) ~= "string" and name_list(name, value) or nil
end

---A table of name -> what is of a kind.
---@param kind any
function M.named(kind)
  return function(name, value)
    if type(value) ~= "table" then return expected(name, "table", value) end
    for key, element in pairs(value) do
      if type(key) ~= "string" then
        return ("%s: %s is no name"):format(name, M.show(key))
      end
      local text = M.problem(name .. "." .. key, kind, whole(element))
      if text then return text end
    end
  end
end

---An object with a method: of kvm.core's class, or what stands in for it.
---@param class string what is expected: "kvm.vm"
---@param method string
function M.object(class, method)
  return function(name, value)
    local is_object = type(value) == "table" or type(value) == "userdata"
    local ok, found = pcall(function() return is_object and value[method] end)
    if not ok or not found then return expected(name, class, value) end
  end
end

---Where text goes: a function of a string, or anything with a write method.
function M.sink(name, value)
  if type(value) ~= "function" and M.object("", "write")(name, value) then
    return expected(name, "function or file", value)
  end
end

---What is wrong with a value, or nil.
---@param name string
---@param kind any
---@param value any
---@return string?
function M.problem(name, kind, value)
  if type(kind) == "function" then return kind(name, value) end
  if type(kind) == "table" then
    for _, choice in ipairs(kind) do
      if rawequal(choice, value) then return nil end
    end
    local words = {}
    for i, choice in ipairs(kind) do
      words[i] = type(choice) == "string" and choice or M.show(choice)
    end
    return ("%s %s (expected %s)"):format(name, M.show(value),
      M.join(words, "or"))
  end
  if math.type(value) == kind or type(value) == kind
    or class_of(value) == kind then
    return nil
  end
  return expected(name, kind, value)
end

-- ---- arguments --------------------------------------------------------------

-- Whether a value is of a class, or inherits from something that is.
local function is_a(value, class)
  while type(value) == "table" or type(value) == "userdata" do
    local meta = getmetatable(value)
    if type(meta) ~= "table" then return false end
    if rawget(meta, "__name") == class then return true end
    value = rawget(meta, "__index")
  end
  return false
end

---Checks the object that a method was called on.
---@param fn string
---@param class string
---@param self any
function M.method(fn, class, self)
  if is_a(self, class) then return end
  M.fail("calling '%s' on bad self (%s expected, got %s: call it with a colon)",
    fn, class, M.show(self))
end

---Checks an argument, and returns it.
---@param n integer which one: self is not counted
---@param fn string
---@param name string
---@param kind any
---@param value any
---@return any value
function M.argument(n, fn, name, kind, value)
  value = whole(value)
  local text = M.problem(name, kind, value)
  if text then M.bad(n, fn, "%s", text) end
  return value
end

---The same for one that may be nil.
---@return any value
function M.optional(n, fn, name, kind, value)
  return value ~= nil and M.argument(n, fn, name, kind, value) or value
end

-- The names of a shape's options, sorted.
local function names_of(shape)
  local names = {}
  for name in pairs(shape) do
    if type(name) == "string" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

---What is wrong with a table of options, or nil.
---@param options table
---@param shape table
---@param what? string the word for an option ("option")
---@return string?
function M.misfit(options, shape, what)
  local names = names_of(shape)
  for name in pairs(options) do
    if type(name) ~= "string" or not shape[name] then
      return M.unknown(what or "option", name, names)
    end
  end
  for _, needed in ipairs(shape) do
    local name, why = needed:match "^([%w_]+)(.*)"
    if options[name] == nil then
      return ("%s '%s' is missing%s"):format(what or "option", name, why)
    end
  end
  for _, name in ipairs(names) do
    local value = whole(options[name])
    local text = value ~= nil and M.problem(name, shape[name], value)
    if text then return text end
  end
end

---Checks a table of options, and returns a copy: an empty one when there is
---none.
---@param n integer which argument it is: self is not counted
---@param fn string
---@param options? table
---@param shape table
---@param what? string the word for an option ("option")
---@return table options
function M.options(n, fn, options, shape, what)
  if options == nil then options = {} end
  M.argument(n, fn, (what or "option") .. "s", "table", options)
  local text, copy = M.misfit(options, shape, what), {}
  if text then M.bad(n, fn, "%s", text) end
  for name, value in pairs(options) do copy[name] = whole(value) end
  return copy
end

return M
