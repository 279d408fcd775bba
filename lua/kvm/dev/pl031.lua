-- SPDX-License-Identifier: MIT
--- PrimeCell real time clock (PL031), as Arm's DDI 0224 describes it.
---
---   vm:on_mmio(0x9010000, 0x1000, pl031.new())
---
--- The alarm rings when somebody looks: at an access by the guest, or at
--- rtc:poll(), which a run loop may call.

local access = require "kvm.dev.access"
local check = require "kvm.check"

local M = {}

-- Offsets (table 3-1).
local DR, MR, LR, CR = 0x00, 0x04, 0x08, 0x0c
local IMSC, RIS, MIS, ICR = 0x10, 0x14, 0x18, 0x1c
local ID = 0xfe0

-- PeriphID0-3 and PCellID0-3 (3.3.9, 3.3.10).
local IDS = { 0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 }

---@class kvm.dev.pl031
local Rtc = { __name = "kvm.dev.pl031" }
Rtc.__index = Rtc

---A clock that shows the host's time until the guest sets it. Fields of opts:
---  irq    called with true or false when the interrupt line changes
---  clock  returns seconds (os.time)
---Usage: `local rtc = pl031.new { irq = set_line }`
---@param opts? {irq: fun(level: boolean)?, clock: fun(): number?}
---@return kvm.dev.pl031
function M.new(opts)
  opts = check.options(1, "new", opts,
    { irq = "function", clock = "function" })
  return setmetatable({
    irq = opts.irq or function() end,
    clock = opts.clock or os.time,
    ahead = 0,         -- of the host's clock, in seconds
    load = 0, match = 0, mask = 0, raw = 0,
    line = false,
    armed = false,     -- whether the match is still to come
  }, Rtc)
end

local function now(self)
  return math.floor(self.clock()) + self.ahead & 0xffffffff
end

---Rings the alarm when its time has come.
---Usage: `rtc:poll()`
function Rtc:poll()
  check.method("poll", Rtc.__name, self)
  if self.armed and now(self) - self.match & 0xffffffff < 1 << 31 then
    self.raw, self.armed = 1, false
  end
  local level = self.raw & self.mask ~= 0
  if level ~= self.line then
    self.line = level
    self.irq(level)
  end
end

---A read by the guest.
---Usage: `print(rtc:read(0, 4))`
---@param offset integer
---@param size integer
---@return integer
function Rtc:read(offset, size)
  access.read(Rtc, self, offset, size)
  self:poll()
  local values = {
    [DR] = now(self), [MR] = self.match, [LR] = self.load,
    [CR] = 1, -- it cannot be stopped
    [IMSC] = self.mask, [RIS] = self.raw, [MIS] = self.raw & self.mask,
  }
  local value = offset >= ID and IDS[(offset - ID) // 4 + 1]
    or values[offset] or 0
  return size < 4 and value & (1 << size * 8) - 1 or value
end

---A write by the guest.
---Usage: `rtc:write(8, 0, 4)`
---@param offset integer
---@param value integer
---@param size integer
function Rtc:write(offset, value, size)
  access.write(Rtc, self, offset, value, size)
  value = value & (size < 4 and (1 << size * 8) - 1 or 0xffffffff)
  if offset == MR then
    self.match, self.armed = value, true
  elseif offset == LR then
    self.load = value
    self.ahead = value - math.floor(self.clock())
  elseif offset == IMSC then
    self.mask = value & 1
  elseif offset == ICR then
    self.raw = self.raw & ~value
  end
  self:poll()
end

return M
