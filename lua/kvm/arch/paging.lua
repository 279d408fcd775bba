-- SPDX-License-Identifier: MIT
-- Page tables as both machines have them: kvm.arch.x86_64.mmu and
-- kvm.arch.arm64.mmu build and walk with this, and add what their entries mean.
--
-- The contract of both. tables:map(va, pa, size, options) takes write (true),
-- user (false), execute, memory ("normal", "device", "noncached" or
-- "writethrough") and page, the largest page to use. mmu.walk(regs, read, va)
-- returns pa, level, size, entry, memory, is_writable, is_user, is_executable
-- (by the kernel), is_user_executable and is_accessed; or nil and a fault:
-- "not present", "not canonical", "reserved bit" or "no memory", with the level
-- and the address of the entry. Levels are counted as the manual does.
local check = require "kvm.check"

local M = {}

--- Memory types, in the order that MAIR_EL1 has them on arm64.
M.MEMORY = { "normal", "device", "noncached", "writethrough" }

---@class kvm.arch.paging.geometry
---@field entry integer bytes of an entry
---@field shift integer[] the lowest bit of the address that indexes a table; 1:
---the tables of pages
---@field width integer[] how many bits
---@field top integer the last of them: the root
---@field pages table<integer, boolean> which of them may hold a page
---@field size integer bytes of a table and of the smallest page
---@field unit string what that is called: "the page size"
---@field pa_bits integer
---@field level fun(n: integer): integer the manual's number

---A geometry from the bits of index of each table, 1: those of pages.
---@param g table all but shift and top
---@return kvm.arch.paging.geometry
function M.geometry(g)
  g.top, g.shift = #g.width, {}
  local shift = math.tointeger(math.log(g.size, 2))
  for n, width in ipairs(g.width) do
    g.shift[n] = shift
    shift = shift + width
  end
  return g
end

local function index_of(g, va, n)
  return va >> g.shift[n] & (1 << g.width[n]) - 1
end

-- ---- building ---------------------------------------------------------------

---Fields that a set of tables needs: a table is an index -> entry, or the table
---below; `number` is its place.
---@param g kvm.arch.paging.geometry
---@param base integer
function M.tables(g, base)
  return { geometry = g, base = base, tables = { { number = 0 } } }
end

local function taken(va, how)
  check.bad(1, "map", "va 0x%x is mapped already%s", va, how or "")
end

-- The table below an entry, made when it is not there.
local function below(self, parent, index, va)
  local child = parent[index]
  if not child then
    child = { number = #self.tables }
    self.tables[#self.tables + 1] = child
    parent[index] = child
  elseif math.type(child) then
    taken(va, ", by a larger page")
  end
  return child
end

local function put(self, va, n, entry, is_user)
  local g, t = self.geometry, self.tables[1]
  for above = g.top, n + 1, -1 do
    t = below(self, t, index_of(g, va, above), va)
    t.user = t.user or is_user
  end
  local index = index_of(g, va, n)
  if t[index] then taken(va) end
  t[index] = entry
end

-- Which tables hold the largest page that fits at an address, and its size.
local function largest(g, va, pa, size, limit)
  for n = g.top, 2, -1 do
    local page = 1 << g.shift[n]
    if g.pages[n] and page <= limit and (va | pa) & page - 1 == 0
      and not math.ult(size, page) then
      return n, page
    end
  end
  return 1, g.size
end

---The shape of map's options.
---@param g kvm.arch.paging.geometry
function M.options(g)
  local sizes = {}
  for n = 1, g.top do
    if n == 1 or g.pages[n] then sizes[#sizes + 1] = 1 << g.shift[n] end
  end
  return { write = "boolean", user = "boolean", execute = "boolean",
    memory = M.MEMORY, page = sizes }
end

---Checks what map was given. fits tells whether the range is in the address
---space; bits is how large that is.
---@param g kvm.arch.paging.geometry
function M.check(g, va, pa, size, fits, bits)
  local aligned = check.multiple(g.size, g.unit)
  check.argument(1, "map", "va", aligned, va)
  check.argument(2, "map", "pa", aligned, pa)
  check.argument(3, "map", "size", aligned, size)
  if size == 0 then
    check.bad(3, "map", "size is 0")
  elseif size < 0 or not fits(va, size) then
    check.bad(1, "map", "va 0x%x and 0x%x bytes do not fit in %d bits", va,
      size, bits)
  elseif math.ult((1 << g.pa_bits) - size, pa) then
    check.bad(2, "map", "pa 0x%x and 0x%x bytes do not fit in %d bits", pa,
      size, g.pa_bits)
  end
end

---Maps size bytes, with the largest pages that fit. entry(pa, n) makes one.
---@param limit integer the largest page
---@param is_user boolean? what the tables above need to know
function M.map(self, va, pa, size, limit, is_user, entry)
  while size > 0 do
    local n, page = largest(self.geometry, va, pa, size, limit)
    put(self, va, n, entry(pa, n), is_user)
    va, pa, size = va + page, pa + page, size - page
  end
end

---The bytes of all tables. pointer(gpa, n, t) makes the entry for table t, n
---the table it stands in.
---@return string
function M.bytes(self, pointer)
  local g, out = self.geometry, {}
  local format = "<I" .. g.entry
  local function add(t, n)
    local entries = {}
    for index = 0, g.size // g.entry - 1 do
      local entry = t[index] or 0
      if type(entry) == "table" then
        add(entry, n - 1)
        entry = pointer(self.base + entry.number * g.size, n, entry)
      end
      entries[index + 1] = format:pack(entry)
    end
    out[t.number + 1] = table.concat(entries)
  end
  add(self.tables[1], g.top)
  return table.concat(out)
end

-- ---- walking ----------------------------------------------------------------

---A register by name, which must be there.
function M.register(regs, name)
  return regs[name]
    or check.bad(1, "walk", "regs: register '%s' is missing", name)
end

---Checks what walk was given; returns a function that reads, or returns nil
---where there is no memory.
function M.reader(regs, read, va)
  if type(regs) ~= "userdata" then
    check.argument(1, "walk", "regs", "table", regs)
  end
  check.argument(3, "walk", "va", "integer", va)
  if type(read) == "function" then return read end
  check.argument(2, "walk", "read",
    check.object("function or kvm.vm", "read"), read)
  return function(gpa, size)
    local ok, bytes = pcall(read.read, read, gpa, size)
    return ok and bytes or nil
  end
end

---Why there is no translation.
---@return nil
---@return table fault
function M.fault(g, kind, n, address)
  return nil, { fault = kind, level = g.level(n), address = address }
end

---Follows the entries for va from the root down. step(entry, n, gpa) returns
---the gpa of the next table; or nil and what walk returns.
function M.walk(g, root, read, va, step)
  local at = root
  for n = g.top, 1, -1 do
    local gpa = at + g.entry * index_of(g, va, n)
    local bytes = read(gpa, g.entry)
    if not bytes then return M.fault(g, "no memory", n, gpa) end
    local entry = string.unpack("<I" .. g.entry, bytes)
    local below_, page, fault = step(entry, n, gpa)
    if not below_ then return page, fault end
    at = below_
  end
end

return M
