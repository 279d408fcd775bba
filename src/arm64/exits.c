/* SPDX-License-Identifier: MIT */
/* Exits that only arm64 has, or that carry more here. */
#include "arch.h"

/* Numbers and payloads that headers before 6.19 do not have. */
enum { EXIT_ARM_SEA = 41, EXIT_ARM_LDST64B = 42 };

struct sea {
  uint64_t flags, esr, gva, gpa;
};

#define AT(field) .offset = offsetof(struct kvm_run, field)
#define IN_SEA(field) \
  .offset = offsetof(struct kvm_run, hw) + offsetof(struct sea, field)
#define UINT(n, bytes) .name = n, .size = bytes, .kind = KL_X_UINT
#define CALL(n, function) .name = n, .kind = KL_X_CALL, .get = function
#define END {.name = NULL}

static const struct kvm_run *page(const unsigned char *run) {
  return (const struct kvm_run *)(const void *)run;
}

/* ---- debug ------------------------------------------------------------------- */

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

/* ---- hypercall --------------------------------------------------------------- */

/* The kernel gives the function id. Arguments and results are x1 to x17 and x0
 * to x3 of the vCPU, which a script reads and writes there. */
enum { FLAG_SMC = 1, FLAG_16BIT = 2 };

static uint64_t flags(const unsigned char *run) {
  return kl_loaduint(run + offsetof(struct kvm_run, hypercall.longmode), 8);
}

static void get_smc(lua_State *L, const unsigned char *run, size_t size) {
  (void)size;
  lua_pushboolean(L, (flags(run) & FLAG_SMC) != 0);
}

static void get_16bit(lua_State *L, const unsigned char *run, size_t size) {
  (void)size;
  lua_pushboolean(L, (flags(run) & FLAG_16BIT) != 0);
}

static const struct kl_exit_field hypercall_fields[] = {
    {UINT("nr", 8), AT(hypercall.nr)},
    {CALL("is_smc", get_smc)},
    {CALL("is_16bit", get_16bit)},
    {UINT("flags", 8), AT(hypercall.longmode)},
    END};

/* ---- system events ------------------------------------------------------------ */

static void get_type(lua_State *L, const unsigned char *run, size_t size) {
  static const char *const names[] = {NULL,     "shutdown", "reset",
                                      "crash",  "wakeup",   "suspend"};
  uint32_t type = page(run)->system_event.type;
  (void)size;
  if (type < KL_COUNT(names) && names[type] != NULL)
    lua_pushstring(L, names[type]);
  else
    lua_pushinteger(L, type);
}

/* PSCI's own flags come as the first datum: SYSTEM_RESET2 and SYSTEM_OFF2. */
static void get_flags(lua_State *L, const unsigned char *run, size_t size) {
  (void)size;
  uint64_t data = page(run)->system_event.data[0];
  lua_pushinteger(L, page(run)->system_event.ndata > 0 ? (lua_Integer)data : 0);
}

static void get_data(lua_State *L, const unsigned char *run, size_t size) {
  const struct kvm_run *r = page(run);
  uint32_t n = r->system_event.ndata;
  (void)size;
  if (n > KL_COUNT(r->system_event.data)) n = KL_COUNT(r->system_event.data);
  lua_createtable(L, (int)n, 0);
  for (uint32_t i = 0; i < n; i++) {
    lua_pushinteger(L, (lua_Integer)r->system_event.data[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

static const struct kl_exit_field system_event_fields[] = {
    {CALL("type", get_type)},
    {CALL("flags", get_flags)},
    {CALL("data", get_data)},
    END};

/* ---- aborts ------------------------------------------------------------------- */

/* A load or store on no memory whose syndrome has no valid description; nisv.lua
 * decodes the instruction instead. */
static const struct kl_exit_field nisv_fields[] = {
    {UINT("esr_iss", 8), AT(arm_nisv.esr_iss)},
    {UINT("fault_ipa", 8), AT(arm_nisv.fault_ipa)},
    END};

static const struct kl_exit_field sea_fields[] = {
    {UINT("flags", 8), IN_SEA(flags)},
    {UINT("esr", 8), IN_SEA(esr)},
    {UINT("gva", 8), IN_SEA(gva)},
    {UINT("gpa", 8), IN_SEA(gpa)},
    END};

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
    {KVM_EXIT_HYPERCALL, "hypercall", hypercall_fields},
    {KVM_EXIT_SYSTEM_EVENT, "system_event", system_event_fields},
    {KVM_EXIT_FAIL_ENTRY, "fail_entry", fail_entry_fields},
    {KVM_EXIT_ARM_NISV, "arm_nisv", nisv_fields},
    {EXIT_ARM_SEA, "arm_sea", sea_fields},
    {EXIT_ARM_LDST64B, "arm_ldst64b", nisv_fields},
    {0, NULL, NULL}};
