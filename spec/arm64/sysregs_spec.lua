-- SPDX-License-Identifier: MIT
-- The table of system registers against the assembler, which has its own.
local elf = require "kvm.elf.parse"
local toolchain = require "spec.support.toolchain"

local root = debug.getinfo(1, "S").source:match("^@(.*)/spec/arm64/") or "."
-- "all" would mean the R profile too, which lacks EL3.
local ARCH <const> = "-march=armv9.3-a+memtag+rng+profile+sme"
local SOURCE <const> = root .. "/src/arm64/sysregs.c"

-- name -> encoding, from the rows of the C file.
local function rows()
  local file = io.open(SOURCE)
  if not file then return nil end
  local list = {}
  local function add(name, op0, op1, crn, crm, op2, offset)
    local encoding = op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2
    list[#list + 1] = { name = name, encoding = encoding + (offset or 0),
                        in_bank = (offset or 0) > 0 }
  end
  for line in file:lines() do
    local kind, name, numbers = line:match('^  (%u+)%("([^"]+)", (.*)%),$')
    local n = {}
    for digits in (numbers or ""):gmatch "%d+" do
      n[#n + 1] = tonumber(digits)
    end
    if kind == "REG" then
      add(name, table.unpack(n))
    elseif kind == "BANK" then
      for i = 0, n[1] - 1 do
        add((name:gsub("#", n[3] + i)), n[4], n[5], n[6], n[7], n[8],
          i * n[2])
      end
    end
  end
  file:close()
  return list
end

local function mrs(list)
  local lines = {}
  for i, row in ipairs(list) do lines[i] = "mrs x0, " .. row.name end
  return table.concat(lines, "\n") .. "\n"
end

-- The rows whose names this assembler has.
local function known(list)
  local name <const>, object <const> = os.tmpname(), os.tmpname()
  toolchain.write(name, mrs(list))
  local pipe = io.popen(("%s %s -o %s %s 2>&1"):format(
    toolchain.command("as", "arm64"), ARCH, object, name))
  local unknown, out = {}, {}
  for line in pipe:lines() do
    local number = line:match ":(%d+): Error: unknown or missing system"
    if number then unknown[tonumber(number)] = true end
  end
  pipe:close()
  os.remove(name)
  os.remove(object)
  for i, row in ipairs(list) do
    if not unknown[i] then out[#out + 1] = row end
  end
  return out
end

-- The bytes of the text; the assembler warns of registers that are write-only.
local function assemble(source)
  local object = toolchain.filter(toolchain.command("as", "arm64")
    .. ARCH .. " -o OUT IN", source)
  local text = elf.object(object).sections[1]
  assert.equal(".text", text.name)
  return object:sub(text.offset + 1, text.offset + text.size)
end

describe("the system registers of arm64", function()
  local list = rows()
  if not list then
    pending("the source is not here, only what is installed")
    return
  end

  it("are hundreds", function() assert.is_true(#list > 1000) end)

  it("have a name and an encoding of their own each", function()
    local names, encodings = {}, {}
    for _, row in ipairs(list) do
      assert.is_nil(names[row.name], row.name)
      assert.is_nil(encodings[row.encoding], row.name)
      names[row.name], encodings[row.encoding] = true, true
      assert.matches("^[a-z][a-z0-9_]*$", row.name)
    end
  end)

  it("are in the order of their encodings", function()
    local last = 0
    for _, row in ipairs(list) do
      if not row.in_bank then
        assert.is_true(row.encoding > last, row.name)
        last = row.encoding
      end
    end
  end)

  it("are those that the assembler knows by these names", function()
    toolchain.need("as", "arm64")
    local common = known(list)
    assert.is_true(#common > 900)
    local code = assemble(mrs(common))
    for i, row in ipairs(common) do
      local word = string.unpack("<I4", code, 4 * i - 3)
      assert.equal(row.encoding, word >> 5 & 0x7fff | 0x8000, row.name)
    end
  end)

  it("include those of every part of the manual", function()
    for _, name in ipairs {
      "sctlr_el1", "actlr_el1", "cpacr_el1", "ttbr0_el1", "tcr_el1",
      "mair_el1", "vbar_el1", "esr_el1", "far_el1", "par_el1",
      "cntkctl_el1", "cntfrq_el0", "pmcr_el0", "pmevcntr30_el0",
      "icc_pmr_el1", "icc_ap1r3_el1", "zcr_el1", "apgakeyhi_el1",
      "gcr_el1", "hcr_el2", "ich_lr15_el2", "tpidr2_el0", "trcrsctlr31",
      "brbtgt31_el1", "amevtyper115_el0",
    } do
      local found = false
      for _, row in ipairs(list) do found = found or row.name == name end
      assert.is_true(found, name)
    end
  end)
end)
