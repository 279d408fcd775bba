-- SPDX-License-Identifier: MIT
-- The rules of the devicetree specification (0.4, chapters 2.2 and 2.3) that
-- a tree can break and still be a blob: names, unit addresses, reg.

local names = require "kvm.fdt.names"

local M = {}

local MAX_NAME = 31

-- Nodes that describe an overlay. Labels stand in them as property names.
local OVERLAY = {
  __overlay__ = true, __symbols__ = true, __fixups__ = true,
  __local_fixups__ = true,
}

local function add(list, format, ...)
  list[#list + 1] = format:format(...)
end

-- 2.2.1: node names.
local function check_node_name(list, node)
  local base, unit = names.unit(node.name)
  if #base > MAX_NAME then
    add(list, "%s: the node name has %d characters, the limit is %d",
      node:path(), #base, MAX_NAME)
  elseif not base:find "^%a[%w,._+-]*$" then
    add(list, "%s: a node name is a letter, then letters, digits and ,._+-",
      node:path())
  end
  if unit and not unit:find "^[%w,._+-]+$" then
    add(list, "%s: a unit address is letters, digits and ,._+-", node:path())
  elseif unit and (unit:find "^0[xX]" or unit:find "^0%x+$") then
    add(list, "%s: a unit address has no leading 0 or 0x", node:path())
  end
end

-- 2.2.4: property names, and 3.3: aliases.
local function check_property_names(list, node)
  local is_alias = node:path() == "/aliases"
  for name in node:properties() do
    if #name > MAX_NAME then
      add(list, "%s:%s: the property name has %d characters, the limit is %d",
        node:path(), name, #name, MAX_NAME)
    elseif not name:find "^[%w,._+?#-]+$" then
      add(list, "%s:%s: a property name is letters, digits and ,._+?#-",
        node:path(), name)
    elseif is_alias and not name:find "^[%l%d-]+$" then
      add(list, "%s:%s: an alias is lower-case letters, digits and -",
        node:path(), name)
    end
  end
end

-- Whether the node's reg can be judged: it is a number, its parent is not
-- the target of an overlay, and the parent's counts are right (if not, that
-- is a problem of the parent).
local function is_judgeable(node)
  local parent = node:parent()
  return not node:get "reg":has_references()
    and parent.name ~= "__overlay__" and pcall(parent.cell_counts, parent)
end

-- 2.3.5: #address-cells and #size-cells.
local function check_counts(list, node)
  local ok, problem = pcall(node.cell_counts, node)
  if not ok then
    add(list, "%s", (problem:gsub("^.-kvm%.fdt: ", "")))
  end
end

-- The first address of reg as one integer, nil where it is none.
local function first_address(node)
  local reg = node:get "reg"
  local address = node:parent():cell_counts()
  if address == 1 then
    return reg:u32(1)
  elseif address == 2 then
    return reg:u32(1) << 32 | reg:u32(2)
  end
end

-- 2.3.6: reg is pairs of address and size.
local function check_reg(list, node)
  local address, size = node:parent():cell_counts()
  local stride = 4 * (address + size)
  if stride == 0 or #node:get "reg" == 0 or #node:get "reg" % stride ~= 0 then
    add(list, "%s:reg has %d bytes, not a multiple of %d (#address-cells %d, "
      .. "#size-cells %d of %s)", node:path(), #node:get "reg", stride,
      address, size, node:parent():path())
    return
  end
  local _, unit = names.unit(node.name)
  local first = first_address(node)
  if unit and first and unit:find "^%x+$" and #unit <= 16
    and tonumber("0x" .. unit) ~= first then
    add(list, "%s: the unit address is not the address in reg, 0x%x",
      node:path(), first)
  end
end

-- 2.2.1.1: a unit address where there is a reg, and only there.
local function check_unit(list, node)
  local _, unit = names.unit(node.name)
  local reg = node:get "reg"
  if unit and not reg and not node:get "ranges"
    and not node:child "__overlay__" then
    add(list, "%s has a unit address but no reg", node:path())
  elseif reg and not unit then
    add(list, "%s has a reg but no unit address", node:path())
  end
  if reg and is_judgeable(node) then
    check_reg(list, node)
  end
end

local function check_below(list, node)
  for _, child in ipairs(node) do
    if OVERLAY[child.name] and child.name ~= "__overlay__" then
      goto continue
    elseif not OVERLAY[child.name] then
      check_node_name(list, child)
      check_unit(list, child)
    end
    check_property_names(list, child)
    check_counts(list, child)
    check_below(list, child)
    ::continue::
  end
end

---What in the tree breaks the rules, as sentences.
---@param tree kvm.fdt.node
---@return string[]
function M.problems(tree)
  local list = {}
  check_property_names(list, tree)
  check_counts(list, tree)
  check_below(list, tree)
  return list
end

return M
