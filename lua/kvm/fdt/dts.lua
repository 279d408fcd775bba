-- SPDX-License-Identifier: MIT
-- Device tree source: what dtc compiles. The blob does not say what the bytes
-- of a property mean, so text, cells and bytes are told apart by their look.

local fail = require "kvm.fdt.fail"

local M = {}

-- What dtc's scanner takes for a name.
local NAME = "^[%w,._+*#?@-]+$"

-- One or more strings of printable characters, none of them empty.
local function is_text(bytes)
  return bytes:sub(-1) == "\0" and not bytes:find("[^\32-\126\0]")
    and not bytes:find("^\0") and not bytes:find("\0\0")
end

local function text(bytes)
  local list = {}
  for s in bytes:gmatch("([^\0]+)\0") do
    list[#list + 1] = '"' .. s:gsub('[\\"]', "\\%0") .. '"'
  end
  return table.concat(list, ", ")
end

local function cells(bytes)
  return (bytes:gsub("....", function(cell)
    return ("0x%x "):format((">I4"):unpack(cell))
  end):sub(1, -2))
end

local function hex(bytes)
  return (bytes:gsub(".", function(c)
    return ("%02x "):format(c:byte())
  end):sub(1, -2))
end

local function plain(bytes)
  if is_text(bytes) then
    return text(bytes)
  elseif #bytes % 4 == 0 then
    return "<" .. cells(bytes) .. ">"
  end
  return "[" .. hex(bytes) .. "]"
end

-- Whether the value is a row of cells with references among them.
local function is_row(value)
  local refs = 0
  for _, part in ipairs(value) do
    if type(part) == "string" and #part % 4 ~= 0 or part.path then
      return false
    elseif part.ref then
      refs = refs + 1
    end
  end
  return refs > 0
end

local function default_reference(target)
  return target:sub(1, 1) == "/" and "&{" .. target .. "}" or "&" .. target
end

---A property value as source, "" when it is empty.
---Usage: `dts.value(node.reg) --> "<0x0 0x9000000 0x0 0x1000>"`
---@param value kvm.fdt.value
---@param reference? fun(target: string): string how to name a node
---@return string
function M.value(value, reference)
  reference = reference or default_reference
  local row, list = is_row(value), {}
  for i, part in ipairs(value) do
    if type(part) == "string" then
      list[i] = row and cells(part) or plain(part)
    elseif row or part.path then
      list[i] = reference(part.ref or part.path)
    else
      list[i] = "<" .. reference(part.ref) .. ">"
    end
  end
  return row and "<" .. table.concat(list, " ") .. ">"
    or table.concat(list, ", ")
end

local function check_name(node, name)
  if not name:find(NAME) then
    fail("%s: the name %q cannot be written as device tree source",
      node:path(), name)
  end
  return name
end

local function emit(out, node, indent, reference)
  local name = node:parent() and check_name(node, node.name) or "/"
  local labels = table.concat(node:labels(), ": ")
  out[#out + 1] = ("%s%s%s {\n"):format(indent,
    labels == "" and "" or labels .. ": ", name)
  local inner = indent .. "\t"
  for property, value in node:properties() do
    local source = M.value(value, reference)
    out[#out + 1] = ("%s%s%s%s;\n"):format(inner, check_name(node, property),
      source == "" and "" or " = ", source)
  end
  for _, child in ipairs(node) do
    out[#out + 1] = "\n"
    emit(out, child, inner, reference)
  end
  out[#out + 1] = indent .. "};\n"
end

-- How the tree of the node names the target of a reference: by a label that
-- will be in the source, or else by its path.
local function referrer(root)
  return function(target)
    local node = root:by_label(target)
    for _, label in ipairs(node and node:labels() or {}) do
      if label == target then
        return "&" .. label
      end
    end
    return default_reference(node and node:path() or target)
  end
end

---A node and what is below it as source.
---Usage: `io.write(dts.node(tree:at "/chosen"))`
---@param node kvm.fdt.node
---@return string
function M.node(node)
  local out = {}
  emit(out, node, "", referrer(node:root()))
  return table.concat(out)
end

---A whole tree as source. With opts.overlay it is marked as an overlay.
---Usage: `io.write(dts.tree(tree))`
---@param root kvm.fdt.node
---@param opts? {overlay: boolean?}
---@return string
function M.tree(root, opts)
  local header, out = root:header(), { "/dts-v1/;\n" }
  if opts and opts.overlay then
    out[2] = "/plugin/;\n"
  end
  out[#out + 1] = "\n"
  if header.boot_cpuid ~= 0 then
    out[#out + 1] = ("/* boot CPU %d: dtc -b %d */\n"):format(
      header.boot_cpuid, header.boot_cpuid)
  end
  for _, r in ipairs(header.reservations) do
    out[#out + 1] = ("/memreserve/ 0x%x 0x%x;\n"):format(r[1], r[2])
  end
  out[#out + 1] = M.node(root)
  return table.concat(out)
end

return M
