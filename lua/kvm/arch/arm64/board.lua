-- SPDX-License-Identifier: MIT
--- An arm64 machine: memory, GICv3, timer, PL011, PSCI. One table says where
--- everything is; the device tree and the devices are both made from it, so
--- that they cannot disagree.
---
---   local machine = board.new { cpus = 2, ram = { size = 256 << 20 } }
---   local parts = machine:attach(vm, { output = io.stdout })
---   local cpus = machine:create_vcpus(vm)
---   parts.gic:init()
---   local blob = fdt.build(machine:device_tree { bootargs = "quiet" })
---
--- The addresses are those of the machine that everybody's arm64 guests know
--- (qemu's virt). Everything may be given otherwise: a field replaces that of
--- the default, a table in it is merged, false leaves an optional part out.

local check = require "kvm.check"

local M = {}

---@class kvm.arch.arm64.board
---@field cpus integer
---@field compatible string
---@field ram {base: integer, size: integer}
---@field gic {dist: integer, redist: integer, its: integer?, nr_irqs: integer}
---@field timer {secure: integer, physical: integer, virtual: integer,
---  hypervisor: integer} private interrupts
---@field uart {base: integer, size: integer, irq: integer, clock: integer}
---@field rtc {base: integer, size: integer, irq: integer}|false
---@field psci {method: "hvc"|"smc"}
local Board = { __name = "kvm.arch.arm64.board" }
Board.__index = Board

local K64 <const> = 0x10000

---What a board is unless told otherwise. Interrupt numbers are the GIC's:
---16 to 31 private, 32 and up shared.
M.default = {
  cpus = 1,
  compatible = "linux,dummy-virt",
  ram = { base = 0x40000000, size = 128 << 20 },
  gic = { dist = 0x8000000, redist = 0x80a0000, its = false, nr_irqs = 64 },
  timer = { secure = 29, physical = 30, virtual = 27, hypervisor = 26 },
  uart = { base = 0x9000000, size = 0x1000, irq = 33, clock = 24000000 },
  rtc = false,
  psci = { method = "hvc" },
}

-- What true, or a table, for an optional part starts from.
local OPTIONAL = {
  rtc = { base = 0x9010000, size = 0x1000, irq = 34 },
}
local DEFAULT_ITS <const> = 0x8080000

local function fail(format, ...) check.bad(1, "new", format, ...) end

-- Merging -------------------------------------------------------------------

-- The default with what is given, of the whole board or of a part.
local function merge(default, given, part)
  local t, names = {}, {}
  for key, value in pairs(default) do
    t[key], names[#names + 1] = value, key
  end
  table.sort(names)
  for key, value in pairs(given) do
    if default[key] == nil then
      fail("%s%s", part and part .. ": " or "",
        check.unknown("field", key, names))
    end
    t[key] = value
  end
  return t
end

local function complete(given)
  check.optional(1, "new", "board", "table", given)
  local t = merge(M.default, given or {})
  for name, default in pairs(M.default) do
    local part = OPTIONAL[name] or default
    if type(part) == "table" and t[name] then
      if t[name] == true and OPTIONAL[name] then t[name] = {} end
      check.argument(1, "new", name, "table", t[name])
      t[name] = merge(part, t[name], name)
    elseif type(part) == "table" and not OPTIONAL[name] then
      fail("%s cannot be left out", name)
    end
  end
  t.gic.its = t.gic.its == true and DEFAULT_ITS or t.gic.its
  return t
end

-- Checks --------------------------------------------------------------------

local function check_integer(name, value, min, max)
  check.argument(1, "new", name, check.integer(min, max), value)
end

---The ranges of guest physical addresses that the board uses, in order:
---{name =, base =, size =}.
---Usage: `for _, r in ipairs(machine:regions()) do print(r.name, r.base) end`
---@return {name: string, base: integer, size: integer}[]
function Board:regions()
  check.method("regions", Board.__name, self)
  local gic = self.gic
  local list = {
    { name = "gic.dist", base = gic.dist, size = K64 },
    { name = "gic.redist", base = gic.redist, size = 2 * K64 * self.cpus },
    { name = "uart", base = self.uart.base, size = self.uart.size },
    { name = "ram", base = self.ram.base, size = self.ram.size },
  }
  if gic.its then
    list[#list + 1] = { name = "gic.its", base = gic.its, size = 2 * K64 }
  end
  if self.rtc then
    list[#list + 1] = { name = "rtc", base = self.rtc.base,
      size = self.rtc.size }
  end
  table.sort(list, function(a, b) return a.base < b.base end)
  return list
end

local MAX_GPA <const> = (1 << 48) - 1

local function check_region(r)
  local align = r.name:find "^gic" and K64 or 0x1000
  check_integer(r.name .. ".base", r.base, 0, MAX_GPA)
  check_integer(r.name .. ".size", r.size, align, MAX_GPA)
  for _, field in ipairs { "base", "size" } do
    check.argument(1, "new", r.name .. "." .. field, check.multiple(align),
      r[field])
  end
end

local function check_regions(self)
  for _, name in ipairs { "dist", "redist", "its" } do
    check_integer("gic." .. name, self.gic[name] or 0, 0, MAX_GPA)
  end
  check_integer("uart.base", self.uart.base, 0, MAX_GPA)
  check_integer("ram.base", self.ram.base, 0, MAX_GPA)
  check_integer("rtc.base", self.rtc and self.rtc.base or 0, 0, MAX_GPA)
  local before
  for _, r in ipairs(self:regions()) do
    check_region(r)
    if before and before.base + before.size > r.base then
      fail("%s [0x%x,0x%x) overlaps %s [0x%x,0x%x)", before.name, before.base,
        before.base + before.size, r.name, r.base, r.base + r.size)
    end
    before = r
  end
end

local function check_interrupts(self)
  local users = {}
  local function use(name, number, min, max)
    check_integer(name, number, min, max)
    if users[number] then
      fail("%s and %s both use the interrupt %d", users[number], name, number)
    end
    users[number] = name
  end
  for _, name in ipairs { "secure", "physical", "virtual", "hypervisor" } do
    use("timer." .. name, self.timer[name], 16, 31)
  end
  use("uart.irq", self.uart.irq, 32, self.gic.nr_irqs - 1)
  if self.rtc then
    use("rtc.irq", self.rtc.irq, 32, self.gic.nr_irqs - 1)
  end
end

local function check_all(self)
  check_integer("cpus", self.cpus, 1, 512)
  check_integer("gic.nr_irqs", self.gic.nr_irqs, 64, 1024)
  check_integer("uart.clock", self.uart.clock, 1, 0xffffffff)
  if self.gic.nr_irqs % 32 ~= 0 then
    fail("gic.nr_irqs %d is not a multiple of 32", self.gic.nr_irqs)
  end
  check.argument(1, "new", "compatible", "string", self.compatible)
  check.argument(1, "new", "psci.method", { "hvc", "smc" }, self.psci.method)
  check_regions(self)
  check_interrupts(self)
end

---A board. Raises when parts overlap or share an interrupt.
---Usage: `local machine = board.new { cpus = 2, rtc = true }`
---@param given? table what is not as in board.default
---@return kvm.arch.arm64.board
function M.new(given)
  local self = setmetatable(complete(given), Board)
  check_all(self)
  return self
end

---The device tree of the board. Fields of opts, all optional:
---  bootargs  the kernel's command line
---  initrd    {gpa, size}, inside the board's memory
---  rng_seed  bytes for the kernel's random numbers
---Usage: `fdt.build(machine:device_tree { bootargs = "console=ttyAMA0" })`
---@param opts? {bootargs: string?, initrd: integer[]?, rng_seed: string?}
---@return kvm.fdt.node tree which may still be changed
function Board:device_tree(opts)
  check.method("device_tree", Board.__name, self)
  return require("kvm.arch.arm64.board_tree").new(self, opts)
end

-- The devices ---------------------------------------------------------------

---What kvm.arch.arm64.gic.new takes.
---Usage: `local g = gic.new(vm, machine:gic_options())`
---@return table
function Board:gic_options()
  check.method("gic_options", Board.__name, self)
  local g = self.gic
  return { version = 3, dist = g.dist, redist = g.redist, its = g.its or nil,
    nr_irqs = g.nr_irqs }
end

---Makes the board's vCPUs, after attach and before the GIC is initialised: they
---have PSCI, all but the first one wait for CPU_ON, and their timers the board's
---interrupts.
---Usage: `local cpus = machine:create_vcpus(vm)`
---@param vm kvm.vm
---@param features? string[] more features for arm_vcpu_init
---@return kvm.vcpu[]
function Board:create_vcpus(vm, features)
  check.method("create_vcpus", Board.__name, self)
  check.argument(1, "create_vcpus", "vm",
    check.object("kvm.vm", "create_vcpu"), vm)
  check.optional(2, "create_vcpus", "features", "table", features)
  local attr = require "kvm.arch.arm64.attr"
  local cpus = {}
  for i = 1, self.cpus do
    local wanted = { "psci_0_2", i > 1 and "power_off" or nil }
    for _, name in ipairs(features or {}) do wanted[#wanted + 1] = name end
    local cpu = vm:create_vcpu(i - 1)
    cpu:arm_vcpu_init(wanted)
    attr.set(cpu, "timer_irq_vtimer", self.timer.virtual)
    attr.set(cpu, "timer_irq_ptimer", self.timer.physical)
    cpus[i] = cpu
  end
  return cpus
end

local ATTACH <const> = { output = check.sink }

---Gives a VM the board's memory and devices: maps the memory, makes the GIC
---(to be initialised after the vCPUs) and puts the UART and the RTC on the
---bus. Fields of opts: output, where the UART sends to.
---Usage: `local parts = machine:attach(vm, { output = io.stdout })`
---@param vm kvm.vm
---@param opts? {output: any}
---@return {ram: kvm.memory, gic: table, uart: kvm.dev.pl011,
---  rtc: kvm.dev.pl031?}
function Board:attach(vm, opts)
  check.method("attach", Board.__name, self)
  check.argument(1, "attach", "vm", check.object("kvm.vm", "map"), vm)
  opts = check.options(2, "attach", opts, ATTACH)
  local gic = require "kvm.arch.arm64.gic"
  local irq = require "kvm.arch.arm64.irq"
  local function line(number)
    local encoded = irq.spi(number)
    return function(level)
      vm:irq_line { irq = encoded, level = level and 1 or 0 }
    end
  end
  local parts = {
    ram = vm:map(self.ram.base, self.ram.size),
    gic = gic.new(vm, self:gic_options()),
    uart = require("kvm.dev.pl011").new { output = opts.output,
      irq = line(self.uart.irq) },
  }
  vm:on_mmio(self.uart.base, self.uart.size, parts.uart)
  if self.rtc then
    parts.rtc = require("kvm.dev.pl031").new { irq = line(self.rtc.irq) }
    vm:on_mmio(self.rtc.base, self.rtc.size, parts.rtc)
  end
  return parts
end

return M
