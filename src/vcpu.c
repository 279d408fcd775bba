/* SPDX-License-Identifier: MIT */
/* kvm.vcpu: its life; run.c runs it. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "exit.h"
#include "handle.h"

/* The metatable of every vCPU's table of fields. */
static const char fields_meta = 0;

/* Sets a field of the vCPU at idx that scripts read. */
static void setfield(lua_State *L, int idx, const char *name, int value) {
  if (luaL_getmetafield(L, idx, "__index") != LUA_TTABLE) return;
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
}

static int vcpu_close(lua_State *L) {
  struct kl_vcpu *v = kl_check(L, 1, &kl_vcpu_class);
  if (v->is_running)
    return kl_error(L, "kvm.vcpu is running: close it after run returns");
  struct kvm_run *run = v->run;
  kl_stoptimer(v);
  kl_freering(v);
  __atomic_store_n(&v->run, NULL, __ATOMIC_SEQ_CST);
  kl_awaitkickers(v);
  if (run != NULL) munmap(run, (size_t)v->handle.machine->run_size);
  v->sync_valid = 0;
  kl_closehandle(&v->handle);
  if (run == NULL) return 0;
  /* Last, as this can run finalizers: what they find is closed. */
  kl_hideexit(L, 1, v);
  setfield(L, 1, "fd", -1);
  return 0;
}

void kl_newvcpu(lua_State *L, uint32_t id) {
  struct kl_vcpu *v = kl_newhandle(L, &kl_vcpu_class, KL_VCPU_UVS);
  v->id = id;
  v->vm = kl_checkvm(L, 1);
  v->last_reason = KL_R_NONE;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, KL_VCPU_VM);
  kl_newexit(L, v);
  lua_setiuservalue(L, -2, KL_VCPU_EXIT);
  kl_joinmachine(&v->handle, kl_checkvm(L, 1)->handle.machine);
}

/* Makes the table of the vCPU's fields, whose methods are the class's: calling
 * cpu:run() costs no look-up by a function. The vCPU is at the top. */
static void setfields(lua_State *L) {
  int object = lua_gettop(L);
  struct kl_vcpu *v = lua_touserdata(L, object);
  lua_createtable(L, 0, 16);
  lua_getiuservalue(L, object, KL_VCPU_VM);
  lua_setfield(L, -2, "vm");
  lua_getiuservalue(L, object, KL_VCPU_EXIT);
  lua_setfield(L, -2, "exit");
  lua_pushcfunction(L, kl_vcpu_run); /* one look-up less than a method */
  lua_setfield(L, -2, "run");
  kl_pushregs(L, object);
  lua_setfield(L, -2, "regs");
  lua_pushinteger(L, v->id);
  lua_setfield(L, -2, "id");
  lua_pushinteger(L, v->handle.fd);
  lua_setfield(L, -2, "fd");
  lua_rawgetp(L, LUA_REGISTRYINDEX, &fields_meta);
  lua_setmetatable(L, -2);
  kl_ownindex(L);
}

void kl_adoptvcpu(lua_State *L, int fd) {
  struct kl_vcpu *v = lua_touserdata(L, -1);
  struct kl_machine *machine = v->handle.machine;
  v->handle.fd = fd;
  void *run = mmap(NULL, (size_t)machine->run_size, PROT_READ | PROT_WRITE,
                   MAP_SHARED, fd, 0);
  if (run == MAP_FAILED) {
    int err = errno;
    kl_closehandle(&v->handle);
    kl_fail(L, "mmap", err, "the kvm_run page of vCPU %d: %s", (int)v->id,
            strerror(err));
  }
  v->run = run;
  setfields(L);
}

static const luaL_Reg methods[] = {
    {"close", vcpu_close},          {"ioctl", kl_rawioctl},
    {"exits", kl_vcpu_exits},       {"kick", kl_vcpu_kick},
    {"complete", kl_vcpu_complete}, {NULL, NULL}};
static const luaL_Reg meta[] = {{"__tostring", kl_handle_tostring},
                                {NULL, NULL}};

const struct kl_class kl_vcpu_class = {
    .name = "kvm.vcpu",
    .size = sizeof(struct kl_vcpu),
    .methods = methods,
    .meta = meta,
    .close = vcpu_close,
};

/* A name that is neither a field nor a method. Argument 1: the methods. */
static int vcpu_missing(lua_State *L) {
  return kl_nomember(L, kl_vcpu_class.name, 1, 0);
}

void kl_openvcpu(lua_State *L) {
  const luaL_Reg *const more[] = {kl_dirty_vcpu_methods,
                                  kl_coalesced_vcpu_methods,
                                  kl_exit_vcpu_methods, NULL};
  kl_setmethods(L, &kl_vcpu_class, KL_VCPU, more);
  lua_newtable(L);
  lua_getfield(L, -2, "class");
  lua_getfield(L, -1, kl_vcpu_class.name);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, vcpu_missing);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2); /* of the methods */
  lua_setfield(L, -3, "__index");
  lua_pop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &fields_meta);
}
