-- SPDX-License-Identifier: MIT
-- kvm.decode_exit: a saved kvm_run page, of any machine, as a table.
local kvm = require "kvm"
local raises = require "spec.support.raises"

local SIZE <const> = 0x3000
local HEADER <const> = 32 -- bytes before the payload

-- A page with a reason and a payload.
local function page(reason, payload, flags)
  local header = ("\0"):rep(8) .. string.pack("<I4BBI2I8I8", reason, 0, 0,
    flags or 0, 0, 0)
  assert(#header == HEADER)
  return header .. payload .. ("\0"):rep(SIZE - HEADER - #payload)
end

local function decode(reason, format, ...)
  return kvm.decode_exit(page(reason, string.pack("<!1" .. format, ...)))
end

local function words(first, last)
  local list = {}
  for i = first, last do list[#list + 1] = i end
  return list
end

-- Numbers, and lists of them, in a row.
local function flat(values)
  local list = {}
  for _, value in ipairs(values) do
    if type(value) == "table" then
      table.move(value, 1, #value, #list + 1, list)
    else
      list[#list + 1] = value
    end
  end
  return table.unpack(list)
end

-- name of a reason, the payload, and the fields it gives: the same everywhere.
local payloads = {
  { "UNKNOWN", "I8", { 5 }, { hardware_exit_reason = 5 } },
  { "EXCEPTION", "I4I4", { 14, 3 }, { exception = 14, error_code = 3 } },
  { "IRQ_WINDOW_OPEN", "", {},
    { if_flag = false, ready_for_interrupt_injection = false } },
  { "SHUTDOWN", "", {}, {} },
  { "HLT", "", {}, {} },
  { "S390_SIEIC", "BxI2I4", { 1, 0xb202, 3 },
    { icptcode = 1, ipa = 0xb202, ipb = 3 } },
  { "S390_RESET", "I8", { 9 }, { flags = 9 } },
  { "DCR", "I4I4B", { 1, 2, 1 }, { dcrn = 1, data = 2, is_write = true } },
  { "NMI", "", {}, {} },
  { "OSI", ("I8"):rep(32), words(1, 32), { gprs = words(1, 32) } },
  { "PAPR_HCALL", ("I8"):rep(11), words(1, 11),
    { nr = 1, ret = 2, args = words(3, 11) } },
  { "S390_UCONTROL", "I8I4", { 7, 8 },
    { trans_exc_code = 7, pgm_code = 8 } },
  { "WATCHDOG", "", {}, {} },
  { "S390_TSCH", "I2I2I4I4I4B", { 1, 2, 3, 4, 5, 1 },
    { subchannel_id = 1, subchannel_nr = 2, io_int_parm = 3,
      io_int_word = 4, ipb = 5, dequeued = true } },
  { "EPR", "I4", { 6 }, { epr = 6 } },
  { "S390_STSI", "I8BxBBI2", { 0x1000, 1, 2, 3, 4 },
    { gpa = 0x1000, ar = 1, fc = 2, sel1 = 3, sel2 = 4 } },
  { "ARM_NISV", "I8I8", { 0x9000, 0x10000 },
    { esr_iss = 0x9000, fault_ipa = 0x10000 } },
  { "DIRTY_RING_FULL", "", {}, {} },
  { "AP_RESET_HOLD", "", {}, {} },
  { "RISCV_SBI", ("I8"):rep(10), words(1, 10),
    { extension_id = 1, function_id = 2, args = words(3, 8),
      ret = { 9, 10 } } },
  { "RISCV_CSR", "I8I8I8I8", { 1, 2, 3, 4 },
    { csr_num = 1, new_value = 2, write_mask = 3, ret_value = 4 } },
  { "LOONGARCH_IOCSR", "I8c8I4B", { 0x1fe0, "abcdefgh", 4, 1 },
    { gpa = 0x1fe0, size = 4, is_write = true, data = "abcdefgh" } },
  { "MEMORY_FAULT", "I8I8I8", { 8, 0x7000, 0x1000 },
    { flags = 8, gpa = 0x7000, size = 0x1000 } },
  { "ARM_SEA", "I8I8I8I8", { 1, 2, 3, 4 },
    { flags = 1, esr = 2, gva = 3, gpa = 4 } },
  { "ARM_LDST64B", "I8I8", { 5, 6 }, { esr_iss = 5, fault_ipa = 6 } },
  { "IO", "BBI2I4I8", { 1, 2, 0x3f8, 3, HEADER + 16 },
    { port = 0x3f8, size = 2, count = 3, is_write = true, value = 0,
      data = ("\0"):rep(6) } },
  { "IO", "BBI2I4I8c4", { 0, 4, 0x10, 1, HEADER + 16, "abcd" },
    { port = 0x10, size = 4, count = 1, is_write = false, data = "abcd",
      value = string.unpack("<I4", "abcd") } },
  { "IO", "BBI2I4I8", { 0, 4, 0x10, 1, SIZE - 3 }, -- not in this page
    { port = 0x10, size = 4, count = 1, is_write = false, value = 0 } },
  { "TPR_ACCESS", "I8I4", { 0x1000, 1 }, { rip = 0x1000, is_write = true } },
  { "IOAPIC_EOI", "B", { 0x21 }, { vector = 0x21 } },
  { "X86_RDMSR", "Bc7I4I4I8", { 1, "", 2, 0x10, -5 },
    { error = true, cause = "unknown", index = 0x10, value = -5, data = -5 } },
  { "X86_WRMSR", "Bc7I4I4I8", { 0, "", 1, 0x10, 6 },
    { error = false, cause = "inval", index = 0x10, value = 6, data = 6 } },
  { "NOTIFY", "I4", { 1 }, { flags = 1, context_invalid = true } },
  { "HYPERV", "I4I4" .. ("I8"):rep(6), { 2, 0, words(1, 6) },
    { type = 2, synic_msr = 1, synic_control = 2, synic_evt_page = 3,
      synic_msg_page = 4, hcall_input = 1, hcall_result = 2,
      hcall_params = { 3, 4 }, syndbg_msr = 1, syndbg_control = 2,
      syndbg_status = 3, syndbg_send_page = 4, syndbg_recv_page = 5,
      syndbg_pending_page = 6 } },
  { "XEN", "I4xxxxI4I4" .. ("I8"):rep(8), { 1, 1, 3, words(4, 11) },
    { type = 1, longmode = true, cpl = 3, input = 4, result = 5,
      params = words(6, 11) } },
  { "TDX", ("I8"):rep(8), words(1, 8),
    { flags = 1, nr = 2, ret = 3, data = words(4, 8), gpa = 4, size = 5,
      leaf = 4, r11 = 5, r12 = 6, r13 = 7, r14 = 8, vector = 4 } },
  { "SNP_REQ_CERTS", "I8I8I8", { 0x5000, 2, 3 },
    { gpa = 0x5000, npages = 2, ret = 3 } },
}

describe("decode_exit", function()
  for _, p in ipairs(payloads) do
    local name, format, values, fields = table.unpack(p)
    it("has the payload of " .. name, function()
      local reason = assert(kvm.EXIT[name], "kvm.EXIT has no " .. name)
      fields.reason, fields.code = name:lower(), reason
      assert.same(fields, decode(reason, format, flat(values)))
    end)
  end

  it("has what stands before the payload", function()
    local function header(name, flags, cr8)
      return kvm.decode_exit(("\0"):rep(8) .. string.pack("<I4BBI2I8I8",
        kvm.EXIT[name], 1, 1, flags, cr8, 0) .. ("\0"):rep(SIZE))
    end
    assert.equal(9, header("SET_TPR", 0, 9).cr8)
    assert.equal(2, header("X86_BUS_LOCK", 2, 0).flags)
    local window = header("IRQ_WINDOW_OPEN", 0, 0)
    assert.is_true(window.if_flag)
    assert.is_true(window.ready_for_interrupt_injection)
  end)

  it("has why KVM asks for an MSR", function()
    local function cause(reason)
      return decode(kvm.EXIT.X86_RDMSR, "Bc7I4I4I8", 0, "", reason, 1, 1).cause
    end
    assert.equal("filter", cause(kvm.MSR_EXIT.FILTER))
    assert.equal(16, cause(16))
  end)

  it("has a name for every reason of kvm.EXIT", function()
    local n = 0
    for name, reason in pairs(kvm.EXIT) do
      if type(name) == "string" then
        local exit = decode(reason, "")
        assert.equal(kvm.EXIT[reason]:lower(), exit.reason)
        assert.equal(reason, exit.code)
        n = n + 1
      end
    end
    assert(n >= 41, n)
  end)

  it("has MMIO, with as many bytes as there are", function()
    for size = 0, 8 do
      local exit = decode(kvm.EXIT.MMIO, "I8c8I4B", 0x1000, "\1\2\3\4\5\6\7\8",
        size, 0)
      assert.same({ reason = "mmio", code = kvm.EXIT.MMIO, gpa = 0x1000,
        size = size, is_write = false, data = ("\1\2\3\4\5\6\7\8"):sub(1, size),
        value = size == 0 and 0 or 0x0807060504030201 & -1 >> 64 - 8 * size },
        exit)
    end
    local exit = decode(kvm.EXIT.MMIO, "I8c8I4B", -1, ("\xff"):rep(8),
      0xffffffff, 1)
    assert.equal(8, #exit.data)
    assert.equal(-1, exit.value)
    assert.equal(0xffffffff, exit.size)
  end)

  it("has internal errors with their words", function()
    local exit = decode(kvm.EXIT.INTERNAL_ERROR, "I4I4I8I8I8", 3, 2, 10, 11,
      12)
    assert.equal(3, exit.suberror)
    assert.equal(2, exit.ndata)
    assert.same({ 10, 11 }, exit.data)
    assert.is_nil(exit.insn_bytes)
    exit = decode(kvm.EXIT.INTERNAL_ERROR, "I4I4" .. ("I8"):rep(16), 3,
      0xffffffff, table.unpack(words(1, 16)))
    assert.same(words(1, 16), exit.data)
  end)

  it("has the bytes that could not be emulated, when it has them", function()
    local function bytes(suberror, ndata, flags, size)
      return decode(kvm.EXIT.INTERNAL_ERROR, "I4I4I8Bc15", suberror, ndata,
        flags, size, "\x0f\x01\xc1abcdefghijkl").insn_bytes
    end
    assert.equal("\x0f\x01\xc1", bytes(1, 3, 1, 3))
    assert.equal("\x0f\x01\xc1abcdefghijkl", bytes(1, 3, 1, 255))
    assert.equal("", bytes(1, 3, 1, 0))
    assert.is_nil(bytes(2, 3, 1, 3)) -- another suberror
    assert.is_nil(bytes(1, 2, 1, 3)) -- too little data for them
    assert.is_nil(bytes(1, 3, 2, 3)) -- not flagged
  end)

  it("has system events by name", function()
    local function event(type, ndata, ...)
      return decode(kvm.EXIT.SYSTEM_EVENT, "I4I4I8I8", type, ndata, ...)
    end
    assert.same({ reason = "system_event", code = kvm.EXIT.SYSTEM_EVENT,
      type = 1, event = "shutdown", ndata = 2, data = { 5, 6 }, flags = 5 },
      event(1, 2, 5, 6))
    for name, type in pairs { reset = 2, crash = 3, wakeup = 4, suspend = 5,
                              sev_term = 6 } do
      assert.equal(name, event(type, 0, 0, 0).event)
    end
    assert.equal(77, event(77, 0, 0, 0).event)
    assert.equal(16, #event(1, 0xffffffff, 0, 0).data)
  end)

  it("has a failed entry", function()
    local exit = decode(kvm.EXIT.FAIL_ENTRY, "I8I4", -2, 3)
    assert.equal(-2, exit.hardware_entry_failure_reason)
    assert.equal(3, exit.cpu)
  end)

  it("calls a reason that nobody knows \"unknown\"", function()
    for _, reason in ipairs { 60, 63, 64, 99, 1000, 0x7fff, 0x8000, 0x10000,
                              0x7fffffff, 0x80000000, 0xffffffff } do
      assert.same({ reason = "unknown", code = reason }, decode(reason, ""))
    end
  end)

  it("takes a whole struct kvm_run", function()
    assert.equal("hlt", kvm.decode_exit(page(kvm.EXIT.HLT, "")).reason)
    assert.equal("hlt", kvm.decode_exit(page(kvm.EXIT.HLT, ""):sub(1, 0x1000))
      .reason)
    for _, n in ipairs { 0, 1, 31, 32, 288, 2000 } do
      raises("shorter than struct kvm_run", kvm.decode_exit,
        page(kvm.EXIT.HLT, ""):sub(1, n))
    end
    raises("string expected, got nil", kvm.decode_exit, nil)
    raises("string expected, got table", kvm.decode_exit, {})
    raises("surplus argument", kvm.decode_exit, page(5, ""), 1)
  end)

  it("survives any bytes", function()
    math.randomseed(7)
    for _ = 1, 500 do
      local bytes = {}
      for i = 1, 64 do bytes[i] = string.char(math.random(0, 255)) end
      local exit = kvm.decode_exit(page(math.random(0, 50),
        table.concat(bytes):rep(4), math.random(0, 0xffff)))
      assert.equal("string", type(exit.reason))
      assert.equal("integer", math.type(exit.code))
    end
  end)
end)
