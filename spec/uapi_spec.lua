-- SPDX-License-Identifier: MIT
-- The tables of the kernel's uapi against what the C compiler says.

local uapi = require "spec.support.uapi"
local names = require "spec.support.uapi_names"
local exempt = require "spec.support.uapi_exempt"
local core = require "kvm.core"

local missing = uapi.missing()
local ioctls, layouts = core.ioctls(), core.layouts()

local function sorted(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

-- Facts to be checked: what it is, the expression in C, the core's value.
local function checker()
  local what, expressions, values = {}, {}, {}
  local checks = {}
  function checks.add(name, expression, value)
    what[#what + 1] = name
    expressions[#expressions + 1] = expression
    values[#values + 1] = value
  end
  function checks.run()
    local wrong = {}
    for i, c in ipairs(uapi.values(core.arch, expressions)) do
      if c ~= values[i] then
        wrong[#wrong + 1] = ("%s is %#x here, %s is %#x in C"):format(what[i],
          values[i], expressions[i], c)
      end
    end
    assert.same({}, wrong)
    return #what
  end
  return checks
end

local function with_compiler(name, test)
  it(name, function()
    if missing then pending(missing) end
    test()
  end)
end

describe("the table of ioctls", function()
  with_compiler("has the request numbers of the header", function()
    local checks = checker()
    for name, row in pairs(ioctls) do checks.add(name, name, row.request) end
    assert.equal(#sorted(ioctls), checks.run())
  end)

  it("has all of Linux 6.18 for this machine", function()
    local expected = { x86_64 = 107, arm64 = 45 }
    assert.equal(expected[core.arch], #sorted(ioctls))
  end)

  it("gives every row a struct of the size its number says", function()
    -- The number tells the size of what is read or written; of these it says
    -- something else.
    local odd = {
      KVM_REINJECT_CONTROL = 0, -- it says that there is no struct
    }
    local wrong = {}
    for name, row in pairs(ioctls) do
      local says = row.request >> 16 & 0x3fff
      local has
      if row.struct then
        has = layouts[row.struct].size
      elseif row.kind == "get" or row.kind == "set" then
        has = 8
      elseif row.kind == "none" or row.kind == "value" then
        has = 0
      end
      if has and has ~= says and odd[name] ~= says then
        wrong[#wrong + 1] = ("%s: %d, its number says %d"):format(name, has,
          says)
      end
    end
    assert.same({}, wrong)
  end)

  it("names capabilities that exist", function()
    for name, row in pairs(ioctls) do
      if row.capability then
        assert.equal("integer", math.type(core.CAP[row.capability]), name)
      end
    end
  end)

  it("has every row as a method of its objects", function()
    for name, row in pairs(ioctls) do
      assert.is_true(#row.scopes > 0, name)
      for _, scope in ipairs(row.scopes) do
        local method = core.class["kvm." .. scope][row.method]
        assert.is_function(method, name .. " of kvm." .. scope)
      end
    end
  end)

  it("knows structs and entries by their layouts", function()
    for name, row in pairs(ioctls) do
      for _, struct in ipairs { row.struct, row.entry } do
        assert.is_table(layouts[struct], name .. ": " .. struct)
      end
    end
  end)
end)

describe("the layouts", function()
  with_compiler("have the sizes and offsets of the header", function()
    local checks, count = checker(), 0
    for _, struct in ipairs(sorted(layouts)) do
      local c, layout = names.expressions(struct), layouts[struct]
      checks.add("the size of " .. struct, c.size, layout.size)
      count = count + 1
      for _, field in ipairs(layout.fields) do
        local name = struct .. "." .. field.name
        local size = field.size * math.max(field.count, 1)
        checks.add("the offset of " .. name, c.offset(field.name),
          field.offset)
        checks.add("the size of " .. name, c.field_size(field.name), size)
        count = count + 2
      end
    end
    assert.equal(count, checks.run())
  end)

  with_compiler("tell signed from unsigned", function()
    -- An array of unions is read as one integer each.
    local union = { ["kvm_ioapic_state.redirtbl"] = true }
    local checks = checker()
    for struct, layout in pairs(layouts) do
      local c = names.expressions(struct)
      for _, field in ipairs(layout.fields) do
        local name = struct .. "." .. field.name
        if (field.kind == "int" or field.kind == "uint") and not union[name]
        then
          checks.add("whether " .. name .. " is signed",
            c.is_signed(field.name, field.count > 0),
            field.kind == "int" and 1 or 0)
        end
      end
    end
    assert.is_true(checks.run() > 300 or core.arch ~= "x86_64")
  end)

  it("refer to layouts of the same size", function()
    for struct, layout in pairs(layouts) do
      for _, field in ipairs(layout.fields) do
        local name = struct .. "." .. field.name
        assert.equal(field.kind == "table", field.struct ~= nil, name)
        if field.struct then
          assert.is_table(layouts[field.struct], name)
          assert.equal(field.size, layouts[field.struct].size, name)
        end
      end
    end
  end)

  it("name flags by groups that exist", function()
    for struct, layout in pairs(layouts) do
      for _, field in ipairs(layout.fields) do
        -- A GIC is the only interrupt controller of its machine: no names.
        local nameless = field.group == "IRQCHIP" and core.arch == "arm64"
        if field.group and not nameless then
          assert.is_table(core[field.group], struct .. "." .. field.name)
        end
      end
    end
  end)
end)

describe("the constants", function()
  local groups = {}
  for name in pairs(core) do
    if name:match("^[A-Z][A-Z0-9_]*$") then groups[#groups + 1] = name end
  end
  table.sort(groups)

  -- The names of a group; its numbers are the way back.
  local function members(group)
    local t = {}
    for name, value in pairs(core[group]) do
      if type(name) == "string" then t[name] = value end
    end
    return t
  end

  local function spelled(group, name, macros)
    local spelling = assert(names.groups[group],
      "spec/support/uapi_names.lua does not say how " .. group .. " is spelled")
    spelling = spelling[core.arch] or spelling
    local suffix = spelling.suffix or ""
    for _, prefix in ipairs(spelling.prefixes) do
      local macro = prefix .. name .. suffix
      if macros[macro] then return macro end
    end
    return spelling.prefixes[1] .. name .. suffix
  end

  with_compiler("have the values of the header", function()
    local macros, checks, count = uapi.macros(core.arch), checker(), 0
    for _, group in ipairs(groups) do
      for name, value in pairs(members(group)) do
        checks.add(group .. "." .. name, spelled(group, name, macros), value)
        count = count + 1
      end
    end
    assert.equal(count, checks.run())
  end)

  it("lead back from the value to a name", function()
    for _, group in ipairs(groups) do
      for name, value in pairs(members(group)) do
        local back = core[group][value]
        assert.equal(value, core[group][back], group .. "." .. name)
      end
    end
  end)
end)

-- The installed header and what uapi.h adds to it.
describe("the kernel's header", function()
  local macros
  setup(function() macros = missing and {} or uapi.macros(core.arch) end)

  with_compiler("has no ioctl without a row or a reason", function()
    local elsewhere = {}
    for _, machine in ipairs(uapi.machines()) do
      for name in pairs(uapi.rows(machine .. "/ioctls.c")) do
        elsewhere[name] = true
      end
    end
    local unknown, found = {}, 0
    for _, name in ipairs(sorted(macros)) do
      if name:match("^KVM_") and macros[name]:match("_IO[RW]*%s*%(KVMIO") then
        found = found + 1
        if not (ioctls[name] or elsewhere[name] or exempt.ioctls[name]) then
          unknown[#unknown + 1] = name
        end
      end
    end
    assert.same({}, unknown)
    assert.is_true(found > 140)
  end)

  with_compiler("has no exit without a name", function()
    local unknown, found = {}, 0
    for _, macro in ipairs(sorted(macros)) do
      local name = macro:match("^KVM_EXIT_([A-Z0-9_]+)$")
      if name and rawget(core.EXIT, name) then
        found = found + 1
      elseif name and not exempt.exits[name] then
        unknown[#unknown + 1] = macro
      end
    end
    assert.same({}, unknown)
    assert.is_true(found >= 41)
  end)

  it("has the 41 exits of Linux 6.18", function()
    for reason = 0, 40 do assert.is_string(core.EXIT[reason]) end
  end)

  with_compiler("has no capability without a name", function()
    local unknown, found = {}, 0
    for _, macro in ipairs(sorted(macros)) do
      local name = macro:match("^KVM_CAP_([A-Z0-9_]+)$")
      if name then
        found = found + 1
        if not (rawget(core.CAP, name) or exempt.capabilities[name]) then
          unknown[#unknown + 1] = macro
        end
      end
    end
    assert.same({}, unknown)
    assert.is_true(found > 200)
  end)

  it("has no exemption for what has a row", function()
    for name in pairs(exempt.ioctls) do assert.is_nil(ioctls[name], name) end
    for name in pairs(exempt.exits) do assert.is_nil(rawget(core.EXIT, name), name) end
    for name in pairs(exempt.capabilities) do
      assert.is_nil(rawget(core.CAP, name), name)
    end
  end)

  -- One of several machines has a common row.
  with_compiler("has 114 ioctls for the machines together", function()
    local all = uapi.rows("ioctls.c")
    for _, machine in ipairs(uapi.machines()) do
      for name in pairs(uapi.rows(machine .. "/ioctls.c")) do
        assert.is_nil(all[name], name .. " has two rows")
        all[name] = true
      end
    end
    assert.equal(114, #sorted(all))
  end)
end)
