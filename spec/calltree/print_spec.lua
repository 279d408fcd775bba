-- SPDX-License-Identifier: MIT
local printer = require "kvm.calltree.print"

local function call(name, ns, ...)
  return { name = name, ns = ns, children = { ... } }
end

local function text(calls, style)
  return table.concat(printer.lines(calls, style), "\n")
end

describe("kvm.calltree.print", function()
  it("writes an arrow for each call, further right for what it calls", function()
    assert.equal("-> a 2730.4 us\n  -> b 108.3 us\n    -> c 0.5 us\n  -> d 4.0 us",
      text { call("a", 2730400, call("b", 108304, call("c", 500)),
        call("d", 4000)) })
  end)

  it("leaves out times: all on demand, and those that were lost", function()
    local calls = { call("a", nil, call("b", 1000)) }
    assert.equal("-> a\n  -> b 1.0 us", text(calls))
    assert.equal("-> a\n  -> b", text(calls, { times = false }))
  end)

  it("counts equal calls and adds up their times", function()
    assert.equal("-> a x3 6.0 us\n  -> x 0.5 us\n-> a 4.0 us\n-> b 1.0 us",
      text { call("a", 1000, call("x", 500)), call("a", 2000, call("x", 900)),
        call("a", 3000, call("x", 1)), call("a", 4000), call("b", 1000) })
  end)

  it("tells how often several calls are repeated", function()
    local calls = {}
    for i = 1, 3 do
      table.insert(calls, call("enter", i * 1000))
      table.insert(calls, call("exit", i * 1000))
    end
    table.insert(calls, call("enter", 7000))
    assert.equal("-> enter 1.0 us\n-> exit 1.0 us\n"
      .. "   the last 2 again, 2 times 10.0 us\n-> enter 7.0 us", text(calls))
    assert.equal(7, #printer.lines(calls, { fold = false }))
  end)

  it("folds only what is called in the same way", function()
    assert.equal(3, #printer.lines { call("a", 1, call("b", 1)), call("a", 1) })
  end)

  it("adds a remark to a function", function()
    assert.equal("-> new (4.19: old)\n-> other", text({ call("new", 1),
      call("other", 1) }, { times = false, note = function(name)
        return name == "new" and "4.19: old" or nil
      end }))
  end)

  it("tells trees apart by names and structure", function()
    local shape = printer.shape
    assert.equal(shape(call("a", 1, call("b", 2))),
      shape(call("a", 9, call("b", 8))))
    assert.are_not.equal(shape(call("a", 1, call("b", 1), call("c", 1))),
      shape(call("a", 1, call("b", 1, call("c", 1)))))
  end)
end)
