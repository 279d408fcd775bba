-- SPDX-License-Identifier: MIT
-- The child process: what it may read, what it leaves behind, when it runs.

local asm = require "kvm.asm"
local tools = require "spec.support.toolchain"

-- Run `call` with a function of a library replaced; restore it whatever
-- happens.
local function with(library, name, replacement, call, ...)
  local original = library[name]
  library[name] = function(...) return replacement(original, ...) end
  local result = table.pack(pcall(call, ...))
  library[name] = original
  return table.unpack(result, 1, result.n)
end

local function override(value, call, ...)
  return with(os, "getenv", function(original, name)
    if name == "KVMLUA_AS_x86_64" then return value end
    return original(name)
  end, call, ...)
end

-- How many processes a call starts.
local function processes(call, ...)
  local count = 0
  local ok, message = with(io, "popen", function(original, ...)
    count = count + 1
    return original(...)
  end, call, ...)
  return count, ok, message
end

local serial = 0
local function fresh_text()
  serial = serial + 1
  return ("nop\n.long %d, %d"):format(serial, os.time())
end

describe("asm refuses to read files", function()
  before_each(function() tools.need("as", "x86_64") end)

  local function refused(text, options)
    local ok, message = pcall(asm.x86_64, text, options)
    assert.is_false(ok, text)
    assert.matches("the text reads the file .*are refused", message)
    return message
  end

  it("by .incbin and .include, in any case and place", function()
    for _, text in ipairs {
      '.incbin "/etc/hostname"',
      '.include "/etc/hostname"',
      '  .INCBIN "/etc/hostname"',
      'nop; .IncLude "/etc/hostname"',
      'label: .incbin "/etc/hostname"',
      'label:.incbin "/etc/hostname"',
      '/* no */ .incbin "/etc/hostname"',
      '.ascii "a"; .incbin "/etc/hostname"',
      '.macro m\n.incbin "/etc/hostname"\n.endm\nm',
    } do refused(text) end
  end)

  it("with the file and the line in the message", function()
    local message = refused('nop\n .incbin "/etc/hostname", 1, 2',
      { name = "x" })
    assert.equal("x:2: the text reads the file /etc/hostname: .include and"
      .. " .incbin are refused (read it in Lua instead)\n"
      .. '\t.incbin "/etc/hostname", 1, 2', message)
  end)

  it("before any process runs", function()
    for _, text in ipairs {
      '.incbin "/dev/zero"', 'nop\n .INCBIN "/dev/zero"',
      'nop; .include "/dev/zero"', 'l:.incbin "/dev/zero"',
      '/**/.incbin "/dev/zero"',
    } do
      assert.equal(0, (processes(asm.x86_64, text)), text)
    end
  end)

  it("by directives that a macro puts together", function()
    refused('.irp x, bin\n .inc\\x "/etc/passwd"\n.endr')
    refused('.macro m d\n .\\d "/etc/passwd"\n.endm\n m incbin')
    -- Here as stops at the contents, which must not show.
    local message = refused('.irp x, lude\n .inc\\x "/etc/passwd"\n.endr')
    assert.not_matches("root:", message, 1, true)
  end)

  it("but not words in strings and names", function()
    assert.equal("a; .include\0",
      (asm.x86_64('.asciz "a; .include"')))
    assert.equal("\x90", (asm.x86_64("my.include: nop")))
  end)
end)

describe("asm leaves nothing behind", function()
  before_each(function() tools.need("as", "x86_64") end)

  local function names_of(call, ...)
    local names = {}
    with(os, "tmpname", function(original)
      names[#names + 1] = original()
      return names[#names]
    end, call, ...)
    return names
  end

  local function assert_gone(names)
    assert.is_true(#names > 0)
    for _, name in ipairs(names) do
      local file = io.open(name)
      if file then file:close() end
      assert.is_nil(file, name)
    end
  end

  it("after success", function()
    assert_gone(names_of(asm.x86_64, fresh_text()))
  end)

  it("after faults of the text and of its symbols", function()
    assert_gone(names_of(asm.x86_64, fresh_text() .. "\nbogus"))
    assert_gone(names_of(asm.x86_64, fresh_text() .. "\ncall nowhere"))
  end)

  it("when the host refuses a process or a file", function()
    assert_gone(names_of(function()
      local ok, message = with(io, "popen", function()
        return nil, "Too many open files"
      end, asm.x86_64, fresh_text())
      assert.is_false(ok)
      assert.equal("cannot run the assembler: Too many open files", message)
    end))
    local calls = 0
    local names = {}
    local ok, message = with(os, "tmpname", function(original)
      calls = calls + 1
      if calls == 3 then error("unable to generate a unique filename", 0) end
      names[calls] = original()
      return names[calls]
    end, asm.x86_64, fresh_text())
    assert.is_false(ok)
    assert.matches("unable to generate", message, 1, true)
    assert_gone(names)
  end)

  it("when the assembler is stopped for its appetite", function()
    local names = names_of(function()
      local ok, message = pcall(asm.x86_64, ".space 0x70000000")
      assert.is_false(ok)
      assert.matches("the assembler was stopped by signal", message, 1, true)
    end)
    assert_gone(names)
  end)
end)

describe("asm finds its assembler", function()
  it("or names the package that has it", function()
    local ok, message = override("/nowhere/as", asm.x86_64, fresh_text())
    assert.is_false(ok)
    assert.matches("cannot run the assembler '/nowhere/as': install the"
      .. " package binutils", message, 1, true)
  end)

  it("by name of package for a foreign machine", function()
    local targets = require "kvm.asm.targets"
    local _, arm64 = targets.assembler(targets.by_name.arm64)
    local _, x86 = targets.assembler(targets.by_name.x86_16)
    assert.is_true(arm64 == "binutils-aarch64-linux-gnu" and x86 == "binutils"
      or x86 == "binutils-x86-64-linux-gnu" and arm64 == "binutils")
  end)

  it("in KVMLUA_AS_<arch>, with any characters in its path", function()
    tools.need("as", "x86_64")
    local base = os.tmpname()
    local path = base .. " it's $(an) `as`"
    tools.write(path, "#!/bin/sh\nexec " .. tools.command("as", "x86_64")
      .. ' "$@"\n')
    os.execute(("chmod +x '%s'"):format(path:gsub("'", "'\\''")))
    local ok, bytes = override(path, asm.x86_64, "mov $1, %eax")
    os.remove(base)
    os.remove(path)
    assert.equal("\xb8\1\0\0\0", bytes)
    assert.is_true(ok)
  end)

  it("and reports one that fails without a word", function()
    local ok, message = override("/bin/false", asm.x86_64, fresh_text())
    assert.is_false(ok)
    assert.matches("the assembler failed with status 1", message, 1, true)
  end)

  it("and reports one that writes no object", function()
    local ok, message = override("/bin/true", asm.x86_64, fresh_text())
    assert.is_false(ok)
    assert.matches("not an ELF file (it begins with nothing)", message, 1,
      true)
  end)
end)

describe("asm assembles a text once", function()
  before_each(function() tools.need("as", "x86_64") end)

  it("however often it is asked, at whatever origin", function()
    local text = fresh_text() .. "\nl: .quad l"
    assert.equal(1, (processes(asm.x86_64, text)))
    assert.equal(0, (processes(asm.x86_64, text)))
    assert.equal(0, (processes(asm.x86_64, text, { origin = 0x1000 })))
    local _, symbols = asm.x86_64(text, { origin = 0x2000 })
    assert.equal(0x2000 + 5 + 4, symbols.l)
  end)

  it("but apart per architecture and syntax", function()
    local text = fresh_text()
    assert.equal(1, (processes(asm.x86_64, text)))
    assert.equal(1, (processes(asm.x86_32, text)))
    assert.equal(1, (processes(asm.x86_16, text)))
    assert.equal(1, (processes(asm.x86_64, text, { syntax = "intel" })))
  end)

  it("unless it had faults", function()
    local text = fresh_text() .. "\nbogus"
    assert.equal(1, (processes(asm.x86_64, text)))
    assert.equal(1, (processes(asm.x86_64, text)))
  end)
end)

describe("asm.cache", function()
  local caches = require "kvm.asm.cache"

  it("keeps what is asked for and drops the rest", function()
    local cache = caches.new(10000)
    cache:put("kept", "value")
    for i = 1, 1000 do
      cache:put("k" .. i, ("x"):rep(100))
      assert.equal("value", cache:get("kept"))
    end
    assert.is_nil(cache:get("k1"))
    assert.is_not_nil(cache:get("k1000"))
    local count = 0
    for _ in pairs(cache.young) do count = count + 1 end
    for _ in pairs(cache.old) do count = count + 1 end
    assert.is_true(count * 228 < 10000)
  end)

  it("does not take what would fill it", function()
    local cache = caches.new(1000)
    cache:put("small", "x")
    cache:put("large", ("x"):rep(1000))
    assert.is_nil(cache:get("large"))
    assert.equal("x", cache:get("small"))
  end)
end)

describe("asm is Lua alone", function()
  it("and loads in the stock interpreter without C modules", function()
    local pipe <close> = io.popen(("LUA_PATH='%s' LUA_CPATH='' lua5.4 -e '%s'"
      .. " 2>&1"):format(package.path, [[
      local before = {}
      for k in pairs(_G) do before[k] = true end
      local asm = require "kvm.asm"
      require "kvm.elf"
      for k in pairs(_G) do assert(before[k], k) end
      print(package.loaded["kvm.core"], type(asm.arm64))]]))
    assert.equal("nil\tfunction\n", pipe:read("a"))
  end)
end)
