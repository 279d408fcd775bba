/* SPDX-License-Identifier: MIT */
/* Whole kvm_run pages: saving one, and reading one that was saved. */
#include <string.h>

#include "exit.h"

/* What stands before the payload, in every exit: as a table. [-0, +1] */
static void pushhead(lua_State *L, const struct kvm_run *run) {
  lua_createtable(L, 0, 6);
  lua_pushinteger(L, run->flags);
  lua_setfield(L, -2, "flags");
  lua_pushboolean(L, run->if_flag);
  lua_setfield(L, -2, "if_flag");
  lua_pushboolean(L, run->ready_for_interrupt_injection);
  lua_setfield(L, -2, "ready_for_interrupt_injection");
  lua_pushinteger(L, (lua_Integer)run->cr8);
  lua_setfield(L, -2, "cr8");
  lua_pushinteger(L, (lua_Integer)run->apic_base);
  lua_setfield(L, -2, "apic_base");
}

/* vcpu:run_page() -> bytes */
static int vcpu_run_page(lua_State *L) {
  struct kl_vcpu *v = kl_checkvcpu(L, 1);
  kl_maxargs(L, 1);
  lua_pushlstring(L, (const char *)v->run, (size_t)v->handle.machine->run_size);
  return 1;
}

const luaL_Reg kl_exit_vcpu_methods[] = {{"run_page", vcpu_run_page},
                                         {NULL, NULL}};

/* decode_exit(bytes) -> exit, head: a saved kvm_run page. */
int kl_core_decode_exit(lua_State *L) {
  size_t n;
  const char *bytes = kl_checklstring(L, 1, &n);
  kl_maxargs(L, 1);
  kl_argcheck(L, n >= sizeof(struct kvm_run), 1, "shorter than struct kvm_run");
  struct kvm_run *run = lua_newuserdatauv(L, n, 0); /* aligned */
  memcpy(run, bytes, n);
  int reason =
      run->exit_reason <= INT16_MAX ? (int)run->exit_reason : INT16_MAX;
  kl_pushexitcopy(L, kl_exitrows(L), reason, (const unsigned char *)run, n);
  lua_pushinteger(L, run->exit_reason);
  lua_setfield(L, -2, "code");
  pushhead(L, run);
  return 2;
}
