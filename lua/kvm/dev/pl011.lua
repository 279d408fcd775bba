-- SPDX-License-Identifier: MIT
--- PrimeCell UART (PL011), r1p5, as Arm's DDI 0183 describes it.
---
---   local uart = pl011.new { output = io.stdout, irq = set_line }
---   vm:on_mmio(0x9000000, 0x1000, uart)
---   uart:input "ls\n"
---
--- Time does not pass inside: what is sent leaves at once, and input that does
--- not fill the FIFO to its trigger level is taken as followed by silence, so
--- that the receive timeout interrupt comes with it.

local access = require "kvm.dev.access"
local check = require "kvm.check"

local M = {}

local DEPTH = 32 -- of each FIFO since r1p5

-- Offsets (table 3-1).
local DR, FR, ILPR, IBRD, FBRD = 0x00, 0x18, 0x20, 0x24, 0x28
local LCR_H, CR, IFLS, IMSC = 0x2c, 0x30, 0x34, 0x38
local RIS, MIS, ICR, DMACR = 0x3c, 0x40, 0x44, 0x48
local ID = 0xfe0

-- PeriphID0-3 and PCellID0-3 (3.3.15, 3.3.16).
local IDS = { 0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1 }

-- Bits of FR: the modem is always there and ready.
local MODEM, RXFE, TXFF, RXFF, TXFE = 0x07, 0x10, 0x20, 0x40, 0x80
-- Bits of CR and LCR_H.
local UARTEN, LBE, TXE, RXE = 0x001, 0x080, 0x100, 0x200
local FEN = 0x10
-- Bits of IMSC, RIS, MIS and ICR.
local RX, TX, RT = 0x10, 0x20, 0x40

-- Registers that only hold what is written: offset -> the bits they have.
local MASK = {
  [ILPR] = 0xff, [IBRD] = 0xffff, [FBRD] = 0x3f, [LCR_H] = 0xff,
  [CR] = 0xff87, [IFLS] = 0x3f, [IMSC] = 0x7ff, [DMACR] = 0x7,
}

-- Trigger levels by the value in IFLS; what the manual reserves is 7/8, too.
local LEVEL = { [0] = DEPTH // 8, DEPTH // 4, DEPTH // 2, DEPTH * 3 // 4 }

---@class kvm.dev.pl011
local Uart = { __name = "kvm.dev.pl011" }
Uart.__index = Uart

-- The interrupt line follows the masked status.
local function update(self)
  local level = self.raw & self.registers[IMSC] ~= 0
  if level ~= self.line then
    self.line = level
    self.irq(level)
  end
end

local function depth(self)
  return self.registers[LCR_H] & FEN ~= 0 and DEPTH or 1
end

local function is_on(self, direction)
  local on = UARTEN | direction
  return self.registers[CR] & on == on
end

-- Receiving -----------------------------------------------------------------

-- How many bytes raise the receive interrupt.
local function trigger(self)
  if depth(self) == 1 then
    return 1
  end
  return LEVEL[self.registers[IFLS] >> 3 & 7] or DEPTH * 7 // 8
end

-- Takes up to COUNT bytes from the input that waits.
local function take(self, count)
  local bytes = { self.waiting:byte(self.at, self.at + count - 1) }
  self.at = self.at + #bytes
  if self.at > #self.waiting then
    self.waiting, self.at = "", 1
  end
  return bytes
end

-- Moves input into the FIFO, as far as there is room.
local function fill(self)
  local room = depth(self) - #self.received
  if room <= 0 or self.waiting == "" or not is_on(self, RXE) then
    return
  end
  local bytes = take(self, room)
  table.move(bytes, 1, #bytes, #self.received + 1, self.received)
  if #self.received >= trigger(self) then
    self.raw = self.raw | RX
  end
  if depth(self) > 1 then
    self.raw = self.raw | RT
  end
end

local function receive(self)
  local byte = table.remove(self.received, 1) or 0
  if #self.received < trigger(self) then
    self.raw = self.raw & ~RX
  end
  if #self.received == 0 then
    self.raw = self.raw & ~RT
  end
  fill(self)
  update(self)
  return byte
end

-- Sending -------------------------------------------------------------------

-- The FIFO runs empty as soon as it may.
local function drain(self)
  if #self.unsent == 0 or not is_on(self, TXE) then
    return
  end
  local bytes = string.char(table.unpack(self.unsent))
  self.unsent = {}
  self.raw = self.raw | TX
  update(self) -- before the output, which may raise
  if self.registers[CR] & LBE ~= 0 then
    self.waiting = self.waiting .. bytes
    fill(self)
  else
    self.output(bytes)
  end
end

-- A byte that finds no room is lost.
local function send(self, byte)
  if #self.unsent < depth(self) then
    self.unsent[#self.unsent + 1] = byte
  end
  drain(self)
  update(self)
end

-- Registers -----------------------------------------------------------------

local function flags(self)
  local full = depth(self)
  return MODEM
    | (#self.received == 0 and RXFE or 0)
    | (#self.received >= full and RXFF or 0)
    | (#self.unsent == 0 and TXFE or 0)
    | (#self.unsent >= full and TXFF or 0)
end

local function get(self, register)
  if register == DR then
    return receive(self)
  elseif register == FR then
    return flags(self)
  elseif register == RIS then
    return self.raw
  elseif register == MIS then
    return self.raw & self.registers[IMSC]
  elseif register >= ID then
    return IDS[(register - ID) // 4 + 1] or 0
  end
  return self.registers[register] or 0 -- RSR, too: there are no errors
end

local function put(self, register, value)
  if register == DR then
    return send(self, value & 0xff)
  elseif register == ICR then
    self.raw = self.raw & ~value
  elseif MASK[register] then
    self.registers[register] = value & MASK[register]
    drain(self)
    fill(self)
  end
  update(self)
end

-- What a size of access leaves of a value.
local function cut(value, size)
  return size < 4 and value & (1 << size * 8) - 1 or value
end

---A read by the guest.
---Usage: `print(uart:read(0x18, 4))`
---@param offset integer
---@param size integer bytes: 1, 2, 4 or 8
---@return integer
function Uart:read(offset, size)
  access.read(Uart, self, offset, size)
  return cut(get(self, offset & ~3) >> (offset & 3) * 8, size)
end

---A write by the guest.
---Usage: `uart:write(0, 0x41, 1)`
---@param offset integer
---@param value integer
---@param size integer bytes: 1, 2, 4 or 8
function Uart:write(offset, value, size)
  access.write(Uart, self, offset, value, size)
  if offset & 3 == 0 then
    put(self, offset, cut(value, size))
  end
end

-- The other side ------------------------------------------------------------

---Sends bytes to the guest. They wait until it takes them.
---Usage: `uart:input "root\n"`
---@param bytes string
function Uart:input(bytes)
  check.method("input", Uart.__name, self)
  check.argument(1, "input", "bytes", "string", bytes)
  self.waiting = self.waiting:sub(self.at) .. bytes
  self.at = 1
  fill(self)
  update(self)
end

---How many bytes of input the guest has not read.
---Usage: `if uart:pending() == 0 then uart:input(line) end`
---@return integer
function Uart:pending()
  check.method("pending", Uart.__name, self)
  return #self.waiting - self.at + 1 + #self.received
end

---Everything as after power-on (and the firmware); waiting input is lost.
---Usage: `uart:reset()`
function Uart:reset()
  check.method("reset", Uart.__name, self)
  self.registers = {
    [ILPR] = 0, [IBRD] = 0, [FBRD] = 0, [LCR_H] = 0, [IFLS] = 0x12,
    [IMSC] = 0, [DMACR] = 0, [CR] = TXE | RXE | self.firmware,
  }
  self.raw = 0                   -- RIS
  self.received = {}             -- the receive FIFO
  self.unsent = {}               -- the transmit FIFO, while sending is off
  self.waiting, self.at = "", 1  -- input that is not in the FIFO yet
  update(self)
end

local function sink_of(output)
  if type(output) == "function" then return output end
  return function(bytes) if output then output:write(bytes) end end
end

local OPTIONS <const> = { irq = "function", enabled = "boolean",
                          output = check.sink }

---A UART. Fields of opts:
---  output   where sent bytes go: a function of a string, or anything with a
---           write method
---  irq      called with true or false when the interrupt line changes
---  enabled  whether the firmware has switched it on (default); false gives
---           the state after power-on, in which nothing is sent
---Usage: `local uart = pl011.new { output = io.stdout }`
---@param opts? {output: any, irq: fun(level: boolean)?, enabled: boolean?}
---@return kvm.dev.pl011
function M.new(opts)
  opts = check.options(1, "new", opts, OPTIONS)
  local self = setmetatable({
    output = sink_of(opts.output),
    irq = opts.irq or function() end,
    firmware = opts.enabled ~= false and UARTEN or 0,
    line = false,
  }, Uart)
  self:reset()
  return self
end

return M
