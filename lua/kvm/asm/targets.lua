-- SPDX-License-Identifier: MIT
-- What each architecture's assembler is called and which options make its
-- encodings right. A new architecture is a row here, how it writes operands in
-- kvm.asm.operand, a function in kvm.asm, and its relocations in kvm.elf.

local flavours = require "kvm.asm.operand".flavours

local M = {}

---@class kvm.asm.target
---@field name string
---@field host table<integer, true> ELF machines whose own `as` will do
---@field cross string the assembler's name on other machines
---@field package string the Debian package that has it
---@field flags string
---@field syntaxes table<string, string> what selects it, before the text
---@field syntax string the default
---@field prologue string what else precedes the text, on its first line
---@field flavour kvm.asm.flavour how the DSL writes operands

local x86_hosts = { [3] = true, [62] = true }

-- The directive, not the option -msyntax=intel, with which as 2.40 rejects
-- segment overrides.
local x86_syntaxes = { att = "", intel = ".intel_syntax noprefix;" }

local function x86(name, flags, prologue)
  return {
    name = name,
    host = x86_hosts,
    cross = "x86_64-linux-gnu-as",
    package = "binutils-x86-64-linux-gnu",
    flags = flags,
    syntaxes = x86_syntaxes,
    syntax = "att",
    prologue = prologue,
    flavour = flavours.x86,
  }
end

local list = {
  x86("x86_16", "--32", ".code16;"),
  x86("x86_32", "--32", ""),
  x86("x86_64", "--64", ""),
  {
    name = "arm64",
    host = { [183] = true },
    cross = "aarch64-linux-gnu-as",
    package = "binutils-aarch64-linux-gnu",
    flags = "-EL -march=all",
    syntaxes = { arm64 = "" },
    syntax = "arm64",
    prologue = "",
    flavour = flavours.arm64,
  },
}

M.by_name, M.names = {}, {}
for i, target in ipairs(list) do
  M.by_name[target.name] = target
  M.names[i] = target.name
end

local host

-- The ELF machine of the running interpreter; 0 where there is no telling.
local function host_machine()
  if host then return host end
  host = 0
  local file <close> = io.open("/proc/self/exe", "rb")
  local header = file and file:read(20)
  if header and #header == 20 then
    host = string.unpack("<I2", header, 19)
  end
  return host
end

--- The assembler to run for a target, and the package that has it.
---@param target kvm.asm.target
---@return string program
---@return string package
function M.assembler(target)
  local override = os.getenv("KVMLUA_AS_" .. target.name)
  if override and override ~= "" then return override, target.package end
  if target.host[host_machine()] then return "as", "binutils" end
  return target.cross, target.package
end

return M
