-- SPDX-License-Identifier: MIT
-- Loaded by busted before the specs (see .busted): finds the modules.
--   KVMLUA_BUILD   the build directory under test (build/release)
-- Inside kvmlua its own embedded modules come first, as they should.

assert(_VERSION == "Lua 5.4",
  "the specs need Lua 5.4: run `lua5.4 /usr/bin/busted`, not `busted`")

local root = debug.getinfo(1, "S").source:match("^@(.*)/spec/helper%.lua$")
  or "."
local build = os.getenv("KVMLUA_BUILD") or root .. "/build/release"

package.path = ("%s/lua/?.lua;%s/lua/?/init.lua;%s/?.lua;%s")
  :format(root, root, root, package.path)
package.cpath = build .. "/?.so;" .. package.cpath

return { root = root, build = build }
