-- SPDX-License-Identifier: MIT
-- The device tree of kvm.arch.arm64.board, for Linux's bindings.

local check = require "kvm.check"

local M = {}

local K64 <const> = 0x10000

---The affinity that KVM gives a vCPU: Aff2, Aff1, Aff0 of its MPIDR_EL1, and
---the reg of its node.
---Usage: `affinity(17) --> 0x101`
---@param index integer vCPU number
---@return integer
function M.affinity(index)
  return (index & 15) | (index >> 4 & 0xff) << 8 | (index >> 12 & 0xff) << 16
end

local LEVEL_HIGH <const> = 4
local SPI <const>, PPI <const> = 0, 1

-- The three cells of an interrupt.
local function interrupt(number)
  if number < 32 then
    return { PPI, number - 16, LEVEL_HIGH }
  end
  return { SPI, number - 32, LEVEL_HIGH }
end

local function chosen_node(fdt, opts)
  local initrd = opts.initrd
  return {
    ["stdout-path"] = fdt.path "uart",
    bootargs = opts.bootargs or false,
    ["linux,initrd-start"] = initrd and fdt.u64(initrd[1]) or false,
    ["linux,initrd-end"] = initrd and fdt.u64(initrd[1] + initrd[2]) or false,
    ["rng-seed"] = opts.rng_seed and fdt.bytes(opts.rng_seed) or false,
  }
end

local function cpus_node(self)
  local t = { ["#address-cells"] = 1, ["#size-cells"] = 0 }
  for i = 0, self.cpus - 1 do
    t[("cpu@%x"):format(M.affinity(i))] = {
      device_type = "cpu", compatible = "arm,armv8",
      reg = M.affinity(i), ["enable-method"] = "psci",
    }
  end
  return t
end

local function its_node(self, fdt)
  return {
    compatible = "arm,gic-v3-its", ["msi-controller"] = true,
    ["#msi-cells"] = 1, reg = { fdt.u64(self.gic.its, 2 * K64) },
  }
end

local function gic_node(self, fdt)
  local node = {
    compatible = "arm,gic-v3", ["interrupt-controller"] = true,
    ["#interrupt-cells"] = 3, ["#address-cells"] = 2, ["#size-cells"] = 2,
    ranges = true,
    reg = { fdt.u64(self.gic.dist, K64, self.gic.redist,
      2 * K64 * self.cpus) },
  }
  if self.gic.its then
    node[("its: msi-controller@%x"):format(self.gic.its)] =
      its_node(self, fdt)
  end
  return node
end

local function timer_node(self)
  local t = self.timer
  return {
    compatible = "arm,armv8-timer", ["always-on"] = true,
    interrupts = { interrupt(t.secure), interrupt(t.physical),
      interrupt(t.virtual), interrupt(t.hypervisor) },
  }
end

-- A PrimeCell device with its one or two clocks.
local function primecell_node(fdt, part, compatible, clocks)
  local node = {
    compatible = { compatible, "arm,primecell" },
    reg = fdt.u64(part.base, part.size), interrupts = interrupt(part.irq),
    ["clock-names"] = clocks, clocks = {},
  }
  for i in ipairs(clocks) do
    node.clocks[i] = fdt.ref "clock"
  end
  return node
end

-- Nodes with the addresses and labels in their names.
local function add_devices(self, fdt, tree)
  tree:add(("memory@%x"):format(self.ram.base), { device_type = "memory",
    reg = fdt.u64(self.ram.base, self.ram.size) })
  tree:add(("gic: interrupt-controller@%x"):format(self.gic.dist),
    gic_node(self, fdt))
  tree:add("clock: apb-pclk", { compatible = "fixed-clock",
    ["#clock-cells"] = 0, ["clock-frequency"] = self.uart.clock })
  tree:add(("uart: serial@%x"):format(self.uart.base), primecell_node(fdt,
    self.uart, "arm,pl011", { "uartclk", "apb_pclk" }))
  if self.rtc then
    tree:add(("rtc@%x"):format(self.rtc.base), primecell_node(fdt, self.rtc,
      "arm,pl031", { "apb_pclk" }))
  end
end

local OPTIONS <const> = { bootargs = "string", initrd = "table",
                          rng_seed = "string" }

local function check_initrd(self, initrd)
  local gpa, size = initrd[1], initrd[2]
  local base, room = self.ram.base, self.ram.size
  if math.type(gpa) ~= "integer" or math.type(size) ~= "integer" or size < 0
    or gpa < base or gpa - base > room - size then
    check.bad(1, "device_tree", "initrd {%s, %s} is not {gpa, size} inside the "
      .. "memory [0x%x,0x%x)", check.show(gpa), check.show(size), base,
      base + room)
  end
end

---The tree of a board: see Board:device_tree.
---@param self kvm.arch.arm64.board
---@param opts? table
---@return kvm.fdt.node
function M.new(self, opts)
  local fdt = require "kvm.fdt" -- here: a board works without libfdt
  opts = check.options(1, "device_tree", opts, OPTIONS)
  if opts.initrd then check_initrd(self, opts.initrd) end
  local tree = fdt.tree {
    ["#address-cells"] = 2, ["#size-cells"] = 2,
    compatible = self.compatible, model = self.compatible,
    ["interrupt-parent"] = fdt.ref "gic",
    chosen = chosen_node(fdt, opts),
    aliases = { serial0 = fdt.path "uart" },
    cpus = cpus_node(self),
    timer = timer_node(self),
    psci = { compatible = { "arm,psci-1.0", "arm,psci-0.2" },
      method = self.psci.method },
  }
  add_devices(self, fdt, tree)
  return tree
end

return M
