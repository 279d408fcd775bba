-- SPDX-License-Identifier: MIT
--- What the kernel did for each ioctl, function by function: recorded by its
--- function-graph tracer (root, tracefs). Costs nothing when it is not used.
---
---     local trees = kvm.calltree(function()
---       local vm <close> = kvm.create_vm()
---     end, { only = "kvm" })
---     print(trees)
---
---     kvmlua --calltree script.lua         the trees of a script, on stderr
---     kvmlua --calltree=FILE script.lua    a JSON object a line, to FILE
local check = require "kvm.check"
local filter = require "kvm.calltree.filter"
local options = require "kvm.calltree.options"
local trace = require "kvm.trace"
local tracer = require "kvm.calltree.tracer"
local trees = require "kvm.calltree.trees"

local M = {}

-- ---- recording -------------------------------------------------------------------

-- An ioctl that the binding makes on its own comes before the one that is told.
local function entry(calls)
  for i = #calls, 1, -1 do
    if tracer.is_entry(calls[i].name) then return { calls[i] } end
  end
  return {}
end

---Records until it is closed.
---@class kvm.calltree.recorder
local Recorder = { __name = "kvm.calltree.recorder" }
Recorder.__index = Recorder

---Adds an ioctl that kvm.trace has heard of. A problem in here would be a warning of
---the tracer's: it is kept for take().
---Usage: `recorder:record(event)`
---@param event kvm.trace.event
function Recorder:record(event)
  check.method("record", Recorder.__name, self)
  local ok, calls, lost = pcall(self.tracer.take, self.tracer)
  if not ok then
    self.problem = self.problem or calls
    return
  end
  local step = { name = event.name, title = trace.format(event), call = event,
    tree = entry(calls) }
  if lost > 0 then step.lost = lost end
  if #step.tree > 0 then self.seen = true end
  step.tree = filter.calls(step.tree, self.filter)
  self.listener(step)
end

local CONTAINER <const> = "kvm.calltree: the kernel recorded none of these "
  .. "ioctls: in a container its tracer does not know this process by its number"

---The steps since the last time. Raises what went wrong since then.
---Usage: `print(recorder:take())`
---@return kvm.calltree.trees
function Recorder:take()
  check.method("take", Recorder.__name, self)
  local list = trees.new(self.steps)
  self.steps = {}
  if self.problem then check.fail("kvm.calltree: %s", self.problem) end
  if #list > 0 and not self.seen then check.fail("%s", CONTAINER) end
  return list
end

---Ends the recording and puts the tracer's settings back. A second time it does
---nothing.
---Usage: `recorder:close()`
function Recorder:close()
  check.method("close", Recorder.__name, self)
  trace.stop(self.hear)
  self.tracer:close()
end

Recorder.__close = Recorder.close

local function start(opts, listener)
  local ok, started = pcall(tracer.start, { depth = opts.depth,
    buffer_kb = opts.buffer_kb, functions = opts.functions or opts.only })
  if not ok then check.fail("kvm.calltree: %s", started) end
  local recorder = setmetatable({ tracer = started, steps = {} }, Recorder)
  recorder.listener = listener or function(step)
    table.insert(recorder.steps, step)
  end
  recorder.filter = { depth = opts.depth, hide = opts.hide,
    min_ns = opts.min_ns }
  recorder.hear = function(event) recorder:record(event) end
  trace.listen(recorder.hear)
  return recorder
end

---Starts to record the ioctls of this thread, until the recorder is closed. To
---make the kernel ready for all functions takes it some time (a second; several
---where it is emulated), for KVM's only (`only = "kvm"`) much less.
---Usage: `local recorder <close> = calltree.open { only = "kvm" }`
---@param opts? kvm.calltree.options
---@return kvm.calltree.recorder
---Raises what is missing: tracefs, its function_graph tracer, or root.
function M.open(opts)
  return start(options.check(1, "open", opts))
end

---Calls a function and records each ioctl in it: the trees, then what the
---function returned. The same as `kvm.calltree(f, opts)`.
---Usage: `local trees = kvm.calltree(function() cpu:run() end, { depth = 4 })`
---@param f fun(): ...
---@param opts? kvm.calltree.options
---@return kvm.calltree.trees
---Raises what is missing (see open), and what the function raises.
function M.record(f, opts)
  check.argument(1, "calltree", "f", "function", f)
  local recorder <close> = start(options.check(2, "calltree", opts))
  local results = table.pack(f())
  return recorder:take(), table.unpack(results, 1, results.n)
end

-- ---- kvmlua --calltree --------------------------------------------------------------

-- Of the process: closed with its Lua state.
local attached

---Records all that follows, of KVM's functions: as text to standard error, or a
---JSON object a line to a file. What `kvmlua --calltree` does.
---Usage: `require "kvm.calltree".attach "trees.jsonl"`
---@param path? string
---Raises what is missing (see open), or that the file cannot be written.
function M.attach(path)
  local seen, listener = {}, nil
  if path then
    local file, why = io.open(path, "w")
    if not file then error("kvm.calltree: " .. why, 2) end
    file:setvbuf "line"
    local json = require "kvm.json"
    function listener(step)
      file:write(json.encode(trees.plain(step)), "\n")
    end
  else
    function listener(step)
      io.stderr:write(table.concat(trees.lines(step, {}, seen), "\n"), "\n")
    end
  end
  if attached then attached:close() end
  attached = start({ only = "kvm" }, listener)
end

return setmetatable(M, { __call = function(_, ...) return M.record(...) end })
