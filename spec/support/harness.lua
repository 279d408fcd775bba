-- SPDX-License-Identifier: MIT
-- What the harnesses share: commands that run side by side, and the line of
-- results that tools/test reads.
package.path = "./?.lua;" .. package.path
local helper = require "spec.helper"

local M = { build = helper.build, passed = 0, failed = 0, skipped = 0 }

-- The words that make a Lua interpreter run under the sanitizers' build, where
-- there is one, and that build's directory.
function M.sanitized()
  local pipe <close> = io.popen "gcc -print-file-name=libasan.so 2>/dev/null"
  local library = pipe:read "l"
  local asan = helper.root .. "/build/asan"
  local core <close> = io.open(asan .. "/kvm/core.so")
  if not core or not library then return "KVMLUA_BUILD=" .. M.build .. " " end
  return ("KVMLUA_BUILD=%s LD_PRELOAD=%s ASAN_OPTIONS=detect_leaks=0"
    .. ":abort_on_error=1 "):format(asan, library)
end

-- One result, with what there is to say about it.
function M.result(ok, what, output)
  M[ok and "passed" or "failed"] = M[ok and "passed" or "failed"] + 1
  if not ok then print("FAILED " .. what) end
  if not ok and output then print(output) end
  return ok
end

function M.skip(what, reason)
  M.skipped = M.skipped + 1
  print(("skipped %s: %s"):format(what, reason))
end

-- Runs commands { name, shell line } side by side; check(output) of each says
-- whether it is as it should be. A signal is a failure whatever was printed.
function M.parallel(commands, check)
  for _, c in ipairs(commands) do
    c.pipe = io.popen(c[2] .. " 2>&1")
  end
  for _, c in ipairs(commands) do
    local output = c.pipe:read "a"
    local ok, kind, code = c.pipe:close()
    local died = not ok and (kind == "signal" or code > 128)
    M.result(not died and check(output, ok, c), c[1] .. (died and
      (" died: " .. kind .. " " .. code) or ""), output)
  end
end

function M.finish()
  print(("%d passed, %d failed, %d skipped"):format(M.passed, M.failed,
    M.skipped))
  os.exit(M.failed == 0 and M.passed > 0)
end

return M
