/* SPDX-License-Identifier: MIT */
/* Stopping a guest.
 *
 * It is stopped by a signal that is blocked in the thread and unblocked only
 * inside KVM_RUN (KVM_SET_SIGNAL_MASK). So it needs no handler, nobody's
 * disposition changes, and none is lost: one that comes before the entry is
 * pending then and ends it at once. */
#include "stop.h"

#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ioctls.h"

/* The last but one real-time signal: few programs use it. */
#define STOP_SIGNAL (SIGRTMAX - 1)

enum { SIGSET_BYTES = 8 }; /* the kernel's sigset_t */

/* ---- the signal ---------------------------------------------------------- */

void kl_kick(struct kl_vcpu *v) {
  __atomic_add_fetch(&v->kickers, 1, __ATOMIC_SEQ_CST);
  struct kvm_run *run = __atomic_load_n(&v->run, __ATOMIC_SEQ_CST);
  if (run != NULL) {
    __atomic_store_n(&v->is_kicked, true, __ATOMIC_SEQ_CST);
    __atomic_store_n(&run->immediate_exit, 1, __ATOMIC_SEQ_CST);
  }
  pid_t tid = __atomic_load_n(&v->tid, __ATOMIC_SEQ_CST);
  if (tid != 0) {
    __atomic_store_n(&v->signalled, true, __ATOMIC_SEQ_CST);
    syscall(SYS_tgkill, getpid(), tid, STOP_SIGNAL);
  }
  __atomic_sub_fetch(&v->kickers, 1, __ATOMIC_SEQ_CST);
}

void kl_awaitkickers(struct kl_vcpu *v) {
  while (__atomic_load_n(&v->kickers, __ATOMIC_SEQ_CST) != 0) sched_yield();
}

static sigset_t stopset(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, STOP_SIGNAL);
  return set;
}

/* Makes KVM_RUN use the mask of the thread, or the one that the script has
 * set, without the signal. */
static int setmask(struct kl_vcpu *v, const sigset_t *thread) {
  sigset_t set = v->has_user_mask ? v->user_mask : *thread;
  sigdelset(&set, STOP_SIGNAL);
  if (v->has_mask && memcmp(&set, &v->mask, SIGSET_BYTES) == 0) return 0;
  char arg[sizeof(struct kvm_signal_mask) + SIGSET_BYTES];
  uint32_t len = SIGSET_BYTES;
  memcpy(arg, &len, sizeof len);
  memcpy(arg + offsetof(struct kvm_signal_mask, sigset), &set, len);
  if (ioctl(v->handle.fd, KVM_SET_SIGNAL_MASK, arg) < 0) return -1;
  memcpy(&v->mask, &set, SIGSET_BYTES);
  v->has_mask = true;
  return 0;
}

void kl_drain(struct kl_vcpu *v) {
  static const struct timespec now = {0, 0};
  siginfo_t info;
  sigset_t set = stopset();
  __atomic_store_n(&v->signalled, false, __ATOMIC_SEQ_CST);
  while (sigtimedwait(&set, &info, &now) == STOP_SIGNAL) {
    if (info.si_code != SI_TIMER) continue;
    for (struct kl_vcpu *o = v; o != NULL; o = o->outer)
      if (o == info.si_value.sival_ptr) o->is_expired = true;
  }
}

/* Sends the signal again that drain took from a vCPU further out. */
static void passon(const struct kl_vcpu *v) {
  for (v = v->outer; v != NULL; v = v->outer)
    if (v->is_expired) {
      syscall(SYS_tgkill, getpid(), gettid(), STOP_SIGNAL);
      return;
    }
}

/* ---- the timer ----------------------------------------------------------- */

/* A forked child has none of its parent's timers, but others of the same id. */
void kl_stoptimer(struct kl_vcpu *v) {
  if (v->has_timer && v->timer_pid == getpid()) timer_delete(v->timer);
  v->has_timer = false;
}

static int settimer(struct kl_vcpu *v, int64_t ns) {
  struct itimerspec t = {{0, 0}, {ns / 1000000000, ns % 1000000000}};
  return timer_settime(v->timer, 0, &t, NULL);
}

/* Sends the signal to the vCPU's thread in ns nanoseconds. */
static int armtimer(struct kl_vcpu *v, int64_t ns) {
  if (v->has_timer && (v->timer_tid != v->tid || v->timer_pid != getpid()))
    kl_stoptimer(v);
  if (!v->has_timer) {
    struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID,
                         .sigev_signo = STOP_SIGNAL,
                         .sigev_value.sival_ptr = v};
    e._sigev_un._tid = v->tid;
    if (timer_create(CLOCK_MONOTONIC, &e, &v->timer) < 0) return -1;
    v->has_timer = true;
    v->timer_tid = v->tid;
    v->timer_pid = getpid();
  }
  return settimer(v, ns > 0 ? ns : 1);
}

/* ---- around a run -------------------------------------------------------- */

int kl_mask(struct kl_vcpu *v, int64_t timeout, sigset_t *old) {
  sigset_t set = stopset();
  pthread_sigmask(SIG_BLOCK, &set, old);
  __atomic_store_n(&v->tid, gettid(), __ATOMIC_SEQ_CST);
  v->is_timed = timeout >= 0;
  if (setmask(v, old) < 0) return -1;
  return v->is_timed ? armtimer(v, timeout) : 0;
}

void kl_unmask(struct kl_vcpu *v, const sigset_t *old) {
  __atomic_store_n(&v->tid, 0, __ATOMIC_SEQ_CST);
  /* A kick in another thread may have seen the thread's id: its signal must
   * come while the signal is still blocked. */
  kl_awaitkickers(v);
  if (v->is_timed && v->has_timer) settimer(v, 0);
  /* The id of a thread may be another's when this one has ended, and the timer
   * is for the thread: only the first one's stays the process's. */
  if (v->has_timer && v->timer_tid != v->timer_pid) kl_stoptimer(v);
  if (v->is_timed || v->signalled) kl_drain(v);
  v->is_timed = v->is_expired = false;
  passon(v);
  pthread_sigmask(SIG_SETMASK, old, NULL);
}

/* ---- the script's own mask ----------------------------------------------- */

/* vcpu:set_signal_mask(list?): the signals blocked while the guest runs; nil:
 * those of the thread. */
int kl_vcpu_set_signal_mask(lua_State *L) {
  struct kl_vcpu *v = kl_checkvcpu(L, 1);
  kl_maxargs(L, 2);
  sigset_t set;
  sigemptyset(&set);
  if (!lua_isnoneornil(L, 2)) {
    kl_checktype(L, 2, LUA_TTABLE);
    lua_Integer n = kl_checklist(L, 2, "signals");
    for (lua_Integer i = 1; i <= n; i++) {
      lua_rawgeti(L, 2, i);
      lua_Integer sig = lua_tointeger(L, -1);
      if (sig < 1 || sig > SIGRTMAX)
        return kl_argerror(
            L, 2,
            lua_pushfstring(L, "no signal %s", luaL_tolstring(L, -1, NULL)));
      sigaddset(&set, (int)sig);
      lua_pop(L, 1);
    }
  }
  v->user_mask = set;
  v->has_user_mask = !lua_isnoneornil(L, 2);
  return 0;
}
