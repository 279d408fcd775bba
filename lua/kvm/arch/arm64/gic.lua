-- SPDX-License-Identifier: MIT
--- The in-kernel interrupt controllers of arm64: GICv2, GICv3 and its ITS.
---
---     local gic = require "kvm.arch.arm64.gic"
---     local g = gic.new(vm, {version = 3, nr_irqs = 128, dist = 0x8000000,
---                            its = 0x8080000, redist = 0x80a0000})
---     -- ... create every vCPU ...
---     g:init()
---
--- The order is the kernel's: the device before the first run, addresses and
--- numbers before init, every vCPU before init.
local attr = require "kvm.arch.arm64.attr"

local M = {}
local Gic = {}
Gic.__index = Gic
Gic.__name = "kvm.gic"

local TYPE = { [2] = 5, [3] = 7, its = 8 } -- KVM_DEV_TYPE_ARM_VGIC_*
local K64 <const> = 0x10000

--- What each part takes of the guest's physical addresses, in bytes. A redist
--- is that large for every vCPU.
M.size = {
  [2] = { dist = 0x1000, cpu = 0x2000 },
  [3] = { dist = K64, redist = 2 * K64, its = 2 * K64 },
}
local ALIGN = { [2] = 0x1000, [3] = K64 }

-- Which options a version takes; the first two are needed.
local PARTS = { [2] = { "dist", "cpu" }, [3] = { "dist", "redist", "its" } }

local function bad(level, ...) error(string.format(...), level + 1) end

local function check_aligned(version, what, gpa)
  if math.type(gpa) ~= "integer" then
    bad(4, "gic.%s: an address expected, got %s", what, type(gpa))
  elseif gpa % ALIGN[version] ~= 0 then
    bad(4, "gic.%s 0x%x is not a multiple of 0x%x", what, gpa, ALIGN[version])
  end
end

local function check_options(version, options)
  local known = { version = true, nr_irqs = true }
  for _, part in ipairs(PARTS[version]) do known[part] = true end
  for name in pairs(options) do
    if not known[name] then
      bad(3, "unknown field '%s' (a GICv%d takes version, nr_irqs, %s)",
        tostring(name), version, table.concat(PARTS[version], ", "))
    end
  end
  for i, part in ipairs(PARTS[version]) do
    local value = options[part]
    if i <= 2 and value == nil then
      bad(3, "a GICv%d needs the address '%s'", version, part)
    elseif value ~= nil and type(value) ~= "table" then
      check_aligned(version, part, value)
    end
  end
  local n = options.nr_irqs
  if n and (n < 64 or n > 1024 or n % 32 ~= 0) then
    bad(3, "nr_irqs %s is not a multiple of 32 from 64 to 1024", n)
  end
end

-- Redistributors of further vCPUs follow the first: the kernel checks those.
local function check_overlap(version, options)
  local size = M.size[version]
  for i, a in ipairs(PARTS[version]) do
    for j = i + 1, #PARTS[version] do
      local b = PARTS[version][j]
      local x, y = math.tointeger(options[a]), math.tointeger(options[b])
      if x and y and x < y + size[b] and y < x + size[a] then
        bad(3, "gic.%s 0x%x and gic.%s 0x%x overlap", a, x, b, y)
      end
    end
  end
end

--- Whether the host can emulate a GIC of that version.
--- Usage: `local version = gic.has(vm, 3) and 3 or 2`
---@param vm kvm.vm
---@param version 2|3|"its"
---@return boolean
function M.has(vm, version)
  return vm:create_device(TYPE[version], { test = true })
end

local function choose(vm, version)
  if version == nil then return M.has(vm, 3) and 3 or 2 end
  if version ~= 2 and version ~= 3 then
    bad(3, "GIC version %s (expected 2 or 3)", tostring(version))
  end
  return version
end

-- redist = {{base = gpa, count = vCPUs}, ...}: several regions.
local function set_regions(device, regions)
  for index, region in ipairs(regions) do
    check_aligned(3, "redist region", region.base)
    attr.set(device, "vgic_v3_redist_region",
      region.count << 52 | region.base | index - 1)
  end
end

local function place(self, options)
  local device = self.device
  if self.version == 2 then
    attr.set(device, "vgic_v2_dist", options.dist)
    attr.set(device, "vgic_v2_cpu", options.cpu)
    return
  end
  attr.set(device, "vgic_v3_dist", options.dist)
  if type(options.redist) == "table" then
    set_regions(device, options.redist)
  else
    attr.set(device, "vgic_v3_redist", options.redist)
  end
end

---@class kvm.gic.options
---@field version? 2|3 by default the best that the host has
---@field dist integer guest physical address of the distributor
---@field redist? integer|{base: integer, count: integer}[] version 3: of the
---redistributors, 128 KiB for each vCPU; or regions for count vCPUs each
---@field cpu? integer version 2: of the CPU interface
---@field its? integer version 3: of an ITS
---@field nr_irqs? integer all interrupts, with the 32 private ones: 64 to 1024
---in steps of 32

---@class kvm.gic
---@field version 2|3
---@field device kvm.device
---@field its? kvm.device

--- Makes the GIC of a VM and places it.
--- Usage: `local g = gic.new(vm, {dist = 0x8000000, redist = 0x80a0000})`
---@param vm kvm.vm
---@param options kvm.gic.options
---@return kvm.gic
---Raises a kvm.error: KVM_CREATE_DEVICE, KVM_SET_DEVICE_ATTR.
function M.new(vm, options)
  local version = choose(vm, options.version)
  check_options(version, options)
  check_overlap(version, options)
  local self = setmetatable({ version = version }, Gic)
  self.device = vm:create_device(TYPE[version])
  place(self, options)
  if options.nr_irqs then
    attr.set(self.device, "vgic_nr_irqs", options.nr_irqs)
  end
  if options.its then
    self.its = vm:create_device(TYPE.its)
    attr.set(self.its, "its_addr", options.its)
  end
  return self
end

--- Initialises the GIC, then its ITS. To be called once all vCPUs exist: the VM
--- takes no further ones afterwards.
--- Usage: `g:init()`
---Raises a kvm.error: KVM_SET_DEVICE_ATTR.
function Gic:init()
  attr.set(self.device, "vgic_init")
  if self.its then attr.set(self.its, "its_init") end
end

-- space -> group, and how the vCPU is told: by number or by affinity.
local SPACES = {
  [2] = { dist = 1, cpu = 2 },
  [3] = { dist = 1, redist = 5, cpu = 6, level = 7 },
}

local function locate(self, space, offset, vcpu)
  if space == "its" and self.its then return self.its, 8, offset end
  local group = SPACES[self.version][space]
  if not group then
    bad(3, "a GICv%d without ITS registers has no space '%s'", self.version,
      tostring(space))
  end
  return self.device, group, (vcpu or 0) << 32 | offset
end

--- Reads a register.
--- Usage: `print(g:read("dist", 4))`
---@param space "dist"|"redist"|"cpu"|"level"|"its" level and redist are
---version 3's
---@param offset integer in bytes; of "cpu" in version 3 the encoding of
---ICC_*_EL1
---@param vcpu? integer its number (version 2), or its affinity from MPIDR_EL1
---as 32 bits (version 3); 0 by default
---@return integer
---Raises a kvm.error: KVM_GET_DEVICE_ATTR.
function Gic:read(space, offset, vcpu)
  local device, group, number = locate(self, space, offset, vcpu)
  return device:get_device_attr(group, number)
end

--- Writes a register.
--- Usage: `g:write("dist", 0x104, 2)`
---@param space "dist"|"redist"|"cpu"|"level"|"its"
---@param offset integer
---@param value integer
---@param vcpu? integer
---Raises a kvm.error: KVM_SET_DEVICE_ATTR.
function Gic:write(space, offset, value, vcpu)
  local device, group, number = locate(self, space, offset, vcpu)
  device:set_device_attr(group, number, value)
end

--- Writes pending LPIs, and the ITS's tables, to guest memory.
--- Usage: `g:save_tables()`
function Gic:save_tables()
  attr.set(self.device, "vgic_save_pending_tables")
  if self.its then attr.set(self.its, "its_save_tables") end
end

--- Reads the ITS's tables from guest memory.
--- Usage: `g:restore_tables()`
function Gic:restore_tables()
  if self.its then attr.set(self.its, "its_restore_tables") end
end

--- Closes the devices; the VM keeps its GIC.
--- Usage: `g:close()`
function Gic:close()
  if self.its then self.its:close() end
  self.device:close()
end
Gic.__close = Gic.close

return M
