-- SPDX-License-Identifier: MIT
-- C modules of the specs that look inside the library.
local kvm = require "kvm"
local root = require "spec.helper".root

local M = {}

local command = "env -u LD_PRELOAD gcc -shared -fPIC %s "
  .. "-I/usr/include/lua5.4 -I%s/src -I%s/src/%s -o %s %s/spec/support/%s.c "
  .. "%s 2>/dev/null"

--- What luaopen_<name> of spec/support/<name>.c returns, linked with this
--- build's library; nothing where there is no compiler or no library.
function M.open(name)
  local file = os.tmpname()
  local library = (os.getenv "KVMLUA_BUILD" or "build/release")
    .. "/libkvmlua.a"
  local open
  for _, flags in ipairs { "", "-fsanitize=address,undefined" } do
    local ok = not open and os.execute(command:format(flags, root, root, kvm.arch, file,
      root, name, library))
    open = open or ok and package.loadlib(file, "luaopen_" .. name)
  end
  os.remove(file)
  return open and open()
end

M.MISSING = "gcc or libkvmlua.a is not here"

return M
