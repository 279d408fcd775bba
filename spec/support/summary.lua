-- SPDX-License-Identifier: MIT
-- busted output for tools/test: a line a file, failures as they come, at the
-- end the skipped with their reasons. With KVMLUA_SUMMARY=FILE every result is
-- a line there at once ("start", "passed", "failed" or "skipped", a tab, the
-- name) and the last line is "end", so that a crash can be told and placed.

return function(options)
  local busted = require "busted"
  local handler = require "busted.outputHandlers.base"()

  local file = os.getenv("KVMLUA_SUMMARY")
  local log = file and assert(io.open(file, "w"))
  local counts = { passed = 0, failed = 0, skipped = 0 }
  local reasons = {}
  local before, started

  local function record(word, name)
    if log then
      log:write(word, "\t", name:gsub("%s+", " "), "\n")
      log:flush()
    end
  end

  local function count(word, name)
    counts[word] = counts[word] + 1
    record(word, name)
  end

  local function text(message)
    if type(message) == "table" and not (getmetatable(message) or {}).__tostring
    then
      return require("pl.pretty").write(message)
    end
    return tostring(message)
  end

  local function print_failure(failure)
    local at = failure.element.trace or {}
    print(("FAILED %s:%s: %s"):format(at.short_src or "?",
      at.currentline or "?", failure.name))
    print("  " .. text(failure.message):gsub("\n", "\n  "))
    local trace = failure.trace
    if trace and trace.traceback and (failure.isError or options.verbose) then
      print("  " .. trace.traceback:gsub("^\n+", ""):gsub("\n", "\n  "))
    end
    io.stdout:flush()
  end

  local function file_start()
    before = { passed = counts.passed, failed = counts.failed,
      skipped = counts.skipped }
    started = busted.gettime()
    return nil, true
  end

  local function file_end(element)
    local parts = {}
    for _, word in ipairs { "passed", "failed", "skipped" } do
      local n = counts[word] - before[word]
      if n > 0 then parts[#parts + 1] = ("%d %s"):format(n, word) end
    end
    print(("  %-36s %6.2f s  %s"):format(element.name,
      busted.gettime() - started, table.concat(parts, ", ")))
    io.stdout:flush()
    return nil, true
  end

  local function test_start(element)
    record("start", handler.getFullName(element))
    return nil, true
  end

  local function test_end(element, _, status)
    local name = handler.getFullName(element)
    if status == "success" then
      count("passed", name)
    elseif status == "pending" then
      count("skipped", name)
      local last = handler.pendings[#handler.pendings]
      local reason = last and last.message and text(last.message)
        or element.descriptor == "pending" and element.name or "no reason"
      reason = reason:gsub("^[^\n:]*:%d+: ", "")
      reasons[reason] = (reasons[reason] or 0) + 1
    else
      count("failed", name)
      local list = status == "error" and handler.errors or handler.failures
      print_failure(list[#list])
    end
    return nil, true
  end

  -- Outside of any test: a file that does not load, a before_each that fails.
  local function other_error(element)
    if element.descriptor ~= "it" then
      count("failed", handler.getFullName(element))
      print_failure(handler.errors[#handler.errors])
    end
    return nil, true
  end

  local function suite_end()
    local list = {}
    for reason, n in pairs(reasons) do
      list[#list + 1] = ("  skipped %d: %s"):format(n, reason)
    end
    table.sort(list)
    for _, line in ipairs(list) do print(line) end
    print(("%d passed, %d failed, %d skipped"):format(counts.passed,
      counts.failed, counts.skipped))
    io.stdout:flush()
    if log then log:write("end\n"); log:close() end
    return nil, true
  end

  busted.subscribe({ "file", "start" }, file_start)
  busted.subscribe({ "file", "end" }, file_end)
  busted.subscribe({ "test", "start" }, test_start)
  busted.subscribe({ "test", "end" }, test_end)
  busted.subscribe({ "error" }, other_error)
  busted.subscribe({ "failure" }, other_error)
  busted.subscribe({ "suite", "end" }, suite_end)
  return handler
end
