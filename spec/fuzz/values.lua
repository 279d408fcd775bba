-- SPDX-License-Identifier: MIT
-- Hostile values, and values that are nearly right: those get past the first
-- check. What the kernel gets is tame; it is not the kernel that is fuzzed.
local core = require "kvm.core"
local worlds = require "spec.fuzz.world"

local M = {}

local pick = worlds.pick
local rows, layouts = core.ioctls(), core.layouts()

local by_method, requests = {}, {}
for _, row in pairs(rows) do
  by_method[row.method] = row
  for _, scope in ipairs(row.scopes) do
    local class = "kvm." .. scope
    requests[class] = requests[class] or {}
    table.insert(requests[class], row.request)
  end
end
for _, list in pairs(requests) do table.sort(list) end

-- ---- anything ------------------------------------------------------------------

local plain <const> = { true, false, 0, 1, -1, 2, 7, 8, 63, 64, 255, 0x1000,
  0xfff, 0x1001, 0x7fffffff, 0x80000000, 0xffffffff, 1 << 32, 1 << 47, 1 << 62,
  math.maxinteger, math.mininteger, 0 / 0, 1 / 0, -1 / 0, 0.5, 1e300, "", "x",
  "IRQCHIP", "x86", "\0", ("A"):rep(300), ("\xff"):rep(4096), "10", "0x10",
  "rax", "pc", "run", "close", "__index", "<I8", "<i4z", "s1", "!16 d", print,
  {}, { 1, 2, 3 }, { -1 }, { {} }, { timeout = 0.001 }, { size = 0x1000 },
  { slot = 0 }, { "LOG_DIRTY_PAGES", "READONLY" },
  { cap = 1, args = { 1, 2, 3, 4, 5 } }, { index = 0x10, data = 1 },
  { { index = 0x10, data = 1 } }, { [0x10] = 1 }, { 0x10, "tsc" }, io.stdout,
  coroutine.create(print), { backing = "memfd" }, { backing = 7 },
  { slot = 1, guest_phys_addr = 0x20000, memory_size = 0x1000 }, { fd = 0 } }

-- Something that misbehaves whenever it is looked at.
local function trap(w)
  local function act() return worlds.misbehave(w) end
  return setmetatable({}, { __index = act, __newindex = act, __len = act,
    __pairs = act, __tostring = act, __name = 7, __call = act, __eq = act,
    __close = act, __lt = act, __concat = act })
end

---Any value.
function M.any(w)
  local n = math.random(10)
  if n == 1 then return nil end
  if n == 2 then return trap(w) end
  if n <= 5 then return pick(w).object end
  if n == 6 then return math.random(0) end
  return pick(plain)
end

-- ---- nearly right ---------------------------------------------------------------

-- A table for a struct: some fields, mostly of the right type.
local function struct(w, name, depth)
  local t = {}
  for _, field in ipairs(layouts[name].fields) do
    if math.random(4) == 1 then
      local value = math.random(3)
      if math.random(6) == 1 then
        value = M.any(w)
      elseif field.kind == "table" and depth < 3 then
        value = struct(w, field.struct, depth + 1)
      elseif field.kind == "bytes" then
        value = ("\0"):rep(field.size + math.random(-1, 1))
      end
      if field.count > 0 then value = { [math.random(field.count + 1)] = value } end
      t[field.name] = value
    end
  end
  if math.random(8) == 1 then
    t = setmetatable(t, { __index = function() return worlds.misbehave(w) end })
  end
  return t
end

-- What a row's method takes: a table of its struct, or a list of entries.
local function argument(w, row)
  local t = row.struct and struct(w, row.struct, 0) or {}
  if row.kind == "setlist" then
    for i = 1, math.random(0, 4) do
      t[i] = row.entry and struct(w, row.entry, 0) or math.random(4)
    end
  end
  return t
end

-- Option tables: each field with the most its integer may be, a class, or a list
-- of what it may be. Lists, so that a seed says what happens.
local region <const> = { { "slot", 4 }, { "guest_phys_addr", { 0, 0x1000,
  0x40000 } }, { "memory", "kvm.memory" }, { "memory_size", { 0, 0x1000, 0x2000 } },
  { "offset", { 0, 0x1000, 0x8000 } }, { "flags", 3 },
  { "guest_memfd", "kvm.memory" } }
local options <const> = {
  set_user_memory_region = region,
  set_user_memory_region2 = region,
  irqfd = { { "fd", "kvm.eventfd" }, { "gsi", 4 }, { "flags", 2 },
    { "resamplefd", "kvm.eventfd" } },
  ioeventfd = { { "fd", "kvm.eventfd" }, { "addr", 0x10 }, { "len", 8 },
    { "flags", 8 }, { "datamatch", 2 } },
  x86_set_msr_filter = { { "flags", 1 }, { "ranges", { {}, { { base = 0,
    flags = 3, bitmap = "abcd" } }, { {} }, { 1 } } } },
  memory_encrypt_op = { { "id", 4 }, { "data", { "", "abcd" } },
    { "sev_fd", 1 } },
  set_xsave = { { "region", { "", ("\0"):rep(4096) } }, { "extra", { "" } } },
  set_nested_state = { { "data", { "", "x" } }, { "format", 1 },
    { "size", 128 } },
}
local backings <const> = {
  anonymous = {}, memfd = {}, hugetlb = { { "page_size", { 0x1000, 0x200000 } } },
  file = { { "path", { "/dev/zero", "/etc/passwd" } },
    { "offset", { 0, 0x1000 } }, { "readonly", { true } } },
  guest_memfd = { { "vm", "kvm.vm" }, { "flags", 3 } },
}
local backing_names <const> = { "anonymous", "memfd", "hugetlb", "file",
  "guest_memfd" }

local function allowed(w, most)
  if type(most) == "string" then return worlds.fitting(w, most) end
  return type(most) == "table" and pick(most) or math.random(0, most)
end

local function option(w, known)
  local t = {}
  for _, field in ipairs(known) do
    if math.random(3) > 1 then t[field[1]] = allowed(w, field[2]) end
    if math.random(12) == 1 then t[field[1]] = M.any(w) end
  end
  if math.random(4) > 1 then return t end
  return setmetatable(t, { __index = function(_, name)
    worlds.misbehave(w)
    for _, field in ipairs(known) do
      if field[1] == name then return allowed(w, field[2]) end
    end
  end })
end

local function memory(w)
  local name = pick(backing_names)
  local t = option(w, backings[name])
  rawset(t, "backing", name)
  return pick { 0x1000, 0x200000 }, t
end

-- The arguments of a raw ioctl of a class, or another's.
local function raw(class)
  local known = math.random(8) > 1 and requests[class] or requests["kvm.vcpu"]
  local request = pick(known) + (math.random(8) == 1 and 1 or 0)
  local size = request >> 16 & 0x3fff
  local extra = math.random(4) == 1 and math.random(-1, 64) or 0
  if size == 0 or math.random(8) == 1 then return request, math.random(0, 4) end
  return request, ("\0"):rep(size + extra)
end

-- ---- arguments by name -----------------------------------------------------------

local function int(...) return pick { 0, 1, 4, 0xffc, 0x1000, 0x1004, ... } end
local function bytes() return pick { "", "x", "\xf4\xeb\xfd", ("z"):rep(300) } end
local function attribute(w) return int(), int(), pick { 1, "abcdefgh", M.any(w) } end
local function access() return int(), pick { 1, nil, -1, 256 } end
local function range(w) return pick { 0x10, 0x11, 0xd0000, 0x10, 0x174 },
  math.random(4), pick { worlds.device(w), M.any(w) or {} } end
local function where() return pick { 0x10, 0x11, 0xd0000, 0x174 } end
local function key(w, name)
  local class = name:match "^kvm%.%l+"
  local keys = { "fd", "vm", "size", "backing", "id", "regs", "exit", "rax", "x0",
    "rip", "efer", "xmm0", "gpa", "value", "data", "reason", "ioctl", "type" }
  for method in pairs(core.class[class] or {}) do keys[#keys + 1] = method end
  table.sort(keys)
  return pick(keys), math.random(2) == 1 and 1 or M.any(w)
end

local by_name <const> = {
  __index = key, __newindex = key,
  __call = function() return pick { { rax = 1 }, { x0 = 1 }, { rip = 0x1000,
    xmm0 = ("x"):rep(16) }, { rax = "x" }, {} } end,
  read = function() return int(), int() end,
  write = function() return int(), bytes() end,
  fill = function() return int(), int(), int() end,
  view = function() return int(), int() end,
  discard = function() return int(), int() end,
  find = function() return bytes(), int() end,
  u8 = access, u16 = access, u32 = access, u64 = access,
  pack = function() return int(), pick { "<I4", "z", "s2" }, pick { 1, "x" } end,
  unpack = function() return int(), pick { "<I4", "z", "s2", "!8 d", "c300" } end,
  map = function(w) return int(0x40000), pick { 0x1000, pick(w).object } end,
  unmap = function() return int() end,
  memory_at = function() return int() end,
  get_dirty_log = function() return math.random(0, 1) end,
  clear_dirty_log = function() return 0, 0, pick { 16, 64 } end,
  on_mmio = range, on_pio = range, on_msr = range, on_hypercall = range,
  off_mmio = where, off_pio = where, off_msr = where, off_hypercall = where,
  check_extension = function() return pick { 0, "IRQCHIP", "SYNC_REGS", 300 } end,
  enable_cap = function() return pick { "X86_USER_SPACE_MSR", "HALT_POLL",
    "DIRTY_LOG_RING_ACQ_REL", "ARM_NISV_TO_USER" }, pick { 0, 1, 7, 0x1000 } end,
  set_device_attr = attribute,
  get_device_attr = function() return int(), int(), pick { 8, nil } end,
  has_device_attr = function() return int(), int() end,
  create_device = function() return pick { "VFIO", "ARM_VGIC_V3", 7, 99 },
    pick { nil, { test = true } } end,
  create_vcpu = function() return pick { nil, 3, 4, 255 } end,
  get_one_reg = function() return pick { 0x6030000000100042, 0x20300, 1 << 52 } end,
  set_one_reg = function() return pick { 0x6030000000100042, 1 << 52 }, int() end,
  set_nr_mmu_pages = function() return 1024 end,
  set_signal_mask = function() return pick { {}, { 10, 12 }, nil, { 999 } } end,
  decode = function() return pick { "kvm_regs", "kvm_msi", "x" },
    ("\1"):rep(pick { 0, 64, 144 }) end,
  decode_exit = function()
    local reason = string.pack("<I4", math.random(0, 45))
    return ("\0\1"):rep(4) .. reason .. ("\1"):rep(pick { 100, 2400, 12276 })
  end,
  stats = function(w)
    local ok, fd = pcall(function() return w.stats.fd end)
    return ok and math.random(4) > 1 and fd or math.random(0, 9)
  end,
  trace = function(w) return function() worlds.misbehave(w) end end,
}

---The arguments behind the object of a method or function, by its name.
function M.arguments(w, name)
  local method = name:match "[:.]([%w_]+)$"
  if method == "ioctl" then return raw(name:match "^[^:]+") end
  if name == "core.memory" then return memory(w) end
  if by_name[method] then return by_name[method](w, name) end
  if options[method] then return option(w, options[method]) end
  if by_method[method] then return argument(w, by_method[method]) end
end

return M
