-- SPDX-License-Identifier: MIT
-- Text as kernels wrote it.
local parse = require "kvm.calltree.parse"

local ARM64_6_1 <const> = [[
              |  /* kvm.calltree */
              |  kvm_vm_ioctl() {
  7.648 us    |    kvm_arch_vcpu_precreate();
              |    kvm_arch_vcpu_create() {
  26.144 us   |      kvm_timer_vcpu_init();
  7.040 us    |      kvm_vgic_vcpu_init();
  94.176 us   |    } /* kvm_arch_vcpu_create */
  6.048 us    |    kvm_uevent_notify_change.part.0();
  1363.792 us |  } /* kvm_vm_ioctl */
]]

local X86_64_6_1 <const> = [[
               |  kvm_vcpu_ioctl [kvm]() {
               |    vcpu_load [kvm]() {
               |      /* sched_wakeup: comm=kvmlua pid=12 */
   6.608 us    |      svm_vcpu_load [kvm_amd]();
 ! 102.1 us    |    } /* vcpu_load [kvm] */
   ==========> |
   <========== |
   12345.67 us |  } /* kvm_vcpu_ioctl [kvm] */
]]

local LOST <const> = [[
CPU:0 [LOST 121 EVENTS]
  5.000 us    |      vcpu_put();
  16.000 us   |    } /* kvm_arch_vcpu_ioctl_run */
  17.000 us   |  } /* kvm_vcpu_ioctl */
CPU:1 [LOST 4 EVENTS]
]]

-- 6.13 and later write arguments and results when asked to.
local ARGUMENTS <const> = [[
 0)               |  kvm_vm_ioctl(filp=0xffff8881, ioctl=44609) { /* <-ksys */
 0)   1.000 us    |    kvm_get_kvm(kvm=0x1); /* = 0x1 */
 0)   2.000 us    |  } /* kvm_vm_ioctl ret=0x0 */
]]

local function names(calls)
  local list = {}
  for i, call in ipairs(calls) do list[i] = call.name end
  return list
end

describe("kvm.calltree.parse", function()
  it("puts calls into the calls that make them", function()
    local calls, lost = parse.trace(ARM64_6_1)
    assert.equal(0, lost)
    assert.same({ "kvm_vm_ioctl" }, names(calls))
    assert.same({ "kvm_arch_vcpu_precreate", "kvm_arch_vcpu_create",
      "kvm_uevent_notify_change.part.0" }, names(calls[1].children))
    assert.same({ "kvm_timer_vcpu_init", "kvm_vgic_vcpu_init" },
      names(calls[1].children[2].children))
  end)

  it("reads the durations of both ends", function()
    local root = parse.trace(ARM64_6_1)[1]
    assert.equal(1363792, root.ns)
    assert.equal(7648, root.children[1].ns)
    assert.equal(94176, root.children[2].ns)
    assert.equal(12345670, parse.trace(X86_64_6_1)[1].ns)
  end)

  it("keeps the module's name apart", function()
    local root = parse.trace(X86_64_6_1)[1]
    assert.equal("kvm_vcpu_ioctl", root.name)
    assert.equal("kvm", root.module)
    local load = root.children[1]
    assert.equal(102100, load.ns)
    assert.equal("svm_vcpu_load", load.children[1].name)
    assert.equal("kvm_amd", load.children[1].module)
    assert.is_nil(parse.trace(ARM64_6_1)[1].module)
  end)

  it("counts what was lost and keeps what is left of it", function()
    local calls, lost = parse.trace(LOST)
    assert.equal(125, lost)
    assert.same({ "kvm_vcpu_ioctl" }, names(calls))
    assert.equal(17000, calls[1].ns)
    assert.same({ "kvm_arch_vcpu_ioctl_run" }, names(calls[1].children))
    assert.same({ "vcpu_put" }, names(calls[1].children[1].children))
  end)

  it("has no duration for a call whose end is missing", function()
    local calls = parse.trace "  |  a() {\n  1.0 us |    b();\n"
    assert.is_nil(calls[1].ns)
    assert.equal(1000, calls[1].children[1].ns)
  end)

  it("reads calls with arguments and results", function()
    local calls = parse.trace(ARGUMENTS)
    assert.same({ "kvm_vm_ioctl" }, names(calls))
    assert.equal(2000, calls[1].ns)
    assert.same({ "kvm_get_kvm" }, names(calls[1].children))
  end)

  it("finds nothing in nothing, and in other text", function()
    assert.same({}, (parse.trace ""))
    assert.same({}, (parse.trace "# tracer: nop\n\n not | a call\n"))
  end)
end)
