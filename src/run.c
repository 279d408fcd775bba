/* SPDX-License-Identifier: MIT */
/* The run loop. */
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "exit.h"
#include "handle.h"
#include "kvmlua.h"
#include "option.h"
#include "run.h"
#include "stop.h"
#include "trace.h"

/* ---- one entry ----------------------------------------------------------- */

static int interrupted(struct kl_vcpu *v) {
  v->sync_valid = errno == EINTR ? v->run->kvm_valid_regs : 0;
  v->has_exited &= v->run->kvm_dirty_regs == 0;
  if (v->is_completing) return KL_R_INTR;
  __atomic_store_n(&v->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
  __atomic_store_n(&v->is_kicked, false, __ATOMIC_SEQ_CST);
  v->handle.context->stop = 0;
  if (v->is_timed) kl_drain(v);
  return v->is_expired ? KL_R_TIMEOUT : KL_R_INTR;
}

/* exit_reason tells something only in the two cases that carry a fault. It is
 * taken back then, lest the next run that fails finds it. */
int kl_failedrun(struct kl_vcpu *v) {
  if (errno == EINTR || errno == EAGAIN) return interrupted(v);
  v->error = errno;
  v->sync_valid = 0;
  if ((errno != EFAULT && errno != EHWPOISON) ||
      v->run->exit_reason != KVM_EXIT_MEMORY_FAULT)
    return -1;
  v->run->exit_reason = KVM_EXIT_UNKNOWN;
  return KVM_EXIT_MEMORY_FAULT;
}

int kl_watchedrun(lua_State *L, struct kl_vcpu *v) {
  if (v->handle.context->stop) v->run->immediate_exit = 1;
  int64_t start = kl_now();
  int r = ioctl(v->handle.fd, KVM_RUN, 0);
  if (v->handle.context->tracing)
    kl_trace(L, &v->handle, KVM_RUN, (unsigned long)(uintptr_t)v->run, r,
             start);
  return r;
}

/* ---- the loop ------------------------------------------------------------ */

/* Between begin and end nothing may raise. */
static void begin(struct kl_vcpu *v) {
  struct kl_context *context = v->handle.context;
  v->is_running = true;
  v->outer = context->running;
  __atomic_signal_fence(__ATOMIC_RELEASE); /* for kvmlua_interrupt */
  context->running = v;
}

static void end(struct kl_vcpu *v) {
  v->handle.context->running = v->outer;
  v->is_running = false;
}

/* Runs until an exit that no device takes; its reason is v->last_reason. False
 * leaves a handler's error on the stack. The vCPU is at idx. */
static KL_HOT bool loop(lua_State *L, struct kl_vcpu *v, int idx) {
  v->last_reason = kl_enter(L, v);
  return v->vm->bus == NULL || kl_serve(L, v, idx);
}

/* The same for a vCPU that the signal stops. A forked child has none. */
static KL_COLD bool maskedloop(lua_State *L, struct kl_vcpu *v, int idx,
                               int64_t timeout) {
  sigset_t old;
  bool ok = true;
  if (v->handle.machine->pid != getpid()) {
    v->error = EIO;
    v->last_reason = KL_R_NONE;
    return true;
  }
  if (kl_mask(v, timeout, &old) == 0) {
    ok = loop(L, v, idx);
  } else {
    v->error = errno;
    v->last_reason = KL_R_NONE;
  }
  kl_unmask(v, &old);
  return ok;
}

static KL_COLD int failrun(lua_State *L, struct kl_vcpu *v, int idx, int err) {
  v->last_reason = KL_R_NONE;
  kl_hideexit(L, idx, v);
  return kl_fail(L, "KVM_RUN", err, "vCPU %d: %s", (int)v->id, strerror(err));
}

struct options {
  int64_t timeout; /* in nanoseconds, -1: none */
  bool window;     /* exit when the guest can take an interrupt */
};

/* Runs the vCPU at an absolute index and pushes the reason and the exit.
 * [-0, +2] */
static KL_HOT int run(lua_State *L, struct kl_vcpu *v, int idx,
                      struct options o) {
  if (v->is_running)
    return kl_error(L, "kvm.vcpu is running already: a handler cannot run "
                       "the vCPU that called it");
  /* A vCPU that waits for INIT takes no registers from the page: KVM_RUN leaves
   * before that, and overwrites them there. */
  bool fresh = !v->has_exited;
  if (fresh && kl_flushregs(v) < 0) return failrun(L, v, idx, errno);
  v->run->request_interrupt_window = o.window;
  begin(v);
  bool ok = o.timeout >= 0 || v->has_mask || v->has_user_mask || v->outer
                ? maskedloop(L, v, idx, o.timeout)
                : loop(L, v, idx);
  end(v);
  if (!ok) return lua_error(L);
  if (v->last_reason < 0) return failrun(L, v, idx, v->error);
  if (fresh)
    v->has_exited =
        v->last_reason < KL_R_TIMEOUT && v->last_reason != KL_R_INTR;
  kl_pushexit(L, idx, v);
  return 2;
}

/* What the table at idx asks for. Its metamethods may close the vCPU. */
static struct options readoptions(lua_State *L, int idx) {
  static const char *const names[] = {"timeout", "interrupt_window", NULL};
  struct options o = {-1, false};
  if (lua_isnoneornil(L, idx)) return o;
  kl_checkoptions(L, idx, names);
  if (kl_option(L, idx, "timeout") != LUA_TNIL)
    o.timeout = kl_checkseconds(L, -1, idx, "timeout");
  lua_pop(L, 1);
  o.window = kl_optboolean(L, idx, "interrupt_window", false);
  if (o.window && !kl_arch_interrupt_window)
    kl_argerror(L, idx, "this machine has no interrupt_window");
  return o;
}

/* vcpu:run{timeout = seconds, interrupt_window = bool}? -> reason, exit */
int kl_vcpu_run(lua_State *L) {
  struct kl_vcpu *v = kl_checkvcpu(L, 1);
  struct options o = {-1, false};
  if (lua_gettop(L) > 1) {
    kl_maxargs(L, 2);
    o = readoptions(L, 2);
    v = kl_checkvcpu(L, 1);
  }
  return run(L, v, 1, o);
}

/* Upvalues: the vCPU, the deadline (-1: none), the window, whether the deadline
 * has passed. */
static int nextexit(lua_State *L) {
  int64_t deadline = lua_tointeger(L, lua_upvalueindex(2));
  struct options o = {-1, lua_toboolean(L, lua_upvalueindex(3))};
  lua_settop(L, 0);
  if (lua_toboolean(L, lua_upvalueindex(4))) return 0;
  lua_pushvalue(L, lua_upvalueindex(1));
  struct kl_vcpu *v = kl_checkvcpu(L, 1);
  if (deadline >= 0) {
    o.timeout = deadline - kl_now();
    if (o.timeout < 0) o.timeout = 0;
  }
  int n = run(L, v, 1, o);
  if (v->last_reason == KL_R_TIMEOUT) {
    lua_pushboolean(L, true);
    lua_replace(L, lua_upvalueindex(4));
  }
  return n;
}

/* vcpu:exits{timeout = seconds}? -> iterator over reason, exit. The timeout is
 * for the whole loop, which ends after the exit "timeout". */
int kl_vcpu_exits(lua_State *L) {
  kl_checkvcpu(L, 1);
  kl_maxargs(L, 2);
  struct options o = readoptions(L, 2);
  lua_settop(L, 1);
  lua_pushinteger(L, o.timeout < 0 ? -1 : kl_now() + o.timeout);
  lua_pushboolean(L, o.window);
  lua_pushboolean(L, false);
  lua_pushcclosure(L, nextexit, 4);
  return 1;
}

/* vcpu:kick() */
int kl_vcpu_kick(lua_State *L) {
  struct kl_vcpu *v = kl_checkvcpu(L, 1);
  kl_maxargs(L, 1);
  kl_kick(v);
  return 0;
}

/* vcpu:complete(): lets KVM finish the instruction that exited, with what was
 * answered, and stops before the next. Returns nothing, or the reason and exit
 * when the instruction has a further part. */
int kl_vcpu_complete(lua_State *L) {
  struct kl_vcpu *v = kl_checkvcpu(L, 1);
  kl_maxargs(L, 1);
  if (v->is_running)
    return kl_error(L, "kvm.vcpu is running: complete it after run returns");
  if (!v->has_exited && kl_flushregs(v) < 0) return failrun(L, v, 1, errno);
  begin(v); /* nor may a tracer close it */
  v->is_completing = true;
  v->run->immediate_exit = 1;
  int reason = kl_enter(L, v);
  v->is_completing = false;
  /* A kick is for the next run, whenever it comes. */
  __atomic_store_n(&v->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&v->is_kicked, __ATOMIC_SEQ_CST))
    __atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
  end(v);
  if (reason < 0) return failrun(L, v, 1, v->error);
  v->last_reason = reason == KL_R_INTR ? KL_R_NONE : reason;
  if (reason == KL_R_INTR) {
    kl_hideexit(L, 1, v);
    return 0;
  }
  kl_pushexit(L, 1, v);
  return 2;
}

/* ---- embedding ----------------------------------------------------------- */

struct kl_context *kvmlua_context(lua_State *L) {
  return kl_context(L);
}

void kvmlua_interrupt(struct kl_context *context) {
  context->stop = 1;
  for (struct kl_vcpu *v = context->running; v != NULL; v = v->outer)
    v->run->immediate_exit = 1;
}

void kvmlua_resume(struct kl_context *context) {
  context->stop = 0;
}
