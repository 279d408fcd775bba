-- SPDX-License-Identifier: MIT
local kvm = require "kvm"
local help = require "kvm.help"
local reference = require "kvm.reference"
local text = require "kvm.help.text"

local usable, why = kvm.available()

local function has(topic, ...)
  local answer = help.text(topic)
  for _, part in ipairs { ... } do
    assert(answer:find(part, 1, true),
      ("help(%s) does not say %q:\n%s"):format(tostring(topic), part, answer))
  end
  return answer
end

local function first_line(topic) return help.text(topic):match "^[^\n]*" end

describe("help()", function()
  it("shows what there is", function()
    local answer = has(nil, "kvm.create_vm(type?)", "kvm.vcpu", "kvm.fdt",
      "kvm.asm", 'help "vm:map"')
    for _, module in ipairs(reference.MODULES) do
      local is_module = reference.load().by_name[module]
      local kind = is_module and is_module[1].kind == "module"
      assert(not kind or answer:find(module, 1, true), module)
    end
  end)

  it("prints", function()
    local printed = {}
    local print = _G.print
    _G.print = function(line) printed[#printed + 1] = line end
    local ok, message = pcall(help, "vm:map")
    _G.print = print
    assert(ok, message)
    assert.same({ help.text "vm:map" }, printed)
  end)

  it("says when its files are not there", function()
    local code = [[
      local path = package.path
      local help = require "kvm.help"
      package.path = "/nonexistent/?.lua"
      package.preload["kvm.embedded"] = nil
      io.write(help.text "vm:map")]]
    local file = os.tmpname()
    local handle = assert(io.open(file, "w"))
    handle:write(("package.path, package.cpath = %q, %q\n%s"):format(package.path,
      package.cpath, code))
    handle:close()
    local pipe <close> = assert(io.popen("lua5.4 " .. file))
    local answer = pipe:read "a"
    os.remove(file)
    assert.truthy(answer:find("there is no help: kvm/meta/vm.lua", 1, true))
  end)

  it("says what it is when it is shown", function()
    assert.equal("help() shows what there is", tostring(help))
  end)
end)

describe("help of a name", function()
  it("is the entry in full", function()
    has("vm:map", "vm:map(gpa, what, opts?) -> kvm.memory",
      "gpa    (integer) a multiple of the page size",
      "Raises a kvm.error: KVM_SET_USER_MEMORY_REGION.",
      "Usage: local ram = vm:map(0x1000, 0x4000)")
  end)

  it("takes any end of it, with dots or a colon, with brackets", function()
    for _, name in ipairs { "kvm.vm:map", "kvm.vm.map", "vm.map", "vm:map()",
        "map" } do
      assert.equal("vm:map(gpa, what, opts?) -> kvm.memory", first_line(name))
    end
  end)

  it("lists the others of that name", function()
    local answer = has("close", "Also:", "vm:close()", "vcpu:close()")
    assert.truthy(answer:find "^%l+:close%(%)")
  end)

  it("is a class with its fields and a line for each method", function()
    has("vm", "kvm.vm\n", "  system  (kvm.system) what made it",
      "  create_vcpu(id?)          Makes a vCPU.", "  unmap(gpa) ")
  end)

  it("is a module with a line for each function", function()
    has("kvm.json", "kvm.json\n", "  kvm.json.encode(value) ")
    has("arch.arm64.irq", "kvm.arch.arm64.irq.spi(number)")
  end)

  it("finds a function where a module has it from another", function()
    if not pcall(require, "kvm.fdt") then
      return pending "this build has no kvm.fdt.core"
    end
    assert.equal("kvm.fdt.value.u8(...) -> kvm.fdt.value", first_line "fdt.u8")
  end)

  it("shows a module and what has its name", function()
    has("kvm.trace", "kvm.trace(listener?)", "kvm.trace.attach(path?)")
    has("kvm.host", "kvm.host() -> table", "kvm.host.get()", "host:can(name)")
    has("kvm.memory", "size      (integer)", "kvm.memory(size?, options?) -> ",
      "Verbs for guest memory")
    assert.equal("kvm.dev.pl011", first_line "dev.pl011")
  end)

  it("lists each member once, with a word about it", function()
    for _, name in ipairs { "kvm", "kvm.asm", "kvm.elf", "vm", "vcpu" } do
      local seen, answer = {}, help.text(name)
      for title, about in answer:gmatch "\n  (kvm%.[%w_.]+) *([^\n]*)" do
        assert(about ~= "", name .. ": " .. title)
        assert(about:find "^%(" or not seen[title], name .. ": " .. title)
        seen[title] = true
      end
    end
    assert.falsy(help.text "kvm":find("kvm.gic", 1, true))
    has("kvm.arch.arm64.gic", "\n  kvm.gic  ")
  end)

  it("names the machine where a name is several machines'", function()
    has("map", "mmu:map(va, pa, size, options?)  arm64: ",
      "mmu:map(va, pa, size, options?)  x86-64: ")
  end)

  it("lists what a module has from another", function()
    if not pcall(require, "kvm.fdt") then
      return pending "this build has no kvm.fdt.core"
    end
    has("kvm.fdt", "  kvm.fdt.path(target)", "  kvm.fdt.u64(...)",
      "  kvm.fdt.build(t, opts?)")
    for _, name in ipairs { "kvm.fdt.path", "fdt.path" } do
      has(name, "kvm.fdt.value.path(target) ->")
    end
  end)

  it("says how the segments of a program get into memory", function()
    has("elf.load", "vm:write(s.gpa, s.bytes", "memsize", "zeros")
    has("kvm.elf.load_options", "base?      (integer) ")
  end)
end)

describe("help of what scripts write", function()
  it("is that of the object", function()
    for variable, class in pairs { cpu = "vcpu", ram = "memory", mem = "memory",
        sys = "system", dev = "device", regs = "kvm.regs" } do
      assert.equal(help.text(class), help.text(variable))
    end
    assert.equal(help.text "vcpu:run", help.text "cpu:run")
    assert.equal(help.text "memory:read", help.text "ram:read()")
    assert.equal(help.text "kvm.exit", help.text "cpu.exit")
    assert.equal(help.text "kvm.vm", help.text "vm.fd")
  end)

  it("is that of a register, or what it is a part of", function()
    local names = { x86_64 = { "regs.rip", "cpu.regs.rip", "eax", "al", "r8d",
        "eflags" }, arm64 = { "regs.pc", "cpu.regs.pc", "w0", "lr", "fp" } }
    for _, name in ipairs(names[kvm.arch]) do
      assert.truthy(first_line(name):find "^kvm%.regs%.general", name)
    end
  end)
end)

describe("help of a word", function()
  -- Where a text is in the answer.
  local function at(topic, part)
    return assert(has(topic, part):find(part, 1, true))
  end

  it("looks for it in names, first sentences and texts", function()
    has("doorbell", "nothing about 'doorbell'")
    assert.falsy(has("uart", "kvm.dev.pl011"):find "create_vcpu")
    has("snapshot", "memory:clone()")
    has("memory:clone", "snapshot", "what it had")
    has("vcpu:run", "EBUSY", "ENOSPC", "ENOMEM")
    if kvm.arch == "x86_64" then
      has("X86_USER_SPACE_MSR", "vm:on_msr", "vm:x86_set_msr_filter")
    end
    has("X86_USER_SPACE_MSR", "vm:on_msr", "kvm.CAP.X86_USER_SPACE_MSR = 188")
    assert.equal(help.text "X86_USER_SPACE_MSR", help.text "x86_user_space_msr")
  end)

  it("takes it with a space, a line or nothing between", function()
    for _, topic in ipairs { "ring 3", "ring3", "Ring-3" } do
      has(topic, "kvm.arch.x86_64.modes.long64",
        "kvm.arch.x86_64.modes.prot32")
    end
    has("page fault", "kvm.arch.x86_64.modes.write_gates")
  end)

  it("shows the likeliest first", function()
    assert.truthy(at("dirty log", "vm:get_dirty_log")
      < at("dirty log", "vm:map"))
    assert.truthy(at("uart", "kvm.dev.pl011") < at("uart", "kvm.fdt "))
  end)

  it("is short", function()
    for _, word in ipairs { "memory", "a", "kvm", "the" } do
      local _, lines = help.text(word):gsub("\n", "")
      assert.truthy(lines > 10 and lines < 80, word)
    end
    has("the", "... ", " more")
    has("a", "constants: help")
  end)

  it("that is nearly a name asks for that", function()
    for topic, meant in pairs { ["vm:mapp"] = "vm:map", create_devise = "create_device",
        ["cpu:rum"] = "vcpu:run", ["ram:raed"] = "memory:read" } do
      assert.equal(("nothing about '%s': did you mean %s?"):format(topic, meant),
        help.text(topic))
    end
    for _, topic in ipairs { "", " ", "xyzzyx", ".", ":", "%", "a.b.c.d", "[" } do
      assert.truthy(help.text(topic):find "^nothing about", topic)
    end
  end)
end)

describe("help of the kernel's names", function()
  it("is an ioctl's method, number and struct", function()
    local row = kvm.ioctls().KVM_SET_USER_MEMORY_REGION
    has("KVM_SET_USER_MEMORY_REGION", "vm:set_user_memory_region(region)",
      ("request %#x"):format(row.request),
      "struct kvm_userspace_memory_region: slot flags guest_phys_addr")
    has("KVM_CHECK_EXTENSION", "vm:check_extension", "system:check_extension")
  end)

  it("is found for every ioctl", function()
    for name in pairs(kvm.ioctls()) do has(name, name) end
  end)

  it("is a struct with its fields", function()
    has("kvm_userspace_memory_region", "32 bytes", "flags            u32, names "
      .. "of kvm.MEM", "Used by KVM_SET_USER_MEMORY_REGION")
    has("kvm_enable_cap", "u64[4]")
    has("kvm_guest_debug", "struct kvm_guest_debug_arch")
    for name in pairs(kvm.layouts()) do has(name, "struct " .. name) end
  end)

  it("is a group of constants, or one of it", function()
    has("MEM", "kvm.MEM", "LOG_DIRTY_PAGES=1 READONLY=2")
    assert.equal("kvm.CAP.USER_MEMORY = 3", help.text "CAP.USER_MEMORY")
    assert.equal("kvm.CAP.USER_MEMORY = 3", help.text "KVM_CAP_USER_MEMORY")
    assert.equal("kvm.MP_STATE.HALTED = 3", help.text "KVM_MP_STATE_HALTED")
  end)

  it("is an exit", function()
    has("mmio", "kvm.exit.mmio", "is_write  (boolean)")
    assert.equal(help.text "mmio", help.text "KVM_EXIT_MMIO")
  end)

  it("is a register", function()
    local names = { x86_64 = { "r11", "cs_base", "lstar", "zmm31" },
      arm64 = { "x17", "ttbr0_el1", "v3", "s3_0_c1_c0_0" } }
    for _, name in ipairs(names[kvm.arch]) do
      assert.truthy(first_line(name):find "^kvm%.regs%.", name)
    end
  end)
end)

describe("help of a value", function()
  it("is the class of an object", function()
    has(kvm.memory(kvm.page_size), "kvm.memory\n")
    has(kvm.eventfd(), "kvm.eventfd\n")
    local _, refused = pcall(kvm.open, "/dev/null")
    has(refused, "kvm.error\n")
    if not usable then return pending(why) end
    local vm = kvm.create_vm()
    local cpu = vm:create_vcpu()
    has(vm, "kvm.vm\n")
    has(cpu, "kvm.vcpu\n")
    has(cpu.exit, "kvm.exit\n")
    has(cpu.regs, "kvm.regs\n", "kvm.regs.general")
  end)

  it("is the reason of an exit, too", function()
    if not usable then return pending(why) end
    local cpu = kvm.create_vm():create_vcpu()
    if kvm.arch == "arm64" then cpu:arm_vcpu_init() end
    cpu:kick()
    assert.equal("intr", (cpu:run { timeout = 1 }))
    has(cpu.exit, "kvm.exit.intr", "kvm.exit\n")
  end)

  it("is the entry of every function of kvm", function()
    for name, value in pairs(kvm) do
      if type(value) == "function" then
        assert.truthy(first_line(value):find("kvm." .. name .. "(", 1, true),
          name)
      end
    end
  end)

  it("is the entry of every method", function()
    for class, methods in pairs(kvm.class) do
      for name, value in pairs(methods) do
        has(value, ("%s:%s("):format(class:match "%w+$", name))
      end
    end
  end)

  it("is the entry of a Lua method that no table shows", function()
    local esr = require "kvm.arch.arm64.esr"
    assert.equal("kvm.arch.arm64.esr.describe(value) -> string",
      first_line(esr.describe))
    local uart = require("kvm.dev.pl011").new()
    assert.equal("pl011:input(bytes)", first_line(uart.input))
  end)

  it("is a module", function()
    assert.equal(help.text "kvm.json", help.text(require "kvm.json"))
    assert.equal(help.text "kvm.trace", help.text(require "kvm.trace"))
  end)

  it("is a sentence about what it does not know", function()
    for _, value in ipairs { 42, true, {}, print, io.stdout,
        setmetatable({}, { __name = "nosuch" }) } do
      has(value, "nothing about this " .. type(value))
    end
  end)
end)

describe("an entry as text", function()
  it("is at most 78 columns wide where words allow it", function()
    for _, entry in ipairs(reference.load().entries) do
      for line in text.entry(entry):gmatch "[^\n]+" do
        local is_free = line:find "^Usage: " or line == text.entry(entry)
          :match "^[^\n]*" or line:find "^    "
        assert(is_free or utf8.len(line) <= 78
          or not line:find "%S+ %S+ %S+", entry.name .. ": " .. line)
      end
    end
  end)

  it("names its machine, also one that is new", function()
    local entry = reference.parse("---@meta _\n\n---A.\n---@class kvm.a\nlocal a\n",
      "kvm.meta.riscv64.vm")[1]
    assert.equal("kvm.a    riscv64\n\nA.", text.entry(entry))
  end)

  it("wraps words", function()
    assert.equal("  a b", text.wrap("a\n b", 2))
    local long = ("word "):rep(30)
    for line in text.wrap(long, 4):gmatch "[^\n]+" do
      assert.truthy(line:find "^    word" and #line <= 78)
    end
    assert.equal("x " .. ("y"):rep(100), text.wrap(("y"):rep(100), 2, "x "))
  end)
end)
