-- SPDX-License-Identifier: MIT
-- Every documented function of the pure modules, called with arguments that it
-- was not made for: what it raises names the argument, at the script's line.
local arch = { "arm64.attr", "arm64.board", "arm64.esr", "arm64.gic",
  "arm64.irq", "arm64.mmu", "arm64.nisv", "arm64.smccc", "x86_64.cpuid",
  "x86_64.descriptor", "x86_64.mmu", "x86_64.modes" }
local others = { "dev.pl011", "dev.pl031", "elf", "fdt", "json",
  "calltree.filter", "calltree.trees", "calltree.walk", "debug.hexdump",
  "asm" }

local CALLS <const>, SEED <const> = 200, tonumber(os.getenv "SEED") or 1

local NODE_METHODS <const> = { "add", "at", "by_compatible", "by_label",
  "by_phandle", "cell_counts", "child", "delete", "get", "header", "labels",
  "parent", "path", "properties", "regions", "remove", "root", "set", "walk" }

local file = io.tmpfile()

-- A VM for what only passes it on.
local vm = { create_device = function() return vm end,
  set_device_attr = function() end, get_device_attr = function() return 0 end,
  has_device_attr = function() return true end, map = function() end,
  write = function() end, read = function() end, on_mmio = function() end }

local function entry()
  return { ["function"] = 1, index = 0, flags = 0, eax = 0, ebx = 0, ecx = 0,
           edx = 0 }
end

-- Fresh ones, for some are changed. At 1: nil.
local function values()
  return { nil, true, false, -1, 0, 1, 3, 0x1000, 1 << 40, 0.5, 2 ^ 70, "x", "",
    "a@0", {}, { 1 }, { "x" }, { x = 1 }, { { } }, { nosuch = 1 },
    { base = 0x10000 }, { at = 0 }, { entry() }, { cr0 = -1 },
    { [3] = {} }, { size = "x" }, function() end, file, vm,
    { regs = setmetatable({ pc = 0, pstate = 0 }, { __call = vm.map }) },
    n = 30 }
end

local function arguments()
  local list, n = {}, math.random(0, 5)
  for i = 1, n do
    local all = values()
    list[i] = all[math.random(all.n)]
  end
  return table.unpack(list, 1, n)
end

-- Functions that no script called.
local BUILTIN <const> = {}
for _, library in ipairs { _G, string, table, math } do
  for name in pairs(library) do BUILTIN[name] = type(name) == "string" end
end

-- What is wrong with an error of a function, or nil.
local function objection(name, err)
  if type(err) == "table" and err.ioctl then err = tostring(err) end
  if type(err) ~= "string" then return "no string: " .. tostring(err) end
  for _, raw in ipairs { "attempt to ", "index is nil", "'for' ", "lua/kvm/",
    "stack overflow", "bad argument #%d+ to '%?'", "no value expected" } do
    if err:find(raw) then return err end
  end
  local fn = err:match "bad argument #%d+ to '([%w_]+)'"
  if BUILTIN[fn] and not name:find(fn .. "$") then return err end
  local has_line = err:find("misuse_spec.lua:", 1, true)
  return not has_line and "no line: " .. err or nil
end

-- Calls a function often, in all the wrong ways.
local function misuse(name, f, self)
  for _ = 1, name:find "^asm" and 30 or CALLS do -- a process each
    local args
    if self and math.random(8) > 1 then
      args = table.pack(self(), arguments())
    else
      args = table.pack(arguments())
    end
    local ok, err = pcall(function() f(table.unpack(args, 1, args.n)) end)
    local problem = not ok and objection(name, err)
    if problem then
      local words = {}
      for i = 1, args.n do words[i] = tostring(args[i]) end
      error(("%s(%s): %s"):format(name, table.concat(words, ", "), problem), 0)
    end
  end
end

local function load(name)
  local ok, module = pcall(require, "kvm." .. name)
  return ok and module or nil -- kvm.fdt needs libfdt
end

describe("misuse", function()
  before_each(function() math.randomseed(SEED) end)

  for _, list in ipairs { arch, others } do
    for _, name in ipairs(list) do
      name = list == arch and "arch." .. name or name
      it("of kvm." .. name .. " is named", function()
        for key, value in pairs(load(name) or {}) do
          if type(value) == "function" then
            misuse(name .. "." .. key, value)
          end
        end
      end)
    end
  end

  local objects = {
    ["arch.x86_64.mmu"] = { new = { base = 0 } },
    ["arch.arm64.mmu"] = { new = { base = 0 } },
    ["arch.arm64.board"] = { new = {} },
    ["dev.pl011"] = { new = {} }, ["dev.pl031"] = { new = {} },
    ["calltree.trees"] = { new = {} },
    fdt = { tree = { compatible = "x" } }, ["fdt.value"] = { of = 1 },
  }
  for name, make in pairs(objects) do
    it("of what kvm." .. name .. " makes is named", function()
      local module = load(name)
      if not module then return pending("kvm." .. name .. " is not here") end
      local how, options = next(make)
      local function object() return module[how](options) end
      local methods = getmetatable(object()).__index
      if type(methods) ~= "table" then
        methods = {}
        for _, key in ipairs(NODE_METHODS) do methods[key] = object()[key] end
      end
      for key, value in pairs(methods) do
        if type(value) == "function" and key:sub(1, 2) ~= "__" then
          misuse(name .. ":" .. key, value, object)
        end
      end
    end)
  end

  it("of the verbs of kvm is named", function()
    local ok, kvm = pcall(require, "kvm")
    if not ok or not kvm.available() then return pending "needs KVM" end
    local real <close> = kvm.create_vm()
    local cpu, ram = real:create_vcpu(), kvm.memory(kvm.page_size)
    if kvm.arch == "arm64" then cpu:arm_vcpu_init() end
    for _, name in ipairs { "map", "unmap", "dirty_pages" } do
      misuse("kvm.vm:" .. name, real[name], function() return real end)
    end
    for _, name in ipairs { "read", "write" } do
      misuse("kvm.vcpu:" .. name, cpu[name], function() return cpu end)
    end
    misuse("kvm.memory:hexdump", ram.hexdump, function() return ram end)
    misuse("kvm.create_vm", kvm.create_vm)
  end)
end)
