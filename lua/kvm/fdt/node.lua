-- SPDX-License-Identifier: MIT
--- Trees in memory. A node is indexed as the table it was made from: by
--- property name, by child name, and by number for its children in order.
--- Methods come first, so a property that is called like one is reached by
--- node:get(name).

local check = require "kvm.check"
local dts = require "kvm.fdt.dts"
local fail = require "kvm.fdt.fail"
local literal = require "kvm.fdt.literal"
local lookup = require "kvm.fdt.lookup"
local names = require "kvm.fdt.names"
local value = require "kvm.fdt.value"

-- Linux reads no deeper, and neither does kvm.fdt.core.
local MAX_DEPTH = 64

-- The key of a node's state, which no user can guess.
local STATE = {}

---@class kvm.fdt.node
---@field name string its name with the unit address, "" for the root
local Node = { __name = "kvm.fdt.node" }

-- Filled below and in kvm.fdt.lookup.
local methods = setmetatable({}, { __index = lookup })

local M = {}

local function new(name, parent, labels)
  return setmetatable({
    [STATE] = {
      name = name,
      parent = parent,
      labels = labels,
      values = {},   -- by property name
      order = {},    -- property names
      children = {}, -- nodes in order
      named = {},    -- the same by name
    },
  }, Node)
end

---Whether x is a node.
---Usage: `node.is(tree)`
---@param x any
---@return boolean
function M.is(x)
  return getmetatable(x) == Node
end

local function depth(node)
  local n = 0
  while node do
    node, n = node[STATE].parent, n + 1
  end
  return n
end

-- Names and places ----------------------------------------------------------

---The node above, nil for the root.
---Usage: `node:parent()`
---@return kvm.fdt.node?
function methods:parent()
  check.method("parent", Node.__name, self)
  return self[STATE].parent
end

---What a tree has besides nodes: a table with the fields reservations, a list
---of {address, size}, and boot_cpuid. Change it to change the tree.
---Usage: `tree:header().boot_cpuid = 1`
---@return {reservations: integer[][], boot_cpuid: integer}
function methods:header()
  check.method("header", Node.__name, self)
  local state = self:root()[STATE]
  state.header = state.header or { reservations = {}, boot_cpuid = 0 }
  return state.header
end

---The labels of the node.
---Usage: `tree:at("/soc/uart@9000000"):labels()[1]`
---@return string[]
function methods:labels()
  check.method("labels", Node.__name, self)
  return table.move(self[STATE].labels, 1, #self[STATE].labels, 1, {})
end

---Iterates over the properties in order: name, value.
---Usage: `for name, value in node:properties() do print(name, value) end`
---@return fun(): string?, kvm.fdt.value?
function methods:properties()
  check.method("properties", Node.__name, self)
  local state, order, i = self[STATE], {}, 0
  table.move(state.order, 1, #state.order, 1, order)
  return function()
    i = i + 1
    return order[i], state.values[order[i]]
  end
end

-- Properties ----------------------------------------------------------------

---A property of this node, or of the node at a path; nil when there is none.
---Usage: `tree:get("/chosen", "bootargs"):str()`
---@param path string the property name, when it is the only argument
---@param name? string
---@return kvm.fdt.value?
function methods:get(path, name)
  check.method("get", Node.__name, self)
  if not name then
    check.argument(1, "get", "name", "string", path)
    return self[STATE].values[path]
  end
  local node = self:at(path)
  return node and node[STATE].values[name]
end

---Sets a property, which comes last when it is new. See value.of for what the
---value may be.
---Usage: `tree:at("/chosen"):set("bootargs", "console=ttyAMA0")`
---@param name string
---@param x any
---@return kvm.fdt.node self
function methods:set(name, x)
  check.method("set", Node.__name, self)
  local state = self[STATE]
  local problem = names.problem("property", name)
  if problem then
    fail("%s: %s", self:path(), problem)
  end
  local ok, result = pcall(value.of, x)
  if not ok then
    fail("%s:%s: %s", self:path(), name, (result:gsub("^.-kvm%.fdt: ", "")))
  end
  if not state.values[name] then
    table.insert(state.order, name)
  end
  state.values[name] = result
  return self
end

local function remove_from(list, x)
  for i, y in ipairs(list) do
    if x == y then
      return table.remove(list, i)
    end
  end
end

---Deletes a property; whether it was there.
---Usage: `node:delete "status"`
---@param name string
---@return boolean
function methods:delete(name)
  check.method("delete", Node.__name, self)
  check.argument(1, "delete", "name", "string", name)
  local state = self[STATE]
  state.values[name] = nil
  return remove_from(state.order, name) ~= nil
end

-- Children ------------------------------------------------------------------

-- A node below PARENT that PARENT does not know of yet.
local function make(parent, name, labels)
  local problem = names.problem("node", name)
  for _, label in ipairs(labels) do
    problem = problem or names.label_problem(label)
  end
  if problem then
    fail("%s: %s", parent:path(), problem)
  elseif depth(parent) >= MAX_DEPTH then
    fail("%s: nested deeper than %d levels", parent:path(), MAX_DEPTH)
  end
  return new(name, parent, labels)
end

local function attach(node)
  local state = node[STATE].parent[STATE]
  if state.named[node.name] then
    fail("%s has two nodes called '%s'", node:parent():path(), node.name)
  end
  table.insert(state.children, node)
  state.named[node.name] = node
  return node
end

local function make_filled(parent, text, content)
  local name, labels = text, {}
  if type(text) == "string" then
    name, labels = names.split(text)
  end
  local node = make(parent, name, labels)
  literal.fill(node, content or {})
  return node
end

---Adds a child, last, and returns it. The name may be preceded by labels.
---Usage: `tree:add("gic: intc@8000000", { reg = { 0, 0x8000000 } })`
---@param text string
---@param content? table|kvm.fdt.node a node is copied
---@return kvm.fdt.node
function methods:add(text, content)
  check.method("add", Node.__name, self)
  return attach(make_filled(self, text, content))
end

---Takes the node, and all below it, out of its tree.
---Usage: `tree:at("/soc/uart@9000000"):remove()`
---@return kvm.fdt.node self now the root of its own tree
function methods:remove()
  check.method("remove", Node.__name, self)
  local state = self[STATE]
  if not state.parent then
    fail("the root of a tree cannot be removed")
  end
  local above = state.parent[STATE]
  remove_from(above.children, self)
  above.named[state.name] = nil
  state.parent = nil
  return self
end

---A child by its exact name.
---Usage: `tree:child "chosen"`
---@param name string
---@return kvm.fdt.node?
function methods:child(name)
  check.method("child", Node.__name, self)
  check.argument(1, "child", "name", "string", name)
  return self[STATE].named[name]
end

-- As a table ----------------------------------------------------------------

function Node:__index(key)
  local state = rawget(self, STATE)
  if type(key) == "number" then
    return state.children[key]
  elseif key == "name" then
    return state.name
  end
  return methods[key] or state.values[key] or state.named[key]
end

-- A new child in the place of the one with its name, if there is one.
local function replace(parent, text, content)
  local node = make_filled(parent, text, content)
  local state = parent[STATE]
  for i, old in ipairs(state.children) do
    if old.name == node.name then
      old[STATE].parent = nil
      state.children[i], state.named[node.name] = node, node
      return
    end
  end
  attach(node)
end

function Node:__newindex(key, x)
  if type(key) ~= "string" or key == "name" or methods[key] then
    fail("%s: assign to properties and named children, not to '%s' (see "
      .. "node:set, node:add)", self:path(), tostring(key))
  end
  local child = self[STATE].named[key]
  if literal.is_node(x) or M.is(x) then
    replace(self, key, x)
  elseif x ~= nil and x ~= false then
    self:set(key, x)
  elseif not self:delete(key) and child then
    child:remove()
  end
end

-- Properties in order, then children.
function Node:__pairs()
  local step, list = self:properties(), self[STATE].children
  local i = 0
  return function()
    local name, x = step()
    if name then
      return name, x
    end
    i = i + 1
    if list[i] then
      return i, list[i]
    end
  end
end

function Node:__len()
  return #self[STATE].children
end

---A tree, or one node of it, as device tree source.
function Node:__tostring()
  return self[STATE].parent and dts.node(self) or dts.tree(self)
end

-- Making trees --------------------------------------------------------------

---The tree of a plain table (see kvm.fdt.literal).
---Usage: `local tree = node.of_table { compatible = "linux,dummy-virt" }`
---@param t table
---@return kvm.fdt.node
function M.of_table(t)
  local root = new("", nil, {})
  literal.fill(root, t)
  return root
end

local function fill_raw(node, raw)
  local list = raw.properties
  for i = 1, #list, 2 do
    if node:get(list[i]) then
      fail("%s has two properties called '%s'", node:path(), list[i])
    end
    node:set(list[i], value.bytes(list[i + 1]))
  end
  for _, child in ipairs(raw.children) do
    fill_raw(attach(make(node, child.name, {})), child)
  end
  return node
end

---The tree of kvm.fdt.core's plain tables.
---Usage: `local tree = node.of_raw(core.read(blob))`
---@param raw table
---@return kvm.fdt.node
function M.of_raw(raw)
  return fill_raw(new("", nil, {}), raw)
end

return M
