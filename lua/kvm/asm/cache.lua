-- SPDX-License-Identifier: MIT
-- A bounded memory of what was assembled. Entries live in two generations:
-- when the young one is full it becomes the old one, and what was in the old
-- one and not asked for meanwhile is dropped.

local M = {}

local Cache = {}
Cache.__index = Cache

--- A cache that holds about `limit` bytes of keys and values.
function M.new(limit)
  return setmetatable({ half = limit // 2, used = 0, young = {}, old = {} },
    Cache)
end

function Cache:put(key, value)
  local size = #key + #value + 128
  if size > self.half then return end
  if self.used + size > self.half then
    self.old, self.young, self.used = self.young, {}, 0
  end
  self.young[key] = value
  self.used = self.used + size
end

function Cache:get(key)
  local value = self.young[key]
  if value then return value end
  value = self.old[key]
  if value then self:put(key, value) end
  return value
end

return M
