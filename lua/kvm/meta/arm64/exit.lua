-- SPDX-License-Identifier: MIT
---@meta _

---A call of the guest by hvc or smc that the SMCCC filter forwards
---(`kvm.arch.arm64.smccc`). Its arguments are x1 and on, its results go to x0 and on:
---in `vcpu.regs`.
---KVM_EXIT_HYPERCALL (Documentation/virt/kvm/devices/vm.rst).
---Usage: `if reason == "hypercall" then cpu.regs.x0 = 0 end`
---@class kvm.exit.hypercall: kvm.exit
---@field nr integer the function's id
---@field is_smc boolean by smc, not hvc
---@field is_16bit boolean the instruction has 16 bits (AArch32)
---@field flags integer names of `kvm.HYPERCALL`

---A debug event that `vcpu:set_guest_debug` asked for.
---KVM_EXIT_DEBUG.
---Usage: `if reason == "debug" and exit.ec == 0x3c then print "brk" end`
---@class kvm.exit.debug: kvm.exit
---@field ec integer exception class: 0x30 breakpoint, 0x32 step, 0x34 watchpoint, 0x3c
---brk (`kvm.arch.arm64.esr`)
---@field hsr integer ESR_EL2, its lower half
---@field hsr_high integer its upper half; 0 where the kernel does not tell
---@field far integer FAR_EL2, with a watchpoint

---@class kvm.exit.fail_entry: kvm.exit
---@field is_cpu_unsupported boolean the host's processor cannot run this vCPU: not one
---of those that have its PMU

---@class kvm.exit.intr: kvm.exit
---@field device_irq_level integer names of `kvm.DEVICE_IRQ`: lines that the kernel's
---timers and PMU raise when the vGIC is not the kernel's; a change interrupts `run`
