-- SPDX-License-Identifier: MIT
-- What can be seen without a tracer anywhere; the rest where there is one.
local helper = require "spec.helper"
local kvm = require "kvm"
local tracefs = require "kvm.calltree.tracefs"
local trees = require "kvm.calltree.trees"

local calltree = kvm.calltree

local function call(name, ns, ...)
  return { name = name, ns = ns, children = { ... } }
end

local function example()
  local function run(ns)
    return { name = "KVM_RUN", title = "KVM_RUN(vcpu 5) = 0",
      call = { name = "KVM_RUN", ns = ns },
      tree = { call("kvm_vcpu_ioctl", ns, call("vcpu_load", 10),
        call("mutex_unlock", 1)) } }
  end
  return trees.new { { name = "KVM_CREATE_VM", title = "KVM_CREATE_VM(system 3)",
    call = { name = "KVM_CREATE_VM" },
    tree = { call("kvm_dev_ioctl", 2000, call("kvm_arch_alloc_vm", 1500)) } },
    run(3000), run(4000) }
end

describe("kvm.calltree", function()
  it("is loaded when it is asked for", function()
    assert.equal(require "kvm.calltree", calltree)
    assert.is_nil(kvm.calltrees)
  end)

  it("refuses what is not an option, and names it", function()
    local function refuses(message, ...)
      local ok, problem = pcall(calltree, ...)
      assert.is_false(ok)
      assert.matches(message, problem)
    end
    refuses "#1 to 'calltree' %(f: function expected, got nil%)"
    refuses("unknown option 'dept' %(did you mean 'depth'%?", print,
      { dept = 1 })
    refuses("depth: positive integer expected, got 0", print, { depth = 0 })
    refuses("hide: name or list of names expected, got true", print,
      { hide = true })
    refuses("only 'kvn' %(expected files, interrupts, kvm, ", print,
      { only = "kvn" })
    assert.error_matches(function() calltree.open { min_ns = "a" } end,
      "'open' %(min_ns: positive integer expected, got 'a'%)")
  end)
end)

describe("kvm.calltree.trees", function()
  it("writes each ioctl and its tree, the same tree once", function()
    assert.equal([[
KVM_CREATE_VM(system 3)
-> kvm_dev_ioctl 2.0 us
  -> kvm_arch_alloc_vm 1.5 us
KVM_RUN(vcpu 5) = 0
-> kvm_vcpu_ioctl 3.0 us
  -> vcpu_load 0.0 us
  -> mutex_unlock 0.0 us
KVM_RUN(vcpu 5) = 0
   (the same calls as before)]], tostring(example()))
    assert.equal("  KVM_CREATE_VM(system 3)\n  -> kvm_dev_ioctl\n"
      .. "    -> kvm_arch_alloc_vm",
      example():of "KVM_CREATE_VM":text { indent = 2, times = false })
  end)

  it("says what was lost and what was not recorded", function()
    local list = example():of "KVM_CREATE_VM"
    list[1].lost, list[1].tree = 7, {}
    assert.equal("KVM_CREATE_VM(system 3)\n   (7 events lost: the kernel's "
      .. "buffer was full; buffer_kb = 16384 makes it larger)\n"
      .. "   (nothing was recorded)", tostring(list))
  end)

  it("filters, and keeps the original", function()
    local all = example()
    local few = all:filter { depth = 1 }
    assert.equal("kvm_vcpu_ioctl", few[2].tree[1].name)
    assert.same({}, few[2].tree[1].children)
    assert.equal(2, #all[2].tree[1].children)
    assert.is_nil(all:filter {}:called().mutex_unlock)
    assert.error_matches(function() all:filter { dept = 1 } end,
      "'filter' %(unknown option 'dept'")
  end)

  it("finds ioctls and functions", function()
    assert.equal(2, #example():of "KVM_RUN")
    local called = example():called()
    assert.equal(1500, called.kvm_arch_alloc_vm.ns)
    assert.equal(3000, called.kvm_vcpu_ioctl.ns)
    assert.is_nil(called.kvm_vm_ioctl)
  end)

  it("gives JSON", function()
    assert.equal('[{"call":{"name":"KVM_CREATE_VM"},"name":"KVM_CREATE_VM",'
      .. '"title":"KVM_CREATE_VM(system 3)","tree":[{"children":[{"name":'
      .. '"kvm_arch_alloc_vm","ns":1500}],"name":"kvm_dev_ioctl","ns":2000}]}]',
      example():of "KVM_CREATE_VM":json())
  end)
end)

-- ---- with a tracer --------------------------------------------------------------

local missing = require "spec.support.needs".kvm()
if missing then return pending(missing) end

-- Nil, or why calls cannot be recorded here.
local function lacking()
  local base, reason = tracefs.find()
  if not base then return reason end
  local ok, problem = pcall(function() tracefs.open():close() end)
  return not ok and problem or nil
end

local why = lacking()

if why then
  describe("kvm.calltree without a tracer", function()
    it("says what is missing, and does not call the function", function()
      local called = false
      local ok, problem = pcall(calltree, function() called = true end)
      assert.is_false(ok)
      assert.is_false(called)
      assert.equal("kvm.calltree: " .. why, problem:match "kvm%.calltree: .*")
    end)

    it("records", function() pending(why) end)
  end)
  return
end

local FILES <const> = { "current_tracer", "tracing_on", "set_ftrace_pid",
  "set_graph_function", "set_graph_notrace", "set_ftrace_filter",
  "set_ftrace_notrace", "max_graph_depth", "tracing_thresh", "trace_options",
  "trace_clock", "options/funcgraph-irqs", "options/funcgraph-cpu",
  "options/funcgraph-overhead", "options/funcgraph-proc",
  "options/funcgraph-tail", "options/funcgraph-duration" }

local base <const> = tracefs.find()

local function put(file, text)
  local handle <close> = assert(io.open(base .. "/" .. file, "w"))
  assert(handle:write(text))
end

-- Every setting of the tracer, as text to compare.
local function settings()
  local all = {}
  for _, file in ipairs(FILES) do
    local handle <close> = io.open(base .. "/" .. file)
    all[#all + 1] = file .. ": " .. (handle and handle:read "a" or "none")
  end
  local pipe <close> = io.popen("ls " .. base .. "/instances")
  all[#all + 1] = "instances: " .. pipe:read "a"
  return table.concat(all, "\n")
end

local function create()
  local vm <close> = kvm.create_vm()
  vm:create_vcpu()
end

describe("kvm.calltree with a tracer", function()
  -- Settings that someone else made.
  setup(function()
    put("max_graph_depth", "7")
    put("set_graph_function", "schedule")
    put("options/funcgraph-tail", "1")
  end)

  teardown(function()
    put("max_graph_depth", "0")
    put("set_graph_function", "")
    put("options/funcgraph-tail", "0")
  end)

  it("has what KVM called for each ioctl, and puts the tracer back", function()
    local before = settings()
    local list, result = calltree(function()
      create()
      assert.error_matches(calltree.open, "another kvmlua records calls now")
      return "result"
    end, { only = "kvm" })
    assert.equal("result", result)
    assert.equal(before, settings())
    local vm, vcpu = list:of "KVM_CREATE_VM"[1], list:of "KVM_CREATE_VCPU"[1]
    assert.equal("kvm.system", vm.call.class)
    assert.matches("^KVM_CREATE_VM%(system ", vm.title)
    assert.equal("kvm_dev_ioctl", vm.tree[1].name)
    assert.equal("kvm_vm_ioctl", vcpu.tree[1].name)
    for _, step in ipairs(list) do
      assert.equal(1, #step.tree)
      assert.is_true(step.tree[1].ns > 0 and step.tree[1].ns < step.call.ns)
    end
    local called = list:called()
    assert.is_table(called.kvm_arch_init_vm)
    assert.is_table(called.kvm_arch_vcpu_create)
    assert.is_true(called.kvm_arch_init_vm.ns < vm.tree[1].ns)
    assert.is_nil(called.mutex_lock)
  end)

  it("puts the tracer back when the function raises", function()
    local before = settings()
    local ok, problem = pcall(calltree, function()
      create()
      error("in the middle", 0)
    end, { functions = "kvm_arch_vcpu_create" })
    assert.is_false(ok)
    assert.equal("in the middle", problem)
    assert.equal(before, settings())
  end)

  it("says how many events were lost, and keeps the ioctl's entry", function()
    local list = calltree(function()
      local vm <close> = kvm.create_vm()
      local cpu <close> = vm:create_vcpu()
      if kvm.arch == "arm64" then -- no memory: it faults until it is stopped
        cpu:arm_vcpu_init { target = vm:arm_preferred_target().target }
        cpu:run { timeout = 0.05 }
      end
    end, { only = "kvm", buffer_kb = 4 })
    local longest = list:of(kvm.arch == "arm64" and "KVM_RUN"
      or "KVM_CREATE_VCPU")[1]
    assert.is_true(longest.lost > 10)
    assert.matches("_ioctl$", longest.tree[1].name)
    assert.matches("%d+ events lost: the kernel's buffer was full; buffer_kb",
      tostring(list))
    assert.is_nil(list[1].lost)
  end)

  -- To make all functions ready takes an emulated machine up to ten seconds.
  if kvm.arch == "arm64" then
    it("records every function, and hides some", function()
      local all = calltree(create, { hide = false })
      local called = all:called()
      assert.is_table(called.kvm_arch_init_vm)
      assert.is_table(called.mutex_lock)
      local few = all:filter {}:called()
      assert.is_table(few.kvm_arch_init_vm)
      assert.is_nil(few.mutex_lock)
      assert.is_nil(all:filter { only = "kvm" }:called().debugfs_create_file)
    end)
  end

  it("is put back when the process is killed", function()
    local before = settings()
    local script = os.tmpname()
    local handle = assert(io.open(script, "w"))
    handle:write(("package.path, package.cpath = %q, %q\n"):format(package.path,
      package.cpath), [[
      local recorder = require "kvm.calltree".open { only = "kvm" }
      require "kvm".create_vm()
      os.execute "kill -9 $PPID"]])
    handle:close()
    assert.is_nil((os.execute("lua5.4 " .. script .. " 2>/dev/null")))
    os.remove(script)
    for _ = 1, 50 do
      if settings() == before then break end
      os.execute "sleep 0.1"
    end
    assert.equal(before, settings())
  end)
end)

-- ---- kvmlua --calltree --------------------------------------------------------------

local SCRIPT <const> = [[
  local kvm = require "kvm"
  local vm = kvm.create_vm()
  vm:create_vcpu()
  print "done"
  os.exit(4)]]

describe("kvmlua --calltree", function()
  local kvmlua = helper.build .. "/kvmlua"
  local built <close> = io.open(kvmlua)
  if not built then kvmlua = "kvmlua" end

  local function run(option)
    local pipe = io.popen(("%s %s -e '%s' 2>&1"):format(kvmlua, option, SCRIPT))
    local output = pipe:read "a"
    return output, select(3, pipe:close())
  end

  it("prints the trees of a script on standard error", function()
    local output, status = run "--calltree"
    assert.equal(4, status)
    assert.matches("KVM_CREATE_VM%(system %d+.-\n%-> kvm_dev_ioctl [%d.]+ us\n"
      .. ".*  %-> kvm_arch_init_vm [%d.]+ us\n.*KVM_CREATE_VCPU%(vm %d+, 0%).-\n"
      .. "%-> kvm_vm_ioctl .*\ndone\n$", output)
  end)

  it("writes JSON lines to a file", function()
    local path = os.tmpname()
    local output, status = run("--calltree=" .. path)
    assert.equal(4, status)
    assert.equal("done\n", output)
    local names = {}
    for line in io.lines(path) do
      names[#names + 1] = line:match '"name":"(KVM_[%u_]+)","title"'
      assert.matches('^{"call":{.*"tree":%[{.*}%]}$', line)
    end
    os.remove(path)
    assert.equal("KVM_GET_API_VERSION", names[1])
    assert.matches("KVM_CREATE_VM .*KVM_CREATE_VCPU", table.concat(names, " "))
  end)
end)
