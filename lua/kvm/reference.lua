-- SPDX-License-Identifier: MIT
--- The written reference as data: entries read from lua/kvm/meta/ (the C API) and
--- from the doc comments of the Lua modules, the lines that LuaLS reads too. help(),
--- the man page and the site are made from it.
---
---     for _, entry in ipairs(reference.load().entries) do print(entry.name) end

local M = {}

---The machines, each with a directory in lua/kvm/meta.
M.MACHINES = { "x86_64", "arm64" }

-- The files of lua/kvm/meta in the order of the overview; each machine may have one
-- of the same name.
local META <const> = { "core", "system", "vm", "vcpu", "regs", "exit", "exit_other",
  "memory", "device", "eventfd", "stats", "error", "constants", "fdt_core" }

---The modules with entries, in the order of the overview: of lua/kvm/meta, where
---kvm.meta.<machine>.* is of one machine, and of Lua.
M.MODULES = { "kvm", "kvm.memory" }

local LUA <const> = {
  "kvm.asm", "kvm.asm.dsl", "kvm.elf",
  "kvm.arch.x86_64.modes", "kvm.arch.x86_64.mmu",
  "kvm.arch.x86_64.descriptor", "kvm.arch.x86_64.cpuid",
  "kvm.arch.x86_64.cpuid_features",
  "kvm.arch.arm64.board", "kvm.arch.arm64.gic", "kvm.arch.arm64.irq",
  "kvm.arch.arm64.attr", "kvm.arch.arm64.mmu", "kvm.arch.arm64.esr",
  "kvm.arch.arm64.nisv", "kvm.arch.arm64.smccc",
  "kvm.dev.pl011", "kvm.dev.pl031",
  "kvm.fdt", "kvm.fdt.node", "kvm.fdt.lookup", "kvm.fdt.value",
  "kvm.host", "kvm.info", "kvm.trace", "kvm.calltree", "kvm.calltree.trees",
  "kvm.calltree.filter", "kvm.calltree.walk", "kvm.json", "kvm.debug.hexdump",
  "kvm.help", "kvm.reference",
}

-- What the core has, kvm has too, and that is what scripts write.
local OWNERS = { ["kvm.core"] = "kvm" }

-- ---- blocks ----------------------------------------------------------------------

-- A type ends at a space outside of brackets, unless the next part follows.
local function split_type(text)
  local depth = 0
  for i = 1, #text do
    local c = text:sub(i, i)
    if c:find "[%(%[{<]" then depth = depth + 1 end
    if c:find "[%)%]}>]" then depth = depth - 1 end
    if c == " " and depth == 0 and not text:sub(i - 1, i - 1):find "[,:|]" then
      return text:sub(1, i - 1), (text:sub(i + 1):gsub("^%s+", ""))
    end
  end
  return text, ""
end

local function named(text)
  local name, rest = text:match "^(%S+)%s*(.*)$"
  local type, about = split_type(rest)
  return { name = name:gsub("%?$", ""), optional = name:find "%?$" ~= nil,
    type = type, about = about }
end

-- What each tag adds to the entry of its block; others only matter to LuaLS.
local TAGS = {
  param = function(doc, text) table.insert(doc.params, named(text)) end,
  field = function(doc, text) table.insert(doc.fields, named(text)) end,
  ["return"] = function(doc, text)
    local type, about = split_type(text)
    table.insert(doc.returns, { type = type, about = about })
  end,
  class = function(doc, text)
    doc.class, doc.parent = text:match "^([%w_.]+):?%s*(.*)$"
  end,
  meta = function(doc) doc.is_meta = true end,
}

local WORDS = { Names = "names", Optional = "optional", Match = "match" }

-- Usage stands in backticks, which may be some lines apart.
local function add_usage(doc, text)
  doc.open_usage = not text:find "^`.+`$" and text or nil
  doc.usage = text:match "^`(.+)`$"
end

-- A line without a tag. Returns what later lines of text belong to.
local function add_line(doc, line, open)
  local word, rest = line:match "^(%u%l+):%s*(.*)$"
  if word == "Usage" or doc.open_usage then
    add_usage(doc, doc.open_usage and doc.open_usage .. " " .. line or rest)
  elseif WORDS[word] then
    for name in rest:gmatch "%S+" do table.insert(doc[WORDS[word]], name) end
  elseif line:find "^Raises " and (#doc.text > 0 or doc.usage) then
    open = { text = line }
    doc.raises[#doc.raises + 1] = open
  elseif open then
    open.text = open.text .. " " .. line:gsub("^%s+", "")
  else
    doc.text[#doc.text + 1] = line
  end
  return open
end

-- The lines of a block, without their dashes, as an entry.
local function read_block(lines)
  local doc = { text = {}, raises = {}, params = {}, fields = {}, returns = {},
    names = {}, optional = {}, match = {} }
  local tags, open = {}, nil
  for _, line in ipairs(lines) do
    local tag, text = line:match "^@(%l+)%s*(.*)$"
    if tag then
      open = { tag = tag, text = text }
      tags[#tags + 1] = open
    else
      open = add_line(doc, line, open)
    end
  end
  for _, tag in ipairs(tags) do
    local add = TAGS[tag.tag]
    if add then add(doc, tag.text) end
  end
  for i, raises in ipairs(doc.raises) do doc.raises[i] = raises.text end
  return doc
end

-- ---- files -----------------------------------------------------------------------

-- Calls visit(lines, code, number) for each line of code with the comments above it.
local function each_code(source, visit)
  local lines, number = {}, 0
  for line in (source .. "\n"):gmatch "(.-)\n" do
    number = number + 1
    local comment = line:match "^%-%-%- ?([^%-].*)$"
      or line:match "^%-%-%-%s*$" and ""
    if comment then
      lines[#lines + 1] = comment
    else
      visit(lines, line, number)
      lines = {}
    end
  end
end

-- `local vm, memory = core.class["kvm.vm"], ...`: those are classes.
local function note_classes(code, owners)
  local names, values = code:match "^local ([%w_, ]+) = (.*class%[.*)$"
  local next_class = (values or ""):gmatch 'class%["([%w_.]+)"%]'
  for name in (names or ""):gmatch "[%w_]+" do owners[name] = next_class() end
end

-- What a line of code defines: `function a.b(args)`, `a.b = `. No metamethods.
local function definition(code)
  local var, separator, name, args =
    code:match "^function ([%w_]+)([.:])([%w_]+)%s*%(([^)]*)"
  if not var then
    separator, var, name = ".", code:match "^([%w_]+)%.([%w_]+) = "
  end
  if var and name:sub(1, 2) ~= "__" then return var, separator, name, args end
end

-- A `...` without a @param is there to be refused.
local function argument_list(doc, args)
  local optional, list, takes_more = {}, {}, false
  for _, param in ipairs(doc.params) do
    takes_more = takes_more or param.name == "..."
    optional[param.name] = param.optional or param.type:find "^[%w_.]+%?$"
      or param.type:find "|nil$"
    if not args then list[#list + 1] = param.name end
  end
  for name in (args or ""):gmatch "[%w_.]+" do
    if name ~= "..." or takes_more then list[#list + 1] = name end
  end
  for i, name in ipairs(list) do
    list[i] = optional[name] and name .. "?" or name
  end
  return "(" .. table.concat(list, ", ") .. ")"
end

local function type_list(doc)
  local list = {}
  for i, value in ipairs(doc.returns) do
    list[i] = value.type:gsub("%b{}", "table")
  end
  return #list > 0 and " -> " .. table.concat(list, ", ") or ""
end

-- Makes the entry of a definition.
local function define(doc, owner, separator, name, args)
  doc.owner, doc.name = owner, owner .. "." .. name
  doc.short = (separator == ":" and owner:match "[^.]+$" or owner)
    .. separator .. name
  doc.kind = "function"
  doc.title = doc.short
  if args or #doc.params + #doc.returns > 0 then
    doc.title = doc.short .. argument_list(doc, args) .. type_list(doc)
  else
    doc.kind = "value"
  end
  return doc
end

local function name_class(doc)
  doc.kind, doc.name = "class", OWNERS[doc.class] or doc.class
  doc.short, doc.title = doc.name, doc.name
  return doc
end

-- The entry of a block above a line of code, or nil.
local function entry_of(doc, code, module, owners)
  local var, separator, name, args = definition(code)
  if doc.class then
    local variable = code:match "^local ([%w_]+)"
    if variable then owners[variable] = OWNERS[doc.class] or doc.class end
    return name_class(doc)
  elseif var then
    return define(doc, owners[var] or module, separator, name, args)
  end
end

---The entries of a source text. An entry has `kind` ("module", "class", "function",
---"value"), `name` ("kvm.vm.map"), `short` ("vm:map"), `title` (with arguments and
---results), `owner`, `module`, `arch` (nil: every machine), `line` (of the definition),
---`text`, `params`, `returns`, `fields`, `raises` and `usage`.
---Usage: `local entries = reference.parse(reference.source "kvm.memory", "kvm.memory")`
---@param source string
---@param module string its name
---@return table[]
function M.parse(source, module)
  local entries, owners = {}, { M = module }
  each_code(source, function(lines, code, number)
    note_classes(code, owners)
    if #lines == 0 then return end
    local doc = read_block(lines)
    local entry = entry_of(doc, code, module, owners)
    if not entry and number - #lines <= 2 and not doc.is_meta then
      entry = doc
      entry.kind, entry.name, entry.short, entry.title = "module", module, module,
        module
    end
    if not entry then return end
    entry.module, entry.line = module, number
    entry.arch = module:match "^kvm%.meta%.([%w_]+)%."
    entries[#entries + 1] = entry
  end)
  return entries
end

---The source text of a module of kvmlua: the file below KVMLUA_PATH, what is embedded
---in the executable, or the file that `require` would load.
---Usage: `print(reference.source "kvm.meta.vm")`
---@param module string its name
---@return string? text nil: there is none
function M.source(module)
  local is_embedded, embedded = pcall(require, "kvm.embedded")
  local path = package.path
  if is_embedded then path = embedded.path end
  local name = path and package.searchpath(module, path)
  if not name then return is_embedded and embedded.source(module) or nil end
  local file <close> = assert(io.open(name))
  return file:read "a"
end

-- ---- the whole -------------------------------------------------------------------

-- Enters an entry under its name and every end of it: "kvm.vm.map", "vm.map", "map".
local function enter(by_name, name, entry)
  while name do
    by_name[name] = by_name[name] or {}
    table.insert(by_name[name], entry)
    name = name:match "^[^.]+%.(.+)$"
  end
end

local loaded

-- Adds the files of lua/kvm/meta that are there, and then the rest.
local function list_modules()
  for _, name in ipairs(META) do
    M.MODULES[#M.MODULES + 1] = "kvm.meta." .. name
    for _, machine in ipairs(M.MACHINES) do
      local module = ("kvm.meta.%s.%s"):format(machine, name)
      if M.source(module) then M.MODULES[#M.MODULES + 1] = module end
    end
  end
  table.move(LUA, 1, #LUA, #M.MODULES + 1, M.MODULES)
end

list_modules()

---All entries: `entries`, in the order of the modules, and `by_name`, lists by every
---end of a name. Read once.
---Usage: `print(#reference.load().by_name["create_vcpu"])`
---@return {entries: table[], by_name: table<string, table[]>}
function M.load()
  if loaded then return loaded end
  local index = { entries = {}, by_name = {} }
  for _, module in ipairs(M.MODULES) do
    local source = M.source(module)
    for _, entry in ipairs(source and M.parse(source, module) or {}) do
      index.entries[#index.entries + 1] = entry
      enter(index.by_name, entry.name, entry)
    end
  end
  loaded = index
  return index
end

-- "{a,b}_c" as "a_c", "b_c", onto a list.
local function add_each(list, word)
  local before, choices, after = word:match "^(.-)(%b{})(.*)$"
  if not before then
    list[#list + 1] = word
    return
  end
  for choice in choices:gmatch "[^{},]+" do
    add_each(list, before .. choice .. after)
  end
end

---The names that words like "r8-r15" and "{cs,ds}_base" stand for.
---Usage: `print(table.concat(reference.expand { "r8-r15" }, " "))`
---@param words string[]
---@return string[]
function M.expand(words)
  local list = {}
  for _, word in ipairs(words) do
    local prefix, first, last = word:match "^(.-)(%d+)%-.-(%d+)$"
    for i = prefix and tonumber(first) or 1, prefix and tonumber(last) or 0 do
      list[#list + 1] = ("%s%d"):format(prefix, i)
    end
    if not prefix then add_each(list, word) end
  end
  return list
end

---The first sentence of an entry.
---Usage: `print(reference.summary(entry))`
---@param entry table
---@return string
function M.summary(entry)
  local text = table.concat(entry.text, " "):gsub("%s+", " ")
  return text:match "^(.-%.)%s" or text
end

return M
