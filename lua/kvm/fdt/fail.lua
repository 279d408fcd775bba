-- SPDX-License-Identifier: MIT
-- Raises an error at the line of the script that called into kvm.fdt,
-- however deep the fault was found.
local check = require "kvm.check"

---@param format string as for string.format
---@param ... any
return function(format, ...) check.fail("kvm.fdt: " .. format, ...) end
