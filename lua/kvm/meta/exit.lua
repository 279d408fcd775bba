-- SPDX-License-Identifier: MIT
---@meta _

---Why a vCPU came back: the kvm_run page (api.rst 5), read in place. There is one
---for each vCPU, `vcpu.exit`; its fields depend on the reason, and any other name
---raises. Assigning a field that answers the guest writes the page: the answer
---counts when the vCPU enters next. `pairs` gives all fields, `tostring` one line.
---Usage: `local reason, exit = cpu:run(); print(exit.reason, exit.code, exit)`
---@class kvm.exit
---@field reason string? the suffix of KVM_EXIT_ in lower case, or "timeout";
---"unknown" for one that is newer than kvmlua; nil: the vCPU has not run
---@field code integer? the number, as in `kvm.EXIT`; nil with "timeout"
local exit = {}

---A table with the fields of this exit, for keeps.
---Usage: `local kept = cpu.exit:copy()`
---@return table
---Raises when the vCPU is at no exit.
function exit:copy() end

-- ---- of every machine ------------------------------------------------------------

---The machine left the guest for a reason that KVM does not know; or kvmlua does not
---know this one: `code` has its number.
---KVM_EXIT_UNKNOWN.
---Usage: `if reason == "unknown" then print(exit.code, exit.hardware_exit_reason) end`
---@class kvm.exit.unknown: kvm.exit
---@field hardware_exit_reason integer the processor's own number, 64 bits

---Unused by today's kernels.
---KVM_EXIT_EXCEPTION.
---Usage: `print(exit.exception, exit.error_code)`
---@class kvm.exit.exception: kvm.exit
---@field exception integer
---@field error_code integer

---An access to guest physical memory where no slot is (or a write to a read-only
---one) and no device in Lua answers. A read waits for `value` or `data`.
---KVM_EXIT_MMIO.
---Usage: `if reason == "mmio" and not exit.is_write then exit.value = 0xff end`
---@class kvm.exit.mmio: kvm.exit
---@field gpa integer
---@field size integer in bytes, 1 to 8
---@field is_write boolean
---@field value integer little-endian, of that size; assign it to answer a read
---@field data string the same as bytes

---KVM gave up: it cannot run or emulate what the guest does. Running again gives the
---same, unless the state is changed.
---KVM_EXIT_INTERNAL_ERROR.
---Usage: `print(kvm.INTERNAL_ERROR[exit.suberror])`
---@class kvm.exit.internal_error: kvm.exit
---@field suberror integer a value of `kvm.INTERNAL_ERROR`; 1: an instruction that KVM
---cannot emulate
---@field ndata integer how many numbers data has
---@field data integer[] what the kernel adds
---@field insn_bytes string? the bytes at the instruction, when KVM tells
---(enable_cap("EXIT_ON_EMULATION_FAILURE", 1))

---The processor refused to enter the guest: its state is not one that it takes.
---KVM_EXIT_FAIL_ENTRY.
---Usage: `print(("%#x"):format(exit.hardware_entry_failure_reason))`
---@class kvm.exit.fail_entry: kvm.exit
---@field hardware_entry_failure_reason integer the processor's own number, 64 bits
---@field cpu integer number of the host's processor (KVM_CAP_LAST_CPU)

---`run` was interrupted: by `vcpu:kick`, a signal, Ctrl-C. Nothing is lost: run on.
---KVM_EXIT_INTR.
---Usage: `repeat local reason = cpu:run() until reason ~= "intr"`
---@class kvm.exit.intr: kvm.exit

---A non-maskable interrupt of the host's came. It is handled: run on.
---KVM_EXIT_NMI.
---Usage: `if reason == "nmi" then cpu:run() end`
---@class kvm.exit.nmi: kvm.exit

---The guest shuts down, resets or suspends the machine (arm64: by PSCI).
---KVM_EXIT_SYSTEM_EVENT.
---Usage: `if reason == "system_event" and exit.event == "shutdown" then os.exit() end`
---@class kvm.exit.system_event: kvm.exit
---@field event string|integer "shutdown", "reset", "crash", "wakeup", "suspend",
---"sev_term", "tdx_fatal"; the number of an unknown one
---@field type integer its number, a value of `kvm.SYSTEM_EVENT`
---@field ndata integer how many numbers data has
---@field data integer[] arm64: names of `kvm.SYSTEM_EVENT_FLAG` in the first
---@field flags integer the first of them, as older kernels call it

---A page that KVM could not give to the guest: of guest-private memory, or whose
---host memory is gone or poisoned. KVM_RUN fails with EFAULT or EHWPOISON; it is an
---exit here, when the kernel tells where (KVM_CAP_MEMORY_FAULT_INFO; api.rst 7.34).
---KVM_EXIT_MEMORY_FAULT.
---Usage: `print(("%#x"):format(exit.gpa))`
---@class kvm.exit.memory_fault: kvm.exit
---@field flags integer `kvm.MEMORY_FAULT.PRIVATE`: the access was private
---@field gpa integer
---@field size integer in bytes

---The vCPU's dirty ring is full: `vcpu:dirty_ring`, then `vm:reset_dirty_rings`, then
---run on (api.rst 8.29).
---KVM_EXIT_DIRTY_RING_FULL.
---Usage: `if reason == "dirty_ring_full" then cpu:dirty_ring(); vm:reset_dirty_rings() end`
---@class kvm.exit.dirty_ring_full: kvm.exit

---The time of `run { timeout = seconds }` is up. The guest may go on.
---Usage: `if cpu:run { timeout = 1 } == "timeout" then print(cpu.regs) end`
---@class kvm.exit.timeout: kvm.exit
