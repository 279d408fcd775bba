-- SPDX-License-Identifier: MIT
-- What devices have in common: the accesses that a script makes in place of the
-- guest are checked; those of the run loop always pass.
local check = require "kvm.check"

local M = {}

---Checks a read.
---@param class table
function M.read(class, self, offset, size)
  if getmetatable(self) == class and math.type(offset) == "integer"
    and math.type(size) == "integer" then
    return
  end
  check.method("read", class.__name, self)
  check.argument(1, "read", "offset", "integer", offset)
  check.argument(2, "read", "size", "integer", size)
end

---Checks a write.
---@param class table
function M.write(class, self, offset, value, size)
  if getmetatable(self) == class and math.type(offset) == "integer"
    and math.type(size) == "integer" and math.type(value) == "integer" then
    return
  end
  check.method("write", class.__name, self)
  check.argument(1, "write", "offset", "integer", offset)
  check.argument(2, "write", "value", "integer", value)
  check.argument(3, "write", "size", "integer", size)
end

return M
