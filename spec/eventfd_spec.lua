-- SPDX-License-Identifier: MIT
local kvm = require "kvm"
local raises = require "spec.support.raises"
local writer = require "spec.support.writer"

local PAGE = kvm.page_size

describe("kvm.eventfd", function()
  it("counts what is written and starts anew when read", function()
    local e = kvm.eventfd()
    assert.is_true(e:write())
    assert.is_true(e:write(4))
    assert.equal(5, e:read())
    assert.is_nil(e:read())
  end)

  it("begins with a count", function()
    assert.equal(7, kvm.eventfd(7):read())
    raises("initial count 0x100000000 is outside 0x0..0xffffffff",
      kvm.eventfd, 1 << 32)
    raises("initial count 0xffffffffffffffff", kvm.eventfd, -1)
  end)

  it("counts down by one as a semaphore", function()
    local e = kvm.eventfd(2, { semaphore = true })
    assert.equal(1, e:read())
    assert.equal(1, e:read())
    assert.is_nil(e:read())
  end)

  it("has room for 64 bits less two, and says when it is full", function()
    local e = kvm.eventfd()
    assert.is_true(e:write(-2))
    assert.is_false(e:write(1))
    assert.equal(-2, e:read())
    raises("count 0xffffffffffffffff is outside", e.write, e, -1)
  end)

  it("waits as long as it is told", function()
    local e = kvm.eventfd()
    local start = kvm.clock()
    assert.is_false(e:wait(0.05))
    assert.is_true(kvm.clock() - start >= 0.05)
    assert.is_false(e:wait(0))
    e:write()
    assert.is_true(e:wait(10))
    assert.is_true(e:wait())
    raises("not a duration", e.wait, e, -1)
    raises("not a duration", e.wait, e, 0 / 0)
  end)

  it("can be made to block: a read then waits for a write", function()
    local e = kvm.eventfd(1, { nonblock = false })
    assert.equal(1, e:read())
    assert.is_false(e:wait(0))
  end)

  it("is seen by others through its descriptor", function()
    local e = kvm.eventfd()
    local f <close> = assert(io.open("/proc/self/fdinfo/" .. e.fd))
    e:write(255)
    assert(f:read("a"):match("eventfd%-count:%s+ff\n"))
  end)

  it("is closed on exec", function()
    local e = kvm.eventfd()
    local f <close> = assert(io.open("/proc/self/fdinfo/" .. e.fd))
    assert.equal(tonumber("2000000", 8),
      tonumber(f:read("a"):match("flags:%s+(%d+)"), 8) & tonumber("2000000", 8))
  end)

  it("refuses everything once it is closed", function()
    local e = kvm.eventfd()
    e:close()
    e:close()
    for _, name in ipairs { "read", "write", "wait" } do
      raises("kvm.eventfd is closed", e[name], e)
    end
    raises("kvm.eventfd is closed", function() return e.fd end)
    assert.equal("kvm.eventfd (closed)", tostring(e))
  end)

  it("is closed at the end of a block", function()
    local kept
    do
      local e <close> = kvm.eventfd()
      kept = e
    end
    raises("kvm.eventfd is closed", kept.read, kept)
  end)

  it("refuses unknown options and surplus arguments", function()
    raises("unknown field 'nonblocking' (expected semaphore or nonblock)",
      kvm.eventfd, 0, { nonblocking = true })
    raises("field 'semaphore': true or false expected, got number",
      kvm.eventfd, 0, { semaphore = 1 })
    raises("surplus argument", kvm.eventfd, 0, {}, 1)
    local e = kvm.eventfd()
    raises("surplus argument", e.read, e, 1)
    raises("surplus argument", e.write, e, 1, 1)
    raises("kvm.eventfd expected, got table", e.read, {})
  end)

  it("prints its descriptor", function()
    local e = kvm.eventfd()
    assert.equal(("kvm.eventfd (fd %d)"):format(e.fd), tostring(e))
  end)
end)

local missing = require "spec.support.needs".kvm()
if missing then return pending(missing) end

describe("vm:ioeventfd", function()
  local vm, e, guest
  local DOORBELL = 9 * PAGE -- no memory is there
  before_each(function()
    vm, e = kvm.create_vm(), kvm.eventfd()
    guest = writer.new(vm)
  end)

  it("counts the guest's writes, without an exit", function()
    vm:ioeventfd { fd = e, addr = DOORBELL, len = 1 }
    guest.store { DOORBELL, DOORBELL, DOORBELL }
    assert.equal(3, e:read())
  end)

  it("takes a descriptor as a number", function()
    vm:ioeventfd { fd = e.fd, addr = DOORBELL, len = 1 }
    guest.store { DOORBELL }
    assert.equal(1, e:read())
  end)

  it("takes one value only, with datamatch", function()
    local other = kvm.eventfd()
    vm:ioeventfd { fd = e, addr = DOORBELL, len = 1, datamatch = 1 }
    vm:ioeventfd { fd = other, addr = DOORBELL, len = 1, datamatch = 2 }
    guest.store { DOORBELL } -- writes 1
    assert.equal(1, e:read())
    assert.is_nil(other:read())
  end)

  it("can be taken away: the write is an exit again", function()
    vm:ioeventfd { fd = e, addr = DOORBELL, len = 1 }
    vm:ioeventfd { fd = e, addr = DOORBELL, len = 1, flags = "DEASSIGN" }
    assert.equal("mmio", (guest.try { DOORBELL }))
    assert.is_nil(e:read())
  end)

  it("survives that the eventfd is closed: the writes are counted where "
    .. "nobody sees it", function()
      vm:ioeventfd { fd = e, addr = DOORBELL, len = 1 }
      e:close()
      guest.store { DOORBELL }
    end)

  it("survives that the VM is closed first", function()
    vm:ioeventfd { fd = e, addr = DOORBELL, len = 1 }
    guest.cpu:close()
    vm:close()
    e:write(3)
    assert.equal(3, e:read())
  end)

  it("refuses the same twice", function()
    vm:ioeventfd { fd = e, addr = DOORBELL, len = 1 }
    raises(("KVM_IOEVENTFD: EEXIST: eventfd %d at gpa %#x, length 1")
      :format(e.fd, DOORBELL), vm.ioeventfd, vm,
      { fd = e, addr = DOORBELL, len = 1 })
  end)

  it("refuses lengths that no access has", function()
    raises("len 3 is not 0, 1, 2, 4 or 8", vm.ioeventfd, vm,
      { fd = e, addr = DOORBELL, len = 3 })
    raises("len 16 is not", vm.ioeventfd, vm,
      { fd = e, addr = DOORBELL, len = 16 })
  end)

  it("refuses what is no eventfd", function()
    raises("field 'fd': kvm.eventfd or descriptor expected, got nil",
      vm.ioeventfd, vm, { addr = DOORBELL, len = 1 })
    raises("field 'fd': kvm.eventfd or descriptor expected, got -1",
      vm.ioeventfd, vm, { fd = -1, addr = DOORBELL, len = 1 })
    raises("field 'fd': kvm.eventfd or descriptor expected, got kvm.vm",
      vm.ioeventfd, vm, { fd = vm, addr = DOORBELL, len = 1 })
    raises("KVM_IOEVENTFD: E", vm.ioeventfd, vm,
      { fd = vm.fd, addr = DOORBELL, len = 1 })
    e:close()
    raises("kvm.eventfd is closed", vm.ioeventfd, vm,
      { fd = e, addr = DOORBELL, len = 1 })
  end)

  it("refuses unknown fields and flags", function()
    raises("unknown field 'gpa'", vm.ioeventfd, vm, { fd = e, gpa = 0 })
    raises("field 'addr': an integer expected, got nothing", vm.ioeventfd, vm,
      { fd = e })
    raises("unknown name 'LOUD'", vm.ioeventfd, vm,
      { fd = e, addr = 0, flags = "LOUD" })
    raises("flags 0x100000000 does not fit in 32 bits", vm.ioeventfd, vm,
      { fd = e, addr = 0, flags = 1 << 32 })
    raises("surplus argument", vm.ioeventfd, vm, { fd = e, addr = 0 }, 1)
  end)
end)

describe("vm:irqfd", function()
  local vm, e
  before_each(function() vm, e = kvm.create_vm(), kvm.eventfd() end)

  it("needs an interrupt controller, and says so", function()
    raises((": eventfd %d to GSI 5"):format(e.fd), vm.irqfd, vm,
      { fd = e, gsi = 5 })
    raises("hint: an irqfd needs an in-kernel interrupt controller", vm.irqfd,
      vm, { fd = e, gsi = 5 })
  end)

  it("refuses what is no eventfd, and unknown fields", function()
    raises("field 'fd': kvm.eventfd or descriptor expected, got nil", vm.irqfd,
      vm, { gsi = 1 })
    raises("field 'resamplefd': kvm.eventfd or descriptor expected, got x",
      vm.irqfd, vm, { gsi = 1, fd = e, resamplefd = "x" })
    raises("field 'gsi': an integer expected", vm.irqfd, vm, { fd = e })
    raises("gsi 0xffffffffffffffff does not fit in 32 bits", vm.irqfd, vm,
      { fd = e, gsi = -1 })
    raises("unknown field 'irq'", vm.irqfd, vm, { fd = e, irq = 1 })
  end)

  if kvm.arch == "x86_64" then
    ---Whether the first PIC has a request of an input, within a second.
    local function requested(irq)
      local deadline = kvm.clock() + 1
      repeat
        local pic = vm:get_irqchip { chip_id = 0 }.pic
        if pic.irr & 1 << irq ~= 0 then return true end
      until kvm.clock() > deadline
      return false
    end

    it("raises the interrupt that it stands for", function()
      vm:create_irqchip()
      vm:irqfd { fd = e, gsi = 5 }
      e:write()
      assert.is_true(requested(5))
      assert.is_false((vm:get_irqchip { chip_id = 0 }.pic.irr & 1 << 3) ~= 0)
    end)

    it("takes an eventfd once", function()
      vm:create_irqchip()
      vm:irqfd { fd = e, gsi = 5 }
      raises("KVM_IRQFD: EBUSY", vm.irqfd, vm, { fd = e, gsi = 6 })
      raises("the eventfd is an irqfd already", vm.irqfd, vm,
        { fd = e, gsi = 6 })
      vm:irqfd { fd = e, gsi = 5, flags = "DEASSIGN" }
      vm:irqfd { fd = e, gsi = 6 }
      e:write()
      assert.is_true(requested(6))
    end)

    it("goes when the eventfd is closed", function()
      vm:create_irqchip()
      vm:irqfd { fd = e, gsi = 5 }
      e:close()
      local other = kvm.eventfd()
      vm:irqfd { fd = other, gsi = 5 }
      other:write()
      assert.is_true(requested(5))
    end)

    it("has a resample eventfd", function()
      vm:create_irqchip()
      vm:irqfd { fd = e, gsi = 5, resamplefd = kvm.eventfd() }
      e:write()
      assert.is_true(requested(5))
      raises("KVM_IRQFD: EINVAL", vm.irqfd, vm,
        { fd = kvm.eventfd(), gsi = 5, resamplefd = vm.fd })
    end)
  end
end)
