-- SPDX-License-Identifier: MIT
-- run() keeps fields that a script has read in the exit itself. Whatever mix of
-- ports, sizes, reads and writes a guest makes, and whatever of it is read, each
-- field is that of the exit at hand.
local kvm = require "kvm"
local missing = require "spec.support.needs".kvm "x86_64"
if missing then return pending(missing) end
local guests = require "spec.support.x86_64"

local REGISTER <const> = { "%al", "%ax", [4] = "%eax" }
local SIZES <const> = { 1, 2, 4 }
local DEVICE <const> = 0x180000

-- A guest of n accesses: its text, and what each exit has to be.
local function random_guest(n)
  local lines, expected = {}, {}
  for i = 1, n do
    local size = SIZES[math.random(3)]
    local value = math.random(0, (1 << 8 * size) - 1)
    local is_write = math.random(2) == 1
    local register = REGISTER[size]
    local e = { size = size, is_write = is_write, value = value }
    if is_write then
      lines[#lines + 1] = ("mov $%d, %s"):format(value, register)
    end
    if math.random(3) == 1 then
      local offset = math.random(0, 3) * 8
      e.reason, e.gpa = "mmio", DEVICE + offset
      lines[#lines + 1] = is_write and ("mov %s, %d"):format(register, offset)
        or ("mov %d, %s"):format(offset, register)
    else
      e.reason, e.port, e.count = "io", 0x10 + math.random(0, 3) * 8, 1
      lines[#lines + 1] = is_write
        and ("out %s, $%d"):format(register, e.port)
        or ("in $%d, %s"):format(e.port, register)
    end
    expected[i] = e
  end
  lines[#lines + 1] = "hlt"
  return table.concat(lines, "\n"), expected
end

-- Runs it with the data segment at the device.
local function start(text)
  local cpu, vm = guests.guest("real", text)
  cpu.regs { ds_base = DEVICE }
  return cpu, vm
end

local FIELDS <const> = {
  io = { "port", "size", "count", "is_write", "value", "data" },
  mmio = { "gpa", "size", "is_write", "value", "data" },
}

-- Reads some fields in some order, or all.
local function check(exit, e, share)
  e.data = e.is_write and string.pack("<I" .. e.size, e.value) or nil
  assert.equal(e.reason, exit.reason)
  for _, name in ipairs(FIELDS[e.reason]) do
    local answer = name == "value" or name == "data"
    if math.random() < share and (e.is_write or not answer) then
      local got = exit[name]
      if got ~= e[name] then
        error(("%s of %s is %s, not %s"):format(name, tostring(exit),
          tostring(got), tostring(e[name])))
      end
    end
  end
  if math.random() < share / 4 then
    local copy = exit:copy()
    assert.equal(e.size, copy.size)
    assert.equal(e.port or e.gpa, copy.port or copy.gpa)
  end
  local other = e.reason == "io" and "gpa" or "port"
  if math.random() < share / 4 then
    assert.is_false(pcall(function() return exit[other] end))
  end
end

-- Answers a read, and looks whether the answer is there.
local function answer(exit, e)
  if e.is_write then return end
  if math.random(2) == 1 then
    exit.value = e.value
  else
    exit.data = string.pack("<I" .. e.size, e.value)
  end
  assert.equal(e.value, exit.value)
  assert.equal(e.size, #exit.data)
end

describe("fields of exits of all kinds", function()
  for seed, share in ipairs { 1, 0.5, 0.2, 0.05 } do
    it(("are right when %d %% of them are read"):format(share * 100), function()
      math.randomseed(seed)
      local text, expected = random_guest(150)
      local cpu = start(text)
      local exit = cpu.exit
      for i, e in ipairs(expected) do
        local reason = cpu:run { timeout = 10 }
        assert.equal(e.reason, reason, i)
        check(exit, e, share)
        answer(exit, e)
      end
      assert.equal("hlt", (cpu:run { timeout = 10 }))
    end)
  end

  it("are right with kicks, timeouts and complete between", function()
    math.randomseed(11)
    local text, expected = random_guest(150)
    local cpu = start(text)
    local exit = cpu.exit
    for _, e in ipairs(expected) do
      assert.equal(e.reason, (cpu:run { timeout = 10 }))
      check(exit, e, 0.7)
      answer(exit, e)
      local n = math.random(6)
      if n == 1 then
        cpu:complete()
        assert.is_nil(exit.reason)
      elseif n == 2 then
        cpu:kick()
        assert.equal("intr", (cpu:run()))
        assert.is_false(pcall(function() return exit.size end))
      end
    end
    assert.equal("hlt", (cpu:run { timeout = 10 }))
  end)

  it("are right in handlers, outside, and when handlers fail", function()
    math.randomseed(12)
    local text, expected = random_guest(200)
    local cpu, vm = start(text)
    local exit, at = cpu.exit, 0
    local function serve(_, offset, value, size)
      at = at + 1
      local e = expected[at]
      check(exit, e, 0.5)
      assert.equal(e.size, size or value)
      assert.equal((e.port or e.gpa) & 7, offset)
      if size then assert.equal(e.value, value) end
      if math.random(8) == 1 then error "fails" end
      return e.value
    end
    local device = { read = serve, write = serve }
    vm:on_pio(0x10, 8, device)
    vm:on_pio(0x20, 8, device)
    vm:on_mmio(DEVICE + 8, 8, device)
    while at < #expected do
      local ok, reason = pcall(cpu.run, cpu, { timeout = 10 })
      if ok then
        if reason == "hlt" then break end
        at = at + 1
        assert.equal(expected[at].reason, reason)
        check(exit, expected[at], 0.8)
        answer(exit, expected[at])
      else
        assert.truthy(reason:find("fails", 1, true), reason)
        check(exit, expected[at], 0.8)
        answer(exit, expected[at])
      end
    end
    assert.equal(#expected, at)
  end)

  it("are those of each of two vCPUs", function()
    math.randomseed(13)
    local first_text, first = random_guest(60)
    local second_text, second = random_guest(60)
    local a, b = start(first_text), start(second_text)
    for i = 1, 60 do
      a:run { timeout = 10 }
      b:run { timeout = 10 }
      check(a.exit, first[i], 0.7)
      check(b.exit, second[i], 0.7)
      answer(a.exit, first[i])
      answer(b.exit, second[i])
    end
  end)

  it("are the guest's answers in its registers", function()
    math.randomseed(14)
    local text, values = {}, {}
    for i = 1, 40 do
      local size = SIZES[math.random(3)]
      values[i] = math.random(0, (1 << 8 * size) - 1)
      text[#text + 1] = ("xor %%eax, %%eax; in $0x%x, %s; mov %%eax, %%ebx; "
        .. "mov $0, %%dx; out %%eax, (%%dx)"):format(0x10 + i, REGISTER[size])
    end
    local cpu = guests.guest("real", table.concat(text, "\n") .. "\nhlt")
    for i, value in ipairs(values) do
      local _, exit = cpu:run { timeout = 10 }
      assert.equal(0x10 + i, exit.port)
      exit.value = value
      _, exit = cpu:run { timeout = 10 }
      assert.equal(0, exit.port)
      assert.equal(value, exit.value)
      assert.is_true(exit.is_write)
    end
  end)
end)
