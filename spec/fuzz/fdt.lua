-- SPDX-License-Identifier: MIT
-- Mutated device trees against the reader and the overlay code:
--
--   lua5.4 spec/fuzz/fdt.lua [count [seed]]      (paths: see spec/helper.lua)
--   require("spec.fuzz.fdt").run { count = 1000, seed = 1, seconds = 2 }
--
-- A blob is mutated as bytes, which mostly ends in the checks of its header
-- and tags, or as a tree of plain tables, which is a sound blob again, with
-- strange contents. Each is read, rebuilt, printed, and applied as an overlay
-- and as a base. Whatever happens must be a tree or an error of kvm.fdt; a
-- crash takes the process along. The seed is printed with every fault.

local core = require "kvm.fdt.core"
local fdt = require "kvm.fdt"

local M = {}

local WORDS = {
  0, 1, 2, 3, 4, 5, 8, 9, 16, 17, 40, 0x7fffffff, 0x80000000, 0xffffffff,
  0xfffffffc, 0xfffffff0, 0xd00dfeed, 0x2f000000, 0x01000000,
}

local STRINGS = {
  "", "/", "self", "/soc", "/soc/gpio", "/fragment@0/__overlay__",
  "/fragment@0/__overlay__/n:cells:0", "/fragment@0:target:0",
  "/fragment@0:target-path:0", "/__fixups__:gpio:0", "/:phandle:0",
  "/fragment@0/__overlay__/n:cells:4294967292", "::0", "a:b:c", "//", "\xff",
}

local NAMES = {
  "phandle", "linux,phandle", "target", "target-path", "gpio", "i2c", "cells",
  "__overlay__", "__fixups__", "__local_fixups__", "__symbols__", "aliases",
  "fragment@0", "fragment@1", "n", "self", "#address-cells", "reg", "soc",
  "__fixups__@1", "__overlay__@1", "compatible", "p@0",
}

local function any(list)
  return list[math.random(#list)]
end

-- Seeds ---------------------------------------------------------------------

local function seeds()
  local base = {
    aliases = { self = "self", soc = "/soc" },
    ["soc: soc"] = { ["#address-cells"] = 1, ["#size-cells"] = 1,
      ["gpio: gpio"] = { compatible = { "a", "b" } },
      ["i2c: i2c@10"] = { reg = { 0x10, 4 }, up = fdt.ref "gpio" } },
  }
  local overlay = {
    { name = "fragment@0", target = fdt.ref "i2c", __overlay__ = {
      ["n: n"] = { cells = { fdt.ref "gpio", 1, fdt.ref "m" } } } },
    { name = "fragment@1", ["target-path"] = "/soc", __overlay__ = {
      ["m: m"] = { back = fdt.ref "n" } } },
  }
  local opts = { boot_cpuid = 1, symbols = true,
    reservations = { { 0x1000, 0x1000 } } }
  return fdt.build(base, opts), fdt.build(overlay, { overlay = true,
    symbols = true })
end

-- Mutations of bytes --------------------------------------------------------

local function splice(s, at, count, with)
  return s:sub(1, at - 1) .. with .. s:sub(at + count)
end

local bytes = {
  function(s) -- a word becomes another
    return splice(s, math.random(0, #s // 4 - 1) * 4 + 1, 4,
      (">I4"):pack(any(WORDS)))
  end,
  function(s) -- a byte becomes another
    return splice(s, math.random(#s), 1, string.char(math.random(0, 255)))
  end,
  function(s) -- a header field
    return splice(s, math.random(0, 9) * 4 + 1, 4,
      (">I4"):pack(math.random(0, #s + 8) & ~3))
  end,
  function(s) -- words go, or come twice
    local at, count = math.random(0, #s // 4) * 4 + 1, math.random(1, 8) * 4
    return splice(s, at, count, s:sub(at, at + count - 1):rep(
      math.random(0, 2)))
  end,
  function(s) -- words of another place
    local from, to = math.random(0, #s // 4), math.random(0, #s // 4)
    local count = math.random(1, 8) * 4
    return splice(s, to * 4 + 1, count, s:sub(from * 4 + 1,
      from * 4 + count))
  end,
  function(s) -- the end goes
    return s:sub(1, math.random(0, #s))
  end,
}

-- A mutant whose total size is right again, so that checks behind it are
-- reached.
local function mutate_bytes(s)
  for _ = 1, math.random(1, 3) do
    s = #s > 40 and any(bytes)(s) or s
  end
  if #s > 8 and math.random(4) > 1 then
    s = splice(s, 5, 4, (">I4"):pack(#s))
  end
  return s
end

-- Mutations of trees --------------------------------------------------------

local function random_value()
  local kind = math.random(4)
  if kind == 1 then
    return (">I4"):pack(any(WORDS))
  elseif kind == 2 then
    return any(STRINGS) .. "\0"
  elseif kind == 3 then
    return any(STRINGS)
  end
  return any(STRINGS) .. "\0" .. any(STRINGS) .. "\0"
end

local function every_node(root, list)
  list[#list + 1] = root
  for _, child in ipairs(root.children) do
    every_node(child, list)
  end
  return list
end

local function copy(node, levels)
  local twin = { name = node.name, children = {},
    properties = table.move(node.properties, 1, #node.properties, 1, {}) }
  for i, child in ipairs(levels > 0 and node.children or {}) do
    twin.children[i] = copy(child, levels - 1)
  end
  return twin
end

-- Changes the property at an odd index, if there is one.
local function change(node, i)
  local list = node.properties
  if not list[i + 1] then
    return
  elseif math.random(3) == 1 then
    list[i] = any(NAMES)
  elseif math.random(2) == 1 and #list[i + 1] >= 4 then
    list[i + 1] = splice(list[i + 1], math.random(#list[i + 1] - 3), 4,
      (">I4"):pack(any(WORDS)))
  else
    list[i + 1] = random_value()
  end
end

local tree = {
  function(node) -- a property changes
    change(node, 2 * math.random(math.max(1, #node.properties // 2)) - 1)
  end,
  function(node) -- a property comes
    table.insert(node.properties, 1, random_value())
    table.insert(node.properties, 1, any(NAMES))
  end,
  function(node) -- a node is renamed
    node.name = node.name ~= "" and any(NAMES) or ""
  end,
  function(node, all) -- a node comes
    local twin = copy(any(all), 3)
    twin.name = any(NAMES)
    table.insert(node.children, math.random(#node.children + 1), twin)
  end,
  function(node) -- a node goes
    table.remove(node.children)
  end,
  function(node) -- a chain of nodes
    for _ = 1, math.random(70) do
      local twin = { name = any(NAMES), properties = {}, children = {} }
      node.children[#node.children + 1] = twin
      node = twin
    end
  end,
}

local function mutate_tree(blob)
  local root, reservations, cpu = core.read(blob)
  for _ = 1, math.random(1, 4) do
    local all = every_node(root, {})
    any(tree)(any(all), all)
  end
  local ok, mutant = pcall(core.write, root, reservations, cpu)
  return ok and mutant or blob
end

-- Runs ----------------------------------------------------------------------

-- Calls f; its error must be one that was meant.
local function try(report, f, ...)
  local ok, result = pcall(f, ...)
  if not ok and not tostring(result):find("kvm.fdt: ", 1, true) then
    error(("seed %d, run %d: %s"):format(report.seed, report.runs,
      tostring(result)), 0)
  end
  return ok and result or nil
end

-- A tree that was read can be rebuilt, and then stays as it is.
local function read(report, blob)
  local parsed = try(report, fdt.parse, blob)
  if not parsed then
    report.refused = report.refused + 1
    return
  end
  report.read = report.read + 1
  try(report, fdt.dts, parsed)
  fdt.check(parsed)
  parsed:by_compatible "a"
  parsed:by_phandle(1)
  for node in parsed:walk() do
    try(report, node.regions, node)
    try(report, node.at, node, "self")
  end
  local built = try(report, fdt.build, parsed)
  if built and fdt.build(fdt.parse(built)) ~= built then
    error(("seed %d, run %d: a rebuilt tree differs"):format(report.seed,
      report.runs), 0)
  end
end

local function apply(report, base, overlay)
  local result = try(report, fdt.apply_overlay, base, overlay)
  if result then
    report.applied = report.applied + 1
    read(report, result)
  end
end

---Runs the fuzzer, for so many mutants or seconds of CPU time, whichever ends
---first. Raises at the first fault.
---@param opts {count: integer, seed: integer, seconds: number?}
---@return {runs: integer, read: integer, refused: integer, applied: integer}
function M.run(opts)
  local report = { seed = opts.seed, runs = 0, read = 0, refused = 0,
    applied = 0 }
  local base, overlay = seeds()
  local deadline = os.clock() + (opts.seconds or math.huge)
  math.randomseed(opts.seed)
  while report.runs < opts.count and os.clock() < deadline do
    report.runs = report.runs + 1
    local mutate = math.random(2) == 1 and mutate_bytes or mutate_tree
    local original = math.random(2) == 1 and base or overlay
    local mutant = mutate(original)
    read(report, mutant)
    if original == base then
      apply(report, mutant, overlay)
    else
      apply(report, base, mutant)
    end
  end
  return report
end

-- As a program.
if arg and arg[0] and arg[0]:find "fuzz/fdt%.lua$" then
  local report = M.run { count = math.tointeger(arg[1]) or 100000,
    seed = math.tointeger(arg[2]) or os.time() }
  print(("seed %d: %d runs, %d read, %d refused, %d applied"):format(
    report.seed, report.runs, report.read, report.refused, report.applied))
end

return M
