/* SPDX-License-Identifier: MIT */
/* kvm.vcpu: its life; run.c runs it. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "exit.h"
#include "handle.h"

static int vcpu_close(lua_State *L) {
  struct kl_vcpu *v = kl_check(L, 1, &kl_vcpu_class);
  if (v->is_running)
    return luaL_error(L, "kvm.vcpu is running: close it after run returns");
  kl_stoptimer(v);
  kl_freering(v);
  if (v->run != NULL)
    munmap(v->run, (size_t)v->handle.machine->run_size);
  v->run = NULL;
  kl_closehandle(&v->handle);
  return 0;
}

static int vcpu_vm(lua_State *L) {
  kl_check(L, 1, &kl_vcpu_class);
  lua_getiuservalue(L, 1, KL_VCPU_VM);
  return 1;
}

static int vcpu_exit(lua_State *L) {
  kl_check(L, 1, &kl_vcpu_class);
  lua_getiuservalue(L, 1, KL_VCPU_EXIT);
  return 1;
}

static int vcpu_regs(lua_State *L) {
  kl_pushregs(L, 1);
  return 1;
}

static int vcpu_id(lua_State *L) {
  struct kl_vcpu *v = kl_check(L, 1, &kl_vcpu_class);
  lua_pushinteger(L, v->id);
  return 1;
}

void kl_newvcpu(lua_State *L, struct kl_vm *vm, uint32_t id) {
  struct kl_vcpu *v = kl_newhandle(L, &kl_vcpu_class, KL_VCPU_UVS);
  v->id = id;
  v->vm = vm;
  v->last_reason = KL_R_NONE;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, KL_VCPU_VM);
  kl_newexit(L, v);
  lua_setiuservalue(L, -2, KL_VCPU_EXIT);
}

void kl_adoptvcpu(lua_State *L, int fd) {
  struct kl_vcpu *v = lua_touserdata(L, -1);
  struct kl_machine *machine = v->vm->handle.machine;
  v->handle.fd = fd;
  v->handle.machine = machine;
  kl_refmachine(machine);
  void *run = mmap(NULL, (size_t)machine->run_size, PROT_READ | PROT_WRITE,
                   MAP_SHARED, fd, 0);
  if (run == MAP_FAILED) {
    int err = errno;
    kl_closehandle(&v->handle);
    kl_fail(L, "mmap", err, "the kvm_run page of vCPU %d: %s", (int)v->id,
            strerror(err));
  }
  v->run = run;
}

static const luaL_Reg methods[] = {{"close", vcpu_close},
                                   {"ioctl", kl_rawioctl},
                                   {"exits", kl_vcpu_exits},
                                   {"kick", kl_vcpu_kick},
                                   {"complete", kl_vcpu_complete},
                                   {NULL, NULL}};
static const luaL_Reg getters[] = {{"fd", kl_handle_fd}, {"vm", vcpu_vm},
                                   {"exit", vcpu_exit},  {"regs", vcpu_regs},
                                   {"id", vcpu_id},      {NULL, NULL}};
static const luaL_Reg meta[] = {{"__tostring", kl_handle_tostring},
                                {NULL, NULL}};

const struct kl_class kl_vcpu_class = {
    .name = "kvm.vcpu",
    .size = sizeof(struct kl_vcpu),
    .methods = methods,
    .getters = getters,
    .meta = meta,
    .close = vcpu_close,
};

void kl_openvcpu(lua_State *L) {
  const luaL_Reg *const more[] = {kl_dirty_vcpu_methods,
                                  kl_coalesced_vcpu_methods,
                                  kl_arch_vcpu_methods, NULL};
  kl_setmethods(L, &kl_vcpu_class, KL_VCPU, more);
}
