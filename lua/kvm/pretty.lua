-- SPDX-License-Identifier: MIT
-- Values as text for people: what has a __tostring decides for itself, tables
-- show what is in them, byte strings show their bytes.

local before = require "kvm.natural".before

local M = {}

local MAX_DEPTH <const> = 4
local MAX_ENTRIES <const> = 64
local WIDTH <const> = 78
local BRIEF <const> = 200

-- Names of what people read in hex: registers, addresses and sizes, bits. Their
-- digits are 8 here.
local HEX <const> = { "^[re]%l%l$", "^r8", "flags", "^x?cr8$", "^dr8$", "^efer$",
  "^x8", "^pc$", "^sp$", "^pstate$", "_el8$", "addr", "base$", "limit$",
  "selector$", "^g[pv]a$", "^hva$", "^entry$", "^origin$", "offset$", "size$",
  "mask$", "^data$", "^request$" }

local escapes = { ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r",
  ["\0"] = "\\0", ['"'] = '\\"', ["\\"] = "\\\\" }

-- "\0" before a digit would read as another byte.
local function escape(char, digit)
  local short = escapes[char]
  if not short or char == "\0" and digit ~= "" then
    short = ("\\x%02x"):format(char:byte())
  end
  return short .. digit
end

local function quote(text)
  local special = utf8.len(text) and '([%c"\\])' or '([%c"\\\128-\255])'
  return '"' .. text:gsub(special .. "(%d?)", escape) .. '"'
end

local function is_text(text)
  return utf8.len(text) and not text:find("[^%C\n\t]")
end

local function is_name(key)
  return type(key) == "string" and key:find("^[%a_][%w_]*$") ~= nil
end

local function has_tostring(value)
  local mt = getmetatable(value)
  return type(mt) ~= "table" or mt.__tostring ~= nil or mt.__name ~= nil
end

-- The keys that are not 1..#t: names in order, then the rest.
local function other_keys(t, n)
  local keys = {}
  for key in next, t do
    if math.type(key) ~= "integer" or key < 1 or key > n then
      keys[#keys + 1] = key
    end
  end
  table.sort(keys, function(a, b)
    local ta, tb = type(a), type(b)
    if ta ~= tb then return ta > tb end
    if ta == "string" then return before(a, b) end
    if ta == "number" then return a < b end
    return tostring(a) < tostring(b)
  end)
  return keys
end

local function is_hex(key)
  key = type(key) == "string" and key:gsub("%d+", "8") or ""
  for _, pattern in ipairs(HEX) do
    if key:find(pattern) then return true end
  end
  return false
end

-- An integer that is the same to people in decimal and in hex.
local function is_small(n) return n > -10 and n < 10 end

local format

-- The value of a key.
local function format_field(key, value, indent, path)
  if math.type(value) == "integer" and not is_small(value) and is_hex(key) then
    return ("%#x"):format(value)
  end
  return format(value, indent, path)
end

local function entries(t, indent, path)
  local list, n = {}, rawlen(t)
  local keys = other_keys(t, n)
  local total = n + #keys
  for i = 1, math.min(total, MAX_ENTRIES) do
    local key = keys[i - n]
    if i <= n then
      list[i] = format(rawget(t, i), indent, path)
    else
      list[i] = (is_name(key) and key or "[" .. format(key, indent, path) .. "]")
        .. " = " .. format_field(key, rawget(t, key), indent, path)
    end
  end
  if total > MAX_ENTRIES then
    list[#list + 1] = ("... %d more"):format(total - MAX_ENTRIES)
  end
  return list
end

local function format_table(t, indent, path)
  if next(t) == nil then return "{}" end
  if path[t] or #indent >= 2 * MAX_DEPTH then return "{...}" end
  path[t] = true
  local inner = indent .. "  "
  local list = entries(t, inner, path)
  path[t] = nil
  local line = "{ " .. table.concat(list, ", ") .. " }"
  if #indent + #line <= WIDTH and not line:find("\n") then return line end
  return "{\n" .. inner .. table.concat(list, ",\n" .. inner)
    .. "\n" .. indent .. "}"
end

function format(value, indent, path)
  if type(value) == "string" then return quote(value) end
  if type(value) ~= "table" or getmetatable(value) and has_tostring(value) then
    return tostring(value)
  end
  return format_table(value, indent, path)
end

--- One value as text, without a newline at the end. A string that is text
--- stands as it is, one with other bytes is quoted; an integer has its hex beside
--- it.
---@param value any
---@return string
function M.format(value)
  if type(value) == "string" and is_text(value) then return value end
  if math.type(value) == "integer" and not is_small(value) then
    return ("%d  (%#x)"):format(value, value)
  end
  return format(value, "", {})
end

--- The same in one line, cut where it is long.
---@param value any
---@return string
function M.brief(value)
  local line = format(value, "", {}):gsub("\n%s*", " ")
  if #line <= BRIEF then return line end
  return line:sub(1, BRIEF):gsub("[\128-\255]+$", "") .. "..."
end

return M
