-- SPDX-License-Identifier: MIT
--- Reads and edits CPUID lists: what system:get_supported_cpuid() and
--- vcpu:get_cpuid2() return, and vcpu:set_cpuid2(list) takes.
---
---     local cpuid = require "kvm.arch.x86_64.cpuid"
---     local list = cpuid.host(system, cpu.id)
---     cpuid.clear(list, "x2apic")
---     cpuid.set(list, 0x40000000, nil, { eax = 0x40000001 })
---     cpu:set_cpuid2(list)
---
--- Features have the names of the manuals: kvm.arch.x86_64.cpuid_features.
local features = require "kvm.arch.x86_64.cpuid_features"

local M = {}

local REGISTERS <const> = { eax = true, ebx = true, ecx = true, edx = true }
local SUBLEAF_MATTERS <const> = 1 -- KVM_CPUID_FLAG_SIGNIFCANT_INDEX

local function matches(entry, leaf, subleaf)
  return entry["function"] == leaf
    and (entry.flags & SUBLEAF_MATTERS == 0 or entry.index == (subleaf or 0))
end

---The entry of a leaf.
---Usage: `local e = cpuid.find(list, 7, 0)`
---@param list table
---@param leaf integer
---@param subleaf? integer 0 when it is not given
---@return table? entry function, index, flags, eax, ebx, ecx, edx
function M.find(list, leaf, subleaf)
  for _, entry in ipairs(list) do
    if matches(entry, leaf, subleaf) then return entry end
  end
end

---Sets registers of a leaf, which is added when it is not there.
---Usage: `cpuid.set(list, 0x80000008, nil, { eax = 0x3028 })`
---@param list table
---@param leaf integer
---@param subleaf? integer nil: the leaf has none
---@param registers table eax, ebx, ecx, edx; those left out stay
---@return table entry
function M.set(list, leaf, subleaf, registers)
  for name, value in pairs(registers) do
    if not REGISTERS[name] then
      error(("CPUID has no register '%s' (expected eax, ebx, ecx or edx)")
        :format(tostring(name)), 2)
    elseif math.type(value) ~= "integer" or value >> 32 ~= 0 then
      error(("CPUID leaf 0x%x, %s: %s does not fit in 32 bits")
        :format(leaf, name, tostring(value)), 2)
    end
  end
  local entry = M.find(list, leaf, subleaf)
  if not entry then
    entry = { ["function"] = leaf, index = subleaf or 0,
              flags = subleaf and SUBLEAF_MATTERS or 0,
              eax = 0, ebx = 0, ecx = 0, edx = 0 }
    list[#list + 1] = entry
  end
  for name, value in pairs(registers) do entry[name] = value end
  return entry
end

---Removes a leaf, or one subleaf of it.
---Usage: `cpuid.remove(list, 0xd)`
---@param list table
---@param leaf integer
---@param subleaf? integer nil: all of them
---@return integer count how many entries there were
function M.remove(list, leaf, subleaf)
  local count = 0
  for i = #list, 1, -1 do
    local entry = list[i]
    if entry["function"] == leaf
       and (subleaf == nil or matches(entry, leaf, subleaf)) then
      table.remove(list, i)
      count = count + 1
    end
  end
  return count
end

-- ---- features --------------------------------------------------------------

local function feature(name, level)
  local f = features[name]
  if not f then
    error(("no CPUID feature is called '%s' (the names are the keys of "
      .. "kvm.arch.x86_64.cpuid_features)"):format(tostring(name)), level + 1)
  end
  return f[1], f[2] or nil, f[3], 1 << f[4]
end

---Whether a feature bit is set.
---Usage: `print(cpuid.feature(list, "sse4_2"))`
---@param list table
---@param name string
---@return boolean
function M.feature(list, name)
  local leaf, subleaf, register, bit = feature(name, 2)
  local entry = M.find(list, leaf, subleaf)
  return entry ~= nil and entry[register] & bit ~= 0
end

---The names of all feature bits that are set, sorted.
---Usage: `print(table.concat(cpuid.features(list), " "))`
---@param list table
---@return string[]
function M.features(list)
  local names = {}
  for name in pairs(features) do
    if M.feature(list, name) then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

---Sets feature bits. KVM lets a guest use only what get_supported_cpuid has.
---Usage: `cpuid.enable(list, "avx2", "bmi2")`
---@param list table
---@param ... string
function M.enable(list, ...)
  for _, name in ipairs { ... } do
    local leaf, subleaf, register, bit = feature(name, 2)
    local entry = M.find(list, leaf, subleaf)
      or M.set(list, leaf, subleaf, {})
    entry[register] = entry[register] | bit
  end
end

---Clears feature bits.
---Usage: `cpuid.clear(list, "x2apic")`
---@param list table
---@param ... string
function M.clear(list, ...)
  for _, name in ipairs { ... } do
    local leaf, subleaf, register, bit = feature(name, 2)
    local entry = M.find(list, leaf, subleaf)
    if entry then entry[register] = entry[register] & ~bit end
  end
end

-- ---- identity --------------------------------------------------------------

---The vendor's twelve letters.
---Usage: `cpuid.vendor(list) == "GenuineIntel"`
---@param list table
---@return string? vendor
function M.vendor(list)
  local e = M.find(list, 0)
  return e and string.pack("<I4I4I4", e.ebx, e.edx, e.ecx)
end

---Changes the vendor, in both leaves that say it.
---Usage: `cpuid.set_vendor(list, "KvmLuaKvmLua")`
---@param list table
---@param vendor string twelve bytes
function M.set_vendor(list, vendor)
  if #vendor ~= 12 then
    error(("vendor '%s' has %d bytes, it takes 12"):format(vendor, #vendor), 2)
  end
  local ebx, edx, ecx = string.unpack("<I4I4I4", vendor)
  for _, leaf in ipairs { 0, 0x80000000 } do
    M.set(list, leaf, nil, { ebx = ebx, ecx = ecx, edx = edx })
  end
end

---The processor's name: leaves 0x80000002 to 0x80000004.
---Usage: `print(cpuid.brand(list))`
---@param list table
---@return string brand "" when there is none
function M.brand(list)
  local text = ""
  for leaf = 0x80000002, 0x80000004 do
    local e = M.find(list, leaf)
    if not e then return "" end
    text = text .. string.pack("<I4I4I4I4", e.eax, e.ebx, e.ecx, e.edx)
  end
  return (text:gsub("\0.*", ""):gsub("^ +", ""):gsub(" +$", ""))
end

---Changes the processor's name.
---Usage: `cpuid.set_brand(list, "kvmlua")`
---@param list table
---@param brand string at most 47 bytes
function M.set_brand(list, brand)
  if #brand > 47 then
    error(("brand '%s' has %d bytes, it takes at most 47")
      :format(brand, #brand), 2)
  end
  local text = brand .. ("\0"):rep(48 - #brand)
  for i = 0, 2 do
    local eax, ebx, ecx, edx = string.unpack("<I4I4I4I4", text, 16 * i + 1)
    M.set(list, 0x80000002 + i, nil,
      { eax = eax, ebx = ebx, ecx = ecx, edx = edx })
  end
end

-- ---- passing the host through ----------------------------------------------

---Sets the APIC id wherever a list tells it.
---Usage: `cpuid.set_apic_id(list, 3)`
---@param list table
---@param id integer
function M.set_apic_id(list, id)
  local e = M.find(list, 1)
  if e then e.ebx = e.ebx & 0x00ffffff | (id & 0xff) << 24 end
  for _, entry in ipairs(list) do
    local leaf = entry["function"]
    if leaf == 0xb or leaf == 0x1f then entry.edx = id end
    if leaf == 0x8000001e then entry.eax = id end
  end
end

---A fresh list for a vCPU: everything that KVM can give it on this host.
---Usage: `cpu:set_cpuid2(cpuid.host(system, cpu.id))`
---@param system kvm.system
---@param id? integer of the vCPU, its APIC id (0)
---@return table list
---Raises a kvm.error: KVM_GET_SUPPORTED_CPUID.
function M.host(system, id)
  local list = system:get_supported_cpuid()
  M.set_apic_id(list, id or 0)
  return list
end

return M
