-- SPDX-License-Identifier: MIT
--- Values as JSON text, for other programs to read.

local M = {}

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n",
  ["\r"] = "\\r", ["\t"] = "\\t" }

local function escape(char)
  return escapes[char] or ("\\u%04x"):format(char:byte())
end

-- Bytes that are not UTF-8 have no spelling in JSON: each one becomes the
-- character of its number, as in Latin-1.
local function quote(text)
  local special = utf8.len(text) and '[%c"\\]' or '[%c"\\\128-\255]'
  return '"' .. text:gsub(special, escape) .. '"'
end

local function number(value)
  if math.type(value) == "integer" then return ("%d"):format(value) end
  if value ~= value or value == math.huge or value == -math.huge then
    return "null"
  end
  return ("%.17g"):format(value)
end

local encode

local function array(t)
  local list = {}
  for i = 1, #t do list[i] = encode(t[i]) end
  return "[" .. table.concat(list, ",") .. "]"
end

local function object(t)
  local list, texts = {}, {}
  for key, value in next, t do
    local name = tostring(key)
    list[#list + 1] = name
    texts[name] = encode(value)
  end
  table.sort(list)
  for i, name in ipairs(list) do list[i] = quote(name) .. ":" .. texts[name] end
  return "{" .. table.concat(list, ",") .. "}"
end

local encoders = {
  ["nil"] = function() return "null" end,
  boolean = tostring,
  number = number,
  string = quote,
  table = function(t)
    if (getmetatable(t) or {}).__tostring then return quote(tostring(t)) end
    return rawlen(t) > 0 and array(t) or object(t)
  end,
}

function encode(value)
  local encoder = encoders[type(value)]
  return encoder and encoder(value) or quote(tostring(value))
end

---One value as JSON on one line. A table with a length is an array, any other
---an object whose names are sorted; what JSON has no word for becomes the
---string that `tostring` gives. Tables must not contain themselves.
---Usage: `io.write(json.encode { reason = "io", port = 0x3f8 }, "\n")`
---@param value any
---@return string
function M.encode(value) return encode(value) end

return M
