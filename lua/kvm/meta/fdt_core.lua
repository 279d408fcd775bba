-- SPDX-License-Identifier: MIT
---@meta kvm.fdt.core

---Device tree blobs by libfdt, without names and values: `kvm.fdt` is what scripts use.
---A node is {name =, properties = {name, bytes, name, bytes, ...}, children = {node,
---...}}. Blobs are checked whole before anything else looks at them.
---Usage: `local core = require "kvm.fdt.core"`
---@class kvm.fdt.core
local core = {}

---Takes a blob apart.
---Usage: `local root, reservations, boot_cpuid = core.read(blob)`
---@param blob string of version 16 or 17, at most 64 levels deep
---@return table root
---@return integer[][] reservations {address, size} each
---@return integer boot_cpuid
---Raises for a blob that is damaged, without a position.
function core.read(blob) end

---Puts a blob together, of version 17.
---Usage: `local blob = core.write(root, {}, 0)`
---@param root table its name is ""
---@param reservations integer[][]
---@param boot_cpuid integer 32 bits
---@return string
---Raises for what is no tree, without a position.
function core.write(root, reservations, boot_cpuid) end

---Applies an overlay to a base, which needs /__symbols__ for its labels.
---Usage: `local blob = core.overlay(base, overlay)`
---@param base string a blob
---@param overlay string a blob
---@return string
---Raises for blobs that are damaged or do not fit, without a position.
function core.overlay(base, overlay) end

return core
