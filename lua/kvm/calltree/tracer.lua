-- SPDX-License-Identifier: MIT
-- The kernel's function-graph tracer, set to record what this thread calls in
-- KVM's ioctls.
local filter = require "kvm.calltree.filter"
local parse = require "kvm.calltree.parse"
local tracefs = require "kvm.calltree.tracefs"

local M = {}

-- The functions that the ioctls of KVM's file descriptors enter: kvm_dev_ioctl,
-- kvm_vm_ioctl, kvm_vcpu_ioctl, kvm_device_ioctl, and those below.
local ENTRIES <const> = "kvm_*_ioctl"

-- How the tracer shall write, and what must not be in its way.
local SETTINGS <const> = {
  { "current_tracer", "nop" }, { "tracing_thresh", "0" },
  { "set_ftrace_notrace", "" }, { "set_graph_notrace", "" },
  { "set_ftrace_notrace_pid", "" }, { "options/function-fork", "0" },
  { "options/overwrite", "1" }, { "options/markers", "1" },
  { "options/raw", "0" }, { "options/hex", "0" }, { "options/bin", "0" },
  { "options/latency-format", "0" }, { "options/funcgraph-irqs", "0" },
  { "options/funcgraph-cpu", "0" }, { "options/funcgraph-overhead", "0" },
  { "options/funcgraph-proc", "0" }, { "options/funcgraph-tail", "1" },
  { "options/funcgraph-duration", "1" }, { "options/funcgraph-abstime", "0" },
  { "options/funcgraph-args", "0" }, { "options/funcgraph-retval", "0" },
  { "options/funcgraph-retaddr", "0" },
}

-- ---- functions by number ---------------------------------------------------------

-- The longest piece of a pattern that is not a wildcard.
local function literal(glob)
  local longest = ""
  for piece in glob:gmatch "[^*?]+" do
    if #piece > #longest then longest = piece end
  end
  return longest
end

-- Position of each line that a pattern may match -> true.
local function find_lines(text, piece, found)
  local at = text:find(piece, 1, true)
  while at do
    local stop = text:find("\n", at, true) or #text
    local start = at
    while start > 1 and text:byte(start - 1) ~= 10 do start = start - 1 end
    found[start] = stop
    at = text:find(piece, stop, true)
  end
end

---The numbers of the lines that are among the patterns. The kernel takes these
---for the functions' names in set_ftrace_filter, and does not have to look
---through all of its functions for each name.
---Usage: `tracer.numbers("a\nkvm_b\n", { "kvm_*" }) --> { 2 }`
---@param text string what available_filter_functions holds
---@param globs string[]
---@return integer[]
function M.numbers(text, globs)
  local matches, found, starts = filter.matcher(globs), {}, {}
  for _, glob in ipairs(globs) do find_lines(text, literal(glob), found) end
  for start, stop in pairs(found) do
    local name, module = text:sub(start, stop):match "^(%S+)%s*%[?([%w_]*)"
    if matches(name, module ~= "" and module or nil) then
      starts[#starts + 1] = start
    end
  end
  table.sort(starts)
  local numbers, line, at = {}, 1, 1
  for i, start in ipairs(starts) do
    local _, newlines = text:sub(at, start - 1):gsub("\n", "")
    line, at = line + newlines, start
    numbers[i] = line
  end
  return numbers
end

-- The functions to record. To make the kernel ready for a few takes a fraction
-- of the time that all take.
local function choose(settings, functions)
  if not functions then
    settings:set("set_ftrace_filter", "")
    settings:set("set_graph_function", ENTRIES)
    return
  end
  local globs = filter.globs(functions)
  globs[#globs + 1] = ENTRIES
  local numbers =
    M.numbers(settings:read "available_filter_functions", globs)
  settings:set("set_graph_function", "")
  settings:set("set_ftrace_filter", table.concat(numbers, " "))
end

-- ---- recording -------------------------------------------------------------------

-- The number of this thread.
local function thread()
  local file <close> = assert(io.open "/proc/thread-self/stat")
  return tostring(file:read "n")
end

---@class kvm.calltree.tracer
local Tracer = {}
Tracer.__index = Tracer

---What was called since the last time, and how many events were lost.
---Usage: `local calls, lost = tracer:take()`
---@return kvm.calltree.node[]
---@return integer lost
function Tracer:take()
  local settings = self.settings
  -- While the tracer is off, its pipe ends where its buffer does, if anything
  -- was in there. No file stays open: a child process would have it as well.
  settings:write("trace_marker", "kvm.calltree")
  settings:write("tracing_on", "0")
  local text = settings:read "trace_pipe"
  settings:write("tracing_on", "1")
  return parse.trace(text)
end

---Whether a call is the entry of an ioctl into KVM.
---Usage: `print(tracer.is_entry(call.name))`
---@param name string
---@return boolean
M.is_entry = filter.matcher(ENTRIES)

---Ends the recording and puts the settings back. A second time it does nothing.
---Usage: `tracer:close()`
function Tracer:close() self.settings:close() end

Tracer.__close = Tracer.close

local function set_up(settings, options)
  settings:keep "tracing_on"
  settings:set("tracing_on", "0")
  for _, setting in ipairs(SETTINGS) do
    settings:set(setting[1], setting[2])
  end
  settings:set("max_graph_depth", tostring(options.depth or 0))
  settings:set("set_ftrace_pid", thread())
  if options.buffer_kb then
    settings:set("buffer_size_kb", tostring(options.buffer_kb))
  end
  choose(settings, options.functions)
  settings:set("current_tracer", "function_graph")
  settings:write("tracing_on", "1")
end

---Starts to record. Raises what is missing, and leaves the tracer as it was then.
---Usage: `local tracer <close> = tracer.start { functions = "kvm" }`
---@param options { functions?: string[]|string, depth?: integer, buffer_kb?: integer }
---@return kvm.calltree.tracer
function M.start(options)
  local settings = tracefs.open()
  local ok, why = pcall(set_up, settings, options)
  if not ok then
    settings:close()
    error(why, 0)
  end
  return setmetatable({ settings = settings }, Tracer)
end

return M
