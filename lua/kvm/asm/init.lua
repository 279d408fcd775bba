-- SPDX-License-Identifier: MIT
--- Guest code from assembly text, or from Lua calls, for every architecture.
--- The engine is GNU as, in a child process; the object it writes is placed and
--- relocated by kvm.elf.

local check = require "kvm.check"
local dsl = require "kvm.asm.dsl"
local flatten = require "kvm.elf.flatten".flatten
local parse = require "kvm.elf.parse"
local place = require "kvm.elf.place"
local problem = require "kvm.elf.problem"
local engine = require "kvm.asm.engine"
local find_line = require "kvm.asm.lines".find
local refuse = require "kvm.asm.refuse"
local report = require "kvm.asm.report"
local source = require "kvm.asm.source"
local targets = require "kvm.asm.targets"

source.hide()

local M = {}

---What an assembler takes besides the text.
---@class kvm.asm.options
---@field origin? integer where the code will run (0)
---@field symbols? table<string, integer> what the text uses but does not define
---@field syntax? "att"|"intel" x86 only; "att" by default
---@field name? string what to call the text in messages, such as a file name

local symbols = check.named("integer")

-- The shape of a target's options.
local function shape_of(target)
  local syntaxes = {}
  for name in pairs(target.syntaxes) do syntaxes[#syntaxes + 1] = name end
  table.sort(syntaxes)
  return { origin = "integer", name = "string", symbols = symbols,
           syntax = syntaxes }
end

-- The options with their defaults.
local function checked_options(number, name, target, options)
  local checked = check.options(number, name, options, shape_of(target))
  checked.origin = checked.origin or 0
  checked.syntax = checked.syntax or target.syntax
  local given = checked.symbols or {}
  checked.symbols = {}
  for symbol, address in pairs(given) do
    checked.symbols[symbol] = math.tointeger(address)
  end
  return checked
end

-- Place the object; a problem becomes a fault of the text.
local function link(target, text, options, object)
  local ok, result = pcall(function()
    local image = place.place(parse.object(object), options.origin,
      options.symbols)
    return { bytes = flatten(image, options.origin), symbols = image.symbols }
  end)
  if ok then return result end
  if not problem.is(result) then error(result, 0) end
  return nil, { {
    message = result.message,
    line = find_line(target, options.syntax, text, result),
  } }
end

local function translate(target, text, options)
  local faults = refuse.faults(text)
  if #faults > 0 then return nil, faults end
  local object
  object, faults = engine.assemble(target, options.syntax, text)
  if not object then return nil, faults end
  return link(target, text, options, object)
end

-- `number` is the position of the text among the arguments of `name`.
local function assemble(name, number, target, text, options, ...)
  check.surplus(number + 1, name, ...)
  local checked = checked_options(number + 1, name, target, options)
  if type(text) == "function" then
    if options and options.syntax then
      check.bad(number + 1, name, "syntax is for text, not for a function")
    end
    checked.syntax = target.flavour.syntax
    text, checked.positions = dsl.render(target.flavour, text)
  elseif type(text) ~= "string" then
    check.bad(number, name, "text: string or function expected, got %s",
      check.show(text))
  end
  local result, faults = translate(target, text, checked)
  if not result then error(report.message(faults, text, checked), 0) end
  return result.bytes, result.symbols
end

--- Assemble `text` for `arch`, to run at `origin`. The text is what GNU as
--- takes; or a function that makes it by calls, see `kvm.asm.dsl`. Returns the
--- bytes (code, then data, then zeros for .bss) and the labels' addresses.
--- Usage: `local code, labels = asm.assemble("x86_64", "mov $1, %eax; hlt")`
---@param arch "x86_16"|"x86_32"|"x86_64"|"arm64"
---@param text string|function
---@param options? kvm.asm.options
---@return string bytes
---@return table<string, integer> symbols
function M.assemble(arch, text, options, ...)
  local target = type(arch) == "string" and targets.by_name[arch]
  if not target then
    check.bad(1, "assemble", "%s",
      check.unknown("architecture", arch, targets.names))
  end
  return assemble("assemble", 2, target, text, options, ...)
end

--- Assemble 16-bit x86 code, as for real mode.
--- Usage: `ram:write(0, asm.x86_16 [[ mov $'4', %al; out %al, $0xe9; hlt ]])`
---@param text string|function
---@param options? kvm.asm.options
---@return string bytes
---@return table<string, integer> symbols
function M.x86_16(text, options, ...)
  return assemble("x86_16", 1, targets.by_name.x86_16, text, options, ...)
end

--- Assemble 32-bit x86 code.
--- Usage: `local code = asm.x86_32("mov eax, 1", { syntax = "intel" })`
---@param text string|function
---@param options? kvm.asm.options
---@return string bytes
---@return table<string, integer> symbols
function M.x86_32(text, options, ...)
  return assemble("x86_32", 1, targets.by_name.x86_32, text, options, ...)
end

--- Assemble 64-bit x86 code.
--- Usage: `local code = asm.x86_64(function(_ENV) mov(rax, 1); hlt() end)`
---@param text string|function
---@param options? kvm.asm.options
---@return string bytes
---@return table<string, integer> symbols
function M.x86_64(text, options, ...)
  return assemble("x86_64", 1, targets.by_name.x86_64, text, options, ...)
end

--- Assemble AArch64 code.
--- Usage: `local code = asm.arm64("bl f", { symbols = { f = 0x4000 } })`
---@param text string|function
---@param options? kvm.asm.options
---@return string bytes
---@return table<string, integer> symbols
function M.arm64(text, options, ...)
  return assemble("arm64", 1, targets.by_name.arm64, text, options, ...)
end

return M
