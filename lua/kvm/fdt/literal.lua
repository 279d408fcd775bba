-- SPDX-License-Identifier: MIT
-- From plain Lua tables to nodes. In such a table a string key is a property,
-- or a child when its value is a node's table; the list part holds children
-- that name themselves. Properties are sorted, listed children keep their
-- order, and the others follow sorted.

local fail = require "kvm.fdt.fail"
local names = require "kvm.fdt.names"

local M = {}

-- A table is a node unless it is a value, or a list that begins with one:
-- {0, 1}, {"a", "b"}, {{0, 1}, {2, 3}}.
local function is_node(x, depth)
  if type(x) ~= "table" or getmetatable(x) or depth > 8 then
    return type(x) == "table" and not getmetatable(x)
  end
  return x[1] == nil or is_node(x[1], depth + 1)
end

---Whether the plain value describes a node rather than a property.
---Usage: `literal.is_node { reg = { 0, 1 } } --> true`
---@param x any
---@return boolean
function M.is_node(x)
  return is_node(x, 1)
end

local function copy_of(node, from)
  for name, x in from:properties() do
    node:set(name, x)
  end
  for _, child in ipairs(from) do
    local labels = table.concat(child:labels(), ": ")
    node:add(labels == "" and child.name or labels .. ": " .. child.name,
      child)
  end
end

-- The names of properties and of keyed children, each in their order.
local function sorted_keys(node, from, is_child)
  local properties, children, count = {}, {}, #from
  for key, x in pairs(from) do
    local listed = math.type(key) == "integer" and key >= 1 and key <= count
    if type(key) ~= "string" and not listed then
      fail("%s: the key %s is neither a name nor a place in a list",
        node:path(), tostring(key))
    elseif not listed and is_child(x) then
      children[#children + 1] = key
    elseif not listed and key ~= "name" and x ~= false then
      properties[#properties + 1] = key
    end
  end
  table.sort(properties)
  table.sort(children, function(a, b)
    return names.before(names.split(a), names.split(b))
  end)
  return properties, children
end

local function add_listed(node, list)
  for i, child in ipairs(list) do
    if type(child) ~= "table" or type(child.name) ~= "string" then
      fail("%s: element %d is not a node with a name (lists of values are "
        .. "properties and need one too)", node:path(), i)
    end
    node:add(child.name, child)
  end
end

---Gives a new node the properties and children of a table, or of another
---node.
---@param node kvm.fdt.node
---@param from table|kvm.fdt.node
function M.fill(node, from)
  if type(from) ~= "table" then
    fail("%s: a node is a table, not a %s", node:path(), type(from))
  elseif getmetatable(from) == getmetatable(node) then
    return copy_of(node, from)
  elseif getmetatable(from) then
    fail("%s: a value stands where a node is expected", node:path())
  end
  local function is_child(x)
    return M.is_node(x) or getmetatable(x) == getmetatable(node)
  end
  local own = from.name
  if own ~= nil and (type(own) ~= "string"
    or names.split(own) ~= node.name) then
    fail("%s: the field 'name' is the name of the node; a property of that "
      .. "name is set with node:set", node:path())
  end
  local properties, children = sorted_keys(node, from, is_child)
  for _, name in ipairs(properties) do
    node:set(name, from[name])
  end
  add_listed(node, from)
  for _, name in ipairs(children) do
    node:add(name, from[name])
  end
end

return M
