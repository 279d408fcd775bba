/* SPDX-License-Identifier: MIT */
/* The registers of x86-64 by the names of gdb and the manuals. */
#include <cpuid.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "arch_uapi.h"
#include "msrs.h"
#include "x86.h"

/* In the order in which they are written: what the others depend on first. */
enum { G_SREGS, G_XCRS, G_FPU, G_DEBUGREGS, G_REGS, G_MSRS };

static bool is_amd;
static pthread_once_t vendor_once = PTHREAD_ONCE_INIT;

static void askvendor(void) {
  unsigned a, b, c, d;
  is_amd = __get_cpuid(0, &a, &b, &c, &d) && b == signature_AMD_ebx;
}

/* Intel's processors enter a guest with a busy task state only. AMD's do not
 * look, and KVM_GET_SREGS says busy there whatever was set; but QEMU's
 * emulation of one ends with "invalid tss type" when ring 3 is left with a busy
 * one. */
static void fixtask(struct kvm_segment *tr) {
  enum { BUSY = 2 };
  pthread_once(&vendor_once, askvendor);
  if (is_amd && tr->s == 0 && (tr->type & 5) == 1)
    tr->type = (uint8_t)(tr->type & ~BUSY);
}

/* Without an in-kernel local APIC, KVM_RUN takes CR8 from the kvm_run page. */
static int write_sregs(lua_State *L, struct kl_vcpu *v, const struct kl_reg *r,
                       const void *data) {
  struct kvm_sregs s;
  (void)r;
  memcpy(&s, data, sizeof s);
  fixtask(&s.tr);
  if (kl_ioctl(L, &v->handle, KVM_SET_SREGS, &s) < 0) return -1;
  if (v->run != NULL) v->run->cr8 = s.cr8;
  return 0;
}

/* Bit 1 of RFLAGS is always set. */
static void settle_regs(void *data) {
  struct kvm_regs *regs = data;
  regs->rflags |= 2;
}

#define SYNC(member) offsetof(struct kvm_run, s.regs.member)

const struct kl_reg_group kl_arch_reg_groups[] = {
    [G_SREGS] = {.name = "segment and control registers",
                 .size = sizeof(struct kvm_sregs),
                 .get = KVM_GET_SREGS,
                 .write = write_sregs,
                 .sync = KVM_SYNC_X86_SREGS,
                 .sync_offset = SYNC(sregs),
                 .write_through = true,
                 .ioctls = {"KVM_GET_SREGS", "KVM_SET_SREGS"}},
    [G_XCRS] = {.name = "extended control registers",
                .size = sizeof(struct kvm_xcrs),
                .get = KVM_GET_XCRS,
                .set = KVM_SET_XCRS,
                .ioctls = {"KVM_GET_XCRS", "KVM_SET_XCRS"}},
    [G_FPU] = {.name = "floating-point and vector registers",
               .size = sizeof(struct kl_x86_fpu),
               .read = kl_x86_readfpu,
               .write = kl_x86_writefpu,
               .ioctls = {"KVM_GET_XSAVE", "KVM_SET_XSAVE"}},
    [G_DEBUGREGS] = {.name = "debug registers",
                     .size = sizeof(struct kvm_debugregs),
                     .get = KVM_GET_DEBUGREGS,
                     .set = KVM_SET_DEBUGREGS,
                     .ioctls = {"KVM_GET_DEBUGREGS", "KVM_SET_DEBUGREGS"}},
    [G_REGS] = {.name = "general registers",
                .size = sizeof(struct kvm_regs),
                .get = KVM_GET_REGS,
                .set = KVM_SET_REGS,
                .sync = KVM_SYNC_X86_REGS,
                .sync_offset = SYNC(regs),
                .settle = settle_regs,
                .forgets_reads = true,
                .ioctls = {"KVM_GET_REGS", "KVM_SET_REGS"}},
    [G_MSRS] = {.name = "model-specific registers",
                .read = kl_x86_readmsr,
                .write = kl_x86_writemsr,
                .ioctls = {"KVM_GET_MSRS", "KVM_SET_MSRS"}},
};
KL_REG_GROUPS_END;

/* ---- rows ---------------------------------------------------------------- */

#define ROW(n, g, type, field)                                   \
  .name = n, .group = g, .offset = offsetof(struct type, field), \
  .size = sizeof(((struct type *)0)->field)

/* clang-format off */
#define GPR(n) {ROW(#n, G_REGS, kvm_regs, n)},
#define CR(n) {ROW(#n, G_SREGS, kvm_sregs, n)},
#define DTABLE(n)                                                      \
  {ROW(#n "_base", G_SREGS, kvm_sregs, n.base)},                       \
  {ROW(#n "_limit", G_SREGS, kvm_sregs, n.limit)},
#define DR(n, field)                                                   \
  {ROW(n, G_DEBUGREGS, kvm_debugregs, field), .quiet = true},
/* clang-format on */

#define ATTRIBUTE(seg, field, b)                                   \
  {ROW(#seg "_" #field, G_SREGS, kvm_sregs, seg.field), .bits = b, \
   .quiet = true},
#define SEGMENT(seg)                                                          \
  {ROW(#seg "_selector", G_SREGS, kvm_sregs, seg.selector)},                  \
      {ROW(#seg "_base", G_SREGS, kvm_sregs, seg.base)},                      \
      {ROW(#seg "_limit", G_SREGS, kvm_sregs, seg.limit)},                    \
      ATTRIBUTE(seg, type, 4) ATTRIBUTE(seg, s, 1) ATTRIBUTE(seg, dpl, 2)     \
          ATTRIBUTE(seg, present, 1) ATTRIBUTE(seg, avl, 1)                   \
              ATTRIBUTE(seg, l, 1) ATTRIBUTE(seg, db, 1) ATTRIBUTE(seg, g, 1) \
                  ATTRIBUTE(seg, unusable, 1)

/* clang-format off */
#define FPU(n) {ROW(#n, G_FPU, kl_x86_fpu, n), .quiet = true},
#define VECTOR(n, field, bytes)                                        \
  {.name = n, .group = G_FPU, .size = bytes, .quiet = true,            \
   .offset = offsetof(struct kl_x86_fpu, field)},
#define ST(i) VECTOR("st" #i, st[i], 10)
#define XMM(i) VECTOR("xmm" #i, zmm[i], 16)
/* clang-format on */

#define MSR(n, index) \
  {.name = #n, .group = G_MSRS, .size = 8, .id = index, .quiet = true},

const struct kl_reg kl_arch_regs[] = {
    GPR(rax) GPR(rbx) GPR(rcx) GPR(rdx) GPR(rsi) GPR(rdi) GPR(rbp) GPR(rsp)
        GPR(r8) GPR(r9) GPR(r10) GPR(r11) GPR(r12) GPR(r13) GPR(r14) GPR(r15)
            GPR(rip) GPR(rflags) SEGMENT(cs) SEGMENT(ds) SEGMENT(es) SEGMENT(fs)
                SEGMENT(gs) SEGMENT(ss) SEGMENT(tr) SEGMENT(ldt) DTABLE(gdt)
                    DTABLE(idt) CR(cr0) CR(cr2) CR(cr3) CR(cr4) CR(cr8) CR(efer)
                        CR(apic_base) DR("dr0", db[0]) DR("dr1", db[1])
                            DR("dr2", db[2]) DR("dr3", db[3]) DR("dr6", dr6)
                                DR("dr7", dr7){ROW("xcr0", G_XCRS, kvm_xcrs,
                                                   xcrs[0].value),
                                               .quiet = true},
    ST(0) ST(1) ST(2) ST(3) ST(4) ST(5) ST(6) ST(7) FPU(fcw) FPU(fsw) FPU(ftw)
        FPU(fop) FPU(fip) FPU(fdp) FPU(mxcsr) XMM(0) XMM(1) XMM(2) XMM(3) XMM(4)
            XMM(5) XMM(6) XMM(7) XMM(8) XMM(9) XMM(10) XMM(11) XMM(12) XMM(13)
                XMM(14) XMM(15) KL_MSRS(MSR){0}};

/* ---- registers without rows ---------------------------------------------- */

/* Registers that come with an extension of the processor, by number. */
static const struct extension {
  const char *prefix;
  int first, count; /* numbers with this prefix */
  uint16_t size;
  uint16_t offset, step; /* in struct kl_x86_fpu */
  uint64_t needs;        /* state components */
  bool listed;           /* pairs() has them */
} extensions[] = {
    {"ymm", 0, 16, 32, 0, 64, KL_XF_AVX, true},
    {"zmm", 0, 32, 64, 0, 64, KL_XF_AVX | KL_XF_AVX512, true},
    {"k", 0, 8, 8, offsetof(struct kl_x86_fpu, k), 8, KL_XF_AVX512, true},
    /* Parts of zmm16 to zmm31. */
    {"xmm", 16, 16, 16, 0, 64, KL_XF_AVX512, false},
    {"ymm", 16, 16, 32, 0, 64, KL_XF_AVX512, false},
};

static bool has(const struct extension *x) {
  return (kl_x86_xfeatures() & x->needs) == x->needs;
}

static bool findextension(const char *name, struct kl_reg *r) {
  for (size_t i = 0; i < KL_COUNT(extensions); i++) {
    const struct extension *x = &extensions[i];
    int n = kl_reg_number(name, x->prefix, 31);
    if (n < x->first || n >= x->first + x->count || !has(x)) continue;
    *r = (struct kl_reg){.name = name,
                         .group = G_FPU,
                         .size = x->size,
                         .offset = x->offset + (uint32_t)n * x->step};
    return true;
  }
  return false;
}

static bool findmsr(const char *name, struct kl_reg *r) {
  char *end;
  if (strncmp(name, "msr:", 4) != 0 || name[4] < '0' || name[4] > '9')
    return false;
  errno = 0;
  unsigned long long index = strtoull(name + 4, &end, 0);
  if (*end != '\0' || errno != 0 || index > UINT32_MAX) return false;
  *r = (struct kl_reg){.name = name, .group = G_MSRS, .size = 8, .id = index};
  return true;
}

bool kl_arch_findreg(lua_State *L, struct kl_vcpu *v, const char *name,
                     struct kl_reg *r) {
  (void)L;
  (void)v;
  if (strcmp(name, "pkru") == 0 && (kl_x86_xfeatures() & KL_XF_PKRU)) {
    *r = (struct kl_reg){ROW("pkru", G_FPU, kl_x86_fpu, pkru)};
    return true;
  }
  return findextension(name, r) || findmsr(name, r);
}

void kl_arch_moreregs(lua_State *L, struct kl_vcpu *v) {
  lua_Integer n = 0;
  (void)v;
  lua_newtable(L);
  for (size_t i = 0; i < KL_COUNT(extensions); i++) {
    const struct extension *x = &extensions[i];
    if (!x->listed || !has(x)) continue;
    for (int j = x->first; j < x->first + x->count; j++) {
      lua_pushfstring(L, "%s%d", x->prefix, j);
      lua_rawseti(L, -2, ++n);
    }
  }
  if (kl_x86_xfeatures() & KL_XF_PKRU) {
    lua_pushliteral(L, "pkru");
    lua_rawseti(L, -2, ++n);
  }
}
