-- SPDX-License-Identifier: MIT
-- The settings of the kernel's tracer: changed, and put back whatever happens.
--
-- They are put back by a shell that is told beforehand what each setting was,
-- and that waits for the end of its input. So they are put back after an error,
-- after os.exit, and after this process was killed.
local M = {}

-- Undoes, newest first, what its input says: lines `put FILE TEXT`, `drop
-- DIRECTORY`, at the end `restore` or nothing. A tracer is busy while its pipe is
-- open, which may be for a moment longer where its reader was killed.
local KEEPER <const> = [[
trap '' HUP INT QUIT TERM
undo= status=0
again() {
  for try in 1 2 3 4 5 6 7 8 9 10; do
    "$@" && return
    sleep 0.1
  done 2>/dev/null
  echo "kvm.calltree: $2 could not be put back" >&2
  status=1
}
write() { printf "$2" >"$1"; }
put() { again write "$1" "$2"; }
drop() { again rmdir "$1"; }
while IFS= read -r line && [ "$line" != restore ]; do
  undo="$line
$undo"
done
eval "$undo"
exit $status
]]

local ENOENT <const>, EBUSY <const> = 2, 16

local function read(path)
  local file <close>, why, code = io.open(path)
  if not file then return nil, why, code end
  return file:read "a"
end

local function write(path, text)
  local file <close>, why, errno = io.open(path, "w")
  if not file then return nil, why, errno end
  file:setvbuf "no" -- to hear of a refusal here
  local ok, problem, code = file:write(text)
  return ok, ok or path .. ": " .. problem, code
end

-- ---- where ---------------------------------------------------------------------

local NO_TRACEFS <const> = "this kernel has no tracefs (CONFIG_FTRACE): it "
  .. "cannot record calls"
local NOT_MOUNTED <const> = "tracefs is not mounted: mount -t tracefs nodev "
  .. "/sys/kernel/tracing (as root)"
local NOT_ALLOWED <const> = "%s: only root may use the kernel's tracer (and no "
  .. "one where the kernel is locked down)"
local NOT_BUILT <const> = "this kernel's tracer has no function_graph "
  .. "(CONFIG_FUNCTION_GRAPH_TRACER): %s lists: %s"

---The directory where tracefs is; nil and what to do when it is nowhere.
---Usage: `local directory = assert(tracefs.find())`
---@param mounts? string what /proc/mounts holds
---@param filesystems? string what /proc/filesystems holds
---@return string? directory
---@return string? reason
function M.find(mounts, filesystems)
  for path, kind in (mounts or read "/proc/mounts" or ""):gmatch
      "[^%s]+ ([^%s]+) ([^%s]+)[^\n]*" do
    if kind == "tracefs" then return (path:gsub("\\040", " ")) end
  end
  local known = filesystems or read "/proc/filesystems" or ""
  return nil, known:find "%f[%w]tracefs%f[%W]" and NOT_MOUNTED or NO_TRACEFS
end

local function has_graph(tracers)
  return tracers:find "%f[%w_]function_graph%f[^%w_]" ~= nil
end

-- Whether the tracer there can be used; raises what to do when not.
local function check(directory)
  local list = directory .. "/available_tracers"
  local tracers, why = read(list)
  if not tracers then error(NOT_ALLOWED:format(why), 0) end
  if not has_graph(tracers) then
    error(NOT_BUILT:format(list, tracers:gsub("\n", "")), 0)
  end
end

-- ---- settings ------------------------------------------------------------------

---What a setting's file holds without the kernel's remarks: the first word of
---each line, or the size that a buffer gets when it is used. Commands
---("schedule:traceoff") stay where they are whatever is written to the file.
---Usage: `tracefs.value "#### all functions enabled ####\n" --> ""`
---@param text string
---@return string
function M.value(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do
    local word = line:match "expanded: (%d+)" or line:match "^%s*(%S+)"
    if word and line ~= "no pid" and not word:find "[#:]" then
      list[#list + 1] = word
    end
  end
  return table.concat(list, "\n")
end

local function quote(text)
  return "'" .. text:gsub("'", "'\\''"):gsub("\n", "\\n") .. "'"
end

---@class kvm.calltree.settings
---@field base string where tracefs is
---@field directory string the instance, or the same
local Settings = {}
Settings.__index = Settings

---Where a file is: in the instance, else at the top; nil when it is nowhere.
---Usage: `io.open(settings:path "trace_pipe")`
---@param file string
---@return string?
function Settings:path(file)
  for _, directory in ipairs { self.directory, self.base } do
    local path = directory .. "/" .. file
    local handle <close>, _, code = io.open(path)
    if handle or code ~= ENOENT then return path end
  end
end

---Has a setting put back in the end, whatever is written to it from now on.
---Usage: `settings:keep "tracing_on"`
---@param file string
---@return string value it has now
function Settings:keep(file)
  local path = self:path(file)
  local text, why = read(path)
  if not text then error(NOT_ALLOWED:format(why), 0) end
  local value = M.value(text)
  self.keeper:write("put ", quote(path), " ", quote(value), "\n")
  return value
end

---Writes a setting, if it is not so already. What this kernel does not have is
---left out.
---Usage: `settings:set("options/funcgraph-irqs", "0")`
---@param file string
---@param text string
function Settings:set(file, text)
  local path = self:path(file)
  if not path or M.value(read(path) or "") == text then return end
  self:keep(file)
  local ok, why, code = write(path, text)
  if not ok then
    error(("the tracer refuses '%s': %s%s"):format(text:sub(1, 60), why,
      code == EBUSY and " (someone else is reading the trace: one at a time)"
      or ""), 0)
  end
end

---Puts everything back, and waits until that is done. A second time it does
---nothing.
---Usage: `settings:close()`
function Settings:close()
  local keeper = self.keeper
  if not keeper then return end
  self.keeper = nil
  keeper:write "restore\n"
  if not keeper:close() then
    error("kvm.calltree: the tracer's settings were not all put back", 0)
  end
end

Settings.__close = Settings.close

---Writes to a file of the tracer that needs not be put back.
---Usage: `settings:write("trace_marker", "here")`
---@param file string
---@param text string
function Settings:write(file, text)
  assert(write(self:path(file), text))
end

---All that a file of the tracer holds.
---Usage: `local text = settings:read "trace_pipe"`
---@param file string
---@return string
function Settings:read(file) return assert(read(self:path(file))) end

local IN_USE <const> = "another kvmlua records calls now, and the kernel's "
  .. "settings are for one at a time (if there is none: rmdir %s): %s"

-- A tracer of its own, and at the same time the lock: there is one of the name.
-- It is used where the kernel has more than one that can record calls (since
-- Linux 6.11): then nobody shares its buffer. Lua has no mkdir.
local function make_instance(settings)
  local path = settings.base .. "/instances/kvmlua"
  local mkdir = assert(io.popen("mkdir " .. quote(path) .. " 2>&1"))
  local why = mkdir:read "a"
  if not mkdir:close() then
    error(IN_USE:format(path, why:gsub("\n$", "")), 0)
  end
  settings.keeper:write("drop ", quote(path), "\n")
  if has_graph(read(path .. "/available_tracers") or "") then
    settings.directory = path
  end
end

---The settings as they are, ready to be changed. Raises what is missing: tracefs,
---the tracer, or the right to use it.
---Usage: `local settings <close> = tracefs.open()`
---@param base? string where tracefs is, if it is not to be looked for
---@return kvm.calltree.settings
function M.open(base)
  local why
  if not base then base, why = M.find() end
  if not base then error(why, 0) end
  check(base)
  -- In a session of its own: what kills this process's group spares it.
  local keeper = assert(io.popen(("exec setsid sh -c '%s'"):format(
    (KEEPER:gsub("'", "'\\''"))), "w"))
  keeper:setvbuf "no"
  local settings = setmetatable({ base = base, directory = base,
    keeper = keeper }, Settings)
  local ok
  ok, why = pcall(make_instance, settings)
  if not ok then
    settings:close()
    error(why, 0)
  end
  return settings
end

return M
