-- SPDX-License-Identifier: MIT
-- What the specs of a file need of this machine. Where it is missing:
--   local missing = require "spec.support.needs".kvm()
--   if missing then return pending(missing) end
local kvm = require "kvm"

local M = {}

--- Nil, or why there is no usable /dev/kvm (of that architecture) here.
function M.kvm(arch)
  if arch and kvm.arch ~= arch then
    return ("needs %s: tools/box %s -- busted spec/%s"):format(arch, arch, arch)
  end
  local available, why = kvm.available()
  return not available and "no KVM: " .. why:match "[^\n]*" or nil
end

return M
