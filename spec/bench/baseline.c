/* SPDX-License-Identifier: MIT */
/* What work.lua does, in plain C: the 1 of the benchmark's ratios.
 *   baseline exits|life|regs|memory SIZE [BATCHES]
 *   baseline spawn SIZE COMMAND...
 * prints the seconds of one piece of work: the median over batches of SIZE. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* mov $0x10, %dx; 1: out %al, (%dx); inc %al; loop 1b; hlt (16 bit) */
static const unsigned char guest[] = {0xba, 0x10, 0x00, 0xee, 0xfe,
                                      0xc0, 0xe2, 0xfb, 0xf4};

struct machine {
  int vm, cpu, run_size;
  struct kvm_run *run;
  unsigned char *memory;
};

static int kvm;
static struct machine machine; /* of the works that need one */
static uint64_t sum;           /* keeps what is read alive */

static void check(int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

/* ---- the machine --------------------------------------------------------- */

static void setregs(struct machine *m) {
  struct kvm_sregs s;
  struct kvm_regs r = {.rip = 0x1000, .rflags = 2};
  check(ioctl(m->cpu, KVM_GET_SREGS, &s) == 0, "KVM_GET_SREGS");
  s.cs.base = s.cs.selector = 0;
  check(ioctl(m->cpu, KVM_SET_SREGS, &s) == 0, "KVM_SET_SREGS");
  check(ioctl(m->cpu, KVM_SET_REGS, &r) == 0, "KVM_SET_REGS");
}

static struct machine create(void) {
  struct machine m;
  m.vm = ioctl(kvm, KVM_CREATE_VM, 0);
  check(m.vm >= 0, "KVM_CREATE_VM");
  m.memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(m.memory, guest, sizeof guest);
  struct kvm_userspace_memory_region region = {.guest_phys_addr = 0x1000,
                                               .memory_size = 4096,
                                               .userspace_addr =
                                                   (uintptr_t)m.memory};
  check(ioctl(m.vm, KVM_SET_USER_MEMORY_REGION, &region) == 0, "slot");
  m.cpu = ioctl(m.vm, KVM_CREATE_VCPU, 0);
  check(m.cpu >= 0, "KVM_CREATE_VCPU");
  m.run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
  m.run = mmap(NULL, (size_t)m.run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
               m.cpu, 0);
  check(m.run != MAP_FAILED, "mmap");
  setregs(&m);
  return m;
}

static void destroy(struct machine *m) {
  munmap(m->run, (size_t)m->run_size);
  close(m->cpu);
  close(m->vm);
  munmap(m->memory, 4096);
}

static void run(struct machine *m) {
  check(ioctl(m->cpu, KVM_RUN, 0) == 0, "KVM_RUN");
  struct kvm_run *r = m->run;
  if (r->exit_reason != KVM_EXIT_IO) exit(2);
  sum += r->io.port + r->io.size + *((unsigned char *)r + r->io.data_offset);
}

/* ---- works --------------------------------------------------------------- */

static void exits(long n) {
  for (long i = 0; i < n; i++) run(&machine);
}

static void life(long n) {
  for (long i = 0; i < n; i++) {
    struct machine m = create();
    run(&m);
    destroy(&m);
  }
}

static void regs(long n) {
  struct kvm_regs r;
  for (long i = 0; i < n; i++) {
    check(ioctl(machine.cpu, KVM_GET_REGS, &r) == 0, "KVM_GET_REGS");
    r.rax = (uint64_t)i;
    check(ioctl(machine.cpu, KVM_SET_REGS, &r) == 0, "KVM_SET_REGS");
  }
}

enum { MEMORY = 1 << 20 };
static char *memory_bytes;

/* To memory of its own, as the string of mem:read is, and back. */
static void memory(long n) {
  for (long i = 0; i < n; i++) {
    char *to = malloc(MEMORY);
    memcpy(to, memory_bytes, MEMORY);
    sum += (unsigned char)to[i % MEMORY];
    memcpy(memory_bytes, to, MEMORY);
    free(to);
  }
}

static char **command;

static void spawn(long n) {
  for (long i = 0; i < n; i++) {
    pid_t pid;
    int status;
    check(posix_spawn(&pid, command[0], NULL, NULL, command, environ) == 0,
          command[0]);
    check(waitpid(pid, &status, 0) == pid && status == 0, command[0]);
  }
}

static const struct work {
  const char *name;
  void (*call)(long n);
  int needs_kvm, needs_machine;
} works[] = {{"exits", exits, 1, 1}, {"life", life, 1, 0},
             {"regs", regs, 1, 1},   {"memory", memory, 0, 0},
             {"spawn", spawn, 0, 0}, {NULL, NULL, 0, 0}};

/* ---- measuring ----------------------------------------------------------- */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double measure(const struct work *w, long size, long batches) {
  double *seconds = malloc((size_t)batches * sizeof *seconds);
  for (long i = 0; i < batches; i++) {
    double start = now();
    w->call(size);
    seconds[i] = (now() - start) / (double)size;
  }
  qsort(seconds, (size_t)batches, sizeof *seconds, compare);
  return seconds[batches / 2];
}

static void prepare(const struct work *w) {
  memory_bytes = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(memory_bytes, 1, MEMORY);
  if (!w->needs_kvm) return;
  kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  check(kvm >= 0, "/dev/kvm");
  if (w->needs_machine) machine = create();
}

int main(int argc, char **argv) {
  const struct work *w = works;
  if (argc < 3) return 2;
  while (w->name != NULL && strcmp(w->name, argv[1]) != 0) w++;
  if (w->name == NULL) return 2;
  command = argv + 3;
  prepare(w);
  long size = atol(argv[2]);
  long batches = argc > 3 && w->call != spawn ? atol(argv[3]) : 1;
  printf("%.9f\n", measure(w, size, batches));
  return sum == 1;
}
