-- SPDX-License-Identifier: MIT
-- Entries that have a word somewhere, and names that are nearly it.

local find = require "kvm.help.find"
local reference = require "kvm.reference"
local distance = require "kvm.distance"

local M = {}

-- "ring3", "ring 3" and "RING_3" are one word to people.
local function pattern_of(word)
  local parts = {}
  for part in word:lower():gsub("(%a)(%d)", "%1 %2"):gsub("(%d)(%a)", "%1 %2")
      :gmatch "%w+" do
    parts[#parts + 1] = part
  end
  return #parts > 0 and table.concat(parts, "[%s%p]*") or nil
end

local function add_items(words, items)
  for _, item in ipairs(items) do
    words[#words + 1] = item.name
    words[#words + 1] = item.about
  end
end

-- All that an entry says, in lower case; made once.
local function whole_text(entry)
  if not entry.whole then
    local words = {}
    for _, list in ipairs { entry.text, entry.raises, entry.names,
        entry.optional, { entry.usage } } do
      table.move(list, 1, #list, #words + 1, words)
    end
    for _, items in ipairs { entry.params, entry.fields, entry.returns } do
      add_items(words, items)
    end
    entry.whole = table.concat(words, " "):lower()
  end
  return entry.whole
end

-- 1: in the name, 2: in the first sentence, 3: elsewhere; nil: nowhere. In texts a
-- word is not looked for inside of others.
local function rank(entry, pattern)
  local word = "%f[%w]" .. pattern
  return entry.name:lower():find(pattern) and 1
    or reference.summary(entry):lower():find(word) and 2
    or whole_text(entry):find(word) and 3
end

---The entries of this machine that have a word, the likeliest first.
---@param word string
---@return table[]
function M.by_word(word)
  local pattern, ranks = pattern_of(word), {}
  local found = find.filter(function(entry)
    local is_told = find.fits(entry) and #entry.text + #entry.fields > 0
    ranks[entry] = pattern and is_told and rank(entry, pattern) or nil
    return ranks[entry] ~= nil
  end)
  table.sort(found, function(a, b)
    if ranks[a] ~= ranks[b] then return ranks[a] < ranks[b] end
    if a.name ~= b.name then return a.name < b.name end
    return a.module .. a.line < b.module .. b.line
  end)
  return found
end

-- ---- nearly ------------------------------------------------------------------------

-- Every name that can be asked for -> how it is written.
local function names()
  local found = {}
  for name, entries in pairs(reference.load().by_name) do
    local is_end = name == entries[1].name or not name:find("[.:]")
    found[name] = is_end and name or entries[1].short
  end
  find.each_register(function(name) found[name] = name end)
  return found
end

local MOST <const> = 4

---What may have been meant by a name that is nowhere, the nearest first.
---@param name string with dots
---@return string[]
function M.nearly(name)
  local limit, list, near = math.max(1, #name // 4), {}, {}
  for one, written in pairs(names()) do
    local far = distance(name, one, limit)
    if far <= limit and far < (near[written] or limit + 1) then
      near[written] = far
    end
  end
  for written in pairs(near) do list[#list + 1] = written end
  table.sort(list, function(a, b)
    if near[a] ~= near[b] then return near[a] < near[b] end
    return a < b
  end)
  return table.move(list, 1, MOST, 1, {})
end

return M
