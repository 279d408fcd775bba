-- SPDX-License-Identifier: MIT
-- How a guest's accesses arrive: ports and MMIO of every size, string
-- instructions, accesses that straddle pages.
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm "x86_64"
if missing then return pending(missing) end
local guests = require "spec.support.x86_64"
local raises = require "spec.support.raises"

local DEVICE <const> = 0x180000 -- in the page tables, not in memory

-- The accesses of a guest in long mode until it ends, as lists. Reads are
-- answered with 11 22 33 ...
local function accesses(code, options, prepare)
  local list = {}
  local cpu, vm, ram = guests.guest("long64", code .. "\nhlt", options)
  if prepare then prepare(cpu, ram) end
  for reason, exit in cpu:exits { timeout = 10 } do
    if reason ~= "mmio" then
      assert.equal(options and "shutdown" or "hlt", reason)
      return list, cpu, ram, vm
    end
    if not exit.is_write then
      exit.data = ("\x11\x22\x33\x44\x55\x66\x77\x88"):sub(1, exit.size)
    end
    list[#list + 1] = { exit.is_write and "w" or "r", exit.gpa, exit.size,
                        exit.is_write and exit.data or nil }
  end
end

local RING3 <const> = { user = true, kernel_stack = 0x90000 }

-- Ring 3 may not HLT: without a handler, that ends the guest.
local function in_both_rings(name, code, expected, prepare)
  it(name, function()
    assert.same(expected, (accesses(code, nil, prepare)))
  end)
  it(name .. ", from ring 3", function()
    local yes, why = kvm.host():can "ring3"
    if not yes then pending(why) end
    assert.same(expected, (accesses(code, RING3, prepare)))
  end)
end

describe("a read that is not finished", function()
  -- KVM's emulator would lose the answer.
  it("has its answer before general registers are set", function()
    local cpu, vm = guests.guest("long64", "mov (%rbx), %al; out %al, $0x10; hlt")
    cpu.regs.rbx = DEVICE
    local reason, exit = cpu:run { timeout = 10 }
    assert.equal("mmio", reason)
    exit.value = 5
    for _, set in ipairs { function() cpu.regs.rcx = 9 end,
                           function() cpu.regs { rcx = 9 } end } do
      raises("the guest waits for the answer to its read", set)
    end
    cpu.regs.cr2 = 1 -- these it does not
    assert.is_nil(cpu:complete())
    cpu.regs.rcx = 9
    assert.equal("io", (cpu:run { timeout = 10 }))
    assert.equal(5, exit.value)
    assert.equal(9, cpu.regs.rcx)
    cpu, vm = guests.guest("long64", "mov (%rbx), %al; hlt")
    cpu.regs.rbx = DEVICE
    vm:on_mmio(DEVICE, 8, { read = function() cpu.regs.rcx = 9 end })
    raises("cannot be set while the guest waits for what this device reads",
      cpu.run, cpu)
  end)
end)

describe("MMIO", function()
  for size, mov in pairs { "%al", "%ax", [4] = "%eax", [8] = "%rax" } do
    local bytes = ("\x88\x77\x66\x55\x44\x33\x22\x11"):sub(1, size)
    in_both_rings(("of %d bytes"):format(size), ([[
        mov $0x1122334455667788, %%rax
        mov %s, 0x180008
        mov 0x180010, %s ]]):format(mov, mov),
      { { "w", DEVICE + 8, size, bytes }, { "r", DEVICE + 16, size } })
  end

  in_both_rings("of 16 bytes comes as two of 8", [[
        movups %xmm0, 0x180000
        movups 0x180020, %xmm1 ]],
    { { "w", DEVICE, 8, "01234567" }, { "w", DEVICE + 8, 8, "89abcdef" },
      { "r", DEVICE + 32, 8 }, { "r", DEVICE + 40, 8 } },
    function(cpu) cpu.regs.xmm0 = "0123456789abcdef" end)

  in_both_rings("that straddles pages comes page by page", [[
        mov $0x1122334455667788, %rax
        mov %rax, 0x180ffd
        mov 0x180ffd, %rbx ]],
    { { "w", DEVICE + 0xffd, 3, "\x88\x77\x66" },
      { "w", DEVICE + 0x1000, 5, "\x55\x44\x33\x22\x11" },
      { "r", DEVICE + 0xffd, 3 }, { "r", DEVICE + 0x1000, 5 } })

  in_both_rings("of 16 bytes that straddles pages comes in three", [[
        movups %xmm0, 0x180ff5 ]],
    { { "w", DEVICE + 0xff5, 8, "01234567" }, { "w", DEVICE + 0xffd, 3, "89a" },
      { "w", DEVICE + 0x1000, 5, "bcdef" } },
    function(cpu) cpu.regs.xmm0 = "0123456789abcdef" end)

  in_both_rings("of an instruction that reads and writes comes as both", [[
        mov $3, %eax
        add %eax, 0x180000
        xchg %eax, 0x180004 ]],
    { { "r", DEVICE, 4 }, { "w", DEVICE, 4, "\x14\x22\x33\x44" },
      { "r", DEVICE + 4, 4 }, { "w", DEVICE + 4, 4, "\3\0\0\0" } })

  in_both_rings("of string instructions comes by the element", [[
        cld
        mov $0x70000, %esi
        mov $0x180000, %edi
        mov $2, %ecx
        rep movsw
        mov $2, %ecx
        mov $'x', %al
        rep stosb ]],
    { { "w", DEVICE, 2, "ab" }, { "w", DEVICE + 2, 2, "cd" },
      { "w", DEVICE + 4, 1, "x" }, { "w", DEVICE + 5, 1, "x" } },
    function(_, ram) ram:write(0x70000, "abcd") end)

  it("that begins in memory has the rest alone", function()
    local list, cpu, ram = accesses [[
        mov $0x1122334455667788, %rax
        mov %rax, 0xffffd
        mov 0xffffd, %rbx ]]
    assert.same({ { "w", 0x100000, 5, "\x55\x44\x33\x22\x11" },
                  { "r", 0x100000, 5 } }, list)
    assert.equal("\x88\x77\x66", ram:read(0xffffd, 3))
    assert.equal(0x5544332211667788, cpu.regs.rbx)
  end)

  it("in parts of any size reaches a device", function()
    local cpu, vm = guests.guest("long64", [[
        mov $0x1122334455667788, %rax
        mov %rax, 0x180ffd
        mov 0x180ffd, %rbx
        hlt ]])
    local calls = {}
    vm:on_mmio(DEVICE, 0x2000, {
      write = function(_, ...) calls[#calls + 1] = { ... } end,
      read = function(_, offset, size)
        calls[#calls + 1] = { offset, size }
        return -1
      end,
    })
    assert.equal("hlt", (cpu:run { timeout = 10 }))
    assert.same({ { 0xffd, 0x667788, 3 }, { 0x1000, 0x1122334455, 5 },
                  { 0xffd, 3 }, { 0x1000, 5 } }, calls)
    assert.equal(-1, cpu.regs.rbx)
  end)
end)

describe("ports", function()
  it("are written with 1, 2 and 4 bytes", function()
    local cpu = guests.guest("real", [[
        mov $0x11223344, %eax
        mov $0x3f8, %dx
        out %al, (%dx)
        out %ax, (%dx)
        out %eax, (%dx)
        out %al, $0x80
        hlt ]])
    local expected = { { 0x3f8, 1, 0x44 }, { 0x3f8, 2, 0x3344 },
                       { 0x3f8, 4, 0x11223344 }, { 0x80, 1, 0x44 } }
    for _, e in ipairs(expected) do
      local reason, exit = cpu:run { timeout = 10 }
      assert.equal("io", reason)
      assert.same({ reason = "io", code = kvm.EXIT.IO, port = e[1],
        size = e[2], count = 1, is_write = true, value = e[3],
        data = string.pack("<I" .. e[2], e[3]) }, exit:copy())
    end
    assert.equal("hlt", (cpu:run { timeout = 10 }))
  end)

  it("that are read reach the register when the guest goes on", function()
    local cpu = guests.guest("real", [[
        mov $-1, %eax
        in $0x10, %al
        in $0x12, %ax
        hlt ]])
    local _, exit = cpu:run { timeout = 10 }
    assert.same({ 0x10, 1, 1, false },
      { exit.port, exit.size, exit.count, exit.is_write })
    exit.value = 0x5a
    assert.equal(-1 & 0xff, cpu.regs.rax & 0xff)
    assert.is_nil(cpu:complete())
    assert.equal(0xffffff5a, cpu.regs.rax & 0xffffffff)
    cpu:run { timeout = 10 }
    exit.value = 0xbeef
    assert.equal("hlt", (cpu:run { timeout = 10 }))
    assert.equal(0xffffbeef, cpu.regs.rax & 0xffffffff)
  end)

  it("of a string instruction have each element once", function()
    local cpu, vm = guests.guest("real", [[
        cld
        xor %ax, %ax
        mov %ax, %ds
        mov $0x6000, %si
        mov $0x1234, %dx
        mov $6, %cx
        rep outsw
        hlt ]])
    vm:write(0x6000, "aAbBcCdDeEfF")
    local seen, n = {}, 0
    for reason, exit in cpu:exits { timeout = 10 } do
      if reason == "hlt" then break end
      assert.same({ 0x1234, 2, true }, { exit.port, exit.size, exit.is_write })
      assert.equal(exit.count * 2, #exit.data)
      seen[#seen + 1] = exit.data
      n = n + exit.count
    end
    assert.equal(6, n)
    assert.equal("aAbBcCdDeEfF", table.concat(seen))
  end)

  it("of a string instruction reach a device element by element", function()
    local cpu, vm = guests.guest("real", [[
        cld
        xor %ax, %ax
        mov %ax, %es
        mov $0x6000, %di
        mov $0x60, %dx
        mov $7, %cx
        rep insb
        mov $3, %cx
        rep insl
        hlt ]])
    local n, sizes = 0, {}
    vm:on_pio(0x60, 4, { read = function(_, offset, size)
      assert.equal(0, offset)
      n = n + 1
      sizes[n] = size
      return n
    end })
    assert.equal("hlt", (cpu:run { timeout = 10 }))
    assert.same({ 1, 1, 1, 1, 1, 1, 1, 4, 4, 4 }, sizes)
    assert.equal("\1\2\3\4\5\6\7" .. string.pack("<I4I4I4", 8, 9, 10),
      vm:read(0x6000, 19))
  end)

  it("of a string instruction may lose their device in the middle", function()
    local cpu, vm = guests.guest("real", [[
        cld
        xor %ax, %ax
        mov %ax, %es
        mov $0x6000, %di
        mov $0x60, %dx
        mov $300, %cx
        rep insb
        in $0x60, %al
        hlt ]])
    local n = 0
    vm:on_pio(0x60, 1, { read = function()
      n = n + 1
      if n == 5 then
        vm:off_pio(0x60)
        collectgarbage()
      end
      return n & 0xff
    end })
    local first, exit = cpu:run { timeout = 10 }
    assert.equal("io", first) -- what is left of the batch, or the IN
    assert.equal(0x60, exit.port)
    assert(n >= 5)
    assert.equal("\1\2\3\4\5", vm:read(0x6000, 5))
  end)

  it("cannot be answered beyond what was asked", function()
    local cpu = guests.guest("real", "in $0x60, %ax; hlt")
    local _, exit = cpu:run { timeout = 10 }
    local function set(name, value) exit[name] = value end
    raises("exit.value: 65536 does not fit in 16 bits", set, "value", 65536)
    raises("exit.value: -1 does not fit", set, "value", -1)
    raises("exit.data: 4 bytes given, the access has 2", set, "data", "abcd")
    raises("exit.port of 'io' cannot be assigned", set, "port", 1)
    raises("exit.count of 'io' cannot be assigned", set, "count", 1)
    raises("exit 'io' has no field 'gpa' (it has reason, code, port, size, "
      .. "count, is_write, value, data)", set, "gpa", 1)
    exit.data = "\xcd\xab"
    assert.equal("hlt", (cpu:run { timeout = 10 }))
    assert.equal(0xabcd, cpu.regs.rax & 0xffff)
  end)
end)
