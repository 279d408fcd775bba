-- SPDX-License-Identifier: MIT
-- Which entries of the reference a topic is about.

local core = require "kvm.core"
local reference = require "kvm.reference"

local M = {}

---Whether an entry is of this machine.
---@param entry table
---@return boolean
function M.fits(entry) return not entry.arch or entry.arch == core.arch end

---The entries that a function wants.
---@param wanted fun(entry: table): boolean
---@return table[]
function M.filter(wanted)
  local found = {}
  for _, entry in ipairs(reference.load().entries) do
    if wanted(entry) then found[#found + 1] = entry end
  end
  return found
end

local RANKS <const> = { class = 1, ["function"] = 2, value = 3, module = 4 }

-- Whole names come first, then classes, then what is shorter.
local function order(name)
  local function rank(entry)
    local is_whole = entry.name == name or entry.name == "kvm." .. name
    return (is_whole and 0 or 10) + RANKS[entry.kind]
  end
  return function(a, b)
    local ra, rb = rank(a), rank(b)
    if ra ~= rb then return ra < rb end
    if #a.name ~= #b.name then return #a.name < #b.name end
    if a.name ~= b.name then return a.name < b.name end
    if a.module ~= b.module then return a.module < b.module end
    return a.line < b.line
  end
end

---The entries of a name, or of an end of one, the likeliest first: those of this
---machine, or when there are none those of the other.
---@param name string
---@return table[]
function M.by_name(name)
  local all, here = reference.load().by_name[name] or {}, {}
  for _, entry in ipairs(all) do
    if M.fits(entry) then here[#here + 1] = entry end
  end
  local found = #here > 0 and here or table.move(all, 1, #all, 1, {})
  table.sort(found, order(name))
  return found
end

-- The names under which a function can be reached, short ones first.
local function names_of(value)
  local names = {}
  local function look(prefix, t)
    for name, member in next, t do
      if rawequal(member, value) and type(name) == "string" then
        names[#names + 1] = prefix .. "." .. name
      end
    end
  end
  for class, methods in pairs(core.class) do look(class, methods) end
  for module, loaded in pairs(package.loaded) do
    if module:find "^kvm" and type(loaded) == "table" then
      look(module == "kvm.core" and "kvm" or module, loaded)
    end
  end
  table.sort(names, function(a, b)
    if #a ~= #b then return #a < #b end
    return a < b
  end)
  return names
end

-- A Lua function by the place where it is defined.
local function by_place(value)
  local info = debug.getinfo(value, "S")
  local path = info.source:match "(kvm[%w_/]*)%.lua$"
  local module = path and path:gsub("/init$", ""):gsub("/", ".")
  return M.filter(function(entry)
    return entry.module == module and entry.line == info.linedefined
  end)
end

---The entries of a function.
---@param value function
---@return table[]
function M.by_function(value)
  local found, seen = {}, {}
  for _, name in ipairs(names_of(value)) do
    for _, entry in ipairs(reference.load().by_name[name] or {}) do
      local is_it = entry.kind == "function" and entry.name == name
      if is_it and M.fits(entry) and not seen[entry] then
        seen[entry] = true
        found[#found + 1] = entry
      end
    end
  end
  return #found > 0 and found or by_place(value)
end

---The entries of what a path leads to: "fdt.u8" is a function that kvm.fdt has from
---elsewhere. Loads no module.
---@param name string
---@return table[]
function M.by_path(name)
  local module, member = name:match "^(.+)%.([%w_]+)$"
  for _, prefix in ipairs(module and { "", "kvm." } or {}) do
    local loaded = package.loaded[prefix .. module]
    local value = type(loaded) == "table" and rawget(loaded, member)
    if type(value) == "function" then return M.by_function(value) end
  end
  return {}
end

-- "*_el1" as a pattern.
local function pattern(glob)
  return "^" .. glob:gsub("%p", "%%%0"):gsub("%%%*", ".*") .. "$"
end

---Whether an entry's names cover a register.
---@param entry table
---@param name string
---@return boolean
function M.covers(entry, name)
  for _, list in ipairs { entry.names, entry.optional } do
    for _, one in ipairs(reference.expand(list)) do
      if one == name then return true end
    end
  end
  for _, glob in ipairs(entry.match) do
    if name:find(pattern(glob)) then return true end
  end
  return false
end

---The groups that have a register.
---@param name string
---@return table[]
function M.by_register(name)
  return M.filter(function(entry)
    return M.fits(entry) and M.covers(entry, name)
  end)
end

---The entries that have a word in their name or first sentence.
---@param word string
---@return table[]
function M.by_word(word)
  word = word:lower()
  return M.filter(function(entry)
    return M.fits(entry) and #entry.text > 0
      and (entry.name .. " " .. reference.summary(entry)):lower()
        :find(word, 1, true) ~= nil
  end)
end

return M
