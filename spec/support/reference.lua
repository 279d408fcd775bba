-- SPDX-License-Identifier: MIT
-- The written reference and what it is of, for spec/doc_spec.lua.
local root = require "spec.helper".root
local core = require "kvm.core"
local reference = require "kvm.reference"
local find = require "kvm.help.find"

local M = {}

-- ---- files --------------------------------------------------------------------------

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

--- Module -> its source.
M.sources = {}
do
  local pipe <close> = assert(io.popen("cd '" .. root
    .. "/lua' && find kvm -name '*.lua'"))
  for path in pipe:lines() do
    local module = path:gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
    M.sources[module] = read(root .. "/lua/" .. path)
  end
end

function M.is_meta(module) return module:find "^kvm%.meta%." ~= nil end

--- Public modules begin with a doc comment; others are parts of them.
function M.is_public(module)
  return M.sources[module]:find "^[^\n]*\n%-%-%-" ~= nil
end

--- All entries, and module -> name -> its entry.
M.all, M.entries = {}, {}
for module, source in pairs(M.sources) do
  M.entries[module] = {}
  for _, entry in ipairs(reference.parse(source, module)) do
    M.entries[module][entry.name] = entry
    M.all[#M.all + 1] = entry
  end
end

--- The entry of a kind and name for this machine, as help() finds it.
function M.has(kind, name)
  for _, entry in ipairs(reference.load().by_name[name] or {}) do
    if entry.kind == kind and entry.name == name and find.fits(entry) then
      return entry
    end
  end
end

M.has_fdt = pcall(require, "kvm.fdt.core")

--- What a module returns; nil where this build lacks what it needs.
function M.load(module)
  local ok, loaded = pcall(require, module)
  if ok then return loaded end
  assert(not M.has_fdt and module:find "^kvm%.fdt", loaded)
end

-- ---- what C exports --------------------------------------------------------------------

local registry = debug.getregistry()

--- The getters of a class: upvalue 2 of its __index (src/aux.c).
function M.getters(class)
  local _, functions = debug.getupvalue(registry[class].__index, 2)
  return functions
end

--- Reason -> its fields, from pages with that reason. What is told only sometimes
--- is asked for.
function M.exits()
  local found = { timeout = {} }
  for code = 0, 63 do
    local page = ("\0"):rep(8) .. ("<I4"):pack(code) .. ("\0"):rep(20)
      .. ("<I4I4I8"):pack(1, 3, 1)
    local exit = core.decode_exit(page .. ("\0"):rep(0x3000 - #page))
    if exit.reason ~= "unknown" or code == 0 then
      exit.reason, exit.code = nil, nil
      found[core.EXIT[code]:lower()] = exit
    end
  end
  return found
end

--- Groups of constants by name.
function M.groups()
  local found = {}
  for name, value in pairs(core) do
    if type(value) == "table" and name ~= "class" then found[name] = value end
  end
  return found
end

--- Backings' options by name, as the error about an unknown one lists them.
function M.memory_options()
  local options = {}
  for _, backing in ipairs { "anonymous", "memfd", "file", "hugetlb",
      "guest_memfd" } do
    local _, message = pcall(core.memory, core.page_size,
      { backing = backing, nosuch = 1 })
    for name in message:match "%(expected (.-)%)":gmatch "[%w_]+" do
      if name ~= "or" then options[name] = true end
    end
  end
  return options
end

-- ---- comparing ---------------------------------------------------------------------------

local function documented_fields(class)
  local fields = {}
  for _, entry in ipairs(find.by_name(class)) do
    if entry.kind == "class" and entry.name == class and find.fits(entry) then
      for _, field in ipairs(entry.fields) do fields[field.name] = true end
    end
  end
  return fields
end

--- Adds to problems what a class has and its entries have not, and the reverse.
--- there: name -> anything.
function M.compare(problems, class, there)
  local documented = documented_fields(class)
  for name in pairs(there) do
    if not documented[name] then
      problems[#problems + 1] = class .. "." .. name .. " has no entry"
    end
  end
  for name in pairs(documented) do
    if there[name] == nil then
      problems[#problems + 1] = class .. "." .. name .. " is not there"
    end
  end
end

return M
