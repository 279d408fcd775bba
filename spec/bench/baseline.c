/* SPDX-License-Identifier: MIT */
/* What the benchmark's scripts do, in plain C: the 1 of its ratios.
 *   baseline exits N | life N | regs N | memory N
 * prints the seconds that the measured part took. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* mov $0x10, %dx; 1: out %al, (%dx); inc %al; loop 1b; hlt (16 bit) */
static const unsigned char guest[] = {0xba, 0x10, 0x00, 0xee,
                                      0xfe, 0xc0, 0xe2, 0xfb, 0xf4};

struct machine {
  int kvm, vm, cpu, run_size;
  struct kvm_run *run;
  unsigned char *memory;
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check(int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static void setregs(struct machine *m) {
  struct kvm_sregs s;
  struct kvm_regs r = {.rip = 0x1000, .rflags = 2};
  check(ioctl(m->cpu, KVM_GET_SREGS, &s) == 0, "KVM_GET_SREGS");
  s.cs.base = s.cs.selector = 0;
  check(ioctl(m->cpu, KVM_SET_SREGS, &s) == 0, "KVM_SET_SREGS");
  check(ioctl(m->cpu, KVM_SET_REGS, &r) == 0, "KVM_SET_REGS");
}

static struct machine create(int kvm) {
  struct machine m = {.kvm = kvm};
  m.vm = ioctl(kvm, KVM_CREATE_VM, 0);
  check(m.vm >= 0, "KVM_CREATE_VM");
  m.memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  memcpy(m.memory, guest, sizeof guest);
  struct kvm_userspace_memory_region region = {
      .guest_phys_addr = 0x1000,
      .memory_size = 4096,
      .userspace_addr = (uintptr_t)m.memory};
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

static uint64_t sum; /* keeps what is read alive */

static void run(struct machine *m) {
  check(ioctl(m->cpu, KVM_RUN, 0) == 0, "KVM_RUN");
  struct kvm_run *r = m->run;
  if (r->exit_reason != KVM_EXIT_IO) exit(2);
  sum += r->io.port + r->io.size +
         *((unsigned char *)r + r->io.data_offset);
}

static void exits(int kvm, long n) {
  struct machine m = create(kvm);
  for (long i = 0; i < n; i++) run(&m);
  destroy(&m);
}

static void life(int kvm, long n) {
  for (long i = 0; i < n; i++) {
    struct machine m = create(kvm);
    run(&m);
    destroy(&m);
  }
}

static void regs(int kvm, long n) {
  struct machine m = create(kvm);
  struct kvm_regs r;
  for (long i = 0; i < n; i++) {
    check(ioctl(m.cpu, KVM_GET_REGS, &r) == 0, "KVM_GET_REGS");
    r.rax = (uint64_t)i;
    check(ioctl(m.cpu, KVM_SET_REGS, &r) == 0, "KVM_SET_REGS");
  }
  destroy(&m);
}

static void memory(long n) {
  enum { SIZE = 1 << 20 };
  char *from = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(from, 1, SIZE);
  for (long i = 0; i < n; i++) {
    char *to = malloc(SIZE); /* a string of its own, as mem:read gives */
    memcpy(to, from, SIZE);
    sum += (unsigned char)to[i % SIZE];
    memcpy(from, to, SIZE);
    free(to);
  }
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  long n = atol(argv[2]);
  int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  check(kvm >= 0, "/dev/kvm");
  double start = now();
  if (strcmp(argv[1], "exits") == 0) exits(kvm, n);
  if (strcmp(argv[1], "life") == 0) life(kvm, n);
  if (strcmp(argv[1], "regs") == 0) regs(kvm, n);
  if (strcmp(argv[1], "memory") == 0) memory(n);
  printf("%.9f\n", now() - start);
  return sum == 1;
}
