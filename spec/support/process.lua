-- SPDX-License-Identifier: MIT
-- What this process has: its id, descriptors and mappings.

local M = {}

--- Its id.
function M.pid()
  local file <close> = assert(io.open "/proc/self/stat")
  return file:read "n"
end

--- Its descriptors: a list of numbers. Looks at fdinfo, which opens nothing that
--- the descriptor is of.
function M.fds()
  local list = {}
  for fd = 0, 1023 do
    local file <close> = io.open("/proc/self/fdinfo/" .. fd)
    if file then list[#list + 1] = fd end
  end
  return list
end

--- The flags of a descriptor, as open(2) has them.
function M.fd_flags(fd)
  local file <close> = assert(io.open("/proc/self/fdinfo/" .. fd))
  return tonumber(file:read "a":match "flags:%s*(%d+)", 8)
end

--- Bytes that are mapped from KVM's descriptors, and in all.
function M.mapped()
  local kvm, all = 0, 0
  for line in io.lines "/proc/self/maps" do
    local first, last = line:match "^(%x+)-(%x+)"
    local size = tonumber(last, 16) - tonumber(first, 16)
    all = all + size
    if line:find("kvm-", 1, true) then kvm = kvm + size end
  end
  return kvm, all
end

return M
