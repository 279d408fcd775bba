-- SPDX-License-Identifier: MIT
-- Names of nodes and properties. What is refused here could not stand in a
-- tree at all; what the devicetree specification asks beyond that is in
-- kvm.fdt.check.

local M = {}

local LABEL = "^[%a_][%w_]*$"
local MAX = 1024

---Why the name cannot stand in a tree, or nil.
---Usage: `names.problem("node", "a/b")`
---@param kind "node"|"property"
---@param name any
---@return string?
function M.problem(kind, name)
  if type(name) ~= "string" then
    return ("the name of a %s is a %s, not a string"):format(kind, type(name))
  elseif name == "" then
    return ("a %s has an empty name"):format(kind)
  elseif #name > MAX then
    return ("the name of a %s has %d characters, the limit is %d"):format(
      kind, #name, MAX)
  elseif name:find("[^\33-\126]") or name:find("/", 1, true) then
    return ("the %s name %q holds a character that no name may hold"):format(
      kind, name)
  end
end

---Splits "label: other: name@unit" into the name and its labels.
---Usage: `local name, labels = names.split "gic: intc@8000000"`
---@param text string
---@return string name
---@return string[] labels
function M.split(text)
  local labels = {}
  local name = text
  while true do
    local label, rest = name:match("^([^:]*):%s*(.*)$")
    if not label then
      return name, labels
    end
    labels[#labels + 1] = label
    name = rest
  end
end

---Why the text is no label, or nil.
---Usage: `names.label_problem "9x"`
---@param label any
---@return string?
function M.label_problem(label)
  if type(label) ~= "string" or not label:find(LABEL) then
    return ("%q is not a label (letters, digits and _)"):format(
      tostring(label))
  end
end

---Splits "name@unit" into its halves; the unit is nil when there is none.
---Usage: `names.unit "uart@9000000" --> "uart", "9000000"`
---@param name string
---@return string base
---@return string? unit
function M.unit(name)
  local base, unit = name:match("^([^@]*)@(.*)$")
  return base or name, unit
end

---Order of node names: by base name, then by unit address as a number.
---Usage: `table.sort(list, names.before)`
---@param a string
---@param b string
---@return boolean
function M.before(a, b)
  local base_a, unit_a = M.unit(a)
  local base_b, unit_b = M.unit(b)
  unit_a, unit_b = unit_a or "", unit_b or ""
  if base_a ~= base_b then
    return base_a < base_b
  elseif #unit_a ~= #unit_b then
    return #unit_a < #unit_b
  end
  return unit_a < unit_b
end

return M
