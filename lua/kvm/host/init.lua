-- SPDX-License-Identifier: MIT
--- What this host's KVM is, and how it behaves where no capability bit tells.
--- Behaviour is found by running a tiny guest, once per process and question:
---
---     local host = kvm.host()
---     print(host.backend)                       --> svm
---     print(host:can "software_breakpoints")    --> true
---     print(host:can "ring0_sse")               --> false   internal_error ...
local check = require "kvm.check"
local core = require "kvm.core"

local M = {}
local Host = {}
Host.__index = Host
Host.__name = "kvm.host"

-- The probes and the backend of an architecture.
local arch = require("kvm.host." .. core.arch)

local function read_line(path)
  local file <close> = io.open(path)
  return file and file:read "l"
end

-- Runs a probe: true, or false and why not. What it raises is a no as well (a
-- host that refuses an ioctl does not behave as asked), but it may pass (no
-- more descriptors): it is asked again next time.
local function ask(probe)
  local ok, answer, reason = pcall(probe.run)
  if not ok then return { false, tostring(answer) }, true end
  return { answer and true or false, not answer and tostring(reason) or nil }
end

---Whether the host behaves as named, and if not, what it did instead.
---Usage: `local ok, reason = host:can "paging32"`
---@param name string one of host.questions
---@return boolean
---@return string? reason
function Host:can(name)
  check.method("can", Host.__name, self)
  local probe = arch.probes[name]
    or check.bad(1, "can", "%s", check.unknown("question", name,
      self.questions))
  local answer, may_pass = self.answers[name], false
  if not answer then
    answer, may_pass = ask(probe)
    if not may_pass then self.answers[name] = answer end
  end
  return table.unpack(answer, 1, 2)
end

---Every answer: name -> true, or the reason why not.
---Usage: `for name, answer in pairs(host:behaviour()) do print(name, answer) end`
---@return table<string, boolean|string>
function Host:behaviour()
  check.method("behaviour", Host.__name, self)
  local found = {}
  for _, name in ipairs(self.questions) do
    local yes, reason = self:can(name)
    found[name] = yes or reason
  end
  return found
end

function Host:__tostring()
  return ("kvm.host: %s, %s, Linux %s"):format(self.arch, self.backend,
    self.kernel or "?")
end

local host

---The host, made on first use. Fields: `arch`, `kernel`, `questions` (the names that
---can() takes, sorted), `facts`, and each of them: `backend` ("vmx", "svm", "pvm",
---"vhe", "nvhe", "hvhe", "pkvm" or "unknown") and what kvm.host.<arch> adds (arm64:
---`boot_line`, `ipa_bits`, `gic_versions`).
---Usage: `local host = require("kvm.host").get()`
---@return kvm.host
function M.get()
  if host then return host end
  local new = setmetatable({ arch = core.arch, answers = {}, questions = {},
    kernel = read_line "/proc/sys/kernel/osrelease" }, Host)
  for name in pairs(arch.probes) do
    new.questions[#new.questions + 1] = name
  end
  table.sort(new.questions)
  new.facts = arch.describe()
  for name, value in pairs(new.facts) do new[name] = value end
  host = new
  return host
end

return M
