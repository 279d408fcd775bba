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
local check = require "kvm.check"
local features = require "kvm.arch.x86_64.cpuid_features"

local M = {}

local word <const> = check.bits(32)
local REGISTERS <const> = { eax = word, ebx = word, ecx = word, edx = word }
local SUBLEAF_MATTERS <const> = 1 -- KVM_CPUID_FLAG_SIGNIFCANT_INDEX

local FIELDS <const> = { "flags", "index", "eax", "ebx", "ecx", "edx",
                         "function" }

-- A list, whose entries have all their fields.
local function list_kind(name, list)
  local text = check.problem(name, "table", list)
  if text then return text end
  for i, entry in ipairs(list) do
    local where = ("%s[%d]"):format(name, i)
    text = check.problem(where, "table", entry)
    for _, field in ipairs(FIELDS) do
      text = text or check.problem(where .. "." .. field, word, entry[field])
    end
    if text then return text end
  end
end

local function check_list(fn, list)
  check.argument(1, fn, "list", list_kind, list)
end

local function check_leaf(fn, list, leaf, subleaf)
  check_list(fn, list)
  check.argument(2, fn, "leaf", word, leaf)
  if type(subleaf) == "table" then
    check.bad(3, fn, "subleaf: integer or nil expected, got table: "
      .. "%s(list, leaf, nil, registers)", fn)
  end
  check.optional(3, fn, "subleaf", word, subleaf)
end

local function find(list, leaf, subleaf)
  for _, entry in ipairs(list) do
    if entry["function"] == leaf and (subleaf == nil
        or entry.flags & SUBLEAF_MATTERS == 0 or entry.index == subleaf) then
      return entry
    end
  end
end

---The entry of a leaf.
---Usage: `local e = cpuid.find(list, 7, 0)`
---@param list table
---@param leaf integer
---@param subleaf? integer 0 when it is not given
---@return table? entry function, index, flags, eax, ebx, ecx, edx
function M.find(list, leaf, subleaf)
  check_leaf("find", list, leaf, subleaf)
  return find(list, leaf, subleaf or 0)
end

local function set(list, leaf, subleaf, registers)
  local entry = find(list, leaf, subleaf or 0)
  if not entry then
    entry = { ["function"] = leaf, index = subleaf or 0,
              flags = subleaf and SUBLEAF_MATTERS or 0,
              eax = 0, ebx = 0, ecx = 0, edx = 0 }
    list[#list + 1] = entry
  end
  for name, value in pairs(registers) do entry[name] = value end
  return entry
end

---Sets registers of a leaf, which is added when it is not there.
---Usage: `cpuid.set(list, 0x80000008, nil, { eax = 0x3028 })`
---@param list table
---@param leaf integer
---@param subleaf? integer nil: the leaf has none
---@param registers table eax, ebx, ecx, edx; those left out stay
---@return table entry
function M.set(list, leaf, subleaf, registers)
  check_leaf("set", list, leaf, subleaf)
  check.argument(4, "set", "registers", "table", registers)
  registers = check.options(4, "set", registers, REGISTERS, "register")
  return set(list, leaf, subleaf, registers)
end

---Removes a leaf, or one subleaf of it.
---Usage: `cpuid.remove(list, 0xd)`
---@param list table
---@param leaf integer
---@param subleaf? integer nil: all of them
---@return integer count how many entries there were
function M.remove(list, leaf, subleaf)
  check_leaf("remove", list, leaf, subleaf)
  local count = 0
  for i = #list, 1, -1 do
    if find({ list[i] }, leaf, subleaf) then
      table.remove(list, i)
      count = count + 1
    end
  end
  return count
end

-- ---- features --------------------------------------------------------------

-- Leaf, subleaf, register and bit of the n-th argument of fn.
local function place(n, fn, name)
  local f = features[name]
  if f then return f[1], f[2] or nil, f[3], 1 << f[4] end
  local names = {}
  for known in pairs(features) do names[#names + 1] = known end
  table.sort(names)
  local near = check.nearest(name, names)
  check.bad(n, fn, "no CPUID feature is called %s (%sthe names are the keys of "
    .. "kvm.arch.x86_64.cpuid_features)", check.show(name),
    near and ("did you mean '%s'? "):format(near) or "")
end

local function has(list, leaf, subleaf, register, bit)
  local entry = find(list, leaf, subleaf or 0)
  return entry ~= nil and entry[register] & bit ~= 0
end

---Whether a feature bit is set.
---Usage: `print(cpuid.feature(list, "sse4_2"))`
---@param list table
---@param name string
---@return boolean
function M.feature(list, name)
  check_list("feature", list)
  return has(list, place(2, "feature", name))
end

---The names of all feature bits that are set, sorted.
---Usage: `print(table.concat(cpuid.features(list), " "))`
---@param list table
---@return string[]
function M.features(list)
  check_list("features", list)
  local names = {}
  for name in pairs(features) do
    if has(list, place(2, "features", name)) then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

---Sets feature bits. KVM lets a guest use only what get_supported_cpuid has.
---Usage: `cpuid.enable(list, "avx2", "bmi2")`
---@param list table
---@param ... string
function M.enable(list, ...)
  check_list("enable", list)
  for i = 1, select("#", ...) do
    local leaf, subleaf, register, bit = place(i + 1, "enable",
      (select(i, ...)))
    local entry = set(list, leaf, subleaf, {})
    entry[register] = entry[register] | bit
  end
end

---Clears feature bits.
---Usage: `cpuid.clear(list, "x2apic")`
---@param list table
---@param ... string
function M.clear(list, ...)
  check_list("clear", list)
  for i = 1, select("#", ...) do
    local leaf, subleaf, register, bit = place(i + 1, "clear",
      (select(i, ...)))
    local entry = find(list, leaf, subleaf or 0)
    if entry then entry[register] = entry[register] & ~bit end
  end
end

-- ---- identity --------------------------------------------------------------

---The vendor's twelve letters.
---Usage: `cpuid.vendor(list) == "GenuineIntel"`
---@param list table
---@return string? vendor
function M.vendor(list)
  check_list("vendor", list)
  local e = find(list, 0)
  return e and string.pack("<I4I4I4", e.ebx, e.edx, e.ecx)
end

---Changes the vendor, in both leaves that say it.
---Usage: `cpuid.set_vendor(list, "KvmLuaKvmLua")`
---@param list table
---@param vendor string twelve bytes
function M.set_vendor(list, vendor)
  check_list("set_vendor", list)
  check.argument(2, "set_vendor", "vendor", "string", vendor)
  if #vendor ~= 12 then
    check.bad(2, "set_vendor", "vendor %s has %d bytes, it takes 12",
      check.show(vendor), #vendor)
  end
  local ebx, edx, ecx = string.unpack("<I4I4I4", vendor)
  for _, leaf in ipairs { 0, 0x80000000 } do
    set(list, leaf, nil, { ebx = ebx, ecx = ecx, edx = edx })
  end
end

---The processor's name: leaves 0x80000002 to 0x80000004.
---Usage: `print(cpuid.brand(list))`
---@param list table
---@return string brand "" when there is none
function M.brand(list)
  check_list("brand", list)
  local text = ""
  for leaf = 0x80000002, 0x80000004 do
    local e = find(list, leaf)
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
  check_list("set_brand", list)
  check.argument(2, "set_brand", "brand", "string", brand)
  if #brand > 47 then
    check.bad(2, "set_brand", "brand %s has %d bytes, it takes at most 47",
      check.show(brand), #brand)
  end
  local text = brand .. ("\0"):rep(48 - #brand)
  for i = 0, 2 do
    local eax, ebx, ecx, edx = string.unpack("<I4I4I4I4", text, 16 * i + 1)
    set(list, 0x80000002 + i, nil,
      { eax = eax, ebx = ebx, ecx = ecx, edx = edx })
  end
end

-- ---- passing the host through ----------------------------------------------

---Sets the APIC id wherever a list tells it.
---Usage: `cpuid.set_apic_id(list, 3)`
---@param list table
---@param id integer
function M.set_apic_id(list, id)
  check_list("set_apic_id", list)
  id = check.argument(2, "set_apic_id", "id", word, id)
  local e = find(list, 1)
  if e then e.ebx = e.ebx & 0x00ffffff | (id & 0xff) << 24 end
  for _, entry in ipairs(list) do
    local leaf = entry["function"]
    if leaf == 0xb or leaf == 0x1f then entry.edx = id end
    if leaf == 0x8000001e then entry.eax = id end
  end
end

local is_system = check.object("kvm.system", "get_supported_cpuid")

-- A VM is what comes to mind; it has its system.
local function system_kind(name, value)
  local text = is_system(name, value)
  if not text then return nil end
  local ok, system = pcall(function() return value.system end)
  local has_one = ok and system and not is_system(name, system)
  return text .. (has_one and ": its field system is one" or "")
end

---A fresh list for a vCPU: everything that KVM can give it on this host.
---Usage: `cpu:set_cpuid2(cpuid.host(system, cpu.id))`
---@param system kvm.system
---@param id? integer of the vCPU, its APIC id (0)
---@return table list
---Raises a kvm.error: KVM_GET_SUPPORTED_CPUID.
function M.host(system, id)
  check.argument(1, "host", "system", system_kind, system)
  id = check.optional(2, "host", "id", word, id)
  local list = system:get_supported_cpuid()
  M.set_apic_id(list, id or 0)
  return list
end

return M
