-- SPDX-License-Identifier: MIT
---@meta _

---Host memory that slots show to guests: `kvm.memory` makes it, `vm:map` too. Every
---access is checked against the size, `#ram`. A guest may write the same bytes at
---any time: each is read once.
---Usage: `local ram = kvm.memory(0x1000); print(#ram, ram.size, ram.backing)`
---@class kvm.memory
---@field size integer in bytes, as `#ram`
---@field backing string "anonymous", "memfd", "file", "hugetlb", "guest_memfd", or
---"clone"
---@field readonly boolean the host may not write it
---@field mapped boolean the host sees it: only a guest_memfd may be hidden
---@field fd integer? its descriptor; nil where there is none
local memory = {}

---Reads bytes.
---Usage: `local bytes = ram:read(0x100, 16)`
---@param offset integer
---@param n integer bytes
---@return string
function memory:read(offset, n) end

---Writes bytes.
---Usage: `ram:write(0, asm.x86_16 "hlt")`
---@param offset integer
---@param bytes string
---@param symbols? table ignored: what an assembler returns behind the code
---@return kvm.memory self
---Raises when the memory is read-only.
function memory:write(offset, bytes, symbols) end

---Sets bytes to one value.
---Usage: `ram:fill(0, #ram, 0xf4)`
---@param offset integer
---@param n integer bytes
---@param byte? integer 0 to 255 (0)
---@return kvm.memory self
---Raises when the memory is read-only.
function memory:fill(offset, n, byte) end

---Where a byte string is.
---Usage: `local at = ram:find "RSD PTR "`
---@param bytes string no pattern
---@param init? integer offset to begin at (0)
---@return integer? offset of the first occurrence; nil: none
function memory:find(bytes, init) end

---One byte: reads it, or writes it when a value is given.
---Usage: `ram:u8(0, 0xf4)`
---@param offset integer
---@param value? integer 0 to 255
---@return integer? value when it is read
function memory:u8(offset, value) end

---A little-endian integer of two bytes, in one access, at any alignment.
---Usage: `local magic = ram:u16(510)`
---@param offset integer
---@param value? integer
---@return integer? value when it is read
function memory:u16(offset, value) end

---A little-endian integer of four bytes, in one access, at any alignment.
---Usage: `ram:u32(0x100, 0xdeadbeef)`
---@param offset integer
---@param value? integer
---@return integer? value when it is read
function memory:u32(offset, value) end

---A little-endian integer of eight bytes, in one access, at any alignment. Above
---2^63 - 1 it is the negative Lua integer of the same bits.
---Usage: `print(("%#x"):format(ram:u64(0x100)))`
---@param offset integer
---@param value? integer
---@return integer? value when it is read
function memory:u64(offset, value) end

---Writes values in a format of string.pack (Lua manual, 6.4.2).
---Usage: `local next = ram:pack(0x100, "<I4I8z", 1, 2, "name")`
---@param offset integer
---@param format string
---@param ... any
---@return integer offset behind what was written
function memory:pack(offset, format, ...) end

---Reads values in a format of string.unpack.
---Usage: `local a, b, next = ram:unpack(0x100, "<I4I8")`
---@param offset integer
---@param format string
---@return any ... the values, and the offset behind them
function memory:unpack(offset, format) end

---A part of it as a memory of its own, which shares the bytes. `vm:map` takes it.
---Usage: `local page = ram:view(0x1000, 0x1000)`
---@param offset integer
---@param n? integer bytes (the rest)
---@return kvm.memory
function memory:view(offset, n) end

---A memory that begins as a memfd or shared file and keeps its own writes to itself. It
---costs almost nothing: a page is copied when the clone writes it. Until then it shows
---what the original has now, not what it had: for a snapshot, the original must not be
---written any more, by guest or host; or make a copy of all its bytes:
---`kvm.memory(#ram):write(0, ram:read(0, #ram))`.
---Usage: `local child = base:clone()`
---@return kvm.memory of backing "clone"; of a view it is the same part
---Raises when there is nothing to copy from (backing "anonymous"); a kvm.error: mmap.
function memory:clone() end

---Gives pages back to the host: they read as zeros next; those of a clone as the
---original's. Huge pages are zeroed and kept.
---Usage: `child:discard()`
---@param offset? integer a multiple of the page size (0)
---@param n? integer bytes, a multiple of the page size (the rest)
---Raises a kvm.error: madvise, fallocate.
function memory:discard(offset, n) end

---Lets go of the memory, which ends when no view, slot or vCPU needs it. Closing
---again does nothing.
---Usage: `ram:close()`
---Raises while a slot shows it: `vm:unmap` that one first. `<close>` and the
---collector do not raise: the slot keeps what it needs.
function memory:close() end
