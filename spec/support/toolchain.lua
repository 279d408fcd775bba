-- SPDX-License-Identifier: MIT
-- What specs need of the machine's own tools: assemblers, linkers, compilers.

local M = {}

local pipe <close> = io.popen("uname -m")
local host = pipe:read("l")

local prefixes = {
  x86_16 = host == "x86_64" and "" or "x86_64-linux-gnu-",
  arm64 = host == "aarch64" and "" or "aarch64-linux-gnu-",
}
prefixes.x86_32, prefixes.x86_64 = prefixes.x86_16, prefixes.x86_16

local flags = {
  as = { x86_16 = "--32", x86_32 = "--32", x86_64 = "--64", arm64 = "" },
  ld = { x86_16 = "-m elf_i386", x86_32 = "-m elf_i386",
    x86_64 = "-m elf_x86_64", arm64 = "" },
  gcc = { x86_32 = "-m32", x86_64 = "-m64", arm64 = "" },
}

--- The command of a tool for an architecture.
function M.command(tool, arch)
  return prefixes[arch] .. tool .. " " .. (flags[tool] or {})[arch]
end

--- Whether a tool is installed.
function M.has(tool, arch)
  return os.execute("command -v " .. prefixes[arch] .. tool
    .. " >/dev/null 2>&1") == true
end

--- Leave the running spec pending where a tool is missing.
function M.need(tool, arch)
  if not M.has(tool, arch) then
    pending(prefixes[arch] .. tool .. " is not installed")
  end
end

--- Write a file.
function M.write(path, bytes)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(bytes))
end

--- Read a file.
function M.read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

--- Run a command in which IN and OUT stand for files; the bytes of OUT.
function M.filter(command, input)
  local from, to = os.tmpname(), os.tmpname()
  M.write(from, input)
  command = command:gsub("IN", from):gsub("OUT", to)
  local pipe = io.popen(command .. " 2>&1")
  local messages = pipe:read("a")
  local ok = pipe:close()
  local output = M.read(to)
  os.remove(from)
  os.remove(to)
  if not ok then error(messages, 2) end
  return output
end

--- Assemble with the plain tool.
function M.object(arch, text)
  return M.filter(M.command("as", arch) .. " -o OUT IN", text .. "\n")
end

--- Link one object.
function M.link(arch, object, options)
  return M.filter(M.command("ld", arch) .. " -o OUT IN " .. options, object)
end

--- Run the compiler on C text.
function M.compile(arch, text, options)
  return M.filter(("%s -x c %s -o OUT IN"):format(
    M.command("gcc", arch), options), text)
end

--- Bytes as "b8 01 00".
function M.hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x "):format(c:byte()) end)
    :gsub(" $", ""))
end

return M
