-- SPDX-License-Identifier: MIT
-- Running GNU as: text in, object file or faults out. The only part of kvm.asm
-- that touches the world: a child process and three temporary files, which are
-- gone when it returns, however it returns.

local targets = require "kvm.asm.targets"
local caches = require "kvm.asm.cache"

local M = {}

-- Text that never ends or asks for terabytes is stopped by the kernel: CPU
-- seconds, KiB of memory, blocks of 512 bytes of output. A checker preloaded
-- into this process has no business in the child.
local SHELL = "unset LD_PRELOAD; LC_ALL=C; export LC_ALL; "
  .. "ulimit -t 60 2>/dev/null; ulimit -v 4194304 2>/dev/null; "
  .. "ulimit -f 131072 2>/dev/null; exec "

local cache = caches.new(8 << 20)

---@class kvm.asm.fault
---@field message string
---@field line? integer of the text
---@field file? string when it is not the text
---@field notes? string[]

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- The host refuses something that every run needs.
local function check(value, reason)
  if value then return value end
  error("cannot run the assembler: " .. reason, 0)
end

local function remove_all(names)
  for _, name in ipairs(names) do os.remove(name) end
end

-- Names of empty files, which are removed when the variable goes out of scope.
local function temporary_files(count)
  local names = setmetatable({}, { __close = remove_all })
  for i = 1, count do
    local ok, name = pcall(os.tmpname)
    if not ok then remove_all(names) end
    names[i] = check(ok and name, name)
  end
  return names
end

local function write_file(name, text)
  local file <close> = check(io.open(name, "wb"))
  check(file:write(text))
  check(file:flush())
end

local function read_file(name)
  local file <close> = io.open(name, "rb")
  return file and file:read("a") or ""
end

-- Run a program; what it prints (to the stream that `redirect` leaves) and how
-- it ended.
local function run(program, arguments, redirect)
  local words = { SHELL .. quote(program) }
  for _, argument in ipairs(arguments) do words[#words + 1] = argument end
  words[#words + 1] = redirect
  local pipe = check(io.popen(table.concat(words, " "), "r"))
  local output = pipe:read("a")
  local ok, how, code = pipe:close()
  -- Neither: the process ignores SIGCHLD, and the status is lost.
  if ok or how ~= "exit" and how ~= "signal" then code = 0 end
  return output, code, how
end

-- What as calls its messages, and what ours then begin with.
local kinds = { ["Error"] = "", ["Fatal error"] = "",
  ["Warning"] = "warning: ", ["Info"] = "" }

-- "FILE:LINE: Error: message"; some have no line.
local function parse_message(line)
  local file, number, kind, message =
    line:match("^(.-):(%d+): +(%u[%l ]+): (.*)$")
  if not file then
    file, kind, message = line:match("^(.-): (%u[%l ]+): (.*)$")
  end
  if kinds[kind] then
    return { file = file, line = math.tointeger(number), kind = kind,
      message = kinds[kind] .. message }
  end
end

-- The faults in what as printed; an Info belongs to the one before it.
local function parse_messages(output, source)
  local faults = {}
  for line in output:gmatch("[^\n]+") do
    local fault = parse_message(line)
    local last = faults[#faults]
    if fault and fault.file == source then fault.file = nil end
    if fault and fault.kind ~= "Info" then
      faults[#faults + 1] = fault
    elseif fault and last then
      last.notes = last.notes or {}
      table.insert(last.notes, fault)
    end
  end
  return faults
end

local function ending(output, code, how, source)
  if how == "signal" then
    return ("the assembler was stopped by signal %d: does the text never end,"
      .. " or make more than 64 MiB?"):format(code)
  end
  output = output:gsub(source, "text"):gsub("^%s+", ""):gsub("%s+$", "")
  return ("the assembler failed with status %d: %s"):format(code, output)
end

local function missing(program, package)
  return { { message = ("cannot run the assembler '%s': install the package"
    .. " %s"):format(program, package) } }
end

-- The file that as read besides the text, from what --MD wrote: "OBJECT: FILE
-- FILE ...". This sees every directive, however a macro spelled it.
local function foreign_file(dependencies, source)
  local list = dependencies:match("^[^:]*:(.*)$") or ""
  for name in list:gmatch("[^%s\\]+") do
    if name ~= source then return name end
  end
end

--- What is wrong with a text that reads a file.
---@param name string
---@return string
function M.reads_file(name)
  return ("the text reads the file %s: .include and .incbin are refused"
    .. " (read it in Lua instead)"):format(name)
end

-- Messages may speak of another file only where the text says so itself, with
-- the line markers of a C preprocessor.
local function has_line_markers(text)
  return ("\n" .. text):find('\n%s*#%s*%d+%s*"') ~= nil
end

local function faults_of(output, code, how, source, text)
  local faults = parse_messages(output, source)
  for _, fault in ipairs(faults) do
    if fault.file and not has_line_markers(text) then
      return { { message = M.reads_file(fault.file) } }
    end
  end
  if #faults == 0 and code ~= 0 then
    faults[1] = { message = ending(output, code, how, source) }
  end
  return faults
end

-- The text as the assembler gets it: line numbers stay what they are.
local function complete(target, syntax, text)
  return target.prologue .. target.syntaxes[syntax] .. text .. "\n"
end

--- Assemble text: the object file, or nil and the faults.
---@param target kvm.asm.target
---@param syntax string
---@param text string
---@return string? object
---@return kvm.asm.fault[]? faults
function M.assemble(target, syntax, text)
  local program, package = targets.assembler(target)
  local key = table.concat({ program, target.name, syntax, text }, "\0")
  local object = cache:get(key)
  if object then return object end
  local files <close> = temporary_files(3)
  local source, output_file, dependencies = files[1], files[2], files[3]
  write_file(source, complete(target, syntax, text))
  local output, code, how = run(program, { target.flags, "--MD",
    dependencies, "-o", output_file, source }, "2>&1 >/dev/null")
  if code == 127 then return nil, missing(program, package) end
  local faults = faults_of(output, code, how, source, text)
  local other = foreign_file(read_file(dependencies), source)
  if other then faults = { { message = M.reads_file(other) } } end
  if #faults > 0 then return nil, faults end
  object = read_file(output_file)
  cache:put(key, object)
  return object
end

--- The assembler's listing of a text: its lines with their offsets.
---@param target kvm.asm.target
---@param syntax string
---@param text string
---@return string
function M.listing(target, syntax, text)
  local files <close> = temporary_files(1)
  write_file(files[1], complete(target, syntax, text))
  return (run(targets.assembler(target), { target.flags, "-aln",
    "-o", "/dev/null", files[1] }, "2>/dev/null"))
end

return M
