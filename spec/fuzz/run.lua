#!/usr/bin/env lua5.4
-- SPDX-License-Identifier: MIT
-- Fuzzes what takes other people's values: every export with hostile arguments.
-- Usage: run.lua [CALLS] [SEED]; without a seed a new one each time, which is
-- printed so that a failure can be had again.
package.path = "./?.lua;" .. package.path
local harness = require "spec.support.harness"
require "spec.helper"
local kvm = require "kvm"

local calls = tonumber(arg[1]) or 50000
local seed = tonumber(arg[2]) or os.time()

local usable, why = kvm.available()
if not usable then
  harness.skip("arguments", why)
else
  harness.parallel({ { "arguments, seed " .. seed, ("%slua5.4 "
    .. "spec/fuzz/arguments.lua %d %d"):format(harness.sanitized(), calls,
    seed) } }, function(output)
    print(output)
    local reached = tonumber(output:match "reached (%d+)")
    return reached and reached > 0 and not output:find "missed"
  end)
end
harness.finish()
