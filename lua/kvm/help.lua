-- SPDX-License-Identifier: MIT
--- Help for the prompt and for scripts, from the written reference.
---
---     local help = require "kvm.help"
---     help()                      what there is
---     help "vm:map"               a function or method, by any end of its name
---     help "vm"  help(vm)         a class, an object
---     help(kvm.create_vm)         a function
---     help "KVM_RUN"              an ioctl
---     help "kvm_segment"          a kernel struct
---     help "CAP"  help "io"  help "lstar"    constants, an exit, a register
---     help "dirty"                what has that word
---     help "cpu:run"  help "eax"  what scripts write, too
local find = require "kvm.help.find"
local kernel = require "kvm.help.kernel"
local search = require "kvm.help.search"
local text = require "kvm.help.text"

local M = {}

local OVERVIEW <const> = [[
help(vm)   help "vm:map"   help(kvm.create_vm)   help "KVM_RUN"
help "kvm_regs"   help "CAP"   help "io"   help "lstar"   help "dirty"

Functions of require "kvm":
%s

Objects:
%s

Modules:
%s

Exits: help "exit". Registers: help "regs". Constants: help "constants".]]

local MISSING <const> = "there is no help: kvm/meta/vm.lua is in none of the "
  .. "directories of KVMLUA_PATH or package.path"

-- Classes of the core in the order in which a script meets them.
local CLASSES <const> = { "kvm.system", "kvm.vm", "kvm.vcpu", "kvm.regs", "kvm.exit",
  "kvm.memory", "kvm.device", "kvm.eventfd", "kvm.stats", "kvm.error" }

local function each_line(entries, is_method)
  local lines = {}
  for i, entry in ipairs(entries) do lines[i] = text.line(entry, is_method) end
  return lines
end

local function lines_of(entries, is_method)
  local lines = each_line(entries, is_method)
  table.sort(lines)
  return table.concat(lines, "\n")
end

local function overview()
  local classes = {}
  for _, name in ipairs(CLASSES) do
    local entry = find.by_name(name)[1]
    if entry then classes[#classes + 1] = text.line(entry) end
  end
  return OVERVIEW:format(
    lines_of(find.filter(function(entry) return entry.owner == "kvm" end)),
    table.concat(classes, "\n"),
    lines_of(find.filter(function(entry)
      return entry.kind == "module" and entry.name ~= "kvm"
    end)))
end

-- ---- entries ----------------------------------------------------------------------

-- Another file has the words about this class.
local function is_part(entry)
  if entry.kind ~= "class" or #entry.text > 0 then return false end
  for _, other in ipairs(find.by_name(entry.name)) do
    if other.kind == "class" and other.name == entry.name and #other.text > 0 then
      return true
    end
  end
  return false
end

-- Whether a class has a class: kvm.exit has kvm.exit.io. Those of Lua modules belong
-- to them.
local function has_class(entry, other)
  return other.kind == "class"
    and other.name:match "^(.+)%.[^.]+$" == entry.name
    and (other.module == entry.module or other.module:find "^kvm%.meta%." ~= nil)
end

-- What belongs to a class or a module, a line each.
local function contents(entry)
  local is_class = entry.kind == "class"
  local members = find.filter(function(other)
    if not find.fits(other) or other.kind == "module" or is_part(other) then
      return false
    end
    if not is_class then return other.module == entry.name end
    return other.owner == entry.name or has_class(entry, other)
  end)
  if entry.kind == "module" then
    table.move(find.taken_over(entry.name), 1, 1000, #members + 1, members)
  end
  return lines_of(members, is_class)
end

-- An entry in full; a class as all files together have it.
local function full(first, entries)
  local parts = {}
  for _, entry in ipairs(entries) do
    local is_same = entry == first
      or entry.kind == "class" and first.kind == "class" and entry.name == first.name
    if is_same and #entry.text + #entry.fields > 0 then
      parts[#parts + 1] = text.entry(entry)
    end
  end
  local more = first.kind == "function" and kernel.facts(first)
    or first.kind ~= "function" and contents(first) or ""
  if more ~= "" then parts[#parts + 1] = more end
  return table.concat(parts, "\n\n")
end

-- A class that its module of the same name is there to explain.
local function is_bare(entry, entries)
  return #entries > 1 and entry.kind == "class"
    and #entry.text + #entry.fields == 0
end

-- The first one in full, and what else has its name: a module and a function may
-- share one. The others a line each. nil when there is none.
local function entries_text(entries)
  if #entries == 0 then return nil end
  local parts, shown, others = {}, {}, {}
  for _, entry in ipairs(entries) do
    if entry.name ~= entries[1].name then
      others[#others + 1] = entry
    elseif not shown[entry.kind] and not is_bare(entry, entries) then
      shown[entry.kind] = true
      parts[#parts + 1] = full(entry, entries)
    end
  end
  if #others > 0 then parts[#parts + 1] = "Also:\n" .. lines_of(others) end
  return table.concat(parts, "\n\n")
end

-- ---- topics ------------------------------------------------------------------------

-- What a group of constants is for.
local function about_group(group)
  for _, entry in ipairs(find.by_name "kvm.constants") do
    for _, field in ipairs(entry.fields) do
      if field.name == group then return field.about end
    end
  end
end

-- An ioctl, or an exit by the kernel's name.
local function kernel_name(topic)
  local exit = topic:match "^KVM_EXIT_(.+)$"
  if exit then return entries_text(find.by_name("kvm.exit." .. exit:lower())) end
  local found = {}
  for _, name in ipairs(kernel.methods(topic)) do
    found[#found + 1] = find.by_name(name)[1]
  end
  return entries_text(found)
end

local MOST <const> = 20

local function by_word(word)
  if not word:find "%w" then return nil end
  local lines = kernel.constants_with(word, MOST)
  local entries = search.by_word(word)
  table.move(each_line(entries), 1, MOST, #lines + 1, lines)
  if #entries > MOST then
    lines[#lines + 1] = ("  ... %d more"):format(#entries - MOST)
  end
  return #lines > 0 and table.concat(lines, "\n") or nil
end

local function nothing(topic, name)
  local near = search.nearly(name)
  return ("nothing about '%s': %s"):format(topic, #near == 0
    and "help() shows what there is"
    or "did you mean " .. table.concat(near, ", ") .. "?")
end

local function by_string(topic)
  local name = topic:gsub("%s*%b()%s*$", ""):gsub(":", ".")
  return kernel_name(topic) or kernel.struct(topic)
    or kernel.constants(topic, about_group)
    or entries_text(find.by_variable(name)) or entries_text(find.by_name(name))
    or entries_text(find.by_path(name)) or entries_text(find.by_register(topic))
    or by_word(topic) or nothing(topic, find.real_name(name))
end

-- The class of an object; of an exit what its reason has, too.
local function by_object(value, class)
  local function about(name)
    local entries = find.by_name(name)
    return full(entries[1], entries)
  end
  local reason = class == "kvm.exit" and value.reason
  if not reason then return about(class) end
  return about("kvm.exit." .. reason) .. "\n\n" .. about(class)
end

local function module_name(value)
  for name, loaded in pairs(package.loaded) do
    if rawequal(loaded, value) and name:find "^kvm" then return name end
  end
end

local function by_value(value)
  local meta = getmetatable(value)
  local class = type(meta) == "table" and rawget(meta, "__name")
  if type(value) == "function" then return entries_text(find.by_function(value)) end
  if type(class) == "string" and #find.by_name(class) > 0 then
    return by_object(value, class)
  end
  local name = type(value) == "table" and module_name(value)
  return name and by_string(name)
end

---What there is to say about a topic.
---Usage: `io.write(help.text "vm:map", "\n")`
---@param topic? any nil: an overview; a name; or an object, function or module
---@return string
function M.text(topic)
  if #find.by_name "kvm.vm" == 0 then return MISSING end
  if topic == nil then return overview() end
  if type(topic) == "string" then return by_string(topic) end
  return by_value(topic)
    or ("nothing about this %s: help() shows what there is"):format(type(topic))
end

return setmetatable(M, {
  __call = function(_, topic) print(M.text(topic)) end,
  __tostring = function() return "help() shows what there is" end,
})
