-- SPDX-License-Identifier: MIT
--- Verbs for guest memory, added to the core's classes: a VM maps memory at a
--- gpa and numbers the slots itself. Loaded by `require "kvm"`.
local core = require "kvm.core"
local hexdump = require "kvm.debug.hexdump"

local vm, memory = core.class["kvm.vm"], core.class["kvm.memory"]
local vcpu = core.class["kvm.vcpu"]
local PAGE = core.page_size
local MAP_OPTIONS = {
  readonly = "boolean", log_dirty = "boolean",
  slot = "integer", offset = "integer", size = "integer",
}
local MAP_NAMES = "log_dirty, offset, readonly, size or slot"
local NOT_PAGES = "%s 0x%x is not a multiple of the page size 0x%x"

---Raises for the caller of the verb that calls this.
local function bad(arg, verb, text, ...)
  error(("bad argument #%d to '%s' (%s)"):format(arg, verb, text:format(...)),
    3)
end

---The slot that holds a gpa, or nil.
local function slot_at(self, gpa)
  for _, s in ipairs(self:slots()) do
    if s.slot < 0x10000 and math.ult(gpa - s.gpa, s.size) then return s end
  end
end

---The lowest number that no slot has.
local function free_slot(self)
  local number = 0
  for _, s in ipairs(self:slots()) do
    if s.slot > number then break end
    number = s.slot + 1
  end
  return number
end

local function is_memory(value)
  local meta = type(value) == "userdata" and getmetatable(value)
  return type(meta) == "table" and meta.__name == "kvm.memory"
end

---What is wrong with the arguments of map: the number of one, and the text.
local function map_error(gpa, what, opts)
  local size = math.tointeger(what)
  if not math.tointeger(gpa) then
    return 1, ("gpa: integer expected, got %s"):format(type(gpa))
  elseif gpa % PAGE ~= 0 then
    return 1, NOT_PAGES:format("gpa", gpa, PAGE)
  elseif not size and not is_memory(what) then
    return 2, ("size or kvm.memory expected, got %s"):format(type(what))
  elseif size and (size <= 0 or size % PAGE ~= 0) then
    return 2, NOT_PAGES:format("size", size, PAGE)
  end
  if type(opts) ~= "table" then
    return 3, ("a table of options expected, got %s"):format(type(opts))
  end
  for name, value in pairs(opts) do
    local wanted = MAP_OPTIONS[name]
    if not wanted then
      return 3, ("unknown field '%s' (expected %s)"):format(
        tostring(name), MAP_NAMES)
    elseif math.type(value) ~= wanted and type(value) ~= wanted then
      return 3, ("field '%s': %s expected, got %s"):format(name, wanted,
        type(value))
    end
  end
end

---The part of the memory that the options choose, or nil when there is none.
local function part(ram, opts)
  local offset = opts.offset or 0
  local size = opts.size or #ram - offset
  local inside = size > 0 and not math.ult(#ram, size)
    and not math.ult(#ram - size, offset)
  return inside, offset, size
end

---Makes memory appear in the guest at a gpa, in a slot of its own.
---Usage: `local ram = vm:map(0x1000, 0x4000)`
---@param gpa integer a multiple of the page size
---@param what integer|kvm.memory a size in bytes: fresh memory is made; or the
---memory to show
---@param opts? table `readonly`: the guest's writes become MMIO exits (always
---so for memory that is read-only itself); `log_dirty`: keep a dirty log;
---`slot`: number, by default the lowest free one; `offset` and `size`: the part
---of the memory to show
---@return kvm.memory the memory, which stays alive as long as the slot
---Raises a kvm.error: KVM_SET_USER_MEMORY_REGION.
function vm:map(gpa, what, opts)
  opts = opts or {}
  local arg, text = map_error(gpa, what, opts)
  if arg then bad(arg, "map", "%s", text) end
  local ram = is_memory(what) and what or core.memory(math.tointeger(what))
  local inside, offset, size = part(ram, opts)
  if not inside then
    bad(3, "map", "0x%x bytes at 0x%x are outside the memory of 0x%x bytes",
      size, offset, #ram)
  end
  self:set_user_memory_region {
    slot = opts.slot or free_slot(self), guest_phys_addr = gpa,
    memory = ram, offset = offset, memory_size = size,
    flags = (opts.log_dirty and core.MEM.LOG_DIRTY_PAGES or 0)
      | ((opts.readonly or ram.readonly) and core.MEM.READONLY or 0),
  }
  return ram
end

---Takes a slot away from the guest: what it shows is unmapped there, and the
---memory itself goes when nothing else uses it.
---Usage: `vm:unmap(0x1000)`
---@param gpa integer where the slot begins
---Raises a kvm.error: KVM_SET_USER_MEMORY_REGION.
function vm:unmap(gpa)
  gpa = math.tointeger(gpa) or bad(1, "unmap", "gpa: integer expected")
  local s = slot_at(self, gpa)
  if not s then bad(1, "unmap", "gpa 0x%x is in no slot", gpa) end
  if s.gpa ~= gpa then
    bad(1, "unmap", "gpa 0x%x is inside slot %d, which begins at 0x%x", gpa,
      s.slot, s.gpa)
  end
  self:set_user_memory_region { slot = s.slot, memory_size = 0 }
end

---Adds the gpas of the set bits of a bitmap to a list.
local function add_pages(pages, bitmap, gpa)
  for i = 1, #bitmap, 8 do
    local word, page = string.unpack("<I8", bitmap, i), (i - 1) * 8
    while word ~= 0 do
      if word & 1 ~= 0 then pages[#pages + 1] = gpa + page * PAGE end
      word, page = word >> 1, page + 1
    end
  end
end

---The pages that the guest wrote since the last call (or since the log began),
---from the dirty logs of slots mapped with `log_dirty`.
---Usage: `for _, gpa in ipairs(vm:dirty_pages()) do print(gpa) end`
---@param gpa? integer in the slot to ask; by default all that keep a log
---@return integer[] gpas of pages, ascending in each slot
---Raises a kvm.error: KVM_GET_DIRTY_LOG.
function vm:dirty_pages(gpa)
  local slots, pages = self:slots(), {}
  if gpa ~= nil then
    gpa = math.tointeger(gpa)
      or bad(1, "dirty_pages", "gpa: integer expected")
    slots = { slot_at(self, gpa) or bad(1, "dirty_pages",
      "gpa 0x%x is in no slot", gpa) }
  end
  for _, s in ipairs(slots) do
    if gpa or s.flags & core.MEM.LOG_DIRTY_PAGES ~= 0 then
      add_pages(pages, self:get_dirty_log(s.slot), s.gpa)
    end
  end
  return pages
end

-- Raises for the caller of the verb that calls this.
local function check_open(cpu)
  if cpu.fd < 0 then error("kvm.vcpu is closed", 3) end
end

-- Calls step(gpa, offset, n) for each part of n bytes at a guest virtual
-- address that lies in one page, as the vCPU translates it now.
local function each_part(cpu, verb, gva, n, step)
  local mmu = require("kvm.arch." .. core.arch .. ".mmu")
  local function read(gpa, size)
    local ok, bytes = pcall(cpu.vm.read, cpu.vm, gpa, size)
    return ok and bytes or nil
  end
  local done = 0
  while done < n do
    local va = gva + done
    local size = math.min(n - done, 0x1000 - (va & 0xfff))
    local page, fault = mmu.walk(cpu.regs, read, va)
    if not page then
      bad(1, verb, "gva 0x%x has no translation: %s", va,
        type(fault) == "table" and fault.fault or "unmapped")
    end
    step(page.pa, done, size)
    done = done + size
  end
end

---Reads guest memory by virtual address, through the page tables that the vCPU
---uses now.
---Usage: `print(#cpu:read(0x1000, 16))`
---@param gva integer
---@param n integer bytes
---@return string
function vcpu:read(gva, n)
  check_open(self)
  gva = math.tointeger(gva) or bad(1, "read", "gva: integer expected")
  n = math.tointeger(n)
  if not n or n < 0 then bad(2, "read", "a number of bytes expected") end
  local parts = {}
  each_part(self, "read", gva, n, function(gpa, _, size)
    parts[#parts + 1] = self.vm:read(gpa, size)
  end)
  return table.concat(parts)
end

---Writes guest memory by virtual address. All of it is translated before the
---first byte is written; pages that the guest may not write are written too.
---Usage: `cpu:write(0x1000, "bytes")`
---@param gva integer
---@param bytes string
function vcpu:write(gva, bytes)
  check_open(self)
  gva = math.tointeger(gva) or bad(1, "write", "gva: integer expected")
  if type(bytes) ~= "string" then bad(2, "write", "a string expected") end
  local parts = {}
  each_part(self, "write", gva, #bytes, function(gpa, offset, size)
    parts[#parts + 1] = { gpa, bytes:sub(offset + 1, offset + size) }
  end)
  for _, piece in ipairs(parts) do self.vm:write(piece[1], piece[2]) end
end

---The bytes as text, with offsets.
---Usage: `print(ram:hexdump(0x100, 64))`
---@param offset? integer 0 by default
---@param n? integer by default the rest, at most 256
---@return string
function memory:hexdump(offset, n)
  offset = offset or 0
  n = n or math.max(0, math.min(256, #self - offset))
  return hexdump.format(self:read(offset, n), offset)
end
