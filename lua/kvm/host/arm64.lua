-- SPDX-License-Identifier: MIT
-- The arm64 half of kvm.host: how KVM uses the exception levels, which it says
-- once, in the kernel's log, when it starts; and what its machines may have.
local core = require "kvm.core"

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

local DEFAULT_IPA <const> = 40 -- bits; of kernels that have no other

-- The GICs that a VM of this host may have.
local function gic_versions(vm)
  local found = {}
  for version = 2, 3 do
    if vm:create_device("ARM_VGIC_V" .. version, { test = true }) then
      found[#found + 1] = version
    end
  end
  return found
end

local function ask_kvm()
  local system <close> = core.open()
  local ipa = system:check_extension "ARM_VM_IPA_SIZE"
  local vm <close> = system:create_vm()
  return ipa > 0 and ipa or DEFAULT_IPA, gic_versions(vm)
end

---`backend`: "vhe", "nvhe", "hvhe", "pkvm", or "unknown" where the log cannot be
---read; `boot_line`: where KVM said so; `ipa_bits`: the width of a guest's physical
---addresses at most (`kvm.create_vm` takes one); `gic_versions`: those that
---`kvm.arch.arm64.gic` can make. The last two are nil where KVM cannot be used.
---@return table
function M.describe()
  local line = boot_line()
  local found = { backend = backend(line), boot_line = line }
  local ok, ipa, gics = pcall(ask_kvm)
  if ok then found.ipa_bits, found.gic_versions = ipa, gics end
  return found
end

M.probes = {}

return M
