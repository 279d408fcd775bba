-- SPDX-License-Identifier: MIT
-- The arm64 half of kvm.host: how KVM uses the exception levels. It says so
-- once, in the kernel's log, when it starts.
local M = {}

-- The line of the log; nil where the log cannot be read.
local function boot_line()
  local pipe = io.popen "dmesg 2>/dev/null"
  if not pipe then return nil end
  local found
  for line in pipe:lines() do
    if line:find("kvm", 1, true) and line:find("initialized", 1, true) then
      found = line:gsub("^<%d+>", "")
    end
  end
  pipe:close()
  return found
end

local function backend(line)
  if not line then return "unknown" end
  if line:find("Protected", 1, true) then return "pkvm" end
  if line:find("hVHE", 1, true) then return "hvhe" end
  if line:find("VHE", 1, true) then return "vhe" end
  return "nvhe"
end

---`backend`: "vhe", "nvhe", "hvhe", "pkvm", or "unknown" where the log cannot be
---read; `boot_line`: where KVM said so.
---@return table
function M.describe()
  local line = boot_line()
  return { backend = backend(line), boot_line = line }
end

M.probes = {}

return M
