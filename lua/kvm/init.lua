-- SPDX-License-Identifier: MIT
--- Linux KVM from Lua: everything of `kvm.core`, and the verbs that make a
--- script short. `require "kvm"` opens nothing.
local check = require "kvm.check"
local core = require "kvm.core"

local M = {}
for name, value in pairs(core) do M[name] = value end

-- Errors name the line of the script, not the one in a file beside this.
core.layer()

--- Methods that the Lua layer adds to the core's classes.
require "kvm.memory"

local shared -- one /dev/kvm for every VM of this state

local function descriptor(object) return object.fd end -- raises when closed

---Makes a VM, opening /dev/kvm when that is not done yet.
---Usage: `local vm = kvm.create_vm()`
---@param type? integer|string machine type (`kvm.VM_TYPE`); arm64: IPA bits
---@return kvm.vm
---Raises a kvm.error: KVM_CREATE_VM, open.
function M.create_vm(type, ...)
  if type == M then check.fail "call it with a dot: kvm.create_vm()" end
  check.surplus(1, "create_vm", ...)
  if not shared or not pcall(descriptor, shared) then
    shared = core.open()
  end
  return shared:create_vm(type)
end

---Whether this process can use KVM; false and the reason when not. Never
---raises.
---Usage: `if not kvm.available() then os.exit(3) end`
---@return boolean
---@return string? reason
function M.available(...)
  check.surplus(0, "available", ...)
  local ok, result = pcall(core.open)
  if ok then
    result:close()
    return true
  end
  return false, tostring(result)
end

---What this host is and how its KVM behaves where no capability tells: see
---`kvm.host`. Found by running tiny guests, once.
---Usage: `print(kvm.host().backend)`
---@return table
function M.host(...)
  check.surplus(0, "host", ...)
  return require "kvm.host".get()
end

-- Modules of their own that are loaded when they are asked for.
local lazy <const> = { calltree = "kvm.calltree", help = "kvm.help" }

return setmetatable(M, { __index = function(_, name)
  return lazy[name] and require(lazy[name])
end })
