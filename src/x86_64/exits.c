/* SPDX-License-Identifier: MIT */
/* Exits of this architecture's own, or with more to tell here than in
 * exit_rows.c. What a field does not concern is nil. */
#include <string.h>

#include "arch_uapi.h"
#include "x86.h"

/* clang-format off */
#define RUN(member)                                                    \
  .offset = offsetof(struct kvm_run, member),                          \
  .size = sizeof(((struct kvm_run *)0)->member), .count = 1
#define U(n, member) {.name = n, RUN(member), .kind = KL_X_UINT}
#define W(n, member) {.name = n, RUN(member), .kind = KL_X_UINT, .writable = 1}
#define BOOL(n, member) {.name = n, RUN(member), .kind = KL_X_BOOL}
#define FLAG(n, member)                                                \
  {.name = n, RUN(member), .kind = KL_X_BOOL, .writable = 1}
#define LIST(n, member)                                                \
  {.name = n, .offset = offsetof(struct kvm_run, member[0]),           \
   .size = sizeof(((struct kvm_run *)0)->member[0]),                   \
   .count = KL_COUNT(((struct kvm_run *)0)->member), .kind = KL_X_LIST}
#define CALL(n, g) {.name = n, .kind = KL_X_CALL, .get = g}
#define ANSWER(n, g, s)                                                \
  {.name = n, .kind = KL_X_CALL, .writable = 1, .get = g, .set = s}
#define END {.name = NULL}
/* clang-format on */

typedef const struct kl_exit_field fields[];

/* ---- io ------------------------------------------------------------------ */

/* The data of a port access: count elements of size bytes, in the page behind
 * kvm_run. NULL when it is not inside the mapping: kvm_run is shared memory,
 * and a page given to decode_exit can hold anything. */
static unsigned char *iodata(const unsigned char *page, size_t run_size,
                             size_t *n) {
  const struct kvm_run *run = (const void *)page;
  uint64_t at = run->io.data_offset;
  *n = (size_t)run->io.size * run->io.count;
  if (at > run_size || *n > run_size - at) return NULL;
  return (unsigned char *)page + at;
}

static void get_iodata(lua_State *L, const unsigned char *page,
                       size_t run_size) {
  size_t n;
  const unsigned char *p = iodata(page, run_size, &n);
  if (p != NULL)
    lua_pushlstring(L, (const char *)p, n);
  else
    lua_pushnil(L);
}

static void set_iodata(lua_State *L, unsigned char *page, size_t run_size) {
  size_t n, given;
  unsigned char *p = iodata(page, run_size, &n);
  if (lua_type(L, -1) != LUA_TSTRING)
    kl_error(L,
             "exit.data: a byte string expected, got %s (exit.value takes a "
             "number)",
             luaL_typename(L, -1));
  const char *bytes = lua_tolstring(L, -1, &given);
  if (p == NULL || given != n)
    kl_error(L, "exit.data: %I bytes given, the access has %I",
             (lua_Integer)given, (lua_Integer)(p != NULL ? n : 0));
  memcpy(p, bytes, n);
}

/* The first element. */
static const unsigned char *iovalue_at(const unsigned char *page,
                                       size_t run_size, size_t *size) {
  const struct kvm_run *run = (const void *)page;
  size_t n;
  const unsigned char *p = iodata(page, run_size, &n);
  *size = run->io.size;
  return n >= *size && *size >= 1 && *size <= 4 ? p : NULL;
}

static void set_iovalue(lua_State *L, unsigned char *page, size_t run_size) {
  const struct kvm_run *run = (const void *)page;
  size_t n, size = run->io.size;
  unsigned char *p = iodata(page, run_size, &n);
  uint64_t v = kl_exitinteger(L, "value");
  if (p == NULL || n < size || size > 4)
    kl_error(L, "exit.value: the access has no data");
  if (v >> (8 * size) != 0)
    kl_error(L, "exit.value: %I does not fit in %d bits", (lua_Integer)v,
             (int)(8 * size));
  for (size_t i = 0; i < size; i++) p[i] = (unsigned char)(v >> (8 * i));
}

static fields io = {U("port", io.port),
                    U("size", io.size),
                    U("count", io.count),
                    BOOL("is_write", io.direction), /* KVM_EXIT_IO_OUT is 1 */
                    {.name = "value",
                     .kind = KL_X_AT,
                     .writable = 1,
                     .at = iovalue_at,
                     .set = set_iovalue},
                    ANSWER("data", get_iodata, set_iodata),
                    END};

/* ---- debug, hypercall, tpr ----------------------------------------------- */

static fields debug = {U("exception", debug.arch.exception),
                       U("pc", debug.arch.pc), U("dr6", debug.arch.dr6),
                       U("dr7", debug.arch.dr7), END};

/* Bit 0 of what is called flags today. */
static void get_longmode(lua_State *L, const unsigned char *page,
                         size_t run_size) {
  const struct kl_run_hypercall *h = (const void *)(page + KL_RUN_UNION);
  (void)run_size;
  lua_pushboolean(L, (int)(h->flags & KVM_EXIT_HYPERCALL_LONG_MODE));
}

static fields hypercall = {
    U("nr", hypercall.nr),
    LIST("args", hypercall.args),
    W("ret", hypercall.ret),
    {.name = "flags",
     .offset = KL_RUN_UNION + offsetof(struct kl_run_hypercall, flags),
     .size = 8,
     .count = 1,
     .kind = KL_X_UINT},
    CALL("longmode", get_longmode),
    END};

static fields set_tpr = {U("cr8", cr8), END};
static fields ioapic_eoi = {U("vector", eoi.vector), END};
static fields bus_lock = {U("flags", flags), END};

/* ---- MSRs ---------------------------------------------------------------- */

/* Why KVM asks: "inval", "unknown", "filter". */
static void get_cause(lua_State *L, const unsigned char *page,
                      size_t run_size) {
  const struct kvm_run *run = (const void *)page;
  (void)run_size;
  switch (run->msr.reason) {
    case KVM_MSR_EXIT_REASON_INVAL: lua_pushliteral(L, "inval"); break;
    case KVM_MSR_EXIT_REASON_UNKNOWN: lua_pushliteral(L, "unknown"); break;
    case KVM_MSR_EXIT_REASON_FILTER: lua_pushliteral(L, "filter"); break;
    default: lua_pushinteger(L, run->msr.reason);
  }
}

/* error = true gives the guest #GP. */
static fields rdmsr = {U("index", msr.index),    W("value", msr.data),
                       W("data", msr.data),      FLAG("error", msr.error),
                       CALL("cause", get_cause), END};
static fields wrmsr = {U("index", msr.index),    U("value", msr.data),
                       U("data", msr.data),      FLAG("error", msr.error),
                       CALL("cause", get_cause), END};

/* ---- notify, Hyper-V, Xen ------------------------------------------------ */

static void get_notify(lua_State *L, const unsigned char *page,
                       size_t run_size) {
  const struct kvm_run *run = (const void *)page;
  (void)run_size;
  lua_pushboolean(L, run->notify.flags & KVM_NOTIFY_CONTEXT_INVALID);
}

static fields notify = {U("flags", notify.flags),
                        CALL("context_invalid", get_notify), END};

/* The union's members are separate fields: type says which are meant. */
static fields hyperv = {U("type", hyperv.type),
                        U("synic_msr", hyperv.u.synic.msr),
                        U("synic_control", hyperv.u.synic.control),
                        U("synic_evt_page", hyperv.u.synic.evt_page),
                        U("synic_msg_page", hyperv.u.synic.msg_page),
                        U("hcall_input", hyperv.u.hcall.input),
                        W("hcall_result", hyperv.u.hcall.result),
                        LIST("hcall_params", hyperv.u.hcall.params),
                        U("syndbg_msr", hyperv.u.syndbg.msr),
                        U("syndbg_control", hyperv.u.syndbg.control),
                        W("syndbg_status", hyperv.u.syndbg.status),
                        U("syndbg_send_page", hyperv.u.syndbg.send_page),
                        U("syndbg_recv_page", hyperv.u.syndbg.recv_page),
                        U("syndbg_pending_page", hyperv.u.syndbg.pending_page),
                        END};

static fields xen = {U("type", xen.type),
                     BOOL("longmode", xen.u.hcall.longmode),
                     U("cpl", xen.u.hcall.cpl),
                     U("input", xen.u.hcall.input),
                     W("result", xen.u.hcall.result),
                     LIST("params", xen.u.hcall.params),
                     END};

/* ---- TDX ----------------------------------------------------------------- */

/* clang-format off */
#define TDX(n, member)                                                 \
  {.name = n, .offset = KL_RUN_UNION + offsetof(struct kl_run_tdx, member), \
   .size = 8, .count = 1, .kind = KL_X_UINT}
#define TDXW(n, member)                                                \
  {.name = n, .offset = KL_RUN_UNION + offsetof(struct kl_run_tdx, member), \
   .size = 8, .count = 1, .kind = KL_X_UINT, .writable = 1}
/* clang-format on */

/* nr is the leaf of the TDVMCALL and says which of the others are meant. */
static fields tdx = {
    TDX("flags", flags),
    TDX("nr", nr),
    TDXW("ret", unknown.ret),
    {.name = "data",
     .offset = KL_RUN_UNION + offsetof(struct kl_run_tdx, unknown.data),
     .size = 8,
     .count = 5,
     .kind = KL_X_LIST},
    TDX("gpa", get_quote.gpa),
    TDX("size", get_quote.size),
    TDX("leaf", get_tdvmcall_info.leaf),
    TDXW("r11", get_tdvmcall_info.r11),
    TDXW("r12", get_tdvmcall_info.r12),
    TDXW("r13", get_tdvmcall_info.r13),
    TDXW("r14", get_tdvmcall_info.r14),
    TDX("vector", setup_event_notify.vector),
    END};

/* What run{interrupt_window = true} waited for. */
static fields window = {
    BOOL("ready_for_interrupt_injection", ready_for_interrupt_injection),
    BOOL("if_flag", if_flag), END};

const struct kl_exit_row kl_arch_exits[] = {
    {KVM_EXIT_IO, "io", io},
    {KVM_EXIT_HYPERCALL, "hypercall", hypercall},
    {KVM_EXIT_DEBUG, "debug", debug},
    {KVM_EXIT_IRQ_WINDOW_OPEN, "irq_window_open", window},
    {KVM_EXIT_SET_TPR, "set_tpr", set_tpr},
    {KVM_EXIT_IOAPIC_EOI, "ioapic_eoi", ioapic_eoi},
    {KVM_EXIT_HYPERV, "hyperv", hyperv},
    {KVM_EXIT_X86_RDMSR, "x86_rdmsr", rdmsr},
    {KVM_EXIT_X86_WRMSR, "x86_wrmsr", wrmsr},
    {KVM_EXIT_X86_BUS_LOCK, "x86_bus_lock", bus_lock},
    {KVM_EXIT_XEN, "xen", xen},
    {KVM_EXIT_NOTIFY, "notify", notify},
    {KVM_EXIT_TDX, "tdx", tdx},
    {0, NULL, NULL}};
