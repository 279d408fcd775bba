-- SPDX-License-Identifier: MIT
local modes = require "kvm.arch.x86_64.modes"
local descriptor = require "kvm.arch.x86_64.descriptor"
local kvm = require "kvm"
local raises = require "spec.support.raises"

-- Something to write to: a table of bytes by gpa.
local function paper()
  return { write = function(self, gpa, bytes)
    for i = 1, #bytes do self[gpa + i - 1] = bytes:byte(i) end
  end, word = function(self, gpa)
    local w = 0
    for i = 7, 0, -1 do w = w << 8 | (self[gpa + i] or 0) end
    return w
  end }
end

describe("kvm.arch.x86_64.modes: tables", function()
  it("has the segments that the registers have", function()
    local p = paper()
    local r = modes.long64(p, { at = 0x3000, entry = 0x1234, stack = 0x8000 })
    assert.equal(0x3000, r.gdt_base)
    assert.equal(0x1234, r.rip)
    assert.equal(0x8000, r.rsp)
    for _, name in ipairs { "cs", "ds", "es", "fs", "gs", "ss" } do
      local d = descriptor.decode(p:word(r.gdt_base + r[name .. "_selector"]))
      for field, value in pairs(d) do
        assert.equal(value, r[name .. "_" .. field], name .. "_" .. field)
      end
    end
    local at = r.gdt_base + r.tr_selector
    local tss = descriptor.decode(p:word(at), p:word(at + 8))
    assert.equal(r.tr_base, tss.base)
    assert.equal(r.tr_limit, tss.limit)
    assert.equal(descriptor.type.tss_busy, tss.type)
    assert.equal(0, p:word(r.gdt_base))
    assert.equal(0x47, r.gdt_limit)
  end)

  it("says where it ends", function()
    local p = paper()
    local regs = modes.long64(p, { at = 0x3000, page = 0x1000,
                                   size = 0x400000 })
    local last = regs.last
    assert.equal(0x8000, regs.paging.base)
    assert.is_nil(rawget(regs, "last"))
    assert.equal(0x8000 + 5 * 0x1000, last)
    local highest = 0
    for gpa in pairs(p) do
      if math.type(gpa) then highest = math.max(highest, gpa) end
    end
    assert.equal(last - 1, highest)
    assert.equal(0x8000, modes.prot32(p, { at = 0x3000, ports = true }).last)
  end)

  it("lays SYSCALL's and SYSRET's segments as they want them", function()
    local s = modes.selector
    assert.equal(s.code + 8, s.data)
    assert.equal(s.user_code32 + 8, s.user_data)
    assert.equal(s.user_code32 + 16, s.user_code)
  end)

  it("writes gates", function()
    local p = paper()
    local r = modes.long64(p, { at = 0, gates = {
      [14] = 0x1122334455, [3] = { offset = 0x10, dpl = 3, ist = 2 } } })
    assert.equal(descriptor.gate { offset = 0x1122334455, selector = 8,
      is_long = true }, string.pack("<i8i8", p:word(r.idt_base + 14 * 16),
      p:word(r.idt_base + 14 * 16 + 8)))
    assert.equal(0x0000ee0200080010, p:word(r.idt_base + 3 * 16))
    raises("gates: vector 256 is outside 0..255", modes.write_gates, p, 0,
      { [256] = 1 }, true)
  end)

  local function refuses(text, mode, options)
    raises(text, modes[mode], paper(), options)
  end

  it("refuses what it does not know, and says what there is", function()
    refuses("bad argument #2 to 'long64' (unknown option 'entri' (did you mean "
      .. "'entry'? there are at, entry, gates, ist, kernel_stack, page, ports, "
      .. "rflags, size, stack and user))", "long64", { at = 0, entri = 1 })
    refuses("(unknown option 'size' (", "prot32", { at = 0, size = 1 })
    refuses("(at 0x1234 is not a multiple of the page size 0x1000)", "long64",
      { at = 0x1234 })
    refuses("(option 'at' is missing: where its tables go)", "prot32", {})
    refuses("(option 'at' is missing: where its tables go)", "long64", nil)
    refuses("options: table expected, got 3", "long64", 3)
    raises("bad argument #1 to 'prot32' (target: kvm.vm or kvm.memory "
      .. "expected, got table)", modes.prot32, { at = 0 })
  end)

  it("refuses what real mode cannot have", function()
    raises("bad argument #1 to 'real' (options: table expected, got 3)",
      modes.real, 3)
    raises("(unknown option 'at' (there are entry, rflags, segment and stack))",
      modes.real, { at = 0 })
    raises("entry 0x12345 does not fit in 16 bits", modes.real,
      { entry = 0x12345 })
    raises("segment 0x12345 does not fit in 16 bits", modes.real,
      { segment = 0x12345 })
  end)

  it("refuses sizes and pages that cannot be", function()
    refuses("size 0x3 is not a multiple of the page size 0x1000", "long64",
      { at = 0x1000, size = 3 })
    refuses("size 0x0 is outside 0x1000..0x800000000000", "long64",
      { at = 0, size = 0 })
    refuses("page 0x100000 (expected 0x1000, 0x200000 or 0x40000000)",
      "long64", { at = 0, page = 0x100000 })
    refuses("entry 0x100000000 does not fit in 32 bits", "prot32",
      { at = 0, entry = 1 << 32 })
  end)

  it("names the gate that cannot be", function()
    refuses("bad argument #2 to 'long64' (gates: vector 300 is outside 0..255)",
      "long64", { at = 0, gates = { [300] = 3 } })
    refuses("gates[3]: integer or table expected, got 'x'", "prot32",
      { at = 0, gates = { [3] = "x" } })
    refuses("gates[3]: unknown field 'dpll' (did you mean 'dpl'?", "long64",
      { at = 0, gates = { [3] = { offset = 1, dpll = 3 } } })
    refuses("gates[3]: field 'offset' is missing", "long64",
      { at = 0, gates = { [3] = {} } })
    refuses("its task state: ist[1]: integer expected, got 'x'", "long64",
      { at = 0, ist = { "x" } })
    raises("bad argument #3 to 'write_gates' (gates: table expected, got nil)",
      modes.write_gates, paper(), 0)
  end)

  it("says how much room the tables need", function()
    local small = { write = function(_, gpa)
      if gpa >= 0x2000 then error("bad argument #1 to 'write' (no gpa)", 0) end
    end }
    local line = debug.getinfo(1, "l").currentline
    local err = raises("bad argument #2 to 'long64' (the tables need 0x8000 "
      .. "bytes at 0x1000: no gpa)", function()
        local _ = modes.long64(small, { at = 0x1000 })
      end)
    assert.matches("modes_spec%.lua:" .. line + 3 .. ": ", err)
    raises("the tables need 0x5000 bytes at 0x1000: no gpa", modes.prot32,
      small, { at = 0x1000 })
  end)
end)

local missing = require "spec.support.needs".kvm "x86_64"
if missing then return pending(missing) end
local guests = require "spec.support.x86_64"

describe("kvm.arch.x86_64.modes: guests", function()
  it("runs in real mode", function()
    local cpu = guests.guest("real", [[
      mov %cs, %ax
      out %ax, $0x80
      mov %cr0, %eax
      out %al, $0x80
      push %cs
      pop %bx
      call 1f
      hlt
    1: ret ]])
    assert.same({ guests.CODE >> 4, 0x10 }, guests.run(cpu))
    assert.equal(guests.CODE >> 4, cpu.regs.rbx)
    assert.equal(0x8000, cpu.regs.rsp)
  end)

  it("runs in 32-bit protected mode", function()
    local cpu = guests.guest("prot32", [[
      mov %cs, %eax
      out %eax, $0x80
      mov $0x12345678, %eax
      push %eax
      pop %ebx
      mov %ebx, 0x40000
      out %eax, $0x80
      hlt ]])
    assert.same({ 8, 0x12345678 }, guests.run(cpu))
    assert.equal(0x12345678, cpu.regs.rbx)
    assert.equal(0x12345678, (string.unpack("<I4", cpu.vm:read(0x40000, 4))))
  end)

  it("runs in 64-bit mode with pages of both sizes", function()
    for _, page in ipairs { 0x1000, 0x200000 } do
      local cpu = guests.guest("long64", [[
        mov $0x1122334455667788, %rax
        push %rax
        pop %rbx
        mov %cs, %eax
        out %al, $0x80
        hlt ]], { page = page })
      assert.same({ 8 }, guests.run(cpu))
      assert.equal(0x1122334455667788, cpu.regs.rbx)
    end
  end)

  it("runs in ring 3, and takes its exceptions to ring 0", function()
    for _, mode in ipairs { "prot32", "long64" } do
      local cpu = guests.guest(mode, [[
        mov %cs, %eax
        and $3, %eax
        out %al, $0x80
        ud2
        .org 0x100
        mov %cs, %eax
        and $3, %eax
        out %al, $0x80
        hlt ]], { user = true, ports = true, kernel_stack = 0x70000,
                  gates = { [6] = guests.CODE + 0x100 } })
      assert.same({ 3, 0 }, guests.run(cpu), mode)
      assert(cpu.regs.rsp < 0x70000 and cpu.regs.rsp > 0x6ff00)
    end
  end)

  it("keeps ring 3 from the ports that it is not given", function()
    local cpu = guests.guest("long64", [[
      out %al, $0x80
      hlt
      .org 0x100
      mov $13, %eax
      out %al, $0x81
      hlt ]], { user = true, kernel_stack = 0x70000,
                gates = { [13] = guests.CODE + 0x100 } })
    assert.same({ 13 }, guests.run(cpu))
  end)

  it("has a page fault at what is not mapped", function()
    local cpu = guests.guest("long64", [[
      mov 0x40000000, %rax
      hlt
      .org 0x100
      mov %cr2, %rax
      out %eax, $0x81
      hlt ]], { gates = { [14] = guests.CODE + 0x100 } })
    assert.same({ 0x40000000 }, guests.run(cpu))
  end)
end)
