/* SPDX-License-Identifier: MIT */
/* Exits that only arm64 has, or that carry more here. */
#include "arch.h"
#include "arch_uapi.h"

/* clang-format off */
#define AT(field) .offset = offsetof(struct kvm_run, field)
#define UINT(n, bytes) .name = n, .size = bytes, .kind = KL_X_UINT
#define CALL(n, function) .name = n, .kind = KL_X_CALL, .get = function
#define END {.name = NULL}
/* clang-format on */

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

static const struct kl_exit_field debug_fields[] = {
    {CALL("ec", get_ec)},
    {UINT("hsr", 4), AT(debug.arch.hsr)},
    {CALL("hsr_high", get_hsr_high)},
    {UINT("far", 8), AT(debug.arch.far)},
    END};

/* ---- intr ---------------------------------------------------------------- */

/* Lines that in-kernel timers and PMU raise to user space when the vGIC is not
 * the kernel's: a change of them ends KVM_RUN as a signal does. */
static const struct kl_exit_field intr_fields[] = {
    {UINT("device_irq_level", 8), AT(s.regs.device_irq_level)}, END};

/* ---- hypercall ----------------------------------------------------------- */

/* The kernel gives the function id. Arguments and results are x1 to x17 and x0
 * to x3 of the vCPU, which a script reads and writes there. */
static uint64_t flags(const unsigned char *run) {
  return kl_loaduint(run + offsetof(struct kvm_run, hypercall.longmode), 8);
}

static void get_smc(lua_State *L, const unsigned char *run, size_t size) {
  (void)size;
  lua_pushboolean(L, (flags(run) & KVM_HYPERCALL_EXIT_SMC) != 0);
}

static void get_16bit(lua_State *L, const unsigned char *run, size_t size) {
  (void)size;
  lua_pushboolean(L, (flags(run) & KVM_HYPERCALL_EXIT_16BIT) != 0);
}

static const struct kl_exit_field hypercall_fields[] = {
    {UINT("nr", 8), AT(hypercall.nr)},
    {CALL("is_smc", get_smc)},
    {CALL("is_16bit", get_16bit)},
    {UINT("flags", 8), AT(hypercall.longmode)},
    END};

/* ---- failed entry -------------------------------------------------------- */

static void get_unsupported(lua_State *L, const unsigned char *run,
                            size_t size) {
  (void)size;
  lua_pushboolean(L, (page(run)->fail_entry.hardware_entry_failure_reason &
                      KVM_EXIT_FAIL_ENTRY_CPU_UNSUPPORTED) != 0);
}

static const struct kl_exit_field fail_entry_fields[] = {
    {UINT("hardware_entry_failure_reason", 8),
     AT(fail_entry.hardware_entry_failure_reason)},
    {UINT("cpu", 4), AT(fail_entry.cpu)},
    {CALL("is_cpu_unsupported", get_unsupported)},
    END};

const struct kl_exit_row kl_arch_exits[] = {
    {KVM_EXIT_DEBUG, "debug", debug_fields},
    {KVM_EXIT_INTR, "intr", intr_fields},
    {KVM_EXIT_HYPERCALL, "hypercall", hypercall_fields},
    {KVM_EXIT_FAIL_ENTRY, "fail_entry", fail_entry_fields},
    {0, NULL, NULL}};
