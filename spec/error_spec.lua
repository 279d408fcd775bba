-- SPDX-License-Identifier: MIT
-- kvm.error: what the kernel refused, where, why, and the way out.
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm()
if missing then return pending(missing) end
local machine = require "spec.guests.machine"
local host = require "spec.support.host"
local process = require "spec.support.process"
local raises = require "spec.support.raises"

-- The line of the caller, as errors name it.
local function here(offset)
  local info = debug.getinfo(2, "Sl")
  return ("%s:%d: "):format(info.short_src, info.currentline + (offset or 0))
end

describe("kvm.error", function()
  it("has the call, the errno and what it means", function()
    local err = raises("open", kvm.open, "/nonexistent")
    assert.equal("kvm.error", getmetatable(err).__name)
    assert.equal("open", err.ioctl)
    assert.equal(2, err.errno)
    assert.equal("ENOENT", err.code)
    assert.equal("/nonexistent: No such file or directory", err.message)
    assert.truthy(err.hint:find("modprobe kvm", 1, true))
    assert.equal("string", type(err.where))
    assert.is_nil(err.args)
  end)

  it("is one line and the hint as text", function()
    local where = here(1)
    local ok, err = pcall(function() kvm.open "/nonexistent" end)
    assert.is_false(ok)
    assert.equal(where .. "open: ENOENT: /nonexistent: No such file or "
      .. "directory\n  hint: " .. err.hint, tostring(err))
    err.hint = nil
    assert.equal(where .. "open: ENOENT: /nonexistent: No such file or "
      .. "directory", tostring(err))
  end)

  it("names the line of the script, not of the Lua layer", function()
    local g <close> = machine.start "halt"
    local where = here(1)
    local ok, err = pcall(function() g.vm:map(machine.RAM, 0x10000) end)
    assert.is_false(ok)
    assert.equal(where, err.where)
    assert.truthy(tostring(err):find("KVM_SET_USER_MEMORY_REGION: EEXIST", 1,
      true))
  end)

  it("does so for arguments and closed objects too", function()
    local vm = kvm.create_vm()
    for _, misuse in ipairs {
      { "unknown name 'foo'", function() kvm.create_vm "foo" end },
      { "bad argument #2 to 'read'", function()
        vm:map(0, kvm.page_size):hexdump(0, -3)
      end, 1 },
      { "kvm.vm is closed", function() vm:close() vm:map(0, 4096) end },
    } do
      local text, f, offset = table.unpack(misuse)
      local info = debug.getinfo(f, "Sl")
      local where = ("%s:%d: "):format(info.short_src,
        debug.getinfo(f, "S").linedefined + (offset or 0))
      local ok, err = pcall(f)
      assert.is_false(ok)
      assert.equal(where, tostring(err):sub(1, #where))
      assert.truthy(tostring(err):find(text, 1, true), tostring(err))
    end
  end)

  it("tells a function called with a colon", function()
    raises("call it with a dot: kvm.create_vm()", function()
      kvm:create_vm()
    end)
  end)

  it("counts the arguments that the caller wrote", function()
    local vm <close> = kvm.create_vm()
    raises("bad argument #1 to 'create_irqchip' (surplus argument: it takes "
      .. "none)", function() vm:create_irqchip(1) end)
    raises("bad argument #2 to 'create_vcpu' (surplus argument: at most 1)",
      function() vm:create_vcpu(0, 1) end)
    raises("(surplus argument: at most 2)", vm.create_vcpu, vm, 0, 1)
  end)

  it("has the arguments of what was refused", function()
    local g <close> = machine.start "halt"
    local err = raises("KVM_CREATE_VCPU: EEXIST: vCPU 0: File exists",
      g.vm.create_vcpu, g.vm, 0)
    assert.equal(0, err.args)
    assert.truthy(err.hint:find("leave the id out", 1, true))
    local region = { slot = 9, guest_phys_addr = machine.RAM,
      memory_size = machine.SIZE, memory = g.ram }
    err = raises("KVM_SET_USER_MEMORY_REGION: EEXIST",
      g.vm.set_user_memory_region, g.vm, region)
    assert.equal(region, err.args)
  end)

  it("can be raised again, and be told apart", function()
    local _, err = pcall(kvm.open, "/nonexistent")
    local _, again = pcall(error, err)
    assert.equal(err, again)
    local _, other = pcall(kvm.open, "/nonexistent")
    assert.not_equal(err, other)
  end)

  it("can be put into a text", function()
    local err = raises("open", kvm.open, "/nonexistent")
    assert.equal("no KVM: " .. tostring(err) .. ".", "no KVM: " .. err .. ".")
  end)

  it("prints whatever was done to it", function()
    local _, err = pcall(kvm.open, "/nonexistent")
    for _, name in ipairs { "ioctl", "code", "message", "hint", "where" } do
      err[name] = nil
      assert.equal("string", type(tostring(err)))
      err[name] = {}
      assert.equal("string", type(tostring(err)))
    end
    local print_it = getmetatable(err).__tostring
    assert.is_false(pcall(print_it))
    assert.is_false(pcall(print_it, 5))
    assert.equal("string", type(print_it {}))
  end)

  it("hints at what is wrong with an id", function()
    local vm <close> = kvm.create_vm()
    local most = vm:check_extension "MAX_VCPU_ID"
    if most == 0 then most = vm:check_extension "MAX_VCPUS" end
    local err = raises("KVM_CREATE_VCPU: EINVAL", vm.create_vcpu, vm, most)
    assert.equal(most, err.args)
    assert.truthy(err.hint:find("check_extension('MAX_VCPU_ID')", 1, true))
  end)

  it("names what this kernel has not, for every such ioctl", function()
    local g <close> = machine.start "halt"
    local objects = { system = g.vm.system, vm = g.vm, vcpu = g.cpu }
    local absent = {}
    for name, row in pairs(kvm.ioctls()) do
      local object = objects[row.scopes[1]]
      if object and (row.kind == "get" or row.kind == "getlist"
        or row.kind == "none") and row.capability
        and g.vm:check_extension(row.capability) == 0 then
        local ok, err = pcall(object[row.method], object)
        if not ok then
          assert.equal("kvm.error", getmetatable(err).__name, name)
          assert.equal(name, err.ioctl)
          assert.truthy(tostring(err):find(name .. ": " .. err.code, 1, true))
          absent[#absent + 1] = name
        end
      end
    end
    if #absent == 0 then pending "this kernel has all of them" end
  end)

  it("hints at what no kernel here has", function()
    local vm <close> = kvm.create_vm()
    local err = raises("KVM_CREATE_DEVICE: ENODEV: device type 99",
      vm.create_device, vm, 99)
    assert.equal("this host has no such device: ask first with test = true",
      err.hint)
    assert.equal(99, err.args)
  end)
end)

describe("kvm.open", function()
  it("tells what is no KVM device", function()
    for path, text in pairs {
      ["/dev/null"] = "KVM_GET_API_VERSION: ENOTTY: /dev/null is no KVM device",
      ["/tmp"] = "open: EISDIR: /tmp: Is a directory",
      ["/dev/null/x"] = "open: ENOTDIR",
      [""] = "open: ENOENT",
    } do
      raises(text, kvm.open, path)
    end
    local name = os.tmpname()
    raises(name .. " is no KVM device", kvm.open, name)
    os.remove(name)
  end)

  it("leaves nothing open when it fails", function()
    collectgarbage()
    local before = process.fds()
    for _ = 1, 20 do pcall(kvm.open, "/dev/null") end
    assert.same(before, process.fds())
  end)

  it("takes a path", function()
    raises("string expected, got table", kvm.open, {})
    raises("surplus argument", kvm.open, "/dev/kvm", 1)
    kvm.open("/dev/kvm"):close()
    kvm.open(nil):close()
  end)
end)

-- Runs a script in an interpreter of its own, by way of a command before it.
local function elsewhere(command, script)
  local file = host.file(script)
  os.execute("chmod 644 " .. file)
  local out, _, status = host.run({ "-c", command .. " lua5.4 " .. file },
    { program = "/bin/sh", env = { LUA_PATH = package.path,
                                   LUA_CPATH = package.cpath } })
  return out, status
end

local REPORT <const> = [[
  local kvm = require "kvm"
  local ok, reason = kvm.available()
  print(ok)
  print(reason)
  print(select(2, pcall(kvm.create_vm)))
]]

describe("kvm.available", function()
  it("says yes where it is", function()
    local ok, reason = kvm.available()
    assert.is_true(ok)
    assert.is_nil(reason)
  end)

  it("leaves nothing open", function()
    collectgarbage()
    collectgarbage()
    local before = process.fds()
    collectgarbage "stop"
    finally(function() collectgarbage "restart" end)
    kvm.available()
    assert.same(before, process.fds())
  end)

  it("says that /dev/kvm is missing", function()
    local out, status = elsewhere("unshare -m sh -c 'mount -t tmpfs none /dev "
      .. "&& exec \"$@\"' sh", REPORT)
    if status ~= 0 then pending "no mount namespaces for this user" end
    assert.truthy(out:find "^false\n")
    assert.truthy(out:find("open: ENOENT: /dev/kvm: No such file", 1, true))
    assert.truthy(out:find("hint: this kernel has no KVM", 1, true))
    local _, n = out:gsub("ENOENT", "")
    assert.equal(2, n) -- create_vm raises the same
  end)

  it("says that /dev/kvm is something else", function()
    local out, status = elsewhere("unshare -m sh -c 'mount --bind /dev/null "
      .. "/dev/kvm && exec \"$@\"' sh", REPORT)
    if status ~= 0 then pending "no mount namespaces for this user" end
    assert.truthy(out:find "^false\n")
    assert.truthy(out:find("/dev/kvm is no KVM device", 1, true))
  end)

  it("says that /dev/kvm is forbidden", function()
    local out, status = elsewhere("setpriv --reuid=65534 --regid=65534 "
      .. "--clear-groups", REPORT)
    if status ~= 0 then pending "no setpriv, or not for this user" end
    if out:find "^true\n" then pending "everybody may use /dev/kvm here" end
    assert.truthy(out:find "^false\n")
    assert.truthy(out:find("open: EACCES: /dev/kvm: Permission denied", 1,
      true))
    assert.truthy(out:find("ls -l /dev/kvm tells who may", 1, true))
  end)
end)

describe("kvm.create_vm", function()
  it("opens /dev/kvm again when somebody closed it", function()
    local first = kvm.create_vm()
    first.system:close()
    local second <close> = kvm.create_vm()
    assert.truthy(second:check_extension "USER_MEMORY" == 1)
    first:close()
  end)

  it("shares one /dev/kvm", function()
    local a <close> = kvm.create_vm()
    local b <close> = kvm.create_vm()
    assert.equal(a.system, b.system)
  end)

  it("refuses a machine type that the kernel has not", function()
    local err = raises("KVM_CREATE_VM: EINVAL", kvm.create_vm, 0x7fff)
    assert.equal(0x7fff, err.args)
    assert.equal("string", type(err.hint))
    raises("machine type: unknown name 'FAST'", kvm.create_vm, "FAST")
    raises("machine type: an integer or a name expected, got boolean",
      kvm.create_vm, true)
  end)
end)
