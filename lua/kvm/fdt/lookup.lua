-- SPDX-License-Identifier: MIT
-- Where nodes are, how they are found, and what their address properties mean.
-- These are methods of nodes.

local check = require "kvm.check"
local fail = require "kvm.fdt.fail"
local names = require "kvm.fdt.names"

---@class kvm.fdt.node
local M = {}

-- Places --------------------------------------------------------------------

---The full path of the node, "/" for the root.
---Usage: `node:path() --> "/soc/uart@9000000"`
---@return string
function M:path()
  check.method("path", "kvm.fdt.node", self)
  local parts, node = {}, self
  while node:parent() do
    table.insert(parts, 1, node.name)
    node = node:parent()
  end
  return "/" .. table.concat(parts, "/")
end

---The root of the tree.
---Usage: `node:root()`
---@return kvm.fdt.node
function M:root()
  check.method("root", "kvm.fdt.node", self)
  local node = self
  while node:parent() do
    node = node:parent()
  end
  return node
end

---Iterates over the node and everything below it, parents first: node, level.
---Nodes that are added on the way are not met.
---Usage: `for node, level in tree:walk() do print(level, node:path()) end`
---@return fun(): kvm.fdt.node?, integer?
function M:walk()
  check.method("walk", "kvm.fdt.node", self)
  local list, levels, i = {}, {}, 0
  local function visit(node, level)
    list[#list + 1], levels[#levels + 1] = node, level
    for _, child in ipairs(node) do
      visit(child, level + 1)
    end
  end
  visit(self, 0)
  return function()
    i = i + 1
    return list[i], levels[i]
  end
end

-- Lookups -------------------------------------------------------------------

-- A child by name; "memory" finds "memory@40000000", as everywhere.
local function step(node, name)
  local child = node:child(name)
  if not child and not name:find("@", 1, true) then
    for _, other in ipairs(node) do
      if names.unit(other.name) == name then
        return other
      end
    end
  end
  return child
end

local function descend(node, path)
  for name in path:gmatch("[^/]+") do
    node = node and step(node, name)
  end
  return node
end

-- The bytes of a property, nil while they are not known.
local function known(node, name)
  local value = node and node:get(name)
  return value and not value:has_references() and value:bytes() or nil
end

-- The full path in a property of /aliases or /__symbols__, or nil.
local function path_in(node, name)
  local value = node and node:get(name)
  local part = value and value[1]
  if type(part) == "table" and part.path then
    local target = part.path:sub(1, 1) ~= "/" and node:by_label(part.path)
    return target and target:path() or part.path
  end
  local bytes = known(node, name)
  return bytes and bytes:match("^(/[^\0]*)\0$")
end

---The node at a path: a full one ("/soc/uart@0"), one that begins with an
---alias ("serial0"), or one relative to this node. nil when there is none.
---Usage: `tree:at "/chosen"`
---@param path string
---@return kvm.fdt.node?
function M:at(path)
  check.method("at", "kvm.fdt.node", self)
  if type(path) ~= "string" then
    fail("a path is a string, not a %s", type(path))
  end
  local root = self:root()
  if path:sub(1, 1) == "/" then
    return descend(root, path)
  end
  local node = descend(self, path)
  if not node then
    local alias, rest = path:match("^([^/]+)(.*)$")
    local full = alias and path_in(root:child("aliases"), alias)
    node = full and descend(descend(root, full), rest)
  end
  return node
end

---The node with a label, given in Lua or by the tree's /__symbols__.
---Usage: `tree:by_label "gic"`
---@param label string
---@return kvm.fdt.node?
function M:by_label(label)
  check.method("by_label", "kvm.fdt.node", self)
  check.argument(1, "by_label", "label", "string", label)
  local root = self:root()
  for node in root:walk() do
    for _, other in ipairs(node:labels()) do
      if other == label then
        return node
      end
    end
  end
  local path = path_in(root:child("__symbols__"), label)
  return path and root:at(path)
end

---All nodes from this one down that are compatible with a string.
---Usage: `tree:by_compatible("arm,pl011")[1]`
---@param compatible string
---@return kvm.fdt.node[]
function M:by_compatible(compatible)
  check.method("by_compatible", "kvm.fdt.node", self)
  check.argument(1, "by_compatible", "compatible", "string", compatible)
  local list = {}
  for node in self:walk() do
    local bytes = known(node, "compatible")
    if bytes and ("\0" .. bytes):find("\0" .. compatible .. "\0", 1, true) then
      list[#list + 1] = node
    end
  end
  return list
end

---The node with a phandle.
---Usage: `tree:by_phandle(gic_phandle)`
---@param phandle integer
---@return kvm.fdt.node?
function M:by_phandle(phandle)
  check.method("by_phandle", "kvm.fdt.node", self)
  phandle = check.argument(1, "by_phandle", "phandle", "integer", phandle)
  for node in self:root():walk() do
    local bytes = known(node, "phandle") or known(node, "linux,phandle")
    if bytes and #bytes == 4 and (">I4"):unpack(bytes) == phandle then
      return node
    end
  end
end

-- Addresses -----------------------------------------------------------------

local function count_of(node, name, default)
  local bytes = known(node, name)
  local count = not node:get(name) and default
    or bytes and #bytes == 4 and (">I4"):unpack(bytes)
  if not count or count > 16 then
    fail("%s:%s is %s, not a count of cells", node:path(), name,
      tostring(node:get(name)))
  end
  return count
end

---How many cells the children of this node use for an address and for a
---size: #address-cells and #size-cells, 2 and 1 where they are missing.
---Usage: `local address, size = soc:cell_counts()`
---@return integer address
---@return integer size
function M:cell_counts()
  check.method("cell_counts", "kvm.fdt.node", self)
  return count_of(self, "#address-cells", 2), count_of(self, "#size-cells", 1)
end

-- COUNT cells from index i: an integer when it fits, else the cells.
local function number(cells, i, count)
  if count == 0 then
    return nil
  elseif count == 1 then
    return cells[i]
  elseif count == 2 then
    return cells[i] << 32 | cells[i + 1]
  end
  return table.move(cells, i, i + count - 1, 1, {})
end

---The reg property by the parent's cell counts: a list of {address =, size =}.
---An address of more than two cells, as on PCI, is a list of them; where the
---parent has no sizes there is none.
---Usage: `tree:at("/soc/uart@9000000"):regions()[1].address`
---@return {address: integer|integer[], size: integer?}[]
function M:regions()
  check.method("regions", "kvm.fdt.node", self)
  local parent, reg, list = self:parent(), self:get "reg", {}
  if not reg or not parent then
    return list
  end
  local address, size = parent:cell_counts()
  local cells, stride = reg:cells(), address + size
  if stride == 0 or #cells % stride ~= 0 then
    fail("%s:reg has %d cells, not a multiple of the %d + %d that %s asks for",
      self:path(), #cells, address, size, parent:path())
  end
  for i = 1, #cells, stride do
    list[#list + 1] = {
      address = number(cells, i, address),
      size = number(cells, i + address, size),
    }
  end
  return list
end

return M
