-- SPDX-License-Identifier: MIT
--- Property values. A value is an immutable list of parts: byte strings, and
--- references ({ref =} or {path =}) whose bytes are known when a whole tree is
--- built.

local check = require "kvm.check"
local dts = require "kvm.fdt.dts"
local fail = require "kvm.fdt.fail"

local M = {}

---@class kvm.fdt.value
local Value = { __name = "kvm.fdt.value" }
Value.__index = Value

local function new(parts)
  if parts[1] == "" then
    parts[1] = nil
  end
  return setmetatable(parts, Value)
end

---Whether x is a value made by this module.
---Usage: `value.is(node.reg)`
---@param x any
---@return boolean
function M.is(x)
  return getmetatable(x) == Value
end

local function pack(n, bits)
  local i = math.tointeger(n)
  if type(n) ~= "number" or not i then
    fail("a cell is an integer, not %s %s", type(n), tostring(n))
  end
  if bits < 64 and (i >= 1 << bits or i < -(1 << bits - 1)) then
    fail("%d (0x%x) does not fit in %d bits", i, i, bits)
  end
  return (">I" .. bits // 8):pack(bits < 64 and i & (1 << bits) - 1 or i)
end

local function integers(bits)
  return function(...)
    local parts = {}
    for i = 1, select("#", ...) do
      parts[i] = pack(select(i, ...), bits)
    end
    return new { table.concat(parts) }
  end
end

---Integers of 8 bits.
---Usage: `["local-mac-address"] = fdt.u8(2, 0, 0, 0, 0, 1)`
---@param ... integer
---@return kvm.fdt.value
M.u8 = integers(8)
---Integers of 16 bits, big-endian.
---Usage: `fdt.u16(0x1af4)`
---@param ... integer
---@return kvm.fdt.value
M.u16 = integers(16)
---Integers of 32 bits: what a plain integer means, too.
---Usage: `fdt.u32(1, 2)`
---@param ... integer
---@return kvm.fdt.value
M.u32 = integers(32)
---Integers of 64 bits: two cells each, high cell first.
---Usage: `reg = { fdt.u64(0x40000000), fdt.u64(0x8000000) }`
---@param ... integer
---@return kvm.fdt.value
M.u64 = integers(64)

---Raw bytes, nothing added.
---Usage: `["local-mac-address"] = fdt.bytes "\x02\0\0\0\0\1"`
---@param s string
---@return kvm.fdt.value
function M.bytes(s)
  if type(s) ~= "string" then
    fail("fdt.bytes takes a string, not a %s", type(s))
  end
  return new { s }
end

---The phandle of a node, named by its label or its full path.
---Usage: `["interrupt-parent"] = fdt.ref "gic"`
---@param target string
---@return kvm.fdt.value
function M.ref(target)
  if type(target) ~= "string" or target == "" then
    fail("fdt.ref takes a label or a path, not %s", tostring(target))
  end
  return new { { ref = target } }
end

---The full path of a node, named by its label or that path, as a string.
---Usage: `aliases = { serial0 = fdt.path "uart0" }`
---@param target string
---@return kvm.fdt.value
function M.path(target)
  if type(target) ~= "string" or target == "" then
    fail("fdt.path takes a label or a path, not %s", tostring(target))
  end
  return new { { path = target } }
end

local function string_bytes(s)
  if s:find("\0", 1, true) then
    fail("the string %q holds a NUL: use fdt.strings or fdt.bytes", s)
  end
  return s .. "\0"
end

---Strings, each with its NUL.
---Usage: `compatible = fdt.strings { "arm,pl011", "arm,primecell" }`
---@param list string[]
---@return kvm.fdt.value
function M.strings(list)
  local parts = {}
  for i, s in ipairs(type(list) == "table" and list or { list }) do
    if type(s) ~= "string" then
      fail("element %d of fdt.strings is a %s, not a string", i, type(s))
    end
    parts[i] = string_bytes(s)
  end
  return new { table.concat(parts) }
end

-- Appends the parts of x, and joins neighbouring byte strings.
local function append(parts, x)
  for _, part in ipairs(x) do
    local last = #parts
    if type(part) == "string" and type(parts[last]) == "string" then
      parts[last] = parts[last] .. part
    else
      parts[last + 1] = part
    end
  end
end

local function of_list(list, depth)
  if depth > 8 then
    fail("a list of values nested deeper than 8")
  end
  local parts, count = {}, #list
  for key in pairs(list) do
    if math.type(key) ~= "integer" or key < 1 or key > count then
      fail("a list of values has no field %s", tostring(key))
    end
  end
  for i = 1, count do
    append(parts, M.of(list[i], depth + 1))
  end
  return new(parts)
end

---What a plain Lua value means as a property: an integer is one cell, a
---string is that string with its NUL, true is nothing at all, a list is its
---elements one after the other.
---Usage: `fdt.value { "a", 1, fdt.ref "gic" }`
---@param x any
---@param depth? integer how many lists x is in (0)
---@return kvm.fdt.value
function M.of(x, depth)
  depth = check.optional(2, "value", "depth", "integer", depth)
  if M.is(x) then
    return x
  elseif type(x) == "number" then
    return M.u32(x)
  elseif type(x) == "string" then
    return new { string_bytes(x) }
  elseif x == true then
    return new {}
  elseif type(x) == "table" and not getmetatable(x) then
    return of_list(x, depth or 1)
  end
  fail("a property cannot be a %s", type(x))
end

---Cells of 32 bits; references stand for one cell each.
---Usage: `interrupts = fdt.cells { 0, 1, 4 }`
---@param list (integer|kvm.fdt.value)[]
---@return kvm.fdt.value
function M.cells(list)
  if type(list) ~= "table" or M.is(list) then
    fail("fdt.cells takes a list, not a %s", type(list))
  end
  for i, x in ipairs(list) do
    if type(x) ~= "number" and not M.is(x) then
      fail("element %d of fdt.cells is a %s, not an integer", i, type(x))
    end
  end
  return of_list(list, 1)
end

-- Reading -------------------------------------------------------------------

---Whether the value refers to a node, so that it has its bytes only when its
---tree is built.
---Usage: `if not node.reg:has_references() then print(#node.reg) end`
---@return boolean
function Value:has_references()
  check.method("has_references", Value.__name, self)
  for _, part in ipairs(self) do
    if type(part) == "table" then
      return true
    end
  end
  return false
end

---The bytes of the value.
---Usage: `node.reg:bytes()`
---@return string
function Value:bytes()
  check.method("bytes", Value.__name, self)
  if self:has_references() then
    fail("the value %s has its bytes only in a built tree", tostring(self))
  end
  return self[1] or ""
end

-- The value as a list of integers of the given size.
local function numbers(self, size)
  local bytes, list = self:bytes(), {}
  if #bytes % size ~= 0 then
    fail("the value %s has %d bytes, not a multiple of %d", tostring(self),
      #bytes, size)
  end
  for at = 1, #bytes, size do
    list[#list + 1] = (">I" .. size):unpack(bytes, at)
  end
  return list
end

local function one(self, size, index)
  local list = numbers(self, size)
  if not index and #list ~= 1 then
    fail("the value %s has %d bytes: a u%d has %d; give an index",
      tostring(self), #self:bytes(), size * 8, size)
  end
  return list[index or 1]
end

---The value as one 32-bit integer, or the index-th of several (nil beyond).
---Usage: `node.reg:u32(2)`
---@param index? integer
---@return integer?
function Value:u32(index)
  check.method("u32", Value.__name, self)
  return one(self, 4, index)
end

---The value as one 64-bit integer, or the index-th of several (nil beyond).
---Usage: `node["initrd-start"]:u64()`
---@param index? integer
---@return integer?
function Value:u64(index)
  check.method("u64", Value.__name, self)
  return one(self, 8, index)
end

---The value as a list of 32-bit integers.
---Usage: `local kind, number, flags = table.unpack(node.interrupts:cells())`
---@return integer[]
function Value:cells()
  check.method("cells", Value.__name, self)
  return numbers(self, 4)
end

---The value as a list of strings.
---Usage: `node.compatible:strings()[1]`
---@return string[]
function Value:strings()
  check.method("strings", Value.__name, self)
  local bytes, list = self:bytes(), {}
  if bytes ~= "" and bytes:sub(-1) ~= "\0" then
    fail("the value %s is not a string: it does not end in a NUL",
      tostring(self))
  end
  for s in bytes:gmatch("([^\0]*)\0") do
    list[#list + 1] = s
  end
  return list
end

---The value as one string.
---Usage: `tree:get("/chosen", "bootargs"):str()`
---@return string
function Value:str()
  check.method("str", Value.__name, self)
  local list = self:strings()
  if #list ~= 1 then
    fail("the value %s holds %d strings, not one", tostring(self), #list)
  end
  return list[1]
end

---The number of bytes.
function Value:__len()
  return #self:bytes()
end

---The value as device tree source.
function Value:__tostring()
  return dts.value(self)
end

function Value.__eq(a, b)
  if rawlen(a) ~= rawlen(b) then
    return false
  end
  for i = 1, rawlen(a) do
    local x, y = rawget(a, i), rawget(b, i)
    local same = type(x) == "table" and type(y) == "table"
      and x.ref == y.ref and x.path == y.path
    if x ~= y and not same then
      return false
    end
  end
  return true
end

return M
