-- SPDX-License-Identifier: MIT
--- Device trees: from Lua tables to blobs and back, on libfdt.
---
---   local blob = fdt.build {
---     ["#address-cells"] = 2, ["#size-cells"] = 2, compatible = "linux,dummy",
---     chosen = { ["stdout-path"] = fdt.path "uart" },
---     ["uart: serial@9000000"] = {
---       compatible = { "arm,pl011", "arm,primecell" },
---       reg = { fdt.u64(0x9000000), fdt.u64(0x1000) },
---     },
---   }
---   print(fdt.parse(blob):get("/chosen", "stdout-path"):str())
---
--- A property is an integer (one cell), a string, true (empty), a value of one
--- of the functions below, or a list of those; false leaves it out. A child is
--- a table under its name, or a table with a name in the list part, where order
--- matters. Names may carry labels as in device tree source.

local args = require "kvm.check"
local check = require "kvm.fdt.check"
local dts = require "kvm.fdt.dts"
local fail = require "kvm.fdt.fail"
local node = require "kvm.fdt.node"
local resolve = require "kvm.fdt.resolve"
local value = require "kvm.fdt.value"

local found, core = pcall(require, "kvm.fdt.core")
if not found then
  local reason = tostring(core)
  reason = reason:find("module 'kvm.fdt.core' not found", 1, true)
    and "this build does not have." or "did not load: " .. reason .. "."
  fail("it needs the C module kvm.fdt.core, which %s It is built where libfdt "
    .. "is: install libfdt-dev (Debian: apt install libfdt-dev) and build "
    .. "kvmlua again", reason)
end

local M = {
  u8 = value.u8, u16 = value.u16, u32 = value.u32, u64 = value.u64,
  bytes = value.bytes, strings = value.strings, cells = value.cells,
  ref = value.ref, path = value.path, value = value.of,
}

-- The C module raises without a position.
local function call(f, ...)
  local ok, a, b, c = pcall(f, ...)
  if not ok then
    fail("%s", a)
  end
  return a, b, c
end

local OPTIONS <const> = {
  strict = "boolean", symbols = "boolean", overlay = "boolean",
  boot_cpuid = args.bits(32), reservations = "table",
}

local function check_blob(n, fn, blob)
  return args.argument(n, fn, "blob", "string", blob)
end

-- Reservations and boot CPU ---------------------------------------------------

local function check_reservations(list)
  for i, r in ipairs(list) do
    if type(r) ~= "table" or math.type(r[1]) ~= "integer"
      or math.type(r[2]) ~= "integer" or #r ~= 2 then
      fail("memory reservation %d is not {address, size}", i)
    elseif r[2] == 0 then
      fail("memory reservation %d, at 0x%x, has the size 0", i, r[1])
    elseif r[1] ~= 0 and math.ult(r[1] + r[2] - 1, r[1]) then
      fail("memory reservation %d, 0x%x of 0x%x bytes, goes beyond 64 bits", i,
        r[1], r[2])
    end
  end
  return list
end

local function check_header(header)
  local cpu = header.boot_cpuid
  if math.type(cpu) ~= "integer" or cpu < 0 or cpu > 0xffffffff then
    fail("the boot CPU id %s is not an integer of 32 bits", tostring(cpu))
  end
  check_reservations(header.reservations)
end

-- Trees ---------------------------------------------------------------------

---A tree from a plain table, to look things up in or to change before it is
---built. A tree is returned as it is. Options: reservations, a list of
---{address, size}, and boot_cpuid.
---Usage: `local tree = fdt.tree { chosen = { bootargs = "quiet" } }`
---@param t table|kvm.fdt.node
---@param opts? {reservations: integer[][]?, boot_cpuid: integer?}
---@return kvm.fdt.node
function M.tree(t, opts)
  opts = args.options(2, "tree", opts, OPTIONS)
  if type(t) ~= "table" or value.is(t) then
    fail("a tree is a table, not a %s", value.is(t) and "value" or type(t))
  end
  local tree = node.is(t) and t or node.of_table(t)
  local header = tree:header()
  header.reservations = opts.reservations or header.reservations
  header.boot_cpuid = opts.boot_cpuid or header.boot_cpuid
  return tree
end

---What in a tree breaks the rules of the devicetree specification (characters
---and lengths of names, unit addresses, the length of reg), as sentences.
---Usage: `for _, problem in ipairs(fdt.check(tree)) do print(problem) end`
---@param t table|kvm.fdt.node
---@return string[]
function M.check(t)
  return check.problems(M.tree(t))
end

-- Trees from plain tables obey the specification unless told otherwise; trees
-- from blobs are somebody else's.
local function checked(t, opts)
  local tree = M.tree(t, opts)
  check_header(tree:header())
  local strict = opts.strict
  if strict == nil then
    strict = not node.is(t)
  end
  local problems = strict and check.problems(tree) or {}
  if #problems > 0 then
    fail("%s%s (strict = false builds it all the same)", problems[1],
      #problems == 1 and "" or (", and %d more"):format(#problems - 1))
  end
  return tree
end

---The blob of a tree. Options:
---  strict        refuse what fdt.check finds (default: for plain tables only)
---  symbols       add /__symbols__, so that overlays can be applied
---  overlay       leave unknown labels to the base: add /__fixups__
---  reservations  memory reservations, a list of {address, size}
---  boot_cpuid    the id of the boot CPU
---Usage: `ram:write(0, fdt.build { compatible = "linux,dummy-virt" })`
---@param t table|kvm.fdt.node
---@param opts? table
---@return string
function M.build(t, opts)
  opts = args.options(2, "build", opts, OPTIONS)
  local tree = checked(t, opts)
  local header = tree:header()
  return (call(core.write, resolve.raw(tree, opts), header.reservations,
    header.boot_cpuid))
end

---The tree of a blob, whose properties are values. Hostile blobs raise.
---Usage: `local tree = fdt.parse(blob)`
---@param blob string
---@return kvm.fdt.node
function M.parse(blob)
  local raw, reservations, boot_cpuid = call(core.read, check_blob(1, "parse", blob))
  local tree = node.of_raw(raw)
  tree:header().reservations = reservations
  tree:header().boot_cpuid = boot_cpuid
  return tree
end

---Device tree source of a tree, for dtc. Options as for build.
---Usage: `io.open("virt.dts", "w"):write(fdt.dts(tree))`
---@param t table|kvm.fdt.node
---@param opts? table
---@return string
function M.dts(t, opts)
  opts = args.options(2, "dts", opts, OPTIONS)
  return dts.tree(checked(t, opts), opts)
end

---Applies an overlay to a base and returns the blob of the result. The base
---needs /__symbols__ when the overlay refers to its labels.
---Usage: `blob = fdt.apply_overlay(blob, overlay)`
---@param base string a blob
---@param overlay string a blob
---@return string
function M.apply_overlay(base, overlay)
  return (call(core.overlay, check_blob(1, "apply_overlay", base),
    check_blob(2, "apply_overlay", overlay)))
end

return M
