-- SPDX-License-Identifier: MIT
---@meta _

---A counter in the kernel (eventfd(2)): a guest's write adds to it
---(`vm:ioeventfd`), or adding to it raises an interrupt (`vm:irqfd`). Closed
---everywhere, an irqfd goes away; an ioeventfd counts on, unread.
---Usage: `local event <close> = kvm.eventfd(); print(event.fd)`
---@class kvm.eventfd
---@field fd integer its descriptor; raises when it is closed
local event = {}

---Takes the count, which becomes 0; a semaphore takes 1.
---Usage: `if event:read() then print "rung" end`
---@return integer? count nil when it is 0 (and the event does not wait), or when
---a signal came
---Raises a kvm.error: read.
function event:read() end

---Adds to the count.
---Usage: `event:write()`
---@param n? integer at most 2^64 - 2 (1)
---@return boolean false when the count would be too large, or a signal came
---Raises a kvm.error: write.
function event:write(n) end

---Waits until the count is not 0.
---Usage: `if not event:wait(0.1) then print "nobody rang" end`
---@param timeout? number in seconds, 0 to 1e9; nil: for ever
---@return boolean false when the time is up, or a signal came
---Raises a kvm.error: ppoll.
function event:wait(timeout) end

---Closes the descriptor. Closing again does nothing.
---Usage: `event:close()`
function event:close() end
