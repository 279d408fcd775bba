-- SPDX-License-Identifier: MIT
-- From a tree to bytes: phandles are given to the nodes that need one,
-- references become phandles or paths, and the nodes that overlays need
-- (/__symbols__, /__fixups__, /__local_fixups__) are added. Phandles are
-- numbered as dtc does it, in the order of first reference.

local fail = require "kvm.fdt.fail"

local M = {}

-- What is known while one tree is built.
local function new_plan(root, opts)
  return {
    root = root,
    overlay = opts.overlay,
    raw = {},          -- node -> its plain table
    by_label = {},     -- label -> node
    by_phandle = {},   -- phandle -> node
    phandles = {},     -- node -> phandle
    next = 1,          -- where the search for a free phandle begins
    fixups = {},       -- label -> list of "path:property:offset"
    fixup_labels = {}, -- its keys in order
    local_fixups = {}, -- node -> list of {property, offsets}
  }
end

-- Explicit phandles ---------------------------------------------------------

local function phandle_of(node, name)
  local v = node:get(name)
  if not v then
    return nil
  end
  local bytes = v:bytes()
  local number = #bytes == 4 and (">I4"):unpack(bytes)
  if not number or number == 0 or number == 0xffffffff then
    fail("%s:%s is %s, not a phandle (1 to 0xfffffffe)", node:path(), name,
      tostring(v))
  end
  return number
end

local function note_phandle(plan, node, number)
  local other = plan.by_phandle[number]
  if other and other ~= node then
    fail("%s and %s have the same phandle 0x%x", other:path(), node:path(),
      number)
  elseif plan.phandles[node] and plan.phandles[node] ~= number then
    fail("%s has two phandles, 0x%x and 0x%x", node:path(),
      plan.phandles[node], number)
  end
  plan.by_phandle[number], plan.phandles[node] = node, number
end

local function note_labels(plan, node)
  for _, label in ipairs(node:labels()) do
    local other = plan.by_label[label]
    if other then
      fail("%s and %s have the same label '%s'", other:path(), node:path(),
        label)
    end
    plan.by_label[label] = node
  end
end

-- In what describes an overlay a phandle is a label like any other.
local DESCRIPTION = {
  __symbols__ = true, __fixups__ = true, __local_fixups__ = true,
}

local function collect(plan, node)
  for _, name in ipairs { "phandle", "linux,phandle" } do
    local number = phandle_of(node, name)
    if number then
      note_phandle(plan, node, number)
    end
  end
  note_labels(plan, node)
  for _, child in ipairs(node) do
    if node ~= plan.root or not DESCRIPTION[child.name] then
      collect(plan, child)
    end
  end
end

-- References ----------------------------------------------------------------

local function phandle_for(plan, node)
  if not plan.phandles[node] then
    while plan.by_phandle[plan.next] do
      plan.next = plan.next + 1
    end
    note_phandle(plan, node, plan.next)
  end
  return plan.phandles[node]
end

-- The node a reference means; nil for a label that an overlay leaves open.
local function target_of(plan, place, target)
  local is_path = target:sub(1, 1) == "/"
  local node = is_path and plan.root:at(target)
    or not is_path and (plan.by_label[target] or plan.root:by_label(target))
  if not node and (is_path or not plan.overlay) then
    fail("%s refers to '%s', and no node has that %s", place, target,
      is_path and "path" or "label")
  end
  return node or nil
end

local function note_fixup(plan, label, place)
  if not plan.fixups[label] then
    plan.fixups[label] = {}
    table.insert(plan.fixup_labels, label)
  end
  table.insert(plan.fixups[label], place .. "\0")
end

local function note_local(plan, node, name, offset)
  local list = plan.local_fixups[node] or {}
  plan.local_fixups[node] = list
  local last = list[#list]
  if not last or last[1] ~= name then
    last = { name, "" }
    list[#list + 1] = last
  end
  last[2] = last[2] .. (">I4"):pack(offset)
end

local function part_bytes(plan, node, name, part, offset)
  if type(part) == "string" then
    return part
  end
  local place = node:path() .. ":" .. name
  local target = target_of(plan, place, part.ref or part.path)
  if part.path then
    if not target then
      fail("%s: the path of '%s' is known only in the base", place, part.path)
    end
    return target:path() .. "\0"
  elseif not target then
    note_fixup(plan, part.ref, place .. ":" .. offset)
    return (">I4"):pack(0xffffffff)
  end
  if plan.overlay then
    note_local(plan, node, name, offset)
  end
  return (">I4"):pack(phandle_for(plan, target))
end

local function property_bytes(plan, node, name, v)
  local list, offset = {}, 0
  for i, part in ipairs(v) do
    list[i] = part_bytes(plan, node, name, part, offset)
    offset = offset + #list[i]
  end
  return table.concat(list)
end

-- Plain tables for kvm.fdt.core ---------------------------------------------

local function flatten(plan, node)
  local raw = { name = node.name, properties = {}, children = {} }
  for name, v in node:properties() do
    table.insert(raw.properties, name)
    table.insert(raw.properties, property_bytes(plan, node, name, v))
  end
  for i, child in ipairs(node) do
    raw.children[i] = flatten(plan, child)
  end
  plan.raw[node] = raw
  return raw
end

-- Phandles that were given on the way: the node's last property.
local function add_phandles(plan)
  for node, raw in pairs(plan.raw) do
    if plan.phandles[node] and not node:get "phandle"
      and not node:get "linux,phandle" then
      table.insert(raw.properties, "phandle")
      table.insert(raw.properties, (">I4"):pack(plan.phandles[node]))
    end
  end
end

-- A child of the root, found or made.
local function child_of(raw, name)
  for _, child in ipairs(raw.children) do
    if child.name == name then
      return child
    end
  end
  local child = { name = name, properties = {}, children = {} }
  table.insert(raw.children, child)
  return child
end

local function put(raw, name, bytes)
  for i = 1, #raw.properties, 2 do
    if raw.properties[i] == name then
      raw.properties[i + 1] = bytes
      return
    end
  end
  table.insert(raw.properties, name)
  table.insert(raw.properties, bytes)
end

local function add_symbols(plan, raw)
  local symbols
  for node in plan.root:walk() do
    for _, label in ipairs(node:labels()) do
      symbols = symbols or child_of(raw, "__symbols__")
      put(symbols, label, node:path() .. "\0")
    end
  end
end

local function add_fixups(plan, raw)
  local fixups = plan.fixup_labels[1] and child_of(raw, "__fixups__")
  for _, label in ipairs(plan.fixup_labels) do
    put(fixups, label, table.concat(plan.fixups[label]))
  end
end

-- The node at a path below RAW, made where it is missing.
local function make_path(raw, path)
  for name in path:gmatch "[^/]+" do
    raw = child_of(raw, name)
  end
  return raw
end

local function add_local_fixups(plan, raw)
  for node in plan.root:walk() do
    for _, fixup in ipairs(plan.local_fixups[node] or {}) do
      put(make_path(raw, "/__local_fixups__" .. node:path()), fixup[1],
        fixup[2])
    end
  end
end

---The tree as kvm.fdt.core takes it.
---@param root kvm.fdt.node
---@param opts {symbols: boolean?, overlay: boolean?}
---@return table
function M.raw(root, opts)
  local plan = new_plan(root, opts)
  collect(plan, root)
  local raw = flatten(plan, root)
  if opts.symbols then
    for node in root:walk() do
      if node:labels()[1] then
        phandle_for(plan, node)
      end
    end
  end
  add_phandles(plan)
  if opts.symbols then
    add_symbols(plan, raw)
  end
  add_fixups(plan, raw)
  add_local_fixups(plan, raw)
  return raw
end

return M
