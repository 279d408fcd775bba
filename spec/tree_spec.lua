-- SPDX-License-Identifier: MIT
-- Holds the tree to its architecture: which file may know which, no word of a
-- machine in the common part, nothing global, every file with its licence.
local root = require "spec.helper".root

local function find(arguments)
  local pipe <close> =
    assert(io.popen("cd '" .. root .. "' && LC_ALL=C find " .. arguments))
  local paths = {}
  for path in pipe:lines() do paths[#paths + 1] = path end
  table.sort(paths)
  return paths
end

local function read(path)
  local file <close> = assert(io.open(root .. "/" .. path))
  return file:read "a"
end

local function exists(path)
  local file <close> = io.open(root .. "/" .. path)
  return file ~= nil
end

-- The names of a file's #include "..." lines, without directories.
local function includes(path)
  local names = {}
  for name in read(path):gmatch '#include [<"]([%w_/.]+)[>"]' do
    names[#names + 1] = name
  end
  return names
end

local function requires(path)
  local names = {}
  for name in read(path):gmatch "require%s*%(?%s*[\"']([%w_.]+)[\"']" do
    names[#names + 1] = name
  end
  return names
end

local function each(paths, check)
  assert(#paths > 0, "no file to look at")
  for _, path in ipairs(paths) do check(path, read(path)) end
end

local function never(path, names, pattern, why)
  for _, name in ipairs(names) do
    assert(not name:find(pattern), ("%s uses %s: %s"):format(path, name, why))
  end
end

local has_sources = exists "src/module.c"

describe("C", function()
  if not has_sources then
    return it("sources", function() pending "the sources are not here" end)
  end

  it("is laid out as .clang-format decides", function()
    local tool <close> = io.popen "command -v clang-format"
    if not tool:read "l" then pending "clang-format is not installed" end
    local pipe <close> = io.popen(("cd '%s' && find src spec -name '*.[ch]' | "
      .. "xargs clang-format --dry-run -Werror 2>&1"):format(root))
    assert.equal("", pipe:read "a")
  end)

  it("names no machine in the common part", function()
    local words = { "x86", "x86_64", "arm", "arm64", "aarch64", "riscv" }
    each(find "src -maxdepth 1 -name '*.[ch]'", function(path, text)
      for word in text:lower():gmatch "[%w_]+" do
        for _, bad in ipairs(words) do
          assert(word ~= bad, path .. " has the word " .. bad)
        end
      end
    end)
  end)

  it("includes downwards only", function()
    for _, name in ipairs { "aux", "fields", "refs" } do
      for _, suffix in ipairs { ".c", ".h" } do
        local path = "src/" .. name .. suffix
        never(path, includes(path), "linux/", "it knows no KVM")
        never(path, includes(path), "internal%.h", "it is below")
        never(path, includes(path), "arch%.h", "it is below")
      end
    end
    each(find "src -maxdepth 1 -name '*.[ch]'", function(path, text)
      for name in text:gmatch "#include <(linux/kvm[%w_]*%.h)>" do
        assert(name == "linux/kvm.h", path .. ": some machine has no " .. name)
      end
    end)
    each(find "src -name '*.[ch]'", function(path, text)
      assert(not text:find '#include "%.%./', path .. " includes upwards")
    end)
    for _, path in ipairs(find "src/host -name '*.[ch]'") do
      never(path, includes(path), "internal%.h", "the host is a client")
      never(path, includes(path), "arch%.h", "the host is a client")
      never(path, includes(path), "linux/kvm%.h", "the host is a client")
    end
  end)

  it("has the same contract in every architecture", function()
    local function defined(directory)
      local text = {}
      for _, path in ipairs(find(directory .. " -name '*.c'")) do
        text[#text + 1] = read(path)
      end
      return (table.concat(text):gsub("KL_REG_GROUPS_END",
        "kl_arch_nreg_groups ="))
    end
    -- Objects end in an initializer, functions in a body.
    local contract = {}
    for name, follows in
        read "src/arch.h":gmatch "(kl_arch_[%w_]+)%s*([%[;(])" do
      contract[#contract + 1] = { name, name
        .. (follows == "(" and "%b()%s*{" or "[%[%]]*%s*=") }
    end
    for struct in read "src/arch.h":gmatch "extern[^;]- kl_(kvm_[%w_]+);" do
      contract[#contract + 1] = { struct,
        "KL_LAYOUT[%u_]*%(" .. struct .. "," }
    end
    assert(#contract >= 14, "the pattern finds the contract")
    -- What is missing does not link: a module may leave other names open.
    assert(read "src/arch.h":find("visibility push(hidden)", 1, true))
    each(find "src -mindepth 2 -name arch.c", function(path)
      local directory = path:match "^(.*)/"
      local text = defined(directory)
      for _, entry in ipairs(contract) do
        assert(text:find(entry[2]), directory .. " has no " .. entry[1])
      end
    end)
  end)

  it("keeps files small", function()
    each(find "src -name '*.[ch]'", function(path, text)
      local _, lines = text:gsub("\n", "")
      assert(lines <= 700, path .. " has " .. lines .. " lines")
    end)
  end)
end)

describe("Lua", function()
  it("is pure where it is data and functions", function()
    local pure = find("lua/kvm/asm lua/kvm/arch lua/kvm/fdt lua/kvm/elf "
      .. "lua/kvm/debug/hexdump.lua -name '*.lua'")
    each(pure, function(path)
      never(path, requires(path), "^kvm%.core$", "it is pure")
      never(path, requires(path), "^kvm$", "it is pure")
    end)
  end)

  it("passes memory and interrupts to devices and loaders", function()
    local models = find "lua/kvm -path '*/dev/*' -o -path '*/boot/*'"
    for _, path in ipairs(models) do
      if path:find "%.lua$" then
        never(path, requires(path), "^kvm%.core$", "it receives what it needs")
      end
    end
  end)

  it("requires only modules that are there", function()
    each(find "lua examples -name '*.lua'", function(path)
      for _, name in ipairs(requires(path)) do
        local is_prefix = name:find "%.$" -- of a name made at run time
        if name:find "^kvm" and not name:find "%.core$" and not is_prefix then
          local file = "lua/" .. name:gsub("%.", "/")
          assert(exists(file .. ".lua") or exists(file .. "/init.lua"),
            path .. " requires " .. name)
        end
      end
    end)
  end)

  it("writes no global", function()
    local before = {}
    for name in pairs(_G) do before[name] = true end
    for _, path in ipairs(find "lua/kvm -name '*.lua'") do
      local name = path:match "^lua/(.*)%.lua$":gsub("/init$", "")
        :gsub("/", ".")
      if not path:find "/meta/" then pcall(require, name) end
    end
    for name in pairs(_G) do
      assert(before[name], "a module wrote the global " .. tostring(name))
    end
  end)

  it("keeps files small", function()
    each(find "lua spec examples -name '*.lua'", function(path, text)
      local _, lines = text:gsub("\n", "")
      assert(lines <= 450, path .. " has " .. lines .. " lines")
    end)
  end)
end)

describe("every file", function()
  it("has its licence", function()
    each(find "lua spec examples -name '*.lua'", function(path, text)
      assert(text:sub(1, 200):find "SPDX%-License%-Identifier: MIT",
        path .. " has no SPDX line")
    end)
    for _, path in ipairs(find "src tools -type f 2>/dev/null") do
      assert(read(path):sub(1, 200):find "SPDX%-License%-Identifier: MIT",
        path .. " has no SPDX line")
    end
  end)

  it("ends its lines before column 100", function()
    each(find("lua spec examples src -name '*.lua' -o -path 'src/*' "
      .. "-name '*.[ch]'"), function(path, text)
      local n = 0
      for line in text:gmatch "[^\n]*" do
        n = n + 1
        assert((utf8.len(line) or #line) <= 100, path .. ":" .. n)
      end
    end)
  end)
end)
