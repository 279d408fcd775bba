-- SPDX-License-Identifier: MIT
-- Entries of the reference as text of 78 columns.

local reference = require "kvm.reference"

local M = {}

local WIDTH <const> = 78
local MACHINES <const> = { x86_64 = "x86-64" } -- others are written as they are

-- The machine that an entry is about, as people write it.
local function machine(entry)
  local arch = entry.arch or entry.module:match "^kvm%.arch%.([%w_]+)%."
  return MACHINES[arch] or arch
end

---Words in lines, each behind an indent; the first line may have begun already.
---@param text string
---@param indent integer columns
---@param begun? string the beginning of the first line
---@return string
function M.wrap(text, indent, begun)
  local lines, line = {}, begun or (" "):rep(indent)
  local is_empty = true
  for word in text:gmatch "%S+" do
    if not is_empty and #line + 1 + #word > WIDTH then
      lines[#lines + 1] = line
      line, is_empty = (" "):rep(indent), true
    end
    line = line .. (is_empty and "" or " ") .. word
    is_empty = false
  end
  lines[#lines + 1] = line
  return (table.concat(lines, "\n"):gsub("%s+\n", "\n"))
end

-- Paragraphs are filled anew; what is indented or a table stays as it is. The line
-- that names the ioctl begins a paragraph.
local function paragraphs(lines)
  local parts, words = {}, {}
  local function flush()
    if #words > 0 then parts[#parts + 1] = M.wrap(table.concat(words, " "), 0) end
    words = {}
  end
  for _, line in ipairs(lines) do
    if line:find "^%s" or line:find "%S   *%S" or line == "" then
      flush()
      parts[#parts + 1] = line
    else
      if line:find "^KVM_[%u%d_]+[,.]" then flush() end
      words[#words + 1] = line
    end
  end
  flush()
  return table.concat(parts, "\n")
end

---Rows of a name and what it is about, side by side.
---@param list string[][]
---@return string
function M.rows(list)
  local width, lines = 0, {}
  for _, row in ipairs(list) do width = math.max(width, #row[1]) end
  width = math.min(width, 20)
  for i, row in ipairs(list) do
    local begun = ("  %-" .. width .. "s  "):format(row[1])
    lines[i] = M.wrap(row[2], width + 4, begun)
  end
  return table.concat(lines, "\n")
end

local function named_rows(list)
  local found = {}
  for i, item in ipairs(list) do
    found[i] = { item.name .. (item.optional and "?" or ""),
      ("(%s) %s"):format(item.type, item.about) }
  end
  return M.rows(found)
end

-- The first sentence; of what has none, its fields.
local function summary(entry)
  local sentence = reference.summary(entry)
  if sentence ~= "" or #entry.fields == 0 then return sentence end
  local names = {}
  for i, field in ipairs(entry.fields) do names[i] = field.name end
  return "Fields: " .. table.concat(names, ", ")
end

---An entry in a line: what it is called like, and its first sentence.
---@param entry table
---@param is_method boolean the class is known: leave it out
---@return string
function M.line(entry, is_method)
  local title = entry.title:gsub(" %->.*$", "")
  if is_method then title = title:gsub("^[^:(]*:", "") end
  local about = machine(entry)
  about = about and not is_method and not title:find("kvm.arch.", 1, true)
    and about .. ": " or ""
  local text = ("  %-24s  %s%s"):format(title, about, summary(entry))
  if #text > WIDTH then
    text = text:sub(1, WIDTH - 3):gsub("%s+%S*$", "") .. "..."
  end
  return text
end

---An entry in full, without what it contains.
---@param entry table
---@return string
function M.entry(entry)
  local parts = { entry.title }
  if entry.arch then parts[1] = parts[1] .. "    " .. machine(entry) end
  local function add(text) if text ~= "" then parts[#parts + 1] = text end end
  add(paragraphs(entry.text))
  local returns = {}
  for i, value in ipairs(entry.returns) do
    returns[i] = { "->", ("(%s) %s"):format(value.type, value.about) }
  end
  local columns = { named_rows(entry.params), M.rows(returns) }
  if columns[2] == "" then columns[2] = nil end
  add((table.concat(columns, "\n"):gsub("^\n", "")))
  for _, raises in ipairs(entry.raises) do add(M.wrap(raises, 0)) end
  if entry.usage then add("Usage: " .. entry.usage) end
  add(named_rows(entry.fields))
  if #entry.names + #entry.optional + #entry.match > 0 then
    local names = {}
    for _, list in ipairs { entry.names, entry.optional, entry.match } do
      table.move(list, 1, #list, #names + 1, names)
    end
    add(M.wrap(table.concat(names, " "), 2))
  end
  return table.concat(parts, "\n\n")
end

return M
