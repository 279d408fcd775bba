-- SPDX-License-Identifier: MIT
-- tools/box from outside: its options, and what gets in and out of the machine.
-- The first run of all fetches and boots the machines; later ones wake them up.

local helper = require "spec.helper"

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

-- Runs a shell line in a new directory; gives its status, output and errors.
-- In the line, $box is the tool; the directory goes away with what is in it.
local function sh(line)
  local directory = io.popen("mktemp -d"):read "l"
  local _, how, status = os.execute(
    ("cd %s && box=%s; { %s\n} >.output 2>.errors </dev/null"):format(
      directory, quote(helper.root .. "/tools/box"), line))
  local output, errors = read(directory .. "/.output"), read(directory .. "/.errors")
  os.execute("rm -r " .. directory)
  assert(how == "exit", errors)
  return status, output, errors
end

local function lines(...)
  return table.concat({ ... }, "\n") .. "\n"
end

-- Without their absolute root, the tool would be looked for in the new place.
if not helper.root:match "^/" then
  helper.root = io.popen("pwd"):read "l"
end

describe("tools/box", function()
  describe("refuses, with status 2 and the reason,", function()
    local function refuses(arguments, reason)
      local status, output, errors = sh('"$box" ' .. arguments)
      assert.same({ 2, "" }, { status, output })
      assert.matches(reason, errors, 1, true)
    end

    it("a machine that it does not have", function()
      refuses("", "no machine ''")
      refuses("riscv64 -- true", "no machine 'riscv64'")
    end)

    it("an option that it does not have", function()
      refuses("arm64 --fast 1 -- true", "--fast: no such option")
      refuses("arm64 -x", "-x: no such option")
    end)

    it("an option without its value, or with a wrong one", function()
      refuses("arm64 --smp", "--smp: no such option, or its value is missing")
      refuses("arm64 --smp two -- true", "--smp: 'two' is not a number")
      refuses("arm64 -t 1.5 -- true", "-t: '1.5' is not a number")
      refuses("arm64 -d nowhere -- true", "nowhere: no directory")
    end)

    it("a kernel that this machine does not have", function()
      refuses("arm64 -k 5.10 -- true", "no kernel '5.10' for arm64")
      refuses("x86_64 -k 16k -- true", "no kernel '16k' for x86_64")
    end)
  end)

  it("explains itself", function()
    for _, arguments in ipairs { "--help", "-h", "x86_64 --help" } do
      local status, output = sh('"$box" ' .. arguments)
      assert.equal(0, status)
      assert.matches("^usage: tools/box arm64|x86_64", output)
    end
  end)

  it("says which program it lacks", function()
    local status, _, errors = sh 'KVMLUA_BOX_QEMU=no-qemu "$box" arm64 -- true'
    assert.equal(125, status)
    assert.matches("no program 'no-qemu'", errors, 1, true)
  end)

  describe("gives a command", function()
    it("its arguments as they are, and gives back its status", function()
      local status, output = sh [["$box" arm64 -- sh -c 'printf "<%s>" "$@"
        exit 7' sh "it's" '' '$HOME *' 'two
lines']]
      assert.equal("<it's><><$HOME *><two\nlines>", output)
      assert.equal(7, status)
    end)

    it("real KVM with the kernel's log, on arm64", function()
      local status, output = sh [=["$box" arm64 -- sh -c 'uname -m
        dmesg | grep -o "VHE mode initialized"
        cat /sys/kernel/tracing/current_tracer
        kvmlua -e "print(require [[kvm]].open():get_api_version())"
        lua5.4 -e "print(require [[kvm.core]] and _VERSION)"']=]
      assert.equal(lines("aarch64", "VHE mode initialized", "nop", "12", "Lua 5.4"),
        output)
      assert.equal(0, status)
    end)

    it("real KVM with its module's parameters, on x86_64", function()
      local status, output = sh [=["$box" x86_64 -a kvm_amd.npt=0 -- sh -c '
        uname -m
        cat /sys/module/kvm_amd/parameters/npt
        kvmlua -e "print(require [[kvm]].open():get_api_version())"']=]
      assert.equal(lines("x86_64", "N", "12"), output)
      assert.equal(0, status)
    end)

    it("a copy of a directory, and brings its files back", function()
      local status, output = sh [[mkdir -p in/deep && echo one >in/deep/file
        "$box" arm64 -d in -o out/back -- sh -c 'pwd
          sed s/one/two/ deep/file >/out/file
          echo three >deep/file'
        cat in/deep/file out/back/file]]
      assert.equal(lines("/job", "one", "two"), output)
      assert.equal(0, status)
    end)

    it("standard input where asked, and nothing otherwise", function()
      local _, output = sh [[printf 'a\0b' | "$box" arm64 -i -- od -An -c
        echo lost | "$box" arm64 -- wc -c]]
      assert.equal(lines("   a  \\0   b", "0"), output)
    end)

    it("a terminal, when it has one itself, and the keys typed there", function()
      local status, output = sh [[export box
        (until grep -q up log; do sleep 0.1; done; printf '\003'; sleep 2) |
          script -qec 'stty rows 31 cols 77
            "$box" arm64 -- sh -c "trap \"echo caught\" INT; stty size; tty
              echo up; sleep 100; exit 5"' /dev/null >log
        status=$?; cat log; exit "$status"]]
      assert.matches("31 77\r\n/dev/hvc0\r\nup\r\n", output, 1, true)
      assert.matches("caught\r\n", output, 1, true)
      assert.equal(5, status)
    end)
  end)

  describe("passes output on", function()
    it("byte for byte", function()
      local _, output = sh [["$box" arm64 -- lua5.4 -e '
        local all = {}
        for byte = 0, 255 do all[#all + 1] = string.char(byte) end
        all = table.concat(all)
        for count = 1, 20000 do io.write(count, all) end']]
      local all, expected = {}, {}
      for byte = 0, 255 do all[#all + 1] = string.char(byte) end
      all = table.concat(all)
      for count = 1, 20000 do expected[count] = count .. all end
      assert.is_true(table.concat(expected) == output)
    end)

    it("complete, to a reader that is slow or leaves", function()
      local _, output = sh [["$box" arm64 -- seq 100000 | (sleep 3; tail -n 1)
        "$box" arm64 -- yes | head -n 1]]
      assert.equal(lines("100000", "y"), output)
    end)

    it("as it comes", function()
      local _, output = sh [["$box" arm64 -- sh -c 'echo one; sleep 3; echo two' |
        while read -r line; do echo "$line $(date +%s)"; done]]
      local one, two = output:match "^one (%d+)\ntwo (%d+)\n$"
      assert.is_true(two - one >= 2)
    end)

    it("apart from errors, without the kernel's messages", function()
      local _, output, errors = sh [["$box" arm64 -- sh -c '
        echo "<1>KERNEL" >/dev/kmsg; echo good; echo bad >/dev/stderr']]
      assert.equal("good\n", output)
      assert.matches("bad\n$", errors)
      assert.is_nil(errors:find "KERNEL")
    end)

    it("in order, where both go to the same place", function()
      local _, output = sh [["$box" arm64 -- sh -c 'for n in 1 2 3 4 5 6 7 8 9; do
        echo "$n"; echo "$n" >&2; done' 2>&1 | grep -v tools/box]]
      assert.equal("112233445566778899", (output:gsub("\n", "")))
    end)
  end)

  describe("ends", function()
    it("with 124 after the timeout", function()
      local status, _, errors = sh '"$box" arm64 -t 3 -- sleep 100'
      assert.equal(124, status)
      assert.matches("did not end within 3 seconds", errors, 1, true)
    end)

    it("with 125 and the console's last lines when the machine dies", function()
      local status, _, errors = sh '"$box" arm64 -- sh -c "echo c >/proc/sysrq-trigger"'
      assert.equal(125, status)
      assert.matches("Kernel panic", errors, 1, true)
      assert.matches("the machine died", errors, 1, true)
    end)

    it("with its command, whatever that has left running", function()
      local status, output = sh [["$box" arm64 -t 60 -- sh -c 'sleep 1000 & echo done']]
      assert.same({ 0, "done\n" }, { status, output })
    end)

    it("without a trace when it is told to", function()
      local _, output = sh [[mkdir tmp && export TMPDIR="$PWD/tmp"
        "$box" arm64 -- sh -c 'echo up; sleep 100' >up & box=$!
        until grep -q up up; do sleep 0.1; done
        kill "$box"; wait "$box"; echo "$?"
        ls -A tmp; grep -l "$TMPDIR" /proc/[0-9]*/cmdline]]
      assert.equal("143\n", output)
    end)
  end)

  it("runs several machines at once", function()
    local _, output = sh [[for n in 1 2 3; do
        "$box" arm64 -o "out$n" -- sh -c "echo $n >/out/file" & done; wait
      cat out1/file out2/file out3/file]]
    assert.equal(lines("1", "2", "3"), output)
  end)
end)
