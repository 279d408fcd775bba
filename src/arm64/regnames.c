/* SPDX-License-Identifier: MIT */
/* Register names and KVM's ids, both ways. System and firmware registers are
 * looked up in a Lua table made once from the rows; numbered families and
 * encodings are parsed. */
#include <stdio.h>
#include <string.h>

#include "arch_uapi.h"
#include "regids.h"
#include "sysregs.h"

/* Key of the registry: name -> id and id -> name. */
static const char names_key = 0;

/* clang-format off */
#define SYSREG_ID(encoding)                                        \
  (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM64_SYSREG |       \
   (uint64_t)(encoding))
#define COPROC(id) ((id) & KVM_REG_ARM_COPROC_MASK)
/* clang-format on */

/* ---- system registers ---------------------------------------------------- */

/* By an old mistake that became ABI, KVM's ids of CNTV_CVAL_EL0 and CNTVCT_EL0
 * hold each other's encoding. Turns an encoding of the architecture into KVM's
 * and back. */
static uint64_t swaptimer(uint64_t encoding) {
  const uint64_t cntvct = KL_SYSREG(3, 3, 14, 0, 2);
  const uint64_t cntv_cval = KL_SYSREG(3, 3, 14, 3, 2);
  if (encoding == cntvct) return cntv_cval;
  if (encoding == cntv_cval) return cntvct;
  return encoding;
}

/* Adds a pair of name and id to the table at the top. */
static void addname(lua_State *L, const char *name, uint64_t id) {
  lua_pushinteger(L, (lua_Integer)id);
  lua_setfield(L, -2, name);
  lua_pushstring(L, name);
  lua_rawseti(L, -2, (lua_Integer)id);
}

static void addbank(lua_State *L, const struct kl_sysreg *row) {
  const char *mark = strchr(row->name, '#');
  for (int i = 0; i < row->count; i++) {
    char name[32];
    snprintf(name, sizeof name, "%.*s%d%s", (int)(mark - row->name), row->name,
             row->first + i, mark + 1);
    addname(L, name, SYSREG_ID(row->encoding + i * row->step));
  }
}

static const struct kl_constant firmware[] = {
    {"psci_version", KVM_REG_ARM_PSCI_VERSION},
    {"smccc_arch_workaround_1", KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1},
    {"smccc_arch_workaround_2", KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2},
    {"smccc_arch_workaround_3", KVM_REG_ARM_FW_REG(3)},
    {"std_bmap", KVM_REG_ARM_STD_BMAP},
    {"std_hyp_bmap", KVM_REG_ARM_STD_HYP_BMAP},
    {"vendor_hyp_bmap", KVM_REG_ARM_VENDOR_HYP_BMAP},
    {"vendor_hyp_bmap_2", KVM_REG_ARM_VENDOR_HYP_BMAP_2},
    {"vls", KVM_REG_ARM64_SVE_VLS},
    {"ffr", KVM_REG_ARM64_SVE_FFR(0)},
    {NULL, 0}};

static void pushnames(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &names_key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  for (const struct kl_sysreg *row = kl_sysregs; row->name != NULL; row++) {
    if (row->count != 0)
      addbank(L, row);
    else
      addname(L, row->name, SYSREG_ID(swaptimer(row->encoding)));
  }
  for (const struct kl_constant *row = firmware; row->name != NULL; row++)
    addname(L, row->name, (uint64_t)row->value);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &names_key);
}

/* ---- from a name --------------------------------------------------------- */

/* What KVM keeps among the core registers, by other names and by the encodings
 * that the architecture has for it. */
static const struct {
  const char *name; /* that is in no table; NULL: it is */
  unsigned encoding;
  uint64_t id;
} cores[] = {
    {"lr", 0, KL_ID_CORE(regs.regs[30])},
    {"fp", 0, KL_ID_CORE(regs.regs[29])},
    {"sp_el0", KL_SYSREG(3, 0, 4, 1, 0), KL_ID_CORE(regs.sp)},
    {NULL, KL_SYSREG(3, 4, 4, 1, 0), KL_ID_CORE(sp_el1)},
    {NULL, KL_SYSREG(3, 0, 4, 0, 1), KL_ID_CORE(elr_el1)},
    {NULL, KL_SYSREG(3, 0, 4, 0, 0), KL_ID_CORE(spsr[KVM_SPSR_EL1])},
    {NULL, KL_SYSREG(3, 3, 4, 4, 0), KL_ID_CORE(fp_regs.fpcr)},
    {NULL, KL_SYSREG(3, 3, 4, 4, 1), KL_ID_CORE(fp_regs.fpsr)},
};

static uint64_t coreid(const char *name, unsigned encoding) {
  for (size_t i = 0; i < KL_COUNT(cores); i++) {
    bool is_named = cores[i].name != NULL && strcmp(cores[i].name, name) == 0;
    if (is_named || (encoding != 0 && cores[i].encoding == encoding))
      return cores[i].id;
  }
  return 0;
}

/* s<op0>_<op1>_c<CRn>_c<CRm>_<op2>, the assembler's name of any register. */
static uint64_t fromencoding(const char *name) {
  unsigned op0, op1, crn, crm, op2;
  char again[32];
  if (sscanf(name, "s%u_%u_c%u_c%u_%u", &op0, &op1, &crn, &crm, &op2) != 5 ||
      op0 < 2 || op0 > 3 || op1 > 7 || crn > 15 || crm > 15 || op2 > 7)
    return 0;
  snprintf(again, sizeof again, "s%u_%u_c%u_c%u_%u", op0, op1, crn, crm, op2);
  if (strcmp(name, again) != 0) return 0;
  uint64_t core = coreid(name, KL_SYSREG(op0, op1, crn, crm, op2));
  if (core != 0) return core;
  return SYSREG_ID(swaptimer(KL_SYSREG(op0, op1, crn, crm, op2)));
}

static uint64_t fromfamily(const char *name) {
  int n;
  if ((n = kl_reg_number(name, "v", 31)) >= 0) return KL_ID_V((uint64_t)n);
  if ((n = kl_reg_number(name, "z", 31)) >= 0) return KL_ID_Z((uint64_t)n);
  if ((n = kl_reg_number(name, "p", 15)) >= 0)
    return KVM_REG_ARM64_SVE_PREG(n, 0);
  if ((n = kl_reg_number(name, "ccsidr_el1:", 255)) >= 0)
    return KVM_REG_ARM64 | KVM_REG_SIZE_U32 | KVM_REG_ARM_DEMUX |
           KVM_REG_ARM_DEMUX_ID_CCSIDR | (uint64_t)n;
  return 0;
}

uint64_t kl_arm64_regid(lua_State *L, const char *name) {
  pushnames(L);
  lua_getfield(L, -1, name);
  uint64_t id = (uint64_t)lua_tointeger(L, -1);
  lua_pop(L, 2);
  if (id == 0) id = fromfamily(name);
  if (id == 0) id = coreid(name, 0);
  if (id == 0) id = fromencoding(name);
  if (id == 0) id = kl_reg_fromhex(name, KVM_REG_ARM64);
  return id;
}

/* ---- from an id ---------------------------------------------------------- */

static void pushencoding(lua_State *L, uint64_t id) {
  unsigned e = (unsigned)swaptimer(id & 0xffff);
  lua_pushfstring(L, "s%d_%d_c%d_c%d_%d", (int)(e >> 14), (int)(e >> 11 & 7),
                  (int)(e >> 7 & 15), (int)(e >> 3 & 15), (int)(e & 7));
}

/* Pushes the name of a member of a numbered family; false when it is none. */
static bool pushmember(lua_State *L, uint64_t id) {
  if (id >= KL_ID_V(0) && id <= KL_ID_V(31))
    lua_pushfstring(L, "v%d",
                    (int)((id - KL_ID_V(0)) / (KL_ID_V(1) - KL_ID_V(0))));
  else if (id >= KL_ID_Z(0) && id <= KL_ID_Z(31) && (id & 31) == 0)
    lua_pushfstring(L, "z%d", (int)(id >> 5 & 31));
  else if (id >= KVM_REG_ARM64_SVE_PREG(0, 0) &&
           id <= KVM_REG_ARM64_SVE_PREG(15, 0) && (id & 31) == 0)
    lua_pushfstring(L, "p%d", (int)(id >> 5 & 15));
  else if (COPROC(id) == KVM_REG_ARM_DEMUX &&
           (id & KVM_REG_ARM_DEMUX_ID_MASK) == KVM_REG_ARM_DEMUX_ID_CCSIDR)
    lua_pushfstring(L, "ccsidr_el1:%d", (int)(id & KVM_REG_ARM_DEMUX_VAL_MASK));
  else
    return false;
  return true;
}

void kl_arm64_pushregname(lua_State *L, uint64_t id) {
  pushnames(L);
  int found = lua_rawgeti(L, -1, (lua_Integer)id);
  lua_remove(L, -2);
  if (found == LUA_TSTRING) return;
  lua_pop(L, 1);
  if (pushmember(L, id)) return;
  if (id == SYSREG_ID(id & 0xffff)) {
    pushencoding(L, id);
    return;
  }
  kl_reg_pushhex(L, id);
}
