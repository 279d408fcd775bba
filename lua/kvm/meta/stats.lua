-- SPDX-License-Identifier: MIT
---@meta _

---Statistics of a VM or vCPU that the kernel keeps and describes itself (api.rst
---4.133): `vm:get_stats_fd()`, `vcpu:get_stats_fd()`.
---Usage: `local stats <close> = vm:get_stats_fd(); print(stats.id, stats.fd)`
---@class kvm.stats
---@field fd integer its descriptor; raises when it is closed
---@field id string what they are of: "kvm-1234/vcpu-0"
local stats = {}

---All values, now.
---Usage: `for name, value in pairs(stats:read()) do print(name, value) end`
---@return table<string, integer|integer[]> values by name; of a histogram the
---list of its buckets
---Raises a kvm.error: pread.
function stats:read() end

---What the values mean: by name, its `type` ("cumulative", "instant", "peak",
---"linear_histogram", "log_histogram"), `unit` ("none", "bytes", "seconds",
---"cycles", "boolean"), `base` and `exponent` (a value counts in base ^ exponent of
---the unit), `size` (how many values) and `bucket_size`.
---Usage: `for name, about in pairs(stats:describe()) do print(name, about.unit) end`
---@return table<string, table>
---Raises a kvm.error: pread.
function stats:describe() end

---Closes the descriptor. Closing again does nothing.
---Usage: `stats:close()`
function stats:close() end
