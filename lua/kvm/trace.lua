-- SPDX-License-Identifier: MIT
--- Shows every ioctl with its arguments, its result and how long it took, and
--- every exit: like strace, but it knows KVM. Costs nothing when it is off.
---
---     kvmlua --trace script.lua                 text, to standard error
---     kvmlua --trace=FILE script.lua            a JSON object a line, to FILE
local check = require "kvm.check"
local core = require "kvm.core"

local M = {}

-- The tables that say what a request means, made when the first is seen.
local rows, layouts

local function prepare()
  if rows then return end
  rows, layouts = {}, core.layouts()
  for name, row in pairs(core.ioctls()) do
    row.name = name
    for _, scope in ipairs(row.scopes) do
      rows["kvm." .. scope .. row.request] = row
    end
  end
end

-- ---- events -------------------------------------------------------------------

---One ioctl. `exit` is there for a KVM_RUN that gave one, as exit:copy() has it.
---@class kvm.trace.event
---@field name string "KVM_CREATE_VCPU"; the number for one without a name
---@field class string of the object: "kvm.vm"
---@field fd integer
---@field args table|integer|nil the struct, as the kernel left it; the integer
---@field result integer
---@field error? string "EEXIST"
---@field ns integer duration in nanoseconds
---@field exit? table

local function decode(class, fd, request, arg, result, errno, ns)
  prepare()
  local row = rows[class .. request] or { name = ("ioctl %#x"):format(request) }
  local event = { name = row.name, class = class, fd = fd, result = result,
    error = errno ~= 0 and core.errname(errno) or nil, ns = ns }
  if row.name == "KVM_RUN" then
    if result == 0 then event.exit = core.decode_exit(arg) end
  elseif row.struct and type(arg) == "string"
      and #arg >= layouts[row.struct].size then
    event.struct, event.args = row.struct, core.decode(row.struct, arg)
  elseif math.type(arg) == "integer" and row.kind ~= "none" then
    event.args = arg
  end
  return event
end

local listeners = {}

-- The list is made anew for each change: one of its functions may be the cause.
local function tell(...)
  local event = decode(...)
  for _, listener in ipairs(listeners) do listener(event) end
end

---Calls a function with each event, until stop(). There may be several.
---Usage: `trace.listen(function(event) print(event.name, event.ns) end)`
---@param listener fun(event: kvm.trace.event)
function M.listen(listener)
  check.argument(1, "listen", "listener", "function", listener)
  listeners = table.move(listeners, 1, #listeners, 1, {})
  table.insert(listeners, listener)
  core.trace(tell)
end

---Ends the trace for one function, or for all.
---Usage: `trace.stop()`
---@param listener? fun(event: kvm.trace.event)
function M.stop(listener)
  check.optional(1, "stop", "listener", "function", listener)
  local left = {}
  for _, other in ipairs(listeners) do
    if listener and other ~= listener then left[#left + 1] = other end
  end
  listeners = left
  if #left == 0 then core.trace(nil) end
end

-- ---- text ----------------------------------------------------------------------

local function integer(value)
  if value >= 0 and value < 10 then return ("%d"):format(value) end
  return ("%#x"):format(value)
end

local function bytes(text)
  if text:find "^%w[%w_ ]+$" then return text end
  local shown = text:sub(1, 16):gsub(".", function(c)
    return ("%02x"):format(c:byte())
  end)
  return #text > 16 and shown .. "..." or shown
end

local value_text

-- The fields in the order of the struct; zeros in nested structs are left out.
local function struct_text(t, layout)
  local parts = {}
  for _, field in ipairs(layout.fields) do
    local value = t[field.name]
    if value ~= nil and value ~= 0 then
      local name = field.group and core[field.group][value]
      parts[#parts + 1] = field.name .. "="
        .. (name or value_text(value, field.struct and layouts[field.struct]))
    end
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

function value_text(value, layout)
  if math.type(value) == "integer" then return integer(value) end
  if type(value) == "string" then return bytes(value) end
  if type(value) ~= "table" then return tostring(value) end
  if layout and value[1] == nil then return struct_text(value, layout) end
  local parts = {}
  for i = 1, math.min(#value, 8) do
    parts[i] = value_text(value[i], layout)
  end
  if #value > 8 then parts[9] = "..." end
  return "[" .. table.concat(parts, ", ") .. "]"
end

local function exit_text(exit)
  local names = {}
  for name, value in pairs(exit) do
    if name ~= "reason" and name ~= "code" then
      names[#names + 1] = name .. "=" .. value_text(value)
    end
  end
  table.sort(names)
  return "  -> " .. table.concat({ exit.reason, table.unpack(names) }, " ")
end

local EVENT <const> = { "name", "class", "fd", "result", "ns", name = "string",
  class = "string", fd = "integer", result = "integer", ns = "number",
  error = "string", exit = "table", struct = "string",
  args = function() end }

---An event as one line.
---Usage: `trace.listen(function(e) io.stderr:write(trace.format(e), "\n") end)`
---@param event kvm.trace.event
---@return string
function M.format(event)
  check.argument(1, "format", "event", "table", event)
  local text = check.misfit(event, EVENT, "field")
  if text then check.bad(1, "format", "event: %s", text) end
  local args = ""
  if event.struct then
    args = ", " .. struct_text(event.args, layouts[event.struct])
  elseif event.args then
    local name = event.name == "KVM_CHECK_EXTENSION" and core.CAP[event.args]
    args = ", " .. (name or integer(event.args))
  end
  local result = event.error and "-1 " .. event.error or integer(event.result)
  return ("%s(%s %d%s) = %s <%.1f us>%s"):format(event.name,
    event.class:match "%w+$", event.fd, args, result, event.ns / 1000,
    event.exit and exit_text(event.exit) or "")
end

---Traces to a file as a JSON object a line, or to standard error as text. What
---`kvmlua --trace` does.
---Usage: `require "kvm.trace".attach "trace.jsonl"`
---@param path? string
---Raises when the file cannot be written.
function M.attach(path)
  check.optional(1, "attach", "path", "string", path)
  if not path then
    M.listen(function(e) io.stderr:write(M.format(e), "\n") end)
    return
  end
  local json = require "kvm.json"
  local file, why = io.open(path, "w")
  if not file then error("kvm.trace: " .. why, 2) end
  file:setvbuf "line"
  M.listen(function(event) file:write(json.encode(event), "\n") end)
end

return M
