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
---machine, or when there are none those of others.
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

-- A public module, by its name with or without "kvm.".
local function load_module(name)
  for _, prefix in ipairs { "", "kvm." } do
    for _, entry in ipairs(reference.load().by_name[prefix .. name] or {}) do
      local is_module = entry.kind == "module" and entry.name == prefix .. name
      local ok, loaded = pcall(require, is_module and entry.name or "")
      if is_module and ok and type(loaded) == "table" then return loaded end
    end
  end
end

-- An entry under the name that a module has it by.
local function renamed(entry, module, name)
  local short = module .. "." .. name
  return setmetatable({ name = short, short = short,
    title = short .. entry.title:sub(#entry.short + 1) }, { __index = entry })
end

---What a module has from elsewhere: kvm.fdt its functions of kvm.fdt.value.
---@param module string
---@return table[]
function M.taken_over(module)
  local found = {}
  for name, value in pairs(load_module(module) or {}) do
    local entry = type(value) == "function" and M.by_function(value)[1]
    if entry and entry.module ~= module and entry.owner ~= module then
      found[#found + 1] = renamed(entry, module, name)
    end
  end
  return found
end

---The entries of what a path leads to: "fdt.u8" is a function that kvm.fdt has from
---elsewhere.
---@param name string
---@return table[]
function M.by_path(name)
  local module, member = name:match "^(.+)%.([%w_]+)$"
  local loaded = module and load_module(module)
  local value = loaded and rawget(loaded, member)
  return type(value) == "function" and M.by_function(value) or {}
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

-- Names of parts of registers, and others that people use.
local REGISTERS <const> = { { "^e?flags$", "rflags" }, { "^e(%l%l)$", "r%1" },
  { "^([abcd])[xhl]$", "r%1x" }, { "^(r%d+)[dwb]$", "%1" },
  { "^w(%d+)$", "x%1" }, { "^lr$", "x30" }, { "^fp$", "x29" } }

local function groups_of(register)
  return M.filter(function(entry)
    return M.fits(entry) and M.covers(entry, register)
  end)
end

---The groups that have a register, or one that it is a part of.
---@param name string
---@return table[]
function M.by_register(name)
  local found = groups_of(name)
  for _, alias in ipairs(REGISTERS) do
    if #found > 0 then break end
    local whole, count = name:gsub(alias[1], alias[2])
    found = count > 0 and groups_of(whole) or found
  end
  return found
end

---Calls a function with the name of each register of this machine.
---@param visit fun(name: string)
function M.each_register(visit)
  for _, entry in ipairs(reference.load().entries) do
    for _, list in ipairs(M.fits(entry) and { entry.names, entry.optional }
        or {}) do
      for _, name in ipairs(reference.expand(list)) do visit(name) end
    end
  end
end

-- What scripts call the objects, as the examples do.
local VARIABLES <const> = { cpu = "vcpu", ram = "memory", mem = "memory",
  sys = "system", dev = "device" }

-- The class of a field, or the one that has it.
local function by_field(class, name)
  for _, entry in ipairs(M.by_name(class)) do
    for _, field in ipairs(entry.kind == "class" and entry.fields or {}) do
      if field.name == name then
        local found = M.by_name(field.type)
        return #found > 0 and found or M.by_name(class)
      end
    end
  end
  return {}
end

---What a script would write, as the reference has it: "vcpu.run" of "cpu.run".
---@param name string
---@return string
function M.real_name(name)
  return (name:gsub("^%l+%f[.\0]", VARIABLES))
end

---The entries of what a script would write: "cpu.run", "cpu.regs", "regs.rip".
---@param name string
---@return table[]
function M.by_variable(name)
  local register = name:match "%f[%w]regs%.([%w_]+)$"
  if register then return M.by_register(register) end
  local real = M.real_name(name)
  local found = M.by_name(real)
  if #found > 0 then return found end
  return by_field(real:match "^(.-)%.?([%w_]*)$")
end

return M
