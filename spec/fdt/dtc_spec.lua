-- SPDX-License-Identifier: MIT
-- dtc reads our blobs and our source as we do, and we read what it writes.

local dtc = require "spec.support.fdt.dtc"
local fdt = require "kvm.fdt"
local trees = require "spec.support.fdt.trees"

local missing = dtc.missing("dtc", "apt install device-tree-compiler")

local function flags(opts)
  return (opts.symbols and "-@ " or "")
    .. (opts.boot_cpuid and "-b " .. opts.boot_cpuid or "")
end

-- Everything a blob says, in one comparable string of our own.
local function reading(blob)
  local tree = fdt.parse(blob)
  return fdt.dts(tree) .. tree:header().boot_cpuid
end

describe("dtc and kvm.fdt agree on", function()
  for _, case in ipairs(trees) do
    local name, t, opts = case[1], case[2], case[3] or {}
    it(name, function()
      if missing then pending(missing) end
      local blob = fdt.build(t, opts)

      -- our source, compiled by dtc, is our blob
      local compiled = assert(dtc.compile(fdt.dts(t, opts), flags(opts)))
      assert.equal(reading(compiled), reading(blob))
      assert.equal(assert(dtc.decompile(compiled)),
        assert(dtc.decompile(blob)))

      -- our blob, rewritten by dtc, reads the same to us
      local copied = assert(dtc.copy(blob, flags { boot_cpuid =
        opts.boot_cpuid }))
      assert.equal(reading(blob), reading(copied))

      -- what we read, we write; and its source compiles to the same
      assert.equal(blob, fdt.build(fdt.parse(blob)))
      local again = assert(dtc.compile(fdt.dts(fdt.parse(blob)),
        flags { boot_cpuid = opts.boot_cpuid }))
      assert.equal(reading(blob), reading(again))
    end)
  end
end)
