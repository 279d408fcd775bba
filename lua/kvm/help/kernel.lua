-- SPDX-License-Identifier: MIT
-- What the core itself tells of ioctls, structs and constants, as text.

local core = require "kvm.core"
local text = require "kvm.help.text"

local M = {}

-- The name of an entry's ioctl, and its row.
local function row_of(entry)
  local scope, method = entry.name:match "^kvm%.(%l+)%.([%w_]+)$"
  for name, row in pairs(scope and core.ioctls() or {}) do
    for _, one in ipairs(row.method == method and row.scopes or {}) do
      if one == scope then return name, row end
    end
  end
end

---The names of an ioctl's methods: one for each kind of object that has it.
---@param ioctl string
---@return string[]
function M.methods(ioctl)
  local row, names = core.ioctls()[ioctl], {}
  for i, scope in ipairs(row and row.scopes or {}) do
    names[i] = ("kvm.%s.%s"):format(scope, row.method)
  end
  return names
end

local function field_names(struct)
  local names = {}
  for _, field in ipairs(core.layouts()[struct].fields) do
    if field.kind ~= "pad" then names[#names + 1] = field.name end
  end
  return ("struct %s: %s"):format(struct, table.concat(names, " "))
end

---What an ioctl's row adds to the entry of its method: number, fields.
---@param entry table
---@return string? text nil: it is no ioctl
function M.facts(entry)
  local name, row = row_of(entry)
  if not row then return nil end
  local parts = { ("%s is request %#x."):format(name, row.request) }
  for _, struct in ipairs { row.struct or row.entry, row.struct and row.entry } do
    parts[#parts + 1] = text.wrap(field_names(struct), 2, "")
  end
  return table.concat(parts, "\n")
end

local NUMBERS <const> = { uint = "u%d", int = "s%d" }

local function type_of(field)
  local number = NUMBERS[field.kind]
  local type = field.struct and "struct " .. field.struct
    or number and number:format(field.size * 8)
    or field.kind == "bytes" and field.size .. " bytes" or field.kind
  if field.count > 0 then type = ("%s[%d]"):format(type, field.count) end
  return field.group and type .. ", names of kvm." .. field.group or type
end

-- The ioctls and structs that have a struct.
local function users(struct)
  local names = {}
  for name, row in pairs(core.ioctls()) do
    if row.struct == struct or row.entry == struct then names[#names + 1] = name end
  end
  for name, layout in pairs(core.layouts()) do
    for _, field in ipairs(layout.fields) do
      if field.struct == struct and names[#names] ~= name then
        names[#names + 1] = name
      end
    end
  end
  table.sort(names)
  return table.concat(names, " ")
end

---A kernel struct: its fields, and where it is used.
---@param name string
---@return string? text nil: there is no such struct
function M.struct(name)
  local layout = core.layouts()[name]
  if not layout then return nil end
  local list = {}
  for _, field in ipairs(layout.fields) do
    if field.kind ~= "pad" then
      list[#list + 1] = { field.name, type_of(field) }
    end
  end
  local used = users(name)
  return ("struct %s, %d bytes\n\n%s"):format(name, layout.size, text.rows(list))
    .. (used ~= "" and "\n\n" .. text.wrap("Used by " .. used, 0) or "")
end

-- "CAP.IRQCHIP", "KVM_CAP_IRQCHIP", "CAP": the group and the name in it.
local function split(topic)
  local group, name = topic:match "^(%u[%u%d_]*)%.?([%w_]*)$"
  if group and type(core[group]) == "table" then return group, name end
  local rest = topic:match "^KVM_(.+)$" or ""
  for at in rest:gmatch "()_" do
    group, name = rest:sub(1, at - 1), rest:sub(at + 1)
    if type(core[group]) == "table" and core[group][name] then
      return group, name
    end
  end
end

local function number(value)
  return (math.ult(value, 4096) and "%d" or "%#x"):format(value)
end

local function all(group)
  local list = {}
  for name, value in pairs(core[group]) do
    if type(name) == "string" then list[#list + 1] = { name, value } end
  end
  table.sort(list, function(a, b)
    if a[2] ~= b[2] then return math.ult(a[2], b[2]) end
    return a[1] < b[1]
  end)
  for i, pair in ipairs(list) do list[i] = pair[1] .. "=" .. number(pair[2]) end
  return text.wrap(table.concat(list, " "), 2)
end

---The constants that have a word in their name: a line each, if they are few.
---@param word string
---@param most integer
---@return string[] lines
function M.constants_with(word, most)
  local lines, count = {}, 0
  word = word:upper():gsub("^KVM_", "")
  for group, values in pairs(core) do
    for name, value in pairs(group ~= "class" and type(values) == "table"
        and values or {}) do
      if type(name) == "string" and (group .. "_" .. name):find(word, 1, true) then
        count = count + 1
        lines[count] = ("  kvm.%s.%s = %s"):format(group, name, number(value))
      end
    end
  end
  table.sort(lines)
  if count > most then
    return { ("  %d constants: help \"CAP\" and the like list them"):format(count) }
  end
  return lines
end

---A constant, or a group of them.
---@param topic string
---@param about fun(group: string): string? what a group is for
---@return string? text nil: it is none
function M.constants(topic, about)
  local group, name = split(topic)
  local value = group and rawget(core[group], name)
  if value then return ("kvm.%s.%s = %s"):format(group, name, number(value)) end
  if not group or name ~= "" then return nil end
  return ("kvm.%s    %s\n\n%s"):format(group, about(group) or "", all(group))
end

return M
