/* SPDX-License-Identifier: MIT */
#include "trace.h"

#include <sys/ioctl.h>

#include "handle.h"

struct event {
  struct kl_handle *handle;
  unsigned long request, arg;
  int result, err;
  int64_t duration;
};

int64_t kl_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The struct as the kernel left it, the kvm_run page of KVM_RUN, or a number.
 */
static void pusharg(lua_State *L, const struct event *e) {
  const char *data = (const char *)(uintptr_t)e->arg;
  if (e->request == KVM_RUN)
    lua_pushlstring(L, data, (size_t)e->handle->machine->run_size);
  else if (_IOC_DIR(e->request) != _IOC_NONE)
    lua_pushlstring(L, data, _IOC_SIZE(e->request));
  else
    lua_pushinteger(L, (lua_Integer)e->arg);
}

/* Calls the tracer in protected mode, where memory errors are caught too. */
static int calltracer(lua_State *L) {
  const struct event *e = lua_touserdata(L, 1);
  kl_pushcontext(L);
  lua_getiuservalue(L, -1, 1);
  pusharg(L, e); /* before a finalizer can run, which may close the vCPU */
  lua_pushstring(L, e->handle->object.class->name);
  lua_pushinteger(L, e->handle->fd);
  lua_pushinteger(L, (lua_Integer)e->request);
  lua_rotate(L, -4, -1);
  lua_pushinteger(L, e->result);
  lua_pushinteger(L, e->result < 0 ? e->err : 0);
  lua_pushinteger(L, e->duration);
  lua_call(L, 7, 0);
  return 0;
}

void kl_trace(lua_State *L, struct kl_handle *h, unsigned long request,
              unsigned long arg, int result, int64_t start) {
  int err = errno;
  struct event e = {h, request, arg, result, err, kl_now() - start};
  if (!lua_checkstack(L, 3)) return;
  h->context->tracing = false; /* not what the tracer itself does */
  lua_pushcfunction(L, calltracer);
  lua_pushlightuserdata(L, &e);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    lua_warning(L, "kvm.core.trace: ", 1);
    /* a number would be made a string, for which memory may be short */
    bool is_text = lua_type(L, -1) == LUA_TSTRING;
    lua_warning(L, is_text ? lua_tostring(L, -1) : "error object", 0);
    lua_pop(L, 1);
  }
  kl_pushcontext(L);
  h->context->tracing = lua_getiuservalue(L, -1, 1) == LUA_TFUNCTION;
  lua_pop(L, 2);
  errno = err;
}

int kl_core_errname(lua_State *L) {
  char buffer[16];
  int err = (int)kl_checkinteger(L, 1);
  kl_maxargs(L, 1);
  lua_pushstring(L, kl_errname(err, buffer));
  return 1;
}

int kl_core_trace(lua_State *L) {
  kl_maxargs(L, 1);
  if (!lua_isnoneornil(L, 1)) kl_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  struct kl_context *context = kl_context(L);
  kl_pushcontext(L);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  context->tracing = !lua_isnil(L, 1);
  return 0;
}
