-- SPDX-License-Identifier: MIT
--- What `kvmlua --info` tells about this machine and its KVM.

local kvm = require "kvm"

local M = {}

-- Name -> value of every capability that this KVM has. A VM is asked: some
-- depend on its type, and some /dev/kvm does not know.
local function capabilities(vm)
  local found = {}
  for name, number in pairs(kvm.CAP) do
    if type(name) == "string" then
      local value = vm:check_extension(number)
      if value ~= 0 then found[name] = value end
    end
  end
  return found
end

---Everything as one table. Without KVM: `available` is false, and `reason`
---says why.
---Usage: `print(require("kvm.info").collect().api_version)`
---@return table
function M.collect()
  local host = require "kvm.host".get()
  local info = { arch = kvm.arch, page_size = kvm.page_size,
    kernel = host.kernel }
  info.available, info.reason = kvm.available()
  if not info.available then return info end
  local system <close> = kvm.open()
  info.api_version = system:get_api_version()
  info.vcpu_mmap_size = system:get_vcpu_mmap_size()
  local vm <close> = system:create_vm()
  info.capabilities = capabilities(vm)
  info.host = host.facts
  info.behaviour = host:behaviour()
  return info
end

local function sorted_names(t)
  local names = {}
  for name in pairs(t) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function print_table(t, width)
  for _, name in ipairs(sorted_names(t)) do
    local value = t[name]
    if type(value) == "table" then value = require("kvm.pretty").format(value) end
    print(("  %-" .. width .. "s %s"):format(name, tostring(value)))
  end
end

local function print_text(info)
  print(("kvmlua %s, %s, Linux %s, pages of %d bytes"):format(info.kvmlua,
    info.arch, info.kernel, info.page_size))
  if not info.available then
    print("no KVM: " .. info.reason)
    return
  end
  print(("KVM API version %d, kvm_run of %d bytes"):format(info.api_version,
    info.vcpu_mmap_size))
  print "\nhost"
  print_table(info.host, 34)
  if next(info.behaviour) then
    print "\nbehaviour"
    print_table(info.behaviour, 34)
  end
  print "\ncapabilities"
  print_table(info.capabilities, 34)
end

---Prints it as "text" or "json".
---Usage: `require("kvm.info").show("json", "0.1.0")`
---@param format "text"|"json"
---@param version string kvmlua's
---@return boolean is there a KVM?
function M.show(format, version)
  local info = M.collect()
  info.kvmlua = version
  if format == "json" then
    print(require("kvm.json").encode(info))
  else
    print_text(info)
  end
  return info.available
end

return M
