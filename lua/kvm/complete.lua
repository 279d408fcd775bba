-- SPDX-License-Identifier: MIT
-- What a word at the prompt may become: "cpu:get_" all methods that begin so,
-- "kvm.CAP.USER" constants, "cpu.regs.r" registers. Looks, and runs nothing: no
-- metamethod of a script's, no ioctl.

local core = require "kvm.core"
local before = require "kvm.natural".before

local M = {}

local DEPTH <const> = 8 -- of __index in __index

local function is_name(key)
  return type(key) == "string" and key:find "^[%a_][%w_]*$" ~= nil
end

local function raw_meta(value, name)
  local meta = getmetatable(value)
  return type(meta) == "table" and rawget(meta, name) or nil
end

-- The class of an object of the core's: a userdata, or the exit, which is a table
-- with a C function as __index.
local function class_of(value)
  local class, index = raw_meta(value, "__name"), raw_meta(value, "__index")
  local is_ours = type(value) == "userdata"
    or type(index) == "function" and debug.getinfo(index, "S").what == "C"
  return is_ours and core.class[class] and class
end

-- ---- objects of the core: what the reference says they have ----------------------

local function each_field(class, visit)
  local find = require "kvm.help.find"
  for _, entry in ipairs(find.by_name(class)) do
    if entry.kind == "class" and entry.name == class then
      for _, field in ipairs(entry.fields) do visit(field.name) end
    end
  end
end

local function add_object(found, value, class)
  local function add(name) found[name] = "field" end
  if class == "kvm.regs" then
    return require "kvm.help.find".each_register(add)
  end
  each_field(class, add)
  if class == "kvm.exit" and value.reason then
    each_field("kvm.exit." .. value.reason, add)
  end
  for name, method in next, core.class[class] do found[name] = type(method) end
end

-- ---- any value -------------------------------------------------------------------

-- Name -> the type of what it has; "field" is one of an object's.
local function members(value)
  local found, class = {}, class_of(value)
  if class then add_object(found, value, class) end
  for _ = 1, class and 0 or DEPTH do
    for name, member in next, type(value) == "table" and value or {} do
      found[name] = found[name] or type(member)
    end
    value = raw_meta(value, "__index")
  end
  return found
end

local function member(value, name)
  if class_of(value) then return members(value)[name] and value[name] end
  for _ = 1, DEPTH do
    local found = type(value) == "table" and rawget(value, name)
    if found then return found end
    value = raw_meta(value, "__index")
  end
end

local function resolve(path)
  local value = _G
  for name in path:gmatch "[^.]+" do value = member(value, name) end
  return value
end

local function candidates(word)
  local path, separator, begun = word:match "^([%w_.]-)([.:]?)([%w_]*)$"
  local is_path = path and (path == "") == (separator == "")
    and (path == "" or not ("." .. path .. "."):find("..", 1, true))
  if not is_path then return {} end
  local list = {}
  for name, kind in pairs(members(resolve(path))) do
    local is_fit = is_name(name) and name:sub(1, #begun) == begun
      and (separator ~= ":" or kind == "function")
    local is_hidden = name == "_G" or is_fit and name:find "^__"
    if is_fit and (begun ~= "" or not is_hidden) then
      list[#list + 1] = path .. separator .. name
    end
  end
  table.sort(list, before)
  return list
end

--- The whole words that a word may become, in order. Never raises.
---@param word string names, dots and a colon, up to the cursor
---@return string[]
function M.list(word)
  local ok, list = pcall(candidates, word)
  return ok and list or {}
end

return M
