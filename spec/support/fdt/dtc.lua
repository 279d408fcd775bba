-- SPDX-License-Identifier: MIT
-- Device trees through the tools of others: dtc, fdtoverlay, qemu.

local M = {}

local function write_file(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

local function read_file(path)
  local file = io.open(path, "rb")
  local bytes = file and file:read("a")
  if file then
    file:close()
  end
  return bytes
end

-- Whether the command is there; where it is not, why a spec is pending.
function M.missing(command, package)
  if not os.execute("command -v " .. command .. " >/dev/null 2>&1") then
    return ("%s is not installed (%s)"):format(command, package)
  end
end

-- Runs a command line in which %1, %2.. are files with the given contents and
-- %out is the file it writes. Returns that file, or nil and what was printed.
local function run(command, ...)
  local out, log = os.tmpname(), os.tmpname()
  local files = { ... }
  local paths = { out, log }
  for i, bytes in ipairs(files) do
    local path = os.tmpname()
    write_file(path, bytes)
    paths[#paths + 1] = path
    command = command:gsub("%%" .. i, path)
  end
  command = command:gsub("%%out", out)
  local ok = os.execute(("(%s) >%s 2>&1 </dev/null"):format(command, log))
  local result, printed = read_file(out), read_file(log)
  for _, path in ipairs(paths) do
    os.remove(path)
  end
  if not ok then
    return nil, printed
  end
  return result
end

-- Source to blob. FLAGS: -@ for symbols, -b N for the boot CPU.
function M.compile(source, flags)
  return run(("dtc -q -I dts -O dtb %s -o %%out %%1"):format(flags or ""),
    source)
end

-- What dtc has to say about a source; nil when it will not compile it.
function M.warnings(source)
  return run("dtc -I dts -O dtb -o /dev/null %1 2>%out", source)
end

-- Blob to source, in dtc's own words.
function M.decompile(blob)
  return run("dtc -q -I dtb -O dts -o %out %1", blob)
end

-- Blob to blob.
function M.copy(blob, flags)
  return run(("dtc -q -I dtb -O dtb %s -o %%out %%1"):format(flags or ""),
    blob)
end

function M.overlay(base, overlay)
  return run("fdtoverlay -i %1 -o %out %2", base, overlay)
end

-- The tree that qemu describes its machine with.
function M.qemu(machine)
  return run("qemu-system-aarch64 -machine " .. machine
    .. ",dumpdtb=%out -nographic -nodefaults")
end

return M
