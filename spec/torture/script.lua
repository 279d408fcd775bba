-- SPDX-License-Identifier: MIT
-- What the failure harnesses run: most of what holds something of the kernel's.
local core = require "kvm.core"
local system = core.open()
local vm = system:create_vm()
local memory = core.memory(0x4000, { backing = "memfd" })
memory:write(0, "\xf4")
local view = memory:view(0x1000, 0x1000)
vm:set_user_memory_region { slot = 0, guest_phys_addr = 0x1000,
  memory_size = 0x4000, memory = memory }
vm:on_mmio(0xd0000000, 16, { read = function() return 1 end })
local event = core.eventfd()
vm:ioeventfd { fd = event, addr = 0xe0000000, len = 4 }
local cpu = vm:create_vcpu()
if core.arch == "x86_64" then
  cpu:set_cpuid2(system:get_supported_cpuid())
  cpu.regs { cs_base = 0, cs_selector = 0, rip = 0x1000 }
  local reason, exit = cpu:run { timeout = 5 }
  assert(reason == "hlt", tostring(exit))
  assert(cpu:get_msrs { 0x10 })
end
local clone = memory:clone()
local stats = vm:get_stats_fd():read()
assert(memory:read(0, 1) == "\xf4" and view:u8(0) == 0 and clone:u8(0) == 0xf4)
cpu:close()
vm:close()
