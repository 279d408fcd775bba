-- SPDX-License-Identifier: MIT
-- Plain files behave enough like the tracer's to see what is put back.
local tracefs = require "kvm.calltree.tracefs"

local root

local function write(file, text)
  local handle <close> = assert(io.open(root .. "/" .. file, "w"))
  handle:write(text)
end

local function read(file)
  local handle <close> = assert(io.open(root .. "/" .. file))
  return handle:read "a"
end

local function exists(file)
  local handle <close> = io.open(root .. "/" .. file)
  return handle ~= nil
end

local function make_tracer()
  local pipe <close> = io.popen "mktemp -d"
  root = pipe:read "l"
  os.execute("mkdir " .. root .. "/instances")
  write("available_tracers", "function_graph function nop\n")
  write("current_tracer", "nop\n")
  write("tracing_on", "1\n")
  write("set_ftrace_filter",
    "#### all functions enabled ####\nschedule:traceoff:unlimited\n")
  write("set_graph_function", "kvm_mmu_init [kvm]\nschedule\n")
end

-- Runs Lua code in a process of its own, as `settings` of the tracer.
local function in_process(code)
  local path = root .. "/script.lua"
  local script <close> = assert(io.open(path, "w"))
  script:write(("package.path = %q\nlocal settings = require "
    .. "'kvm.calltree.tracefs'.open %q\n"):format(package.path, root), code)
  script:close()
  return os.execute("setsid lua5.4 " .. path .. " >/dev/null 2>&1")
end

-- Who puts things back may be a little later than the process that is gone.
local function eventually(check)
  for _ = 1, 50 do
    if check() then return true end
    os.execute "sleep 0.1"
  end
  return false
end

describe("kvm.calltree.tracefs", function()
  before_each(make_tracer)
  after_each(function() os.execute("rm -r " .. root) end)

  it("reads a setting without the kernel's remarks", function()
    assert.equal("", tracefs.value "#### all functions enabled ####\n")
    assert.equal("", tracefs.value "no pid\n")
    assert.equal("nop", tracefs.value "nop\n")
    assert.equal("12\n34", tracefs.value "12\n34\n")
    assert.equal("a\nb", tracefs.value "a [kvm]\nb\n")
    assert.equal("a", tracefs.value "a\nschedule:traceoff:unlimited\n")
    assert.equal("1408", tracefs.value "7 (expanded: 1408)\n")
  end)

  it("puts back what it changed, in the other order", function()
    local settings = tracefs.open(root)
    settings:set("current_tracer", "nop2")
    settings:set("current_tracer", "function_graph")
    settings:set("set_graph_function", "")
    settings:keep "tracing_on"
    settings:write("tracing_on", "0")
    assert.equal("function_graph", read "current_tracer")
    assert.equal("", read "set_graph_function")
    assert.is_true(exists "instances/kvmlua")
    settings:close()
    settings:close()
    assert.equal("nop", read "current_tracer")
    assert.equal("kvm_mmu_init\nschedule", read "set_graph_function")
    assert.equal("1", read "tracing_on")
    assert.is_false(exists "instances/kvmlua")
  end)

  it("does not write what is so already, nor what is not there", function()
    local settings <close> = tracefs.open(root)
    settings:set("set_ftrace_filter", "")
    settings:set("options/none", "0")
    assert.matches("traceoff", read "set_ftrace_filter")
    assert.is_false(exists "options/none")
  end)

  it("puts back after an error", function()
    assert.has_error(function()
      local settings <close> = tracefs.open(root)
      settings:set("current_tracer", "function_graph")
      error "x"
    end)
    assert.equal("nop", read "current_tracer")
  end)

  it("puts back after os.exit", function()
    in_process "settings:set('current_tracer', 'function_graph') os.exit(0)"
    assert.is_true(eventually(function()
      return read "current_tracer" == "nop"
    end))
  end)

  it("puts back when the process is killed", function()
    in_process [[
      settings:set("current_tracer", "function_graph")
      settings:set("tracing_on", "0")
      os.execute "kill -9 $PPID" ]]
    assert.is_true(eventually(function()
      return read "current_tracer" == "nop" and read "tracing_on" == "1"
        and not exists "instances/kvmlua"
    end))
  end)

  it("puts back when everything around it is told to end", function()
    in_process [[
      settings:set("current_tracer", "function_graph")
      os.execute "kill -TERM 0" ]]
    assert.is_true(eventually(function()
      return read "current_tracer" == "nop"
    end))
  end)

  it("waits for no other process that was started meanwhile", function()
    local start = os.time()
    in_process [[
      settings:set("current_tracer", "function_graph")
      os.execute("sleep 30 & echo $! >" .. arg[0] .. ".child")
      settings:close()
      settings = nil
      os.execute("echo closed >" .. arg[0] .. ".closed")
      os.exit(0, false) ]]
    assert.equal("closed\n", read "script.lua.closed")
    assert.equal("nop", read "current_tracer")
    assert.is_true(os.time() - start < 20)
    os.execute("kill " .. read "script.lua.child")
  end)

  it("lets one at a time change them", function()
    local settings <close> = tracefs.open(root)
    local ok, why = pcall(tracefs.open, root)
    assert.is_false(ok)
    assert.matches("another kvmlua records calls now", why)
    assert.matches("rmdir " .. root .. "/instances/kvmlua", why, 1, true)
    settings:close()
    tracefs.open(root):close()
  end)

  it("changes an instance's settings, and those at the top it has not", function()
    os.execute("mkdir " .. root .. "/mine")
    write("mine/tracing_on", "1\n")
    local settings = tracefs.open(root)
    settings.directory = root .. "/mine"
    settings:set("tracing_on", "0")
    settings:set("current_tracer", "function_graph")
    assert.equal("0", read "mine/tracing_on")
    assert.equal("1\n", read "tracing_on")
    assert.equal("function_graph", read "current_tracer")
    settings:close()
    assert.equal("1", read "mine/tracing_on")
    assert.equal("nop", read "current_tracer")
  end)

  it("tells when something could not be put back", function()
    local settings = tracefs.open(root)
    settings:set("tracing_on", "0")
    os.execute(("rm %s/tracing_on; mkdir %s/tracing_on"):format(root, root))
    assert.has_error(function() settings:close() end,
      "kvm.calltree: the tracer's settings were not all put back")
  end)

  it("says what is missing", function()
    local _, why = tracefs.find("proc /proc proc rw 0 0\n", "nodev\ttracefs\n")
    assert.matches("tracefs is not mounted: mount %-t tracefs nodev "
      .. "/sys/kernel/tracing", why)
    _, why = tracefs.find("", "nodev\tproc\n")
    assert.matches("this kernel has no tracefs", why)
    assert.equal("/mnt/a b", tracefs.find("none /mnt/a\\040b tracefs rw 0 0\n"))
    write("available_tracers", "blk function nop\n")
    assert.has_error(function() tracefs.open(root) end, "this kernel's tracer "
      .. "has no function_graph (CONFIG_FUNCTION_GRAPH_TRACER): " .. root
      .. "/available_tracers lists: blk function nop")
    os.remove(root .. "/available_tracers")
    assert.error_matches(function() tracefs.open(root) end,
      "only root may use the kernel's tracer")
  end)
end)
