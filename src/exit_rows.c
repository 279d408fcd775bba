/* SPDX-License-Identifier: MIT */
/* The payload of every exit reason: include/uapi/linux/kvm.h, struct kvm_run.
 * One whose members differ from machine to machine (debug), or that tells more
 * on some, has a row in <arch>/exits.c too. */
#include "exit_row.h"

#include <ctype.h>
#include <string.h>

typedef const struct kl_exit_field fields[];

/* The structs of uapi.h lie where the kernel's do. */
#define SAME(s, f, g)                                               \
  _Static_assert(offsetof(struct kvm_run, f) ==                     \
                     KL_RUN_UNION + offsetof(struct kl_run_##s, g), \
                 #f)
SAME(hypercall, hypercall.nr, nr);
SAME(hypercall, hypercall.args, args);
SAME(hypercall, hypercall.ret, ret);
SAME(hypercall, hypercall.longmode, flags);

/* ---- payloads that are more than fields ---------------------------------- */

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

/* Why KVM asks: "inval", "unknown", "filter". */
static void getcause(lua_State *L, const unsigned char *page, size_t n) {
  const struct kvm_run *run = (const void *)page;
  (void)n;
  switch (run->msr.reason) {
    case KVM_MSR_EXIT_REASON_INVAL: lua_pushliteral(L, "inval"); break;
    case KVM_MSR_EXIT_REASON_UNKNOWN: lua_pushliteral(L, "unknown"); break;
    case KVM_MSR_EXIT_REASON_FILTER: lua_pushliteral(L, "filter"); break;
    default: lua_pushinteger(L, run->msr.reason);
  }
}

static void getnotify(lua_State *L, const unsigned char *page, size_t n) {
  const struct kvm_run *run = (const void *)page;
  (void)n;
  lua_pushboolean(L, run->notify.flags & KVM_NOTIFY_CONTEXT_INVALID);
}

/* ---- the guest's memory, and what lies where no memory is ---------------- */

static fields iocsr = {KL_XLATER_U("gpa", iocsr_io, phys_addr),
                       KL_XLATER_U("size", iocsr_io, len),
                       {KL_XLATER("is_write", iocsr_io, is_write),
                        .kind = KL_X_BOOL, .is_turn = true},
                       {KL_XLATER("data", iocsr_io, data), .kind = KL_X_BYTES},
                       KL_XEND};
static fields dcr = {KL_XU("dcrn", dcr.dcrn), KL_XW("data", dcr.data),
                     KL_XTURN("is_write", dcr.is_write), KL_XEND};
static fields nisv = {KL_XU("esr_iss", arm_nisv.esr_iss),
                      KL_XU("fault_ipa", arm_nisv.fault_ipa), KL_XEND};
static fields memory_fault = {KL_XLATER_U("flags", memory_fault, flags),
                              KL_XLATER_U("gpa", memory_fault, gpa),
                              KL_XLATER_U("size", memory_fault, size), KL_XEND};
static fields sea = {KL_XLATER_U("flags", arm_sea, flags),
                     KL_XLATER_U("esr", arm_sea, esr),
                     KL_XLATER_U("gva", arm_sea, gva),
                     KL_XLATER_U("gpa", arm_sea, gpa), KL_XEND};
static fields ucontrol = {KL_XU("trans_exc_code", s390_ucontrol.trans_exc_code),
                          KL_XU("pgm_code", s390_ucontrol.pgm_code), KL_XEND};
static fields bus_lock = {KL_XU("flags", flags), KL_XEND};

/* ---- registers ----------------------------------------------------------- */

/* error = true gives the guest a fault. */
static fields rdmsr = {
    KL_XU("index", msr.index),   KL_XW("value", msr.data),
    KL_XW("data", msr.data),     KL_XFLAG("error", msr.error),
    KL_XCALL("cause", getcause), KL_XEND};
static fields wrmsr = {
    KL_XU("index", msr.index),   KL_XU("value", msr.data),
    KL_XU("data", msr.data),     KL_XFLAG("error", msr.error),
    KL_XCALL("cause", getcause), KL_XEND};
static fields csr = {KL_XU("csr_num", riscv_csr.csr_num),
                     KL_XU("new_value", riscv_csr.new_value),
                     KL_XU("write_mask", riscv_csr.write_mask),
                     KL_XW("ret_value", riscv_csr.ret_value), KL_XEND};

/* ---- calls of the guest to its host -------------------------------------- */

static fields hypercall = {KL_XU("nr", hypercall.nr),
                           KL_XLIST("args", hypercall.args),
                           KL_XW("ret", hypercall.ret),
                           KL_XLATER_U("flags", hypercall, flags), KL_XEND};
static fields osi = {KL_XLIST("gprs", osi.gprs), KL_XEND};
static fields papr = {KL_XU("nr", papr_hcall.nr), KL_XW("ret", papr_hcall.ret),
                      KL_XLIST("args", papr_hcall.args), KL_XEND};
static fields sbi = {KL_XU("extension_id", riscv_sbi.extension_id),
                     KL_XU("function_id", riscv_sbi.function_id),
                     KL_XLIST("args", riscv_sbi.args),
                     KL_XWLIST("ret", riscv_sbi.ret), KL_XEND};
static fields xen = {KL_XU("type", xen.type),
                     KL_XBOOL("longmode", xen.u.hcall.longmode),
                     KL_XU("cpl", xen.u.hcall.cpl),
                     KL_XU("input", xen.u.hcall.input),
                     KL_XW("result", xen.u.hcall.result),
                     KL_XLIST("params", xen.u.hcall.params),
                     KL_XEND};

/* The union's members are separate fields: type says which are meant. */
static fields hyperv = {
    KL_XU("type", hyperv.type),
    KL_XU("synic_msr", hyperv.u.synic.msr),
    KL_XU("synic_control", hyperv.u.synic.control),
    KL_XU("synic_evt_page", hyperv.u.synic.evt_page),
    KL_XU("synic_msg_page", hyperv.u.synic.msg_page),
    KL_XU("hcall_input", hyperv.u.hcall.input),
    KL_XW("hcall_result", hyperv.u.hcall.result),
    KL_XLIST("hcall_params", hyperv.u.hcall.params),
    KL_XU("syndbg_msr", hyperv.u.syndbg.msr),
    KL_XU("syndbg_control", hyperv.u.syndbg.control),
    KL_XW("syndbg_status", hyperv.u.syndbg.status),
    KL_XU("syndbg_send_page", hyperv.u.syndbg.send_page),
    KL_XU("syndbg_recv_page", hyperv.u.syndbg.recv_page),
    KL_XU("syndbg_pending_page", hyperv.u.syndbg.pending_page),
    KL_XEND};

/* nr is the leaf of the call and says which of the others are meant. */
static fields tdx = {KL_XLATER_U("flags", tdx, flags),
                     KL_XLATER_U("nr", tdx, nr),
                     KL_XLATER_W("ret", tdx, unknown.ret),
                     KL_XLATER_LIST("data", tdx, unknown.data),
                     KL_XLATER_U("gpa", tdx, get_quote.gpa),
                     KL_XLATER_U("size", tdx, get_quote.size),
                     KL_XLATER_U("leaf", tdx, get_tdvmcall_info.leaf),
                     KL_XLATER_W("r11", tdx, get_tdvmcall_info.r11),
                     KL_XLATER_W("r12", tdx, get_tdvmcall_info.r12),
                     KL_XLATER_W("r13", tdx, get_tdvmcall_info.r13),
                     KL_XLATER_W("r14", tdx, get_tdvmcall_info.r14),
                     KL_XLATER_U("vector", tdx, setup_event_notify.vector),
                     KL_XEND};
static fields snp = {KL_XLATER_U("gpa", snp_req_certs, gpa),
                     KL_XLATER_U("npages", snp_req_certs, npages),
                     KL_XLATER_W("ret", snp_req_certs, ret), KL_XEND};

/* ---- interrupts ---------------------------------------------------------- */

/* What run{interrupt_window = true} waited for. */
static fields window = {
    KL_XBOOL("ready_for_interrupt_injection", ready_for_interrupt_injection),
    KL_XBOOL("if_flag", if_flag), KL_XEND};
static fields set_tpr = {KL_XU("cr8", cr8), KL_XEND};
static fields tpr_access = {KL_XU("rip", tpr_access.rip),
                            KL_XTURN("is_write", tpr_access.is_write), KL_XEND};
static fields eoi = {KL_XU("vector", eoi.vector), KL_XEND};
static fields epr = {KL_XW("epr", epr.epr), KL_XEND};
static fields notify = {KL_XU("flags", notify.flags),
                        KL_XCALL("context_invalid", getnotify), KL_XEND};

/* ---- instructions that user space emulates ------------------------------- */

static fields sieic = {KL_XU("icptcode", s390_sieic.icptcode),
                       KL_XU("ipa", s390_sieic.ipa),
                       KL_XU("ipb", s390_sieic.ipb), KL_XEND};
static fields tsch = {KL_XU("subchannel_id", s390_tsch.subchannel_id),
                      KL_XU("subchannel_nr", s390_tsch.subchannel_nr),
                      KL_XU("io_int_parm", s390_tsch.io_int_parm),
                      KL_XU("io_int_word", s390_tsch.io_int_word),
                      KL_XU("ipb", s390_tsch.ipb),
                      KL_XBOOL("dequeued", s390_tsch.dequeued),
                      KL_XEND};
static fields stsi = {
    KL_XU("gpa", s390_stsi.addr),  KL_XU("ar", s390_stsi.ar),
    KL_XU("fc", s390_stsi.fc),     KL_XU("sel1", s390_stsi.sel1),
    KL_XU("sel2", s390_stsi.sel2), KL_XEND};

/* ---- the end, and what went wrong ---------------------------------------- */

static fields system_event = {
    KL_XU("type", system_event.type),   KL_XCALL("event", getevent),
    KL_XU("ndata", system_event.ndata), KL_XCALL("data", geteventdata),
    KL_XU("flags", system_event.flags), KL_XEND};
static fields s390_reset = {KL_XU("flags", s390_reset_flags), KL_XEND};
static fields unknown = {KL_XU("hardware_exit_reason", hw.hardware_exit_reason),
                         KL_XEND};
static fields exception = {KL_XU("exception", ex.exception),
                           KL_XU("error_code", ex.error_code), KL_XEND};
static fields fail_entry = {KL_XU("hardware_entry_failure_reason",
                                  fail_entry.hardware_entry_failure_reason),
                            KL_XU("cpu", fail_entry.cpu), KL_XEND};
static fields internal_error = {
    KL_XU("suberror", internal.suberror), KL_XU("ndata", internal.ndata),
    KL_XCALL("data", getinternal), KL_XCALL("insn_bytes", getinsn), KL_XEND};

/* ---- by reason ----------------------------------------------------------- */

const struct kl_exit_row kl_exit_rows[] = {
    {KVM_EXIT_UNKNOWN, "unknown", unknown},
    {KVM_EXIT_EXCEPTION, "exception", exception},
    {KVM_EXIT_IO, "io", kl_io_fields},
    {KVM_EXIT_HYPERCALL, "hypercall", hypercall},
    {KVM_EXIT_DEBUG, "debug", NULL},
    {KVM_EXIT_HLT, "hlt", NULL},
    {KVM_EXIT_MMIO, "mmio", kl_mmio_fields},
    {KVM_EXIT_IRQ_WINDOW_OPEN, "irq_window_open", window},
    {KVM_EXIT_SHUTDOWN, "shutdown", NULL},
    {KVM_EXIT_FAIL_ENTRY, "fail_entry", fail_entry},
    {KVM_EXIT_INTR, "intr", NULL},
    {KVM_EXIT_SET_TPR, "set_tpr", set_tpr},
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
    {KVM_EXIT_X86_RDMSR, "x86_rdmsr", rdmsr},
    {KVM_EXIT_X86_WRMSR, "x86_wrmsr", wrmsr},
    {KVM_EXIT_DIRTY_RING_FULL, "dirty_ring_full", NULL},
    {KVM_EXIT_AP_RESET_HOLD, "ap_reset_hold", NULL},
    {KVM_EXIT_X86_BUS_LOCK, "x86_bus_lock", bus_lock},
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
