/* SPDX-License-Identifier: MIT */
/* The payload of every exit reason: include/uapi/linux/kvm.h, struct kvm_run.
 */
#include <ctype.h>
#include <string.h>

#include "exit.h"

/* clang-format off */
#define FIELD(n, s, f, k) .name = n, .offset = offsetof(struct s, f),      \
    .size = sizeof(((struct s *)0)->f), .kind = k
#define U(n, f) {FIELD(n, kvm_run, f, KL_X_UINT)}
#define W(n, f) {FIELD(n, kvm_run, f, KL_X_UINT), .writable = true}
#define BOOL(n, f) {FIELD(n, kvm_run, f, KL_X_BOOL)}
#define LIST(n, f)                                                   \
  {FIELD(n, kvm_run, f[0], KL_X_LIST),                               \
   .count = KL_COUNT(((struct kvm_run *)0)->f)}
#define CALL(n, g, s)                                                \
  {.name = n, .kind = KL_X_CALL, .writable = (s) != NULL, .get = g,  \
   .set = s}
#define END {.name = NULL}
/* clang-format on */
/* A field of a struct that the oldest headers lack. */
/* clang-format off */
#define LATERK(n, s, f, k)                                           \
  .name = n, .offset = KL_RUN_UNION + offsetof(struct s, f),         \
  .size = sizeof(((struct s *)0)->f), .kind = k
#define LATER(n, s, f) {LATERK(n, s, f, KL_X_UINT)}
#define LATERW(n, s, f) {LATERK(n, s, f, KL_X_UINT), .writable = true}
/* clang-format on */

typedef const struct kl_exit_field fields[];

/* ---- payloads that are more than fields ---------------------------------- */

static size_t mmiolen(const struct kvm_run *run) {
  size_t n = run->mmio.len;
  return n < sizeof run->mmio.data ? n : sizeof run->mmio.data;
}

static void getdata(lua_State *L, const unsigned char *page, size_t n) {
  const struct kvm_run *run = (const void *)page;
  (void)n;
  lua_pushlstring(L, (const char *)run->mmio.data, mmiolen(run));
}

static void setdata(lua_State *L, unsigned char *page, size_t n) {
  struct kvm_run *run = (void *)page;
  size_t given, len = mmiolen(run);
  if (lua_type(L, -1) != LUA_TSTRING)
    kl_error(L,
             "exit.data: a byte string expected, got %s (exit.value takes a "
             "number)",
             luaL_typename(L, -1));
  const char *bytes = lua_tolstring(L, -1, &given);
  (void)n;
  if (given != len)
    kl_error(L, "exit.data: %d bytes given, the access has %d", (int)given,
             (int)len);
  memcpy(run->mmio.data, bytes, len);
}

static const unsigned char *valueat(const unsigned char *page, size_t n,
                                    size_t *size) {
  const struct kvm_run *run = (const void *)page;
  (void)n;
  *size = mmiolen(run);
  return *size > 0 ? run->mmio.data : NULL;
}

static void setvalue(lua_State *L, unsigned char *page, size_t n) {
  struct kvm_run *run = (void *)page;
  uint64_t v = kl_exitinteger(L, "value");
  size_t len = mmiolen(run);
  (void)n;
  if (len < 8 && v >> (8 * len) != 0)
    kl_error(L, "exit.value: %I does not fit in %d bytes", (lua_Integer)v,
             (int)len);
  memcpy(run->mmio.data, &v, len);
}

/* The name of a system event in lower case, or its number. */
static void getevent(lua_State *L, const unsigned char *page, size_t n) {
  const struct kvm_run *run = (const void *)page;
  char name[32] = "";
  (void)n;
  if (kl_constantname(L, "SYSTEM_EVENT", run->system_event.type) ==
      LUA_TSTRING) {
    const char *s = lua_tostring(L, -1);
    for (size_t i = 0; s[i] && i < sizeof name - 1; i++)
      name[i] = (char)tolower((unsigned char)s[i]);
    lua_pushstring(L, name);
  } else {
    lua_pushinteger(L, run->system_event.type);
  }
  lua_remove(L, -2);
}

static void pushwords(lua_State *L, const __u64 words[16], uint32_t n) {
  __u64 copy[16]; /* making the table may run a finalizer */
  memcpy(copy, words, sizeof copy);
  if (n > 16) n = 16;
  lua_createtable(L, (int)n, 0);
  for (uint32_t i = 0; i < n; i++) {
    lua_pushinteger(L, (lua_Integer)copy[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

static void geteventdata(lua_State *L, const unsigned char *page, size_t n) {
  const struct kvm_run *run = (const void *)page;
  (void)n;
  pushwords(L, run->system_event.data, run->system_event.ndata);
}

static void getinternal(lua_State *L, const unsigned char *page, size_t n) {
  const struct kvm_run *run = (const void *)page;
  (void)n;
  pushwords(L, run->internal.data, run->internal.ndata);
}

/* The bytes of the instruction that KVM could not emulate, when it tells. */
static void getinsn(lua_State *L, const unsigned char *page, size_t n) {
  const struct kvm_run *run = (const void *)page;
  size_t size = run->emulation_failure.insn_size;
  (void)n;
  if (run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION ||
      run->internal.ndata < 3 ||
      !(run->emulation_failure.flags &
        KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES)) {
    lua_pushnil(L);
    return;
  }
  if (size > sizeof run->emulation_failure.insn_bytes)
    size = sizeof run->emulation_failure.insn_bytes;
  lua_pushlstring(L, (const char *)run->emulation_failure.insn_bytes, size);
}

/* ---- rows ---------------------------------------------------------------- */

static fields unknown = {U("hardware_exit_reason", hw.hardware_exit_reason),
                         END};
static fields exception = {U("exception", ex.exception),
                           U("error_code", ex.error_code), END};
static fields hypercall = {U("nr", hypercall.nr), LIST("args", hypercall.args),
                           W("ret", hypercall.ret),
                           LATER("flags", kl_run_hypercall, flags), END};
static fields mmio = {U("gpa", mmio.phys_addr),
                      U("size", mmio.len),
                      BOOL("is_write", mmio.is_write),
                      {.name = "value",
                       .kind = KL_X_AT,
                       .writable = true,
                       .at = valueat,
                       .set = setvalue},
                      CALL("data", getdata, setdata),
                      END};
static fields fail_entry = {U("hardware_entry_failure_reason",
                              fail_entry.hardware_entry_failure_reason),
                            U("cpu", fail_entry.cpu), END};
static fields internal_error = {
    U("suberror", internal.suberror), U("ndata", internal.ndata),
    CALL("data", getinternal, NULL), CALL("insn_bytes", getinsn, NULL), END};
static fields system_event = {
    U("type", system_event.type),   CALL("event", getevent, NULL),
    U("ndata", system_event.ndata), CALL("data", geteventdata, NULL),
    U("flags", system_event.flags), END};
static fields memory_fault = {LATER("flags", kl_run_memory_fault, flags),
                              LATER("gpa", kl_run_memory_fault, gpa),
                              LATER("size", kl_run_memory_fault, size), END};

/* Other architectures' exits: a saved page of theirs can be decoded here. */
static fields dcr = {U("dcrn", dcr.dcrn), W("data", dcr.data),
                     BOOL("is_write", dcr.is_write), END};
static fields osi = {LIST("gprs", osi.gprs), END};
static fields papr = {U("nr", papr_hcall.nr), W("ret", papr_hcall.ret),
                      LIST("args", papr_hcall.args), END};
static fields epr = {W("epr", epr.epr), END};
static fields sieic = {U("icptcode", s390_sieic.icptcode),
                       U("ipa", s390_sieic.ipa), U("ipb", s390_sieic.ipb), END};
static fields s390_reset = {U("flags", s390_reset_flags), END};
static fields ucontrol = {U("trans_exc_code", s390_ucontrol.trans_exc_code),
                          U("pgm_code", s390_ucontrol.pgm_code), END};
static fields tsch = {U("subchannel_id", s390_tsch.subchannel_id),
                      U("subchannel_nr", s390_tsch.subchannel_nr),
                      U("io_int_parm", s390_tsch.io_int_parm),
                      U("io_int_word", s390_tsch.io_int_word),
                      U("ipb", s390_tsch.ipb),
                      BOOL("dequeued", s390_tsch.dequeued),
                      END};
static fields stsi = {U("gpa", s390_stsi.addr),  U("ar", s390_stsi.ar),
                      U("fc", s390_stsi.fc),     U("sel1", s390_stsi.sel1),
                      U("sel2", s390_stsi.sel2), END};
static fields sbi = {U("extension_id", riscv_sbi.extension_id),
                     U("function_id", riscv_sbi.function_id),
                     LIST("args", riscv_sbi.args), LIST("ret", riscv_sbi.ret),
                     END};
static fields csr = {U("csr_num", riscv_csr.csr_num),
                     U("new_value", riscv_csr.new_value),
                     U("write_mask", riscv_csr.write_mask),
                     W("ret_value", riscv_csr.ret_value), END};
static fields iocsr = {
    LATER("gpa", kl_run_iocsr_io, phys_addr),
    LATER("size", kl_run_iocsr_io, len),
    {LATERK("is_write", kl_run_iocsr_io, is_write, KL_X_BOOL)},
    {LATERK("data", kl_run_iocsr_io, data, KL_X_BYTES)},
    END};

/* Exits of the machines that have a directory of their own here; that one's
 * row replaces the common one where it carries more. */
static fields io = {U("direction", io.direction), U("size", io.size),
                    U("port", io.port), U("count", io.count), END};
static fields tpr_access = {U("rip", tpr_access.rip),
                            BOOL("is_write", tpr_access.is_write), END};
static fields eoi = {U("vector", eoi.vector), END};
static fields nisv = {U("esr_iss", arm_nisv.esr_iss),
                      U("fault_ipa", arm_nisv.fault_ipa), END};
static fields msr = {U("index", msr.index), W("data", msr.data),
                     U("reason_flags", msr.reason), W("error", msr.error), END};
static fields notify = {U("flags", notify.flags), END};
static fields hyperv = {U("type", hyperv.type), END};
static fields xen = {U("type", xen.type), END};
static fields tdx = {LATER("flags", kl_run_tdx, flags),
                     LATER("nr", kl_run_tdx, nr), END};
static fields sea = {
    LATER("flags", kl_run_arm_sea, flags), LATER("esr", kl_run_arm_sea, esr),
    LATER("gva", kl_run_arm_sea, gva), LATER("gpa", kl_run_arm_sea, gpa), END};
static fields snp = {LATER("gpa", kl_run_snp_req_certs, gpa),
                     LATER("npages", kl_run_snp_req_certs, npages),
                     LATERW("ret", kl_run_snp_req_certs, ret), END};

const struct kl_exit_row kl_exit_rows[] = {
    {KVM_EXIT_UNKNOWN, "unknown", unknown},
    {KVM_EXIT_EXCEPTION, "exception", exception},
    {KVM_EXIT_IO, "io", io},
    {KVM_EXIT_HYPERCALL, "hypercall", hypercall},
    {KVM_EXIT_DEBUG, "debug", NULL},
    {KVM_EXIT_HLT, "hlt", NULL},
    {KVM_EXIT_MMIO, "mmio", mmio},
    {KVM_EXIT_IRQ_WINDOW_OPEN, "irq_window_open", NULL},
    {KVM_EXIT_SHUTDOWN, "shutdown", NULL},
    {KVM_EXIT_FAIL_ENTRY, "fail_entry", fail_entry},
    {KVM_EXIT_INTR, "intr", NULL},
    {KVM_EXIT_SET_TPR, "set_tpr", NULL},
    {KVM_EXIT_TPR_ACCESS, "tpr_access", tpr_access},
    {KVM_EXIT_S390_SIEIC, "s390_sieic", sieic},
    {KVM_EXIT_S390_RESET, "s390_reset", s390_reset},
    {KVM_EXIT_DCR, "dcr", dcr},
    {KVM_EXIT_NMI, "nmi", NULL},
    {KVM_EXIT_INTERNAL_ERROR, "internal_error", internal_error},
    {KVM_EXIT_OSI, "osi", osi},
    {KVM_EXIT_PAPR_HCALL, "papr_hcall", papr},
    {KVM_EXIT_S390_UCONTROL, "s390_ucontrol", ucontrol},
    {KVM_EXIT_WATCHDOG, "watchdog", NULL},
    {KVM_EXIT_S390_TSCH, "s390_tsch", tsch},
    {KVM_EXIT_EPR, "epr", epr},
    {KVM_EXIT_SYSTEM_EVENT, "system_event", system_event},
    {KVM_EXIT_S390_STSI, "s390_stsi", stsi},
    {KVM_EXIT_IOAPIC_EOI, "ioapic_eoi", eoi},
    {KVM_EXIT_HYPERV, "hyperv", hyperv},
    {KVM_EXIT_ARM_NISV, "arm_nisv", nisv},
    {KVM_EXIT_X86_RDMSR, "x86_rdmsr", msr},
    {KVM_EXIT_X86_WRMSR, "x86_wrmsr", msr},
    {KVM_EXIT_DIRTY_RING_FULL, "dirty_ring_full", NULL},
    {KVM_EXIT_AP_RESET_HOLD, "ap_reset_hold", NULL},
    {KVM_EXIT_X86_BUS_LOCK, "x86_bus_lock", NULL},
    {KVM_EXIT_XEN, "xen", xen},
    {KVM_EXIT_RISCV_SBI, "riscv_sbi", sbi},
    {KVM_EXIT_RISCV_CSR, "riscv_csr", csr},
    {KVM_EXIT_NOTIFY, "notify", notify},
    {KVM_EXIT_LOONGARCH_IOCSR, "loongarch_iocsr", iocsr},
    {KVM_EXIT_MEMORY_FAULT, "memory_fault", memory_fault},
    {KVM_EXIT_TDX, "tdx", tdx},
    {KVM_EXIT_ARM_SEA, "arm_sea", sea},
    {KVM_EXIT_ARM_LDST64B, "arm_ldst64b", nisv},
    {KVM_EXIT_SNP_REQ_CERTS, "snp_req_certs", snp},
    {0, NULL, NULL}};
