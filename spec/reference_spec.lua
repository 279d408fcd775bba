-- SPDX-License-Identifier: MIT
local reference = require "kvm.reference"

local SOURCE <const> = [[
-- SPDX-License-Identifier: MIT
--- What it is for. And more.
---
---     example()
local core = require "kvm.core"

local vm, memory = core.class["kvm.vm"], core.class["kvm.memory"]
local M = {}

---A thing.
---@class kvm.thing: kvm.other
---@field size? integer in bytes,
---of all
---@field shape {width: integer,
---  height: integer} of it
local Thing = {}

-- Not this.
local function hidden() end

---Does it. Twice.
---Usage: `M.go(1,
---2)`
---@param a integer|nil first
---@param b? fun(x: integer): string? second
---@param ... any
---@return string? name what came
---@return {a: integer}[]
---Raises when it cannot,
---or will not.
---Raises a kvm.error: EIO.
function M.go(a, b, ...) end

---A method.
---Names: a0-a2 {b,c}_d
function vm:poke() end

---Another.
function memory:peek(offset) end

---Of the class.
function Thing:turn() end

---Made by a function.
---@param n integer
---@return integer
M.double = make(2)

---A table.
M.DATA = {}

---Shown.
function Thing:__tostring() end
]]

local function parse(module)
  local by_name = {}
  for _, entry in ipairs(reference.parse(SOURCE, module)) do
    by_name[entry.name] = entry
  end
  return by_name
end

describe("parse", function()
  local entries = parse "kvm.sample"

  it("makes an entry of each definition below a comment", function()
    local names = {}
    for name in pairs(entries) do names[#names + 1] = name end
    table.sort(names)
    assert.same({ "kvm.memory.peek", "kvm.sample", "kvm.sample.DATA",
      "kvm.sample.double", "kvm.sample.go", "kvm.thing", "kvm.thing.turn",
      "kvm.vm.poke" }, names)
  end)

  it("knows what an entry is of", function()
    assert.equal("module", entries["kvm.sample"].kind)
    assert.equal("class", entries["kvm.thing"].kind)
    assert.equal("value", entries["kvm.sample.DATA"].kind)
    assert.equal("kvm.vm", entries["kvm.vm.poke"].owner)
    assert.equal("kvm.thing", entries["kvm.thing.turn"].owner)
    assert.equal("kvm.sample", entries["kvm.sample.go"].owner)
  end)

  it("makes a title of arguments and results", function()
    assert.equal("kvm.sample.go(a?, b?, ...) -> string?, table[]",
      entries["kvm.sample.go"].title)
    assert.equal("vm:poke()", entries["kvm.vm.poke"].title)
    assert.equal("memory:peek(offset)", entries["kvm.memory.peek"].title)
    assert.equal("kvm.sample.double(n) -> integer",
      entries["kvm.sample.double"].title)
  end)

  it("reads text, usage, parameters, results and errors", function()
    local go = entries["kvm.sample.go"]
    assert.same({ "Does it. Twice." }, go.text)
    assert.equal("M.go(1, 2)", go.usage)
    assert.same({ name = "b", optional = true, type = "fun(x: integer): string?",
      about = "second" }, go.params[2])
    assert.same({ type = "string?", about = "name what came" }, go.returns[1])
    assert.same({ "Raises when it cannot, or will not.",
      "Raises a kvm.error: EIO." }, go.raises)
  end)

  it("takes a first sentence for what it is", function()
    local entry = reference.parse([[
local M = {}

---Raises a flag. And more,
---Raises a line later.
---Usage: `M.raise()`
---Raises when it is up.
function M.raise() end
]], "kvm.sample")[1]
    assert.equal("Raises a flag.", reference.summary(entry))
    assert.same({ "Raises a flag. And more," }, entry.text)
    assert.same({ "Raises a line later.", "Raises when it is up." }, entry.raises)
  end)

  it("reads fields whose text or type goes on", function()
    assert.same({
      { name = "size", optional = true, type = "integer",
        about = "in bytes, of all" },
      { name = "shape", optional = false,
        type = "{width: integer, height: integer}", about = "of it" },
    }, entries["kvm.thing"].fields)
  end)

  it("leaves out arguments that are there to be refused", function()
    local function title(param)
      return reference.parse("-- \n" .. param .. "---@param a any\n"
        .. "function M.f(a, ...) end\n", "m")[1].title
    end
    assert.equal("m.f(a)", title "")
    assert.equal("m.f(a, ...)", title "---@param ... any\n")
  end)

  it("tells the line and the machine", function()
    local line = select(2, SOURCE:match "^(.-)function M%.go":gsub("\n", "")) + 1
    assert.equal(line, entries["kvm.sample.go"].line)
    assert.is_nil(entries["kvm.sample.go"].arch)
    assert.equal("arm64", parse("kvm.meta.arm64.vm")["kvm.vm.poke"].arch)
    assert.is_nil(parse("kvm.meta.exit_other")["kvm.vm.poke"].arch)
  end)
end)

describe("expand", function()
  it("counts, and takes each choice", function()
    assert.same({ "r8", "r9", "r10" }, reference.expand { "r8-r10" })
    assert.same({ "a_x", "a_y", "b_x", "b_y" },
      reference.expand { "{a,b}_{x,y}" })
    assert.same({ "offcore_rsp_0" }, reference.expand { "offcore_rsp_0" })
  end)
end)

describe("summary", function()
  it("is the first sentence", function()
    assert.equal("Does it.", reference.summary(parse "m"["m.go"]))
    assert.equal("see api.rst 4.1 (x)", reference.summary {
      text = { "see api.rst", "4.1 (x)" } })
  end)
end)

describe("load", function()
  it("finds entries by every end of their names", function()
    local by_name = reference.load().by_name
    assert.equal(by_name["kvm.vm.map"][1], by_name["vm.map"][1])
    assert.equal("vm:map", by_name["map"][1].short)
    assert.is_nil(by_name["ap"])
    assert.equal(reference.load(), reference.load())
  end)

  it("has each name once for each machine and kind", function()
    local seen = {}
    for _, entry in ipairs(reference.load().entries) do
      local key = table.concat({ entry.kind, entry.name, entry.short,
        entry.arch or "", entry.kind == "class" and entry.module or "" }, " ")
      assert(not seen[key], key)
      seen[key] = true
    end
  end)
end)

describe("the modules", function()
  local root = require "spec.helper".root

  local function find(arguments)
    local pipe <close> = assert(io.popen(("cd %s/lua/kvm/meta && find . %s "
      .. "| LC_ALL=C sort"):format(root, arguments)))
    local found = {}
    for path in pipe:lines() do found[#found + 1] = path:gsub("^%./", "") end
    return found
  end

  it("are of every machine that has a directory", function()
    local machines = table.move(reference.MACHINES, 1, 99, 1, {})
    table.sort(machines)
    assert.same(find "-mindepth 1 -type d", machines)
  end)

  it("are all files of lua/kvm/meta, each once", function()
    local listed = {}
    for _, module in ipairs(reference.MODULES) do
      assert.is_nil(listed[module], module)
      listed[module] = true
    end
    for _, path in ipairs(find "-name '*.lua'") do
      local module = "kvm.meta." .. path:gsub("%.lua$", ""):gsub("/", ".")
      assert.truthy(listed[module], module)
    end
  end)
end)

describe("source", function()
  it("is the text of a module", function()
    assert.truthy(reference.source "kvm.meta.vm":find("function vm:read", 1, true))
    assert.is_nil(reference.source "kvm.nosuch")
  end)
end)
