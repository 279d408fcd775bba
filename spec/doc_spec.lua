-- SPDX-License-Identifier: MIT
-- The written reference against the code, in both directions: everything a script
-- can reach has an entry, every entry is of something that is there, and says what
-- it has to: how it is used, and of an ioctl its name and capability.
local core = require "kvm.core"
local kvm = require "kvm"
local reference = require "kvm.reference"
local find = require "kvm.help.find"
local doc = require "spec.support.reference"
local usage = require "spec.support.usage"

local usable, why = kvm.available()
local has, is_meta, is_public = doc.has, doc.is_meta, doc.is_public
local all, entries, sources = doc.all, doc.entries, doc.sources

-- Fails and shows what is in the list.
local function none(problems)
  table.sort(problems)
  assert.same({}, problems)
end

describe("the reference of C", function()
  it("has every function of kvm.core", function()
    local problems = {}
    for name, value in pairs(core) do
      if type(value) == "function" and not has("function", "kvm." .. name) then
        problems[#problems + 1] = "kvm." .. name
      end
    end
    none(problems)
  end)

  it("has every method", function()
    local problems = {}
    for class, methods in pairs(core.class) do
      if not has("class", class) then problems[#problems + 1] = class end
      for name in pairs(methods) do
        if not has("function", class .. "." .. name) then
          problems[#problems + 1] = class .. ":" .. name
        end
      end
    end
    none(problems)
  end)

  it("has every field of objects, and no other", function()
    local problems = {}
    for class in pairs(core.class) do
      local special = class == "kvm.vcpu" or class == "kvm.exit"
        or class == "kvm.regs"
      if not special then doc.compare(problems, class, doc.getters(class)) end
    end
    doc.compare(problems, "kvm", { arch = 1, page_size = 1, class = 1 })
    doc.compare(problems, "kvm.exit", { reason = 1, code = 1 })
    doc.compare(problems, "kvm.constants", doc.groups())
    none(problems)
  end)

  it("has every field of a vCPU, and no other", function()
    if not usable then return pending(why) end
    local cpu = kvm.create_vm():create_vcpu()
    local own = {}
    for name, value in pairs(getmetatable(cpu).__index) do
      if value ~= rawget(core.class["kvm.vcpu"], name) then own[name] = value end
    end
    local problems = {}
    doc.compare(problems, "kvm.vcpu", own)
    none(problems)
  end)

  it("has every exit with its fields, and no other", function()
    local problems, there = {}, doc.exits()
    for reason, fields in pairs(there) do
      local class = "kvm.exit." .. reason
      if not has("class", class) then problems[#problems + 1] = class end
      doc.compare(problems, class, fields)
    end
    for _, entry in ipairs(all) do
      local reason = entry.name:match "^kvm%.exit%.([%w_]+)$"
      if reason and entry.kind == "class" and find.fits(entry)
          and not there[reason] then
        problems[#problems + 1] = entry.name .. " is not there"
      end
    end
    none(problems)
  end)

  it("has every option of memory, and no other", function()
    local problems = {}
    doc.compare(problems, "kvm.memory.options", doc.memory_options())
    none(problems)
  end)

  it("has every field of an error", function()
    if not usable then return pending(why) end
    local problems = {}
    local _, refused = pcall(kvm.create_vm, 0xff)
    refused.traceback = "of a device's method" -- handler_spec sees it
    doc.compare(problems, "kvm.error", refused)
    none(problems)
  end)

  it("names no function that is not there", function()
    local problems = {}
    for _, entry in ipairs(all) do
      local name = entry.name:match "[^.]+$"
      local methods = core.class[entry.owner] or entry.owner == "kvm" and kvm
      if is_meta(entry.module) and methods and find.fits(entry)
          and type(methods[name]) ~= "function" then
        problems[#problems + 1] = entry.name
      end
    end
    none(problems)
  end)

  it("has the functions of kvm.fdt.core", function()
    if not doc.has_fdt then return pending "this build has no kvm.fdt.core" end
    local names = {}
    for name in pairs(require "kvm.fdt.core") do
      names["kvm.fdt.core." .. name] = true
      assert(has("function", "kvm.fdt.core." .. name), name)
    end
    for name, entry in pairs(entries["kvm.meta.fdt_core"]) do
      assert(entry.kind == "class" or names[name], name)
    end
  end)
end)

-- ---- registers ---------------------------------------------------------------------------

describe("the reference of registers", function()
  local function a_vcpu()
    local cpu = kvm.create_vm():create_vcpu()
    if kvm.arch == "arm64" then cpu:arm_vcpu_init() end
    return cpu
  end

  it("has every register of a vCPU in a group", function()
    if not usable then return pending(why) end
    local problems = {}
    for name in pairs(a_vcpu().regs) do
      if #find.by_register(name) == 0 then problems[#problems + 1] = name end
    end
    none(problems)
  end)

  it("names none that is not there", function()
    if not usable then return pending(why) end
    local cpu, problems, count = a_vcpu(), {}, 0
    for _, entry in ipairs(all) do
      for _, name in ipairs(find.fits(entry) and reference.expand(entry.names)
          or {}) do
        local ok, message = pcall(function() return cpu.regs[name] end)
        count = count + 1
        if not ok and tostring(message):find "no register" then
          problems[#problems + 1] = name
        end
      end
    end
    none(problems)
    assert(count > 50)
  end)
end)

-- ---- Lua modules -------------------------------------------------------------------------

describe("the reference of Lua", function()
  it("is of all public modules and meta files", function()
    local listed = {}
    for _, module in ipairs(reference.MODULES) do listed[module] = true end
    for module in pairs(sources) do
      assert(listed[module] or not is_meta(module) and not is_public(module),
        module .. " begins with --- as public modules do: add it to "
          .. "reference.MODULES, or begin with --")
    end
    for module in pairs(listed) do
      assert(sources[module], "reference.MODULES: no file of " .. module)
    end
  end)

  it("has every function that a module returns", function()
    local known, problems = {}, {}
    for module in pairs(sources) do
      local loaded = not is_meta(module) and doc.load(module)
      for name, value in pairs(type(loaded) == "table" and loaded or {}) do
        if entries[module][module .. "." .. name] then known[value] = true end
      end
    end
    for _, value in pairs(core) do known[value] = true end
    for module in pairs(sources) do
      local loaded = not is_meta(module) and doc.load(module)
      for name, value in pairs(type(loaded) == "table" and loaded or {}) do
        local is_method = entries[module]["kvm.fdt.node." .. tostring(name)]
        if type(value) == "function" and not known[value] and not is_method then
          problems[#problems + 1] = module .. "." .. name
        end
      end
    end
    none(problems)
  end)

  it("has every method that a public module defines", function()
    local problems = {}
    for module, source in pairs(sources) do
      local documented, number = {}, 0
      for _, entry in pairs(entries[module]) do documented[entry.line] = true end
      for line in (is_public(module) and source or ""):gmatch "[^\n]*" do
        number = number + 1
        local name = line:match "^function [%w_]+:([%w_]+)"
        if name and not documented[number] and name:sub(1, 2) ~= "__" then
          problems[#problems + 1] = module .. ":" .. name
        end
      end
    end
    none(problems)
  end)

  it("names nothing that is not there", function()
    local problems = {}
    for _, entry in ipairs(all) do
      local loaded = not is_meta(entry.module) and entry.owner == entry.module
        and not entry.short:find(":", 1, true) and doc.load(entry.module)
      if loaded and loaded[entry.name:match "[^.]+$"] == nil then
        problems[#problems + 1] = entry.name
      end
    end
    none(problems)
  end)
end)

-- ---- form --------------------------------------------------------------------------------

-- A statement, an expression, or a field of a table.
local function compiles(code)
  return load(code) or load("return " .. code) or load("return {" .. code .. "}")
end

local function each_public(visit)
  local problems = {}
  for _, entry in ipairs(all) do
    if is_meta(entry.module) or is_public(entry.module) then
      local problem = visit(entry)
      if problem then
        problems[#problems + 1] = ("%s (%s:%d): %s"):format(entry.name,
          entry.module, entry.line, problem)
      end
    end
  end
  none(problems)
end

-- Classes of the core say how they are used; a part of one that another file has
-- needs no words.
local function is_part(entry)
  return entry.kind == "class" and #entry.text == 0
end

describe("every entry", function()
  it("says what it is", function()
    each_public(function(entry)
      local is_data = entry.kind == "class" and not is_meta(entry.module)
      if not is_data and not is_part(entry) and reference.summary(entry) == "" then
        return "no sentence"
      end
    end)
  end)

  it("has a line of usage that compiles", function()
    each_public(function(entry)
      local needs = entry.kind == "function"
        or entry.kind == "class" and is_meta(entry.module)
      if entry.open_usage then return "Usage is not in backticks" end
      if needs and not is_part(entry) and not entry.usage then
        return "no Usage"
      end
      if entry.usage and not compiles(entry.usage) then
        return "does not compile: " .. entry.usage
      end
    end)
  end)

  it("of C has a usage that runs on this machine", function()
    if not usable then return pending(why) end
    each_public(function(entry)
      local is_here = find.fits(entry) and is_meta(entry.module)
        and not entry.name:find "^kvm%.fdt"
      local machine = entry.usage and entry.usage:match "%-%- ([%w_]+)$"
      if is_here and entry.usage and (machine or kvm.arch) == kvm.arch then
        return usage.problem(entry)
      end
    end)
  end)

  it("has all parameters, with types", function()
    each_public(function(entry)
      local given = entry.title:match "%((.-)%)" or ""
      local params = {}
      for _, param in ipairs(entry.params) do
        if param.type == "" then return param.name .. " has no type" end
        params[param.name] = true
      end
      for name in given:gmatch "[%w_]+" do
        if not params[name] then return "no @param " .. name end
        params[name] = nil
      end
      params["..."] = nil
      if next(params) then return "@param of nothing: " .. next(params) end
    end)
  end)

  it("of an ioctl names it and its capability", function()
    local problems = {}
    for ioctl, row in pairs(core.ioctls()) do
      for _, scope in ipairs(row.scopes) do
        local entry = has("function", ("kvm.%s.%s"):format(scope, row.method))
        local text = entry and table.concat(entry.text, " ") or ""
        local needed = row.capability and "KVM_CAP_" .. row.capability or "basic"
        if not text:find(ioctl .. "[,.]")
            or not text:find(needed .. "%f[^%w_]") then
          problems[#problems + 1] = ("%s.%s: %s, %s"):format(scope, row.method,
            ioctl, needed)
        end
      end
    end
    none(problems)
  end)

  it("of an ioctl of another machine names it and a capability", function()
    each_public(function(entry)
      if not entry.arch or entry.kind ~= "function" then return end
      local text = table.concat(entry.text, " ")
      local ioctl = "KVM_" .. entry.name:match "[^.]+$":upper()
      if not text:find(ioctl .. "[,.]") then return "does not name " .. ioctl end
      if not text:find "KVM_CAP_%u" and not text:find "%f[%w]basic%f[%W]" then
        return "names no capability"
      end
    end)
  end)

  it("of an exit names it", function()
    each_public(function(entry)
      local reason = entry.name:match "^kvm%.exit%.([%w_]+)$"
      local is_ours = entry.kind ~= "class" or reason == "timeout"
      if not reason or is_ours or is_part(entry) then return end
      local text = table.concat(entry.text, " ")
      if not text:find("KVM_EXIT_" .. reason:upper() .. "%f[^%w_]") then
        return "does not name KVM_EXIT_" .. reason:upper()
      end
    end)
  end)

  it("of constants names their prefix or says what they are", function()
    for _, entry in ipairs(find.by_name "kvm.constants") do
      for _, field in ipairs(entry.fields) do
        assert(#field.about > 10, field.name)
      end
    end
  end)
end)
