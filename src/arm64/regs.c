/* SPDX-License-Identifier: MIT */
/* The registers of an arm64 vCPU: which have a row, and how V registers are
 * reached when the vCPU has SVE. All others are found by name (regnames.c). */
#include <errno.h>
#include <string.h>

#include "regids.h"

enum { GROUP_REG, GROUP_VECTOR };

/* ---- V registers --------------------------------------------------------- */

/* V<n> is the low 16 bytes of Z<n>, and a vCPU with SVE has only the latter:
 * the kernel refuses the core register then (EINVAL). */
static bool hides_in_z(const struct kl_reg *r, struct kl_reg *z) {
  if (errno != EINVAL) return false;
  uint64_t n = (r->id - KL_ID_V(0)) / (KL_ID_V(1) - KL_ID_V(0));
  *z = (struct kl_reg){.name = r->name, .size = KL_Z_SIZE, .id = KL_ID_Z(n)};
  return true;
}

static int read_vector(lua_State *L, struct kl_vcpu *v, const struct kl_reg *r,
                       void *data) {
  struct kl_reg z;
  unsigned char bytes[KL_Z_SIZE];
  int ok = kl_reg_read_onereg(L, v, r, data);
  if (ok >= 0 || !hides_in_z(r, &z)) return ok;
  if (kl_reg_read_onereg(L, v, &z, bytes) < 0) return -1;
  memcpy(data, bytes, r->size);
  return 0;
}

/* Leaves the part of Z<n> above V<n> as it is. */
static int write_vector(lua_State *L, struct kl_vcpu *v, const struct kl_reg *r,
                        const void *data) {
  struct kl_reg z;
  unsigned char bytes[KL_Z_SIZE];
  int ok = kl_reg_write_onereg(L, v, r, data);
  if (ok >= 0 || !hides_in_z(r, &z)) return ok;
  if (kl_reg_read_onereg(L, v, &z, bytes) < 0) return -1;
  memcpy(bytes, data, r->size);
  return kl_reg_write_onereg(L, v, &z, bytes);
}

const struct kl_reg_group kl_arch_reg_groups[] = {
    [GROUP_REG] = {.name = "register",
                   .read = kl_reg_read_onereg,
                   .write = kl_reg_write_onereg,
                   .ioctls = {"KVM_GET_ONE_REG", "KVM_SET_ONE_REG"}},
    [GROUP_VECTOR] = {.name = "vector",
                      .read = read_vector,
                      .write = write_vector,
                      .ioctls = {"KVM_GET_ONE_REG", "KVM_SET_ONE_REG"}},
};
KL_REG_GROUPS_END;

/* ---- rows ---------------------------------------------------------------- */

/* What every vCPU has. V registers have no row: KVM_GET_REG_LIST lists them
 * only for a vCPU without SVE, and pairs() shows what that call lists. */
/* clang-format off */
#define CORE(n, field)                                      \
  {.name = n,                                               \
   .group = GROUP_REG,                                     \
   .size = sizeof(((struct kvm_regs *)0)->field),           \
   .id = KL_ID_CORE(field)}
#define QUIET(n, field)                                     \
  {.name = n,                                               \
   .group = GROUP_REG,                                     \
   .size = sizeof(((struct kvm_regs *)0)->field),           \
   .id = KL_ID_CORE(field),                                 \
   .quiet = true}
#define X(n) CORE("x" #n, regs.regs[n])
/* clang-format on */

const struct kl_reg kl_arch_regs[] = {
    X(0),
    X(1),
    X(2),
    X(3),
    X(4),
    X(5),
    X(6),
    X(7),
    X(8),
    X(9),
    X(10),
    X(11),
    X(12),
    X(13),
    X(14),
    X(15),
    X(16),
    X(17),
    X(18),
    X(19),
    X(20),
    X(21),
    X(22),
    X(23),
    X(24),
    X(25),
    X(26),
    X(27),
    X(28),
    X(29),
    X(30),
    CORE("sp", regs.sp), /* SP_EL0; SP_EL1 is what EL1 normally uses */
    CORE("pc", regs.pc),
    CORE("pstate", regs.pstate),
    CORE("sp_el1", sp_el1),
    CORE("elr_el1", elr_el1),
    CORE("spsr_el1", spsr[KVM_SPSR_EL1]),
    QUIET("spsr_abt", spsr[KVM_SPSR_ABT]),
    QUIET("spsr_und", spsr[KVM_SPSR_UND]),
    QUIET("spsr_irq", spsr[KVM_SPSR_IRQ]),
    QUIET("spsr_fiq", spsr[KVM_SPSR_FIQ]),
    QUIET("fpsr", fp_regs.fpsr),
    QUIET("fpcr", fp_regs.fpcr),
    {.name = NULL}};

/* ---- the others ---------------------------------------------------------- */

bool kl_arch_findreg(lua_State *L, struct kl_vcpu *v, const char *name,
                     struct kl_reg *r) {
  (void)v;
  uint64_t id = kl_arm64_regid(L, name);
  if (id == 0) return false;
  bool is_vector = id >= KL_ID_V(0) && id <= KL_ID_V(31);
  *r = (struct kl_reg){.name = name,
                       .group = is_vector ? GROUP_VECTOR : GROUP_REG,
                       .size = (uint16_t)kl_reg_size(id),
                       .id = id,
                       .quiet = true};
  return true;
}

void kl_arch_moreregs(lua_State *L, struct kl_vcpu *v) {
  kl_reg_pushlist(L, v, kl_arm64_pushregname);
}
