/* SPDX-License-Identifier: MIT */
/* guest_memfd: memory that belongs to a VM and that the host sees only where it
 * was made for that. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ioctls.h"
#include "memory.h"
#include "option.h"

/* A page that is not shared from the start kills whoever touches it (SIGBUS),
 * so the host maps only what is. */
static const uint64_t visible =
    GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED;

void kl_openguestmemfd(lua_State *L, int idx, struct kl_memory *m,
                       uint64_t size, uint64_t flags) {
  struct kl_vm *vm = kl_checkvm(L, idx);
  struct kvm_create_guest_memfd arg = {.size = size, .flags = flags};
  int fd = kl_ioctl(L, &vm->handle, KVM_CREATE_GUEST_MEMFD, &arg);
  if (fd < 0)
    kl_fail(L, "KVM_CREATE_GUEST_MEMFD", errno,
            "0x%" PRIx64 " bytes with flags 0x%" PRIx64 " (the ones this "
            "host has: check_extension('GUEST_MEMFD_FLAGS'))",
            size, flags);
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  void *addr = NULL;
  if ((flags & visible) == visible) {
    addr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (addr == MAP_FAILED) {
      int err = errno;
      close(fd);
      kl_fail(L, "mmap", err, "0x%" PRIx64 " bytes of guest_memfd", size);
    }
  }
  kl_ownmapping(L, m, addr, size, fd, "guest_memfd");
}

/* vm:create_guest_memfd{size =, flags =} -> kvm.memory */
int kl_vm_create_guest_memfd(lua_State *L) {
  static const char *const names[] = {"size", "flags", NULL};
  kl_checkvm(L, 1);
  kl_maxargs(L, 2);
  kl_checkoptions(L, 2, names);
  uint64_t size = kl_needinteger(L, 2, "size");
  uint64_t flags = kl_optflags(L, 2, "flags", "GUEST_MEMFD");
  if (size == 0 || size > INT64_MAX)
    return kl_badarg(L, 2, "size 0x%" PRIx64 " is out of range", size);
  kl_checkpages(L, 2, "size", size);
  struct kl_memory *m = kl_newmemory(L);
  kl_openguestmemfd(L, 1, m, size, flags);
  return 1;
}
