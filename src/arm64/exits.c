/* SPDX-License-Identifier: MIT */
/* Exits whose payload is this machine's own, or that carry more here. */
#include "arch.h"
#include "arch_uapi.h"

typedef const struct kl_exit_field fields[];

static const struct kvm_run *page(const unsigned char *run) {
  return (const struct kvm_run *)(const void *)run;
}

/* ---- debug --------------------------------------------------------------- */

/* The exception class of the syndrome: what the debugger stopped for. */
static void get_ec(lua_State *L, const unsigned char *run, size_t size) {
  (void)size;
  lua_pushinteger(L, page(run)->debug.arch.hsr >> 26);
}

/* ESR_EL2[63:32], which older kernels leave undefined. */
static void get_hsr_high(lua_State *L, const unsigned char *run, size_t size) {
  (void)size;
  bool valid = page(run)->flags & KVM_DEBUG_ARCH_HSR_HIGH_VALID;
  lua_pushinteger(L, valid ? page(run)->debug.arch.hsr_high : 0);
}

static fields debug = {KL_XCALL("ec", get_ec), KL_XU("hsr", debug.arch.hsr),
                       KL_XCALL("hsr_high", get_hsr_high),
                       KL_XU("far", debug.arch.far), KL_XEND};

/* ---- intr ---------------------------------------------------------------- */

/* Lines that in-kernel timers and PMU raise to user space when the vGIC is not
 * the kernel's: a change of them ends KVM_RUN as a signal does. */
static fields intr = {KL_XU("device_irq_level", s.regs.device_irq_level),
                      KL_XEND};

/* ---- hypercall ----------------------------------------------------------- */

/* The kernel gives the function id. Arguments and results are x1 to x17 and x0
 * to x3 of the vCPU, which a script reads and writes there. */
static uint64_t flags(const unsigned char *run) {
  const struct kl_run_hypercall *h = (const void *)(run + KL_RUN_UNION);
  return h->flags;
}

static void get_smc(lua_State *L, const unsigned char *run, size_t size) {
  (void)size;
  lua_pushboolean(L, (flags(run) & KVM_HYPERCALL_EXIT_SMC) != 0);
}

static void get_16bit(lua_State *L, const unsigned char *run, size_t size) {
  (void)size;
  lua_pushboolean(L, (flags(run) & KVM_HYPERCALL_EXIT_16BIT) != 0);
}

static fields hypercall = {KL_XU("nr", hypercall.nr),
                           KL_XCALL("is_smc", get_smc),
                           KL_XCALL("is_16bit", get_16bit),
                           KL_XLATER_U("flags", hypercall, flags), KL_XEND};

/* ---- failed entry -------------------------------------------------------- */

static void get_unsupported(lua_State *L, const unsigned char *run,
                            size_t size) {
  (void)size;
  lua_pushboolean(L, (page(run)->fail_entry.hardware_entry_failure_reason &
                      KVM_EXIT_FAIL_ENTRY_CPU_UNSUPPORTED) != 0);
}

static fields fail_entry = {KL_XU("hardware_entry_failure_reason",
                                  fail_entry.hardware_entry_failure_reason),
                            KL_XU("cpu", fail_entry.cpu),
                            KL_XCALL("is_cpu_unsupported", get_unsupported),
                            KL_XEND};

const struct kl_exit_row kl_arch_exits[] = {
    {KVM_EXIT_DEBUG, "debug", debug},
    {KVM_EXIT_INTR, "intr", intr},
    {KVM_EXIT_HYPERCALL, "hypercall", hypercall},
    {KVM_EXIT_FAIL_ENTRY, "fail_entry", fail_entry},
    {0, NULL, NULL}};
