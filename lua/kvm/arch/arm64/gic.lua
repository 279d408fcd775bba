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
local check = require "kvm.check"
local numbers = require "kvm.arch.arm64.numbers"

local M = {}
local Gic = {}
Gic.__index = Gic
Gic.__name = "kvm.gic"

local DEVICE <const>, GROUP <const> = numbers.DEVICE, numbers.DEVICE_GROUP
local TYPE = { [2] = DEVICE.ARM_VGIC_V2, [3] = DEVICE.ARM_VGIC_V3,
               its = DEVICE.ARM_VGIC_ITS }
local K64 <const> = 0x10000

--- What each part takes of the guest's physical addresses, in bytes. A redist
--- is that large for every vCPU.
M.size = {
  [2] = { dist = 0x1000, cpu = 0x2000 },
  [3] = { dist = K64, redist = 2 * K64, its = 2 * K64 },
}

local function count_of_interrupts(name, n)
  local text = check.integer()(name, n)
  if text then return text end
  if n < 64 or n > 1024 or n % 32 ~= 0 then
    return ("%s %s is not a multiple of 32 from 64 to 1024"):format(name,
      check.show(n))
  end
end

local in_v2, in_v3 = check.multiple(0x1000), check.multiple(K64)
local REGION <const> = { "base", "count", base = in_v3,
                         count = check.integer(1, 0xfff) }

-- An address, or regions {base = gpa, count = vCPUs}.
local function redistributors(name, value)
  if type(value) ~= "table" then return in_v3(name, value) end
  if #value == 0 then return name .. ": a list of regions is empty" end
  for i, region in ipairs(value) do
    local at = ("%s[%d]"):format(name, i)
    local text = check.problem(at, "table", region)
    if text then return text end
    text = check.misfit(region, REGION, "field")
    if text then return at .. ": " .. text end
  end
end

-- Which options a version takes.
local OPTIONS <const> = {
  [2] = { "dist: the address of the distributor",
    "cpu: the address of the CPU interface", dist = in_v2, cpu = in_v2,
    version = "integer", nr_irqs = count_of_interrupts },
  [3] = { "dist: the address of the distributor",
    "redist: the address of the redistributors", dist = in_v3, its = in_v3,
    redist = redistributors, version = "integer",
    nr_irqs = count_of_interrupts },
}
local PARTS <const> = { [2] = { "dist", "cpu" },
                        [3] = { "dist", "redist", "its" } }

-- Redistributors of further vCPUs follow the first: the kernel checks those.
local function check_overlap(version, options)
  local size = M.size[version]
  for i, a in ipairs(PARTS[version]) do
    for j = i + 1, #PARTS[version] do
      local b = PARTS[version][j]
      local x, y = math.tointeger(options[a]), math.tointeger(options[b])
      if x and y and x < y + size[b] and y < x + size[a] then
        check.bad(2, "new", "%s 0x%x and %s 0x%x overlap", a, x, b, y)
      end
    end
  end
end

local is_vm = check.object("kvm.vm", "create_device")

--- Whether the host can emulate a GIC of that version.
--- Usage: `local version = gic.has(vm, 3) and 3 or 2`
---@param vm kvm.vm
---@param version 2|3|"its"
---@return boolean
function M.has(vm, version)
  check.argument(1, "has", "vm", is_vm, vm)
  check.argument(2, "has", "version", { 2, 3, "its" }, version)
  return vm:create_device(TYPE[version], { test = true })
end

local function choose(vm, version)
  if version == nil then return M.has(vm, 3) and 3 or 2 end
  return check.argument(2, "new", "version", { 2, 3 }, version)
end

local function set_regions(device, regions)
  for index, region in ipairs(regions) do
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
  check.argument(1, "new", "vm", is_vm, vm)
  options = options == nil and {} or options
  check.argument(2, "new", "options", "table", options)
  local version = choose(vm, options.version)
  local text = check.misfit(options, OPTIONS[version])
  if text then check.bad(2, "new", "GICv%d: %s", version, text) end
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
  check.method("init", "kvm.gic", self)
  attr.set(self.device, "vgic_init")
  if self.its then attr.set(self.its, "its_init") end
end

-- version -> space -> group.
local SPACES <const> = {
  [2] = { dist = GROUP.DIST_REGS, cpu = GROUP.CPU_REGS },
  [3] = { dist = GROUP.DIST_REGS, redist = GROUP.REDIST_REGS,
          cpu = GROUP.CPU_SYSREGS, level = GROUP.LEVEL_INFO },
}

local function unknown_space(self, fn, space)
  local names = { self.its and "its" }
  for name in pairs(SPACES[self.version]) do names[#names + 1] = name end
  table.sort(names)
  check.bad(1, fn, "%s", check.unknown("space", space, names))
end

-- The device, the group and the attribute of a register.
local function locate(self, fn, space, offset, vcpu, n)
  check.method(fn, "kvm.gic", self)
  offset = check.argument(2, fn, "offset", check.bits(32), offset)
  if space == "its" and self.its then
    return self.its, GROUP.ITS_REGS, offset
  end
  local group = SPACES[self.version][space] or unknown_space(self, fn, space)
  vcpu = check.optional(n, fn, "vcpu", check.bits(32), vcpu) or 0
  return self.device, group, vcpu << numbers.VGIC.V3_MPIDR_SHIFT | offset
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
  local device, group, number = locate(self, "read", space, offset, vcpu, 3)
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
  local device, group, number = locate(self, "write", space, offset, vcpu, 4)
  value = check.argument(3, "write", "value", "integer", value)
  device:set_device_attr(group, number, value)
end

--- Writes pending LPIs, and the ITS's tables, to guest memory.
--- Usage: `g:save_tables()`
function Gic:save_tables()
  check.method("save_tables", "kvm.gic", self)
  attr.set(self.device, "vgic_save_pending_tables")
  if self.its then attr.set(self.its, "its_save_tables") end
end

--- Reads the ITS's tables from guest memory.
--- Usage: `g:restore_tables()`
function Gic:restore_tables()
  check.method("restore_tables", "kvm.gic", self)
  if self.its then attr.set(self.its, "its_restore_tables") end
end

--- Closes the devices; the VM keeps its GIC.
--- Usage: `g:close()`
function Gic:close()
  check.method("close", "kvm.gic", self)
  if self.its then self.its:close() end
  self.device:close()
end
Gic.__close = Gic.close

return M
