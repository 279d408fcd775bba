/* SPDX-License-Identifier: MIT */
/* What the object files of kvm.core share. */
#ifndef KL_INTERNAL_H
#define KL_INTERNAL_H

#include <signal.h>
#include <time.h>

#include "aux.h"
#include "error.h"
#include "fields.h"
#include "refs.h"
#include "uapi.h"

/* ---- the state of one Lua state; there is no other ----------------------- */

struct kl_vcpu;

struct kl_context {
  struct kl_vcpu *volatile running; /* the innermost vCPU that runs */
  volatile sig_atomic_t stop;       /* the next KVM_RUN returns "intr" */
  bool tracing;                     /* kl_context's user value is a function */
  long page_size;
};

struct kl_context *kl_context(lua_State *L);

/* ---- handles: objects with a descriptor ---------------------------------- */

struct kl_handle {
  struct kl_object object;
  struct kl_context *context;
  struct kl_machine *machine; /* NULL: kvm.system */
  int fd;                     /* -1: closed */
};

enum kl_scope {
  KL_SYSTEM = 1,
  KL_VM = 2,
  KL_VCPU = 4,
  KL_DEVICE = 8,
};

struct kl_system {
  struct kl_handle handle;
};

struct kl_bus; /* bus.c: sorted ranges and the devices behind them */

/* User values of a kvm.vm: kvm.system, and bus.c's table of devices. */
enum { KL_VM_SYSTEM = 1, KL_VM_DEVICES, KL_VM_UVS = 2 };

struct kl_vm {
  struct kl_handle handle;
  struct kl_bus *bus; /* NULL: no device */
};

struct kl_device {
  struct kl_handle handle;
  uint32_t type;
};

/* Reasons that are no KVM_EXIT_*: what run() returns besides. Beyond what
 * decode_exit makes of any page's. */
enum { KL_R_NONE = -1, KL_R_INTR = KVM_EXIT_INTR, KL_R_TIMEOUT = 0x10000 };

/* User values of a kvm.vcpu. */
enum { KL_REASONS = 64, KL_EXIT_FIELDS = 16, KL_SNAPSHOT = 32 };

enum {
  KL_VCPU_VM = 1,
  KL_VCPU_EXIT,
  KL_VCPU_REGS,
  KL_VCPU_REASON, /* the name of shown.reason */
  KL_VCPU_LOOSE,  /* the name of shown.loose */
  KL_VCPU_UVS = KL_VCPU_LOOSE
};

/* What the exit table of a vCPU holds (exit.c). */
struct kl_shown {
  const struct kl_exits *exits; /* the rows */
  uint16_t wanted[KL_REASONS];  /* bits of the fields that were asked for */
  int reason;                   /* the exit it is of; KL_R_NONE: none */
  bool is_write;                /* the guest gave data */
  unsigned char snapshot[KL_SNAPSHOT]; /* the payload it was filled from */
  struct kl_held *loose; /* one outside of the snapshot; NULL: none */
  int n;
  struct kl_held {
    const struct kl_exit_field *field;
    const unsigned char *at; /* eight bytes that have it */
    uint64_t mask;           /* of the field in them */
    uint64_t value;
  } held[KL_EXIT_FIELDS];
};

/* Reads a field of a kvm_run page once: it is shared memory, and what was
 * checked must be what is used. */
#define KL_ONCE(field) (*(const volatile __typeof__(field) *)&(field))

struct kl_vcpu {
  struct kl_handle handle;
  struct kl_vm *vm;    /* kept alive by the user value */
  struct kvm_run *run; /* NULL: closed */
  uint32_t id;
  struct kl_shown shown; /* exit.c */
  bool is_running;
  struct kl_vcpu *outer; /* the vCPU whose handler runs this one */
  pid_t tid;             /* the thread inside run(), 0: none */
  int kickers;           /* threads inside kl_kick */
  bool is_kicked;        /* and no run has ended for it yet */
  bool is_completing;    /* this entry takes no kick */
  bool has_exited;       /* the guest has run, and no INIT since is known */
  bool signalled;        /* one of them has sent the signal */
  bool is_timed, has_timer;
  bool is_expired; /* the time of the run is up */
  timer_t timer;
  pid_t timer_tid, timer_pid; /* the thread it wakes, the process it is of */
  bool has_mask, has_user_mask;
  sigset_t mask;       /* as KVM_SET_SIGNAL_MASK was told last */
  sigset_t user_mask;  /* as set_signal_mask was told */
  int error;           /* errno of a run that failed */
  uint64_t sync_valid; /* groups in run->s.regs that are the vCPU's state */
  uint64_t sync_used;  /* groups somebody has asked for */
  int last_reason;     /* of the exit the script sees; KL_R_NONE: none */
  void *ring;          /* dirty ring, mapped on first use */
  uint32_t ring_size, ring_next;
};

extern const struct kl_class kl_system_class, kl_vm_class, kl_vcpu_class,
    kl_device_class, kl_memory_class, kl_eventfd_class, kl_stats_class,
    kl_regs_class;

/* kl_to*: the object in any state; kl_check*: raises when it is closed
 * ("kvm.vcpu is closed"). */
struct kl_handle *kl_tohandle(lua_State *L, int idx); /* NULL: none of ours */
void *kl_notopen(lua_State *L, int idx, const struct kl_class *class);
static inline void *kl_checkopen(lua_State *L, int idx,
                                 const struct kl_class *class) {
  struct kl_handle *h = kl_test(L, idx, class);
  return h != NULL && h->fd >= 0 ? h : kl_notopen(L, idx, class);
}
#define kl_checksystem(L, i) \
  ((struct kl_system *)kl_checkopen(L, i, &kl_system_class))
#define kl_checkvm(L, i) ((struct kl_vm *)kl_checkopen(L, i, &kl_vm_class))
#define kl_checkvcpu(L, i) \
  ((struct kl_vcpu *)kl_checkopen(L, i, &kl_vcpu_class))

/* ---- calls to the kernel (ioctl.c) --------------------------------------- */

/* The system call. Retries EINTR, writes back registers a vCPU holds in its
 * kvm_run page, and tells the tracer. Returns -1 with errno set. */
int kl_ioctl(lua_State *L, struct kl_handle *h, unsigned long request,
             const void *arg);
int kl_ioctlvalue(lua_State *L, struct kl_handle *h, unsigned long request,
                  unsigned long value);

/* KVM_CHECK_EXTENSION; 0 when absent. */
int kl_extension(lua_State *L, struct kl_handle *h, int capability);

/* ---- memory, for other classes ------------------------------------------- */

extern const luaL_Reg kl_slot_vm_methods[], kl_dirty_vcpu_methods[],
    kl_coalesced_vcpu_methods[];

/* Unmaps the dirty ring of a vCPU that closes. */
void kl_freering(struct kl_vcpu *v);

/* ---- events -------------------------------------------------------------- */

/* The descriptor at idx: an integer or a kvm.eventfd. */
int kl_checkeventfd(lua_State *L, int idx, const char *what);
int kl_core_eventfd(lua_State *L);
int kl_core_stats(lua_State *L);

/* ---- accesses that a device may take ------------------------------------- */

enum kl_bus_kind { KL_MMIO, KL_PIO, KL_MSR, KL_HYPERCALL, KL_BUSES };

struct kl_access {
  enum kl_bus_kind bus;
  bool is_write;
  uint32_t size;    /* of an element in bytes */
  uint64_t address; /* gpa, port, MSR index, hypercall number */
  void *data;       /* the elements; hypercall: its six arguments, u64 */
  uint32_t count;   /* elements: a string instruction has several */
  void *answer;     /* hypercall: the result, u64; MSR: 1 injects #GP, u8 */
};

/* ---- running (run.c, bus.c) ---------------------------------------------- */

/* Makes KVM_RUN of this vCPU return, now or when it is entered next. Safe from
 * a signal handler, and from any thread while the vCPU is alive: another thread
 * stops a run that has begun when the vCPU has ever had a timeout. */
void kl_kick(struct kl_vcpu *v);
/* Returns when no thread is inside kl_kick. */
void kl_awaitkickers(struct kl_vcpu *v);

int kl_vcpu_run(lua_State *L);
int kl_vcpu_exits(lua_State *L);
int kl_vcpu_kick(lua_State *L);
int kl_vcpu_complete(lua_State *L);
void kl_stoptimer(struct kl_vcpu *v);

void kl_freebus(struct kl_bus *bus);
extern const luaL_Reg kl_bus_methods[];

/* ---- registers (regs.c) -------------------------------------------------- */

/* Writes groups that the kvm_run page holds dirty to the vCPU; -1: errno. */
int kl_flushregs(struct kl_vcpu *v);
void kl_pushregs(lua_State *L, int vcpu_idx);
void kl_openregs(lua_State *L); /* makes the class */

/* ---- module parts -------------------------------------------------------- */

void kl_openconsts(lua_State *L); /* core table at the top */
void kl_openexits(lua_State *L);

#endif
