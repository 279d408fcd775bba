-- SPDX-License-Identifier: MIT
-- Mutated real files: the reader may refuse them or not, but it must come back
-- with a clean error or an image that keeps its promises.
--   KVMLUA_FUZZ_SEED   repeats a run        KVMLUA_FUZZ_CASES   makes it longer

local elf = require "kvm.elf"
local tools = require "spec.support.toolchain"

local SEED = tonumber(os.getenv("KVMLUA_FUZZ_SEED")) or os.time()
local CASES = tonumber(os.getenv("KVMLUA_FUZZ_CASES")) or 3000
local STEPS = 20000000

local interesting = { 0, 1, 2, 3, 4, 7, 8, 9, 0x10, 0x3f, 0x40, 0x7f, 0x80,
  0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000,
  0xffffffff, 0x100000000, math.maxinteger, math.mininteger, -1, -8, -4096 }

local function pick(list) return list[math.random(#list)] end

local function replace(bytes, at, piece)
  return bytes:sub(1, at) .. piece .. bytes:sub(at + #piece + 1)
end

local mutations = {
  function(bytes) -- a bit
    local at = math.random(0, #bytes - 1)
    return replace(bytes, at,
      string.char(bytes:byte(at + 1) ~ 1 << math.random(0, 7)))
  end,
  function(bytes) -- a number at a place where numbers stand
    local size = pick { 1, 2, 4, 8 }
    local at = math.random(0, (#bytes - size) // size) * size
    local value = pick(interesting) & (size == 8 and -1 or (1 << 8 * size) - 1)
    return replace(bytes, at, string.pack("<I" .. size, value))
  end,
  function(bytes) -- a number in the ELF header
    local at = math.random(16, 50)
    return replace(bytes, at, string.pack("<I2", pick(interesting) & 0xffff))
  end,
  function(bytes) -- the end
    return bytes:sub(1, math.random(0, #bytes))
  end,
  function(bytes) -- a piece from elsewhere
    local size = math.random(1, 64)
    local from = math.random(0, math.max(0, #bytes - size))
    local to = math.random(0, math.max(0, #bytes - size))
    return replace(bytes, to, bytes:sub(from + 1, from + size))
  end,
}

local function mutate(bytes)
  for _ = 1, math.random(1, 4) do
    if #bytes < 64 then return bytes end
    bytes = pick(mutations)(bytes)
  end
  return bytes
end

local function samples()
  local list = {}
  local text = ".globl _start\n_start: nop\nl: nop\n.data\nd: .%s l, d\n"
    .. ".bss\n.skip 99\n.comm c, 8, 8\nv = 9\n"
  for arch, pointer in pairs { x86_16 = "short", x86_32 = "long",
    x86_64 = "quad", arm64 = "quad" } do
    if tools.has("as", arch) then
      list[#list + 1] = tools.object(arch, text:format(pointer))
    end
    if arch ~= "x86_16" and tools.has("ld", arch) then
      local object = tools.object(arch, text:format(pointer))
      list[#list + 1] = tools.link(arch, object, "")
      list[#list + 1] = tools.link(arch, object, "-pie --no-dynamic-linker")
    end
  end
  if tools.has("ld", "x86_64") then
    list[#list + 1] = tools.link("x86_64",
      tools.object("x86_64", text:format("quad")),
      "-pie --no-dynamic-linker -z pack-relative-relocs")
  end
  return list
end

-- What every image must be, whatever file it came from.
local function check_image(image)
  for _, segment in ipairs(image.segments) do
    assert(#segment.bytes <= segment.memsize or segment.memsize < 0)
    assert(math.type(segment.gpa) == "integer")
  end
  for name, value in pairs(image.symbols) do
    assert(type(name) == "string" and math.type(value) == "integer")
  end
end

local function try(bytes)
  debug.sethook(function() error("HANG", 0) end, "", STEPS)
  local ok, result = pcall(elf.load, bytes,
    { base = pick { 0, 0x1000, 0x40000000 }, symbols = { c = 1 } })
  debug.sethook()
  if ok then check_image(result) end
  return ok, result
end

describe("elf fuzz", function()
  it(("survives %d mutated files, seed %d"):format(CASES, SEED), function()
    local originals = samples()
    if #originals == 0 then pending("no assembler is installed") end
    math.randomseed(SEED)
    local loaded, refused = 0, 0
    for case = 1, CASES do
      local bytes = mutate(pick(originals))
      collectgarbage()
      collectgarbage("stop")
      local before = collectgarbage("count")
      local ok, result = try(bytes)
      local used = collectgarbage("count") - before
      collectgarbage("restart")
      local where = ("seed %d, case %d: "):format(SEED, case)
      assert.is_true(used < 8192, where .. used .. " KiB")
      if ok then
        loaded = loaded + 1
      else
        refused = refused + 1
        assert.equal("string", type(result), where)
        assert.is_truthy(result:find("elf: ", 1, true), where .. result)
        assert.is_nil(result:find("[%c]"), where .. result)
        assert.is_true(#result < 800, where .. #result)
      end
    end
    -- Mutations that all fail at once, or none at all, would test nothing.
    assert.is_true(loaded > CASES // 20, loaded .. " loaded")
    assert.is_true(refused > CASES // 20, refused .. " refused")
  end)
end)
