-- SPDX-License-Identifier: MIT
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm "x86_64"
if missing then return pending(missing) end
local guests = require "spec.support.x86_64"
local raises = require "spec.support.raises"

local function set(exit, name, value) exit[name] = value end

describe("exit io", function()
  it("has all elements of a string instruction", function()
    local cpu, vm = guests.guest("real", [[
      mov $0x1234, %dx
      mov $5, %cx
      xor %di, %di
      mov %di, %es
      mov $0x4000, %di
      cld
      rep insw
      hlt ]])
    local n = 0
    for reason, exit in cpu:exits { timeout = 10 } do
      if reason == "hlt" then break end
      assert.equal("io", reason)
      assert.equal(0x1234, exit.port)
      assert.equal(2, exit.size)
      assert.is_false(exit.is_write)
      assert.equal(exit.count * 2, #exit.data)
      local words = {}
      for i = 1, exit.count do words[i] = n + i end
      exit.data = string.pack("<" .. ("I2"):rep(exit.count),
        table.unpack(words))
      assert.equal(n + 1, exit.value)
      n = n + exit.count
    end
    assert.equal(5, n)
    assert.equal(string.pack("<I2I2I2I2I2", 1, 2, 3, 4, 5),
      vm:read(0x4000, 10))
  end)

  it("is answered by value or by data, of its size", function()
    local cpu = guests.guest("real", [[
      in $0x60, %al
      in $0x60, %ax
      in $0x60, %eax
      hlt ]])
    local _, exit = cpu:run { timeout = 10 }
    raises("exit.value: 256 does not fit in 8 bits", set, exit, "value", 256)
    raises("exit.data: 2 bytes given, the access has 1", set, exit, "data",
      "ab")
    raises("a byte string expected, got number", set, exit, "data", 5)
    exit.value = 0xab
    assert.equal("\xab", exit.data)
    _, exit = cpu:run { timeout = 10 }
    assert.equal(0xab, cpu.regs.rax & 0xff)
    exit.data = "\xcd\xef"
    assert.equal(0xefcd, exit.value)
    _, exit = cpu:run { timeout = 10 }
    assert.equal(0xefcd, cpu.regs.rax & 0xffff)
    exit.value = 0x89abcdef
    cpu:complete()
    assert.equal(0x89abcdef, cpu.regs.rax & 0xffffffff)
  end)
end)

describe("exit debug", function()
  it("has the address and the debug registers", function()
    local cpu = guests.guest("long64", [[
      nop
      nop
      hlt ]])
    cpu:set_guest_debug { control = { "ENABLE", "SINGLESTEP" } }
    local reason, exit = cpu:run { timeout = 10 }
    assert.equal("debug", reason)
    assert.equal(guests.CODE + 1, exit.pc)
    assert.equal(1, exit.exception) -- #DB
    assert.equal(1 << 14, exit.dr6 & 1 << 14)
    assert.equal("integer", math.type(exit.dr7))
  end)
end)

-- Exits that this host may not have, as saved pages: the payload lies at 32.
describe("decode_exit on x86-64", function()
  local function decode(reason, payload, ...)
    local page = ("\0"):rep(8) .. string.pack("<I4", reason)
      .. ("\0"):rep(20) .. string.pack("<" .. payload, ...)
    return kvm.decode_exit(page .. ("\0"):rep(0x3000 - #page))
  end

  it("finds the data of a port access behind the page", function()
    local page = ("\0"):rep(8) .. string.pack("<I4", kvm.EXIT.IO)
      .. ("\0"):rep(20) .. string.pack("<BBI2I4I8", 1, 2, 0x3f8, 3, 0x1000)
    page = page .. ("\0"):rep(0x1000 - #page) .. "abcdef"
    local e = kvm.decode_exit(page)
    assert.equal("io", e.reason)
    assert.equal("abcdef", e.data)
    assert.equal(0x6261, e.value)
    assert.is_true(e.is_write)
    assert.equal(3, e.count)
  end)

  it("does not look outside the bytes for it", function()
    for _, offset in ipairs { 0x1000, 0x2fff, 0x3000, 1 << 62, -1, -2 } do
      local e = decode(kvm.EXIT.IO, "BBI2I4i8", 1, 4, 0x3f8, 0xffffffff,
        offset)
      assert.is_nil(e.data)
    end
    assert.is_nil(decode(kvm.EXIT.IO, "BBI2I4i8", 1, 1, 0x3f8, 2, 0x2fff).data)
    assert.equal("\0", decode(kvm.EXIT.IO, "BBI2I4i8", 1, 1, 0x3f8, 1,
      0x2fff).data)
  end)

  it("has hypercalls", function()
    local e = decode(kvm.EXIT.HYPERCALL, "i8i8i8i8i8i8i8i8I8", 12, 1, 2, 3, 4,
      5, 6, 7, 1)
    assert.same({ reason = "hypercall", code = 3, nr = 12,
                  args = { 1, 2, 3, 4, 5, 6 }, ret = 7, flags = 1,
                  longmode = true }, e)
  end)

  it("has debug exceptions", function()
    assert.same({ reason = "debug", code = 4, exception = 3, pc = 0x1000,
                  dr6 = 0xffff0ff0, dr7 = 0x400 },
      decode(kvm.EXIT.DEBUG, "I4I4i8i8i8", 3, 0, 0x1000, 0xffff0ff0, 0x400))
  end)

  it("has Hyper-V's three kinds", function()
    local e = decode(kvm.EXIT.HYPERV, "I4I4I4I4i8i8i8", 1, 0, 0x40000080, 0,
      2, 3, 4)
    assert.equal(1, e.type)
    assert.equal(0x40000080, e.synic_msr)
    assert.same({ 2, 3, 4 },
      { e.synic_control, e.synic_evt_page, e.synic_msg_page })
    e = decode(kvm.EXIT.HYPERV, "I4I4i8i8i8i8", 2, 0, 5, 6, 7, 8)
    assert.same({ 5, 6, { 7, 8 } },
      { e.hcall_input, e.hcall_result, e.hcall_params })
    e = decode(kvm.EXIT.HYPERV, "I4I4I4I4i8i8i8i8i8", 3, 0, 9, 0, 1, 2, 3, 4,
      5)
    assert.same({ 9, 1, 2, 3, 4, 5 }, { e.syndbg_msr, e.syndbg_control,
      e.syndbg_status, e.syndbg_send_page, e.syndbg_recv_page,
      e.syndbg_pending_page })
  end)

  it("has Xen's hypercalls", function()
    assert.same({ reason = "xen", code = 34, type = 1, longmode = true,
                  cpl = 3, input = 4, result = 5,
                  params = { 6, 7, 8, 9, 10, 11 } },
      decode(kvm.EXIT.XEN, "I4I4I4I4i8i8i8i8i8i8i8i8", 1, 0, 1, 3, 4, 5, 6, 7,
        8, 9, 10, 11))
  end)

  it("has TDX's calls", function()
    local e = decode(kvm.EXIT.TDX, "i8i8i8i8i8i8i8i8", 1, 0x10002, 2, 3, 4, 5,
      6, 7)
    assert.equal(0x10002, e.nr)
    assert.equal(2, e.ret)
    assert.same({ 3, 4, 5, 6, 7 }, e.data)
    assert.same({ 3, 4 }, { e.gpa, e.size })
    assert.same({ 3, 4, 5, 6, 7 }, { e.leaf, e.r11, e.r12, e.r13, e.r14 })
    assert.equal(3, e.vector)
  end)

  it("has the small ones", function()
    assert.same({ reason = "ioapic_eoi", code = 26, vector = 33 },
      decode(kvm.EXIT.IOAPIC_EOI, "B", 33))
    assert.same({ reason = "notify", code = 37, flags = 1,
                  context_invalid = true },
      decode(kvm.EXIT.NOTIFY, "I4", 1))
    assert.same({ reason = "tpr_access", code = 12, rip = 0x1234,
                  is_write = true },
      decode(kvm.EXIT.TPR_ACCESS, "i8I4", 0x1234, 1))
    assert.equal(0, decode(kvm.EXIT.SET_TPR, "").cr8)
    for flag, cause in pairs { "inval", "unknown", nil, "filter" } do
      local e = decode(kvm.EXIT.X86_RDMSR, "BBBBBBBBI4I4i8", 1, 0, 0, 0, 0, 0,
        0, 0, flag, 0x10, 99)
      assert.equal(cause, e.cause)
      assert.is_true(e.error)
      assert.equal(0x10, e.index)
      assert.equal(99, e.value)
    end
  end)
end)
