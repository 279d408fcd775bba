-- SPDX-License-Identifier: MIT
-- What answers the guest, of every machine's exits: an assigned field is what
-- the page has then, and nothing else of it changes.
local kvm = require "kvm"
local build = require "spec.support.build"
local raises = require "spec.support.raises"

local SIZE <const> = 0x3000

local function page(reason)
  return ("\0"):rep(8) .. string.pack("<I4", reason) .. ("\0"):rep(SIZE - 12)
end

-- A value that the field takes, each byte of it another.
local function number(size, first)
  local value = 0
  for i = 0, size - 1 do value = value | (first + i) << 8 * i end
  return value
end

local function a_value(field)
  if field.is_boolean then return true end
  if field.count == 0 then return number(field.size, 0x11) end
  local list = {}
  for i = 1, field.count do list[i] = number(field.size, 0x11 * i) end
  return list
end

local function bytes_of(field, value)
  if field.is_boolean then value = 1 end
  if field.count == 0 then value = { value } end
  local bytes = {}
  for i, one in ipairs(value) do
    bytes[i] = string.pack("<i8", one):sub(1, field.size)
  end
  return table.concat(bytes)
end

describe("an answer", function()
  local support = build.open "answer"
  if not support then return pending(build.MISSING) end
  local answer = support.answer

  local function each(visit)
    local n = 0
    for reason = 0, 63 do
      for name, field in pairs(support.fields(reason)) do
        if field then
          visit(reason, name, field)
          n = n + 1
        end
      end
    end
    assert(n >= 16, n)
  end

  it("is what the page has then", function()
    each(function(reason, name, field)
      local value = a_value(field)
      local after = answer(page(reason), reason, name, value)
      assert.same(value, kvm.decode_exit(after)[name])
    end)
  end)

  it("changes nothing else", function()
    each(function(reason, name, field)
      local value = a_value(field)
      local before = page(reason)
      local after = answer(before, reason, name, value)
      local at, last = after:find(bytes_of(field, value), 1, true)
      assert.equal(SIZE, #after)
      assert.equal(before, after:sub(1, at - 1)
        .. ("\0"):rep(last - at + 1) .. after:sub(last + 1))
    end)
  end)

  it("fits, and is of the field's type", function()
    each(function(reason, name, field)
      local function refused(problem, value)
        raises(problem, answer, page(reason), reason, name, value)
      end
      if field.count == 0 then
        refused("an integer expected, got table", {})
        refused("an integer expected, got string", "1")
        if field.size < 8 then refused("does not fit", 1 << 8 * field.size) end
        return
      end
      refused("integers expected, got number", 1)
      refused("integers given, it has " .. field.count, {})
      local list = a_value(field)
      list[field.count] = "1"
      refused("an integer expected, got string", list)
      list[field.count], list[field.count + 1] = 1, 1
      refused("integers given, it has " .. field.count, list)
    end)
  end)

  it("to a call of RISC-V's firmware has both numbers", function()
    local reason = kvm.EXIT.RISCV_SBI
    local after = answer(page(reason), reason, "ret", { -2, 7 })
    assert.same({ -2, 7 }, kvm.decode_exit(after).ret)
    raises("'riscv_sbi' cannot be assigned", answer, page(reason), reason,
      "args", { 1, 2, 3, 4, 5, 6 })
  end)
end)
