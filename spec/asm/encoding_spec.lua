-- SPDX-License-Identifier: MIT
-- Bytes as the manuals give them: Intel SDM volume 2, Arm ARM chapter C6.

local asm = require "kvm.asm"
local tools = require "spec.support.toolchain"
local hex = tools.hex

local encodings = {
  x86_16 = {
    { "mov $0x3f8, %dx", "ba f8 03" },
    { "mov $'4', %al", "b0 34" },
    { "out %al, (%dx)", "ee" },
    { "hlt", "f4" },
    { "movl $1, %eax", "66 b8 01 00 00 00" },
    { "mov (%si), %al", "8a 04" },
    { "mov 8(%bp,%di), %bx", "8b 5b 08" },
    { "mov %eax, %cr0", "0f 22 c0" },
    { "ljmp $0xf000, $0xfff0", "ea f0 ff 00 f0" },
    { "lidt (0x1234)", "0f 01 1e 34 12" },
    { "rep insb", "f3 6c" },
    { "call .", "e8 fd ff" },
  },
  x86_32 = {
    { "mov $1, %eax", "b8 01 00 00 00" },
    { "inc %ecx", "41" },
    { "push %cs", "0e" },
    { "movw %ax, %ds", "8e d8" },
    { "ljmp $8, $0x100000", "ea 00 00 10 00 08 00" },
    { "mov 4(%esp,%ebx,8), %edx", "8b 54 dc 04" },
    { "lret", "cb" },
    { "into", "ce" },
  },
  x86_64 = {
    { "mov $1, %eax", "b8 01 00 00 00" },
    { "movabs $0x1122334455667788, %rax", "48 b8 88 77 66 55 44 33 22 11" },
    { "mov %rsp, %r9", "49 89 e1" },
    { "mov %cr3, %rax", "0f 20 d8" },
    { "mov %rax, %cr8", "44 0f 22 c0" },
    { "wrmsr", "0f 30" },
    { "swapgs", "0f 01 f8" },
    { "sysretq", "48 0f 07" },
    { "iretq", "48 cf" },
    { "invlpg (%rdi)", "0f 01 3f" },
    { "vmcall", "0f 01 c1" },
    { "lock cmpxchg16b (%rsi)", "f0 48 0f c7 0e" },
    { "mov %gs:0x28, %rax", "65 48 8b 04 25 28 00 00 00" },
    { "vaddps %zmm0, %zmm2, %zmm1", "62 f1 6c 48 58 c8" },
    { "endbr64", "f3 0f 1e fa" },
  },
  arm64 = {
    { "nop", "1f 20 03 d5" },
    { "ret", "c0 03 5f d6" },
    { "mov x0, #1", "20 00 80 d2" },
    { "svc #0", "01 00 00 d4" },
    { "hvc #0", "02 00 00 d4" },
    { "smc #0", "03 00 00 d4" },
    { "brk #0", "00 00 20 d4" },
    { "wfi", "7f 20 03 d5" },
    { "isb", "df 3f 03 d5" },
    { "eret", "e0 03 9f d6" },
    { "mrs x0, currentel", "40 42 38 d5" },
    { "msr vbar_el1, x0", "00 c0 18 d5" },
    { "mrs x1, s3_0_c0_c0_0", "01 00 38 d5" },
    { "at s1e1r, x0", "00 78 08 d5" },
    { "tlbi vmalle1", "1f 87 08 d5" },
    { "stp x29, x30, [sp, #-16]!", "fd 7b bf a9" },
    { "ldadd x0, x1, [x2]", "41 00 20 f8" },
    { "paciasp", "3f 23 03 d5" },
    { "ldr q0, [x1]", "20 00 c0 3d" },
    { "ptrue p0.b", "e0 e3 18 25" },
  },
}

describe("asm encodes", function()
  for _, arch in ipairs { "x86_16", "x86_32", "x86_64", "arm64" } do
    it(#encodings[arch] .. " instructions of " .. arch, function()
      tools.need("as", arch)
      for _, case in ipairs(encodings[arch]) do
        assert.equal(case[2], hex(asm[arch](case[1])), case[1])
      end
    end)
  end

  it("Intel syntax, with its own operand order", function()
    tools.need("as", "x86_64")
    local intel = { syntax = "intel" }
    for _, case in ipairs {
      { "mov eax, 1", "b8 01 00 00 00" },
      { "mov rax, qword ptr gs:[0x28]", "65 48 8b 04 25 28 00 00 00" },
      { "mov rax, [rbx + rcx*4 + 8]", "48 8b 44 8b 08" },
      { "add byte ptr [rdi], 1", "80 07 01" },
      { "fsubp st(1), st", "de e9" },
      { "lea rdi, [rip + after]\nafter:", "48 8d 3d 00 00 00 00" },
    } do
      assert.equal(case[2], hex(asm.x86_64(case[1], intel)), case[1])
    end
    assert.equal("b8 01 00", hex(asm.x86_16("mov ax, 1", intel)))
    assert.equal("40", hex(asm.x86_32("inc eax", intel)))
  end)

  it("AT&T syntax when told so, which is the default", function()
    tools.need("as", "x86_64")
    assert.equal("48 89 c3",
      hex(asm.x86_64("mov %rax, %rbx", { syntax = "att" })))
    assert.equal("48 89 c3", hex(asm.x86_64("mov %rax, %rbx")))
    -- The AT&T assembler's famous exchange of fsub and fsubr stays.
    assert.equal("de e1", hex(asm.x86_64("fsubp %st, %st(1)")))
  end)

  it("several statements, comments, macros, numeric labels", function()
    tools.need("as", "x86_64")
    assert.equal("90 90 f4 eb fd", hex((asm.x86_64 [[
      # a comment
      .macro twice what
        \what
        \what
      .endm
      twice nop    /* another */
    1: hlt; jmp 1b ]])))
    tools.need("as", "arm64")
    assert.equal("1f 20 03 d5 ff ff ff 17",
      hex((asm.arm64 [[ // a comment
      1: nop; b 1b ]])))
  end)

  it("the same by arch name", function()
    tools.need("as", "x86_64")
    for _, arch in ipairs { "x86_16", "x86_32", "x86_64" } do
      assert.equal(asm[arch]("mov $1, %eax"),
        (asm.assemble(arch, "mov $1, %eax")))
    end
  end)

  it("nothing from an empty text", function()
    tools.need("as", "x86_64")
    local bytes, symbols = asm.x86_64("")
    assert.equal("", bytes)
    assert.is_nil(next(symbols))
  end)

  it("what objdump decodes to the same instructions", function()
    tools.need("objdump", "x86_64")
    local bytes = asm.x86_64("push %rbp\nmov %rsp,%rbp\ncltq\nleave\nret\n")
    local path = os.tmpname()
    tools.write(path, bytes)
    local pipe <close> = io.popen(
      "objdump -D -b binary -m i386:x86-64 " .. path)
    local names = {}
    for name in pipe:read("a"):gmatch("\t[%x ]+\t(%a+)") do
      names[#names + 1] = name
    end
    os.remove(path)
    assert.same({ "push", "mov", "cltq", "leave", "ret" }, names)
  end)
end)
