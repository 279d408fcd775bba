-- SPDX-License-Identifier: MIT
-- Trees that dtc and kvm.fdt must read alike: name, table, options.

local fdt = require "kvm.fdt"

local function cpus(count)
  local t = { ["#address-cells"] = 1, ["#size-cells"] = 0 }
  for i = 0, count - 1 do
    t[("cpu@%x"):format(i)] = {
      device_type = "cpu", compatible = "arm,armv8",
      ["enable-method"] = "psci", reg = i,
    }
  end
  return t
end

local function deep(levels)
  local t = { level = levels }
  for _ = 2, levels do
    t = { ["n"] = t }
  end
  return t
end

local function wide(count)
  local t = {}
  for i = 1, count do
    t[i] = { name = ("dev-%d"):format(i), index = i,
      ["prop-" .. i % 7] = { i, i * i } }
  end
  return t
end

local virt = {
  ["#address-cells"] = 2, ["#size-cells"] = 2,
  compatible = "linux,dummy-virt", model = "kvmlua",
  ["interrupt-parent"] = fdt.ref "gic",
  chosen = { bootargs = "console=ttyAMA0 earlycon",
    ["stdout-path"] = fdt.path "uart" },
  aliases = { serial0 = fdt.path "uart" },
  ["memory@40000000"] = { device_type = "memory",
    reg = { fdt.u64(0x40000000), fdt.u64(0x8000000) } },
  cpus = cpus(4),
  psci = { compatible = { "arm,psci-1.0", "arm,psci-0.2" }, method = "hvc" },
  timer = { compatible = "arm,armv8-timer", ["always-on"] = true,
    interrupts = { 1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4 } },
  ["gic: intc@8000000"] = {
    compatible = "arm,gic-v3", ["interrupt-controller"] = true,
    ["#interrupt-cells"] = 3, ["#address-cells"] = 2, ["#size-cells"] = 2,
    ranges = true,
    reg = { { fdt.u64(0x8000000), fdt.u64(0x10000) },
      { fdt.u64(0x80a0000), fdt.u64(0xf60000) } },
    ["its: msi-controller@8080000"] = { compatible = "arm,gic-v3-its",
      ["msi-controller"] = true, ["#msi-cells"] = 1,
      reg = { 0, 0x8080000, 0, 0x20000 } },
  },
  ["clk: apb-pclk"] = { compatible = "fixed-clock", ["#clock-cells"] = 0,
    ["clock-frequency"] = 24000000, ["clock-output-names"] = "clk24mhz" },
  ["uart: pl011@9000000"] = {
    compatible = { "arm,pl011", "arm,primecell" },
    reg = { fdt.u64(0x9000000), fdt.u64(0x1000) },
    interrupts = { 0, 1, 4 },
    clocks = { fdt.ref "clk", fdt.ref "clk" },
    ["clock-names"] = { "uartclk", "apb_pclk" },
  },
  ["pcie@10000000"] = {
    compatible = "pci-host-ecam-generic", device_type = "pci",
    ["#address-cells"] = 3, ["#size-cells"] = 2, ["#interrupt-cells"] = 1,
    ["msi-map"] = { 0, fdt.ref "its", 0, 0x10000 },
    reg = { fdt.u64(0x10000000), fdt.u64(0x1000000) },
    ["bus-range"] = { 0, 15 },
    ranges = { 0x1000000, 0, 0, 0, 0x3eff0000, 0, 0x10000 },
    ["interrupt-map"] = { 0, 0, 0, 1, fdt.ref "gic", 0, 0, 0, 3, 4 },
  },
}

local overlay_base = {
  ["#address-cells"] = 1, ["#size-cells"] = 1,
  ["soc: soc"] = {
    compatible = "simple-bus", ranges = true,
    ["#address-cells"] = 1, ["#size-cells"] = 1,
    ["gpio: gpio@100"] = { reg = { 0x100, 0x10 }, ["#gpio-cells"] = 2,
      ["gpio-controller"] = true },
    ["i2c0: i2c@200"] = { reg = { 0x200, 0x10 }, ["#address-cells"] = 1,
      ["#size-cells"] = 0, status = "disabled" },
  },
}

local overlay = {
  { name = "fragment@0", target = fdt.ref "i2c0",
    __overlay__ = { status = "okay",
      ["sensor: sensor@48"] = { compatible = "acme,sensor", reg = 0x48,
        ["reset-gpios"] = { fdt.ref "gpio", 3, 0 },
        ["power-supply"] = fdt.ref "reg" } } },
  { name = "fragment@1", ["target-path"] = "/soc",
    __overlay__ = { ["reg: regulator"] = { compatible = "regulator-fixed",
      gpios = { fdt.ref "gpio", 4, 0 } } } },
}

local M = {
  { "nothing at all", {} },
  { "one property", { compatible = "acme,board" } },
  { "an empty node", { chosen = {} } },
  { "empty properties", { a = true, b = true, c = { d = true } } },
  { "integers of all sizes", { u8 = fdt.u8(255), u16 = fdt.u16(0x1234),
    u32 = 0xffffffff, neg = -1, u64 = fdt.u64(-2), mixed = { fdt.u8(1, 2, 3),
      7, fdt.u64(1) } } },
  { "strings", { one = "x", two = { "a", "bc" }, quoted = [[say "hi" \ ]],
    utf8 = "caf\u{e9}", tab = "a\tb", empty = "", nl = "a\n" } },
  { "text that is cells, and cells that are text", { a = fdt.bytes "ab\0\0",
    b = 0x61626300, c = fdt.bytes "abc", d = fdt.bytes "\0abc\0" } },
  { "bytes", { mac = fdt.bytes "\2\0\0\0\0\1", one = fdt.bytes "\0",
    five = fdt.bytes "\1\2\3\4\5", long = fdt.bytes(("\xa5"):rep(1000)) } },
  { "strange property names", { ["#a"] = 1, ["a,b"] = 2, ["a?"] = 3,
    ["a+b"] = 4, ["_x"] = 5, ["0"] = 6, ["a.b-c"] = 7 } },
  { "children in a list", { { name = "z" }, { name = "a", { name = "y" },
    { name = "b" } }, { name = "m" } } },
  { "units in order", cpus(20) },
  { "a chain of nodes", deep(60) },
  { "many nodes", wide(300) },
  { "reservations", { a = 1 }, { reservations = {
    { 0x40000000, 0x10000 }, { 0x1234567890, 0x1000 }, { -4096, 4096 } } } },
  { "a boot CPU", { a = 1 }, { boot_cpuid = 3 } },
  { "forward, backward and self references", {
    ["a: a"] = { to = fdt.ref "c", me = fdt.ref "a" },
    ["b: b"] = { to = { fdt.ref "a", 1, fdt.ref "/c" } },
    ["c: c"] = { to = { "s", fdt.ref "b", fdt.u8(1), fdt.ref "a" } } } },
  { "paths of nodes", { ["a: a"] = { ["b: b"] = {} },
    p = fdt.path "b", q = { "x", fdt.path "/a", fdt.path "a" } } },
  { "given phandles", { ["a: a"] = { phandle = 2 }, ["b: b"] = {},
    ["c: c"] = { phandle = 1 }, ["d: d"] = {},
    r = { fdt.ref "b", fdt.ref "a", fdt.ref "c", fdt.ref "d" } } },
  { "two labels", { ["x: y: a"] = {}, r = { fdt.ref "x", fdt.ref "y" } } },
  { "the arm64 virt machine", virt },
  { "the same with symbols", virt, { symbols = true } },
  { "an overlay's base", overlay_base, { symbols = true } },
  { "an overlay", overlay, { overlay = true } },
  { "an overlay with symbols", overlay, { overlay = true, symbols = true } },
  { "names beyond the specification", {
    ["a-node-name-that-is-much-longer-than-31-characters"] = {
      ["a-property-name-longer-than-31-characters"] = 1 },
    ["9th_node"] = { reg = 1 } }, { strict = false } },
  { "a property and a node of one name", { { name = "x", a = 1 }, x = 2 } },
}

return M
