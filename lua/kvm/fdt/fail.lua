-- SPDX-License-Identifier: MIT
-- Raises an error at the line of the script that called into kvm.fdt,
-- however deep the fault was found.

local here = debug.getinfo(1, "S").source:match("^(.*)fail")

local function is_ours(info)
  return info.what == "C" or info.source:sub(1, #here) == here
end

---@param format string as for string.format
---@param ... any
return function(format, ...)
  local level = 2
  local info = debug.getinfo(level, "S")
  while info and is_ours(info) do
    level = level + 1
    info = debug.getinfo(level, "S")
  end
  error("kvm.fdt: " .. format:format(...), info and level or 0)
end
