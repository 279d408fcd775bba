-- SPDX-License-Identifier: MIT
---@meta kvm.core
---The functions of the core: all of them are in `kvm` too. Section numbers are
---those of Documentation/virt/kvm/api.rst, Linux 6.12.

---@class kvm.core
---@field arch "x86_64"|"arm64" the machine that this build is for
---@field page_size integer of the host, in bytes (sysconf(3))
---@field class table<string, table> methods of each class by its name; a
---function that is put there is a method of every object: `kvm.class["kvm.vm"]`
---Usage: `print(kvm.arch, kvm.page_size)`
local core = {}

---Opens /dev/kvm and checks that its API has version 12 (api.rst 4.1).
---Usage: `local system <close> = kvm.open()`
---@param path? string "/dev/kvm" by default
---@return kvm.system
---Raises a kvm.error: open (ENOENT, EACCES, ... each with what to do),
---KVM_GET_API_VERSION (ENOTTY: no KVM device).
function core.open(path) end

---Makes host memory. Offsets in it count from 0; it reads as zeros unless it is
---a file. Nothing is mapped into a guest: `vm:map` does that.
---Usage: `local ram = kvm.memory(0x10000, { backing = "memfd" })`
---@param size integer? in bytes, a multiple of the page size; nil: all of a file
---@param options? kvm.memory.options
---@return kvm.memory
---Raises a kvm.error: mmap, memfd_create, ftruncate (ENOMEM), open (of a file),
---KVM_CREATE_GUEST_MEMFD.
function core.memory(size, options) end

---Where memory comes from. Each backing takes its own fields only.
---Usage: `local rom = kvm.memory(nil, { backing = "file", path = "bios.bin", readonly = true })`
---@class kvm.memory.options
---@field backing? "anonymous"|"memfd"|"file"|"hugetlb"|"guest_memfd" "anonymous"
---by default; a memfd can be cloned, and shared by its descriptor
---@field path? string file: its name; it must be a regular file, and must not be
---cut off while it is mapped: what touches a page behind its end gets SIGBUS
---(mmap(2))
---@field offset? integer file: where the memory begins, a multiple of the page
---size (0)
---@field readonly? boolean file: neither host nor guest write it (false)
---@field shared? boolean file: what is written goes to the file (false: a private
---copy)
---@field page_size? integer hugetlb: in bytes, a power of two; the host's default
---without
---@field vm? kvm.vm guest_memfd: the VM it belongs to
---@field flags? integer|string|string[] guest_memfd: names of `kvm.GUEST_MEMFD`;
---the host sees the memory with both MMAP and INIT_SHARED only

---Makes an event counter (eventfd(2)), for `vm:irqfd` and `vm:ioeventfd`.
---Usage: `local event = kvm.eventfd()`
---@param initial? integer the count to begin with, 32 bits (0)
---@param options? {semaphore: boolean?, nonblock: boolean?} semaphore: a read
---takes 1 (false); nonblock: a read of 0 does not wait (true)
---@return kvm.eventfd
---Raises a kvm.error: eventfd (EMFILE).
function core.eventfd(initial, options) end

---Reads binary statistics from a descriptor that another process passed on. The
---descriptor is duplicated. Your own VM's: `vm:get_stats_fd()`.
---Usage: `local stats = kvm.stats(7)`
---@param fd integer
---@return kvm.stats
---Raises a kvm.error: fcntl (EBADF).
function core.stats(fd) end

---Calls a function after every ioctl with: the object's class, its descriptor,
---the request number, the struct as bytes (of KVM_RUN the kvm_run page) or the
---integer, the result, errno (0 when it went well), and the nanoseconds it took.
---What the function raises becomes a warning. `kvm.trace` makes it readable.
---Usage: `kvm.trace(function(class, fd, request) print(class, request) end)`
---@param listener function|nil with these seven arguments; nil: off
function core.trace(listener) end

---Seconds of the monotonic clock (CLOCK_MONOTONIC), which timeouts use.
---Usage: `local start = kvm.clock()`
---@return number
function core.clock() end

---Makes the files in the directory of the calling chunk the Lua layer: what
---kvm.core raises names the line of the script, not one of theirs. `require
---"kvm"` does so.
---Usage: `kvm.layer()`
function core.layer() end

---The name of an error number.
---Usage: `print(kvm.errname(22)) --> EINVAL`
---@param errno integer
---@return string "E22" when it has none
function core.errname(errno) end

---The fields of a kernel struct in a byte string, as the getters return them.
---Usage: `local sregs = kvm.decode("kvm_sregs", bytes)`
---@param struct string a name of `kvm.layouts()`
---@param bytes string at least the struct's size
---@return table
function core.decode(struct, bytes) end

---What a saved kvm_run page says: as `exit:copy()`, of any machine's exit that
---this build knows. Only a build for x86-64 sees the data of an io exit.
---Usage: `local exit, head = kvm.decode_exit(cpu:run_page())`
---@param bytes string at least struct kvm_run (api.rst 5)
---@return table fields of the exit, with `reason` and `code`
---@return table head what every exit has: `flags` (`kvm.RUN` on x86-64), `if_flag`,
---`ready_for_interrupt_injection`, `cr8`, `apic_base`
function core.decode_exit(bytes) end

---Every ioctl that has a method: by name, its `method`, `request` number, `kind`
---("none", "value", "get", "set", "inout", "getlist", "setlist", "custom"),
---`struct`, `entry` (struct of a list's entries), `capability`, `scopes` ("system",
---"vm", "vcpu", "device") and `pointer` (no raw form). A new table each time.
---Usage: `print(kvm.ioctls().KVM_RUN.request)`
---@return table<string, table>
function core.ioctls() end

---Every kernel struct by name: its `size` in bytes and its `fields` in order,
---each with `name`, `offset`, `size` (of an element), `count` (of an array, or 0),
---`kind` ("uint", "int", "bytes", "address", "table", "pad"), `group` (of constants whose
---names may stand for the value) and `struct`. An address is one of this process, which
---scripts do not have: it can only be 0. A new table each time.
---Usage: `print(kvm.layouts().kvm_regs.size)`
---@return table<string, table>
function core.layouts() end

return core
