-- SPDX-License-Identifier: MIT
--- Verbs for guest memory, added to the core's classes: a VM maps memory at a
--- gpa and numbers the slots itself. Loaded by `require "kvm"`.
local check = require "kvm.check"
local core = require "kvm.core"
local hexdump = require "kvm.debug.hexdump"

local vm, memory = core.class["kvm.vm"], core.class["kvm.memory"]
local vcpu = core.class["kvm.vcpu"]
local PAGE = core.page_size
local in_pages = check.multiple(PAGE, "the page size")
local MAP_OPTIONS = {
  readonly = "boolean", log_dirty = "boolean",
  slot = "integer", offset = "integer", size = "integer",
}

-- What a verb checks first: its object, and that there are at most max
-- arguments.
local function begin(verb, class, self, max, ...)
  check.method(verb, class, self)
  if self.fd < 0 then check.fail("%s is closed", class) end -- a VM says so
  check.surplus(max, verb, ...)
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

---The memory that map was asked for: the one that it was given, or fresh.
local function memory_of(what)
  if is_memory(what) then return what end
  local size = type(what) == "number" and math.tointeger(what)
  if not size then
    check.bad(2, "map", "size or kvm.memory expected, got %s", check.show(what))
  elseif size <= 0 then
    check.bad(2, "map", "size is %s", size == 0 and "0" or "negative")
  end
  return core.memory(check.argument(2, "map", "size", in_pages, size))
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
function vm:map(gpa, what, opts, ...)
  begin("map", "kvm.vm", self, 3, ...)
  gpa = check.argument(1, "map", "gpa", in_pages, gpa)
  opts = check.options(3, "map", opts, MAP_OPTIONS)
  local ram = memory_of(what)
  local inside, offset, size = part(ram, opts)
  if not inside then
    check.bad(3, "map",
      "0x%x bytes at 0x%x are outside the memory of 0x%x bytes", size, offset,
      #ram)
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
function vm:unmap(gpa, ...)
  begin("unmap", "kvm.vm", self, 1, ...)
  gpa = check.argument(1, "unmap", "gpa", "integer", gpa)
  local s = slot_at(self, gpa)
    or check.bad(1, "unmap", "gpa 0x%x is in no slot", gpa)
  if s.gpa ~= gpa then
    check.bad(1, "unmap", "gpa 0x%x is inside slot %d, which begins at 0x%x",
      gpa, s.slot, s.gpa)
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
function vm:dirty_pages(gpa, ...)
  begin("dirty_pages", "kvm.vm", self, 1, ...)
  local slots, pages = self:slots(), {}
  if gpa ~= nil then
    gpa = check.argument(1, "dirty_pages", "gpa", "integer", gpa)
    slots = { slot_at(self, gpa) or check.bad(1, "dirty_pages",
      "gpa 0x%x is in no slot", gpa) }
  end
  for _, s in ipairs(slots) do
    if gpa or s.flags & core.MEM.LOG_DIRTY_PAGES ~= 0 then
      add_pages(pages, self:get_dirty_log(s.slot), s.gpa)
    end
  end
  return pages
end

-- The parts of n bytes at a guest virtual address, as the vCPU translates it
-- now: each lies in one page of the guest and in one of the host.
local function parts_of(cpu, verb, gva, n)
  local mmu = require("kvm.arch." .. core.arch .. ".mmu")
  local parts, done = {}, 0
  while done < n do
    local va = gva + done
    local page, fault = mmu.walk(cpu.regs, cpu.vm, va)
    if not page then
      check.bad(1, verb, "gva 0x%x has no translation: %s", va, fault.fault)
    elseif not slot_at(cpu.vm, page.pa) then
      check.bad(1, verb, "gva 0x%x is at gpa 0x%x, which is in no slot", va,
        page.pa)
    end
    local size = math.min(n - done, page.size - (page.pa & page.size - 1),
      PAGE - (page.pa & PAGE - 1))
    parts[#parts + 1] = { gpa = page.pa, offset = done, size = size }
    done = done + size
  end
  return parts
end

---Reads guest memory by virtual address, through the page tables that the vCPU
---uses now.
---Usage: `print(#cpu:read(0x1000, 16))`
---@param gva integer
---@param n integer bytes
---@return string
function vcpu:read(gva, n, ...)
  begin("read", "kvm.vcpu", self, 2, ...)
  gva = check.argument(1, "read", "gva", "integer", gva)
  n = check.argument(2, "read", "n", check.integer(0, math.maxinteger), n)
  local bytes = {}
  for i, part in ipairs(parts_of(self, "read", gva, n)) do
    bytes[i] = self.vm:read(part.gpa, part.size)
  end
  return table.concat(bytes)
end

---Writes guest memory by virtual address. All of it is translated before the
---first byte is written; pages that the guest may not write are written too.
---Usage: `cpu:write(0x1000, "bytes")`
---@param gva integer
---@param bytes string
function vcpu:write(gva, bytes, ...)
  begin("write", "kvm.vcpu", self, 2, ...)
  gva = check.argument(1, "write", "gva", "integer", gva)
  check.argument(2, "write", "bytes", "string", bytes)
  for _, part in ipairs(parts_of(self, "write", gva, #bytes)) do
    self.vm:write(part.gpa, bytes:sub(part.offset + 1,
      part.offset + part.size))
  end
end

---The bytes as text, with offsets.
---Usage: `print(ram:hexdump(0x100, 64))`
---@param offset? integer 0 by default
---@param n? integer by default the rest, at most 256
---@return string
function memory:hexdump(offset, n, ...)
  check.method("hexdump", "kvm.memory", self)
  check.surplus(2, "hexdump", ...)
  offset = check.optional(1, "hexdump", "offset", "integer", offset) or 0
  n = check.optional(2, "hexdump", "n", "integer", n)
    or math.max(0, math.min(256, #self - offset))
  return hexdump.format(self:read(offset, n), offset)
end
