/* SPDX-License-Identifier: MIT */
/* Where the bytes of a kvm.memory come from. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"
#include "option.h"

/* glibc has the rest of MFD_HUGETLB in a header of the kernel's alone. */
#ifndef MFD_HUGE_SHIFT
#define MFD_HUGE_SHIFT 26
#endif

/* A closed object, the size that was asked for (0: none) and the options. */
typedef void open_function(lua_State *L, struct kl_memory *m, uint64_t size,
                           int opts);

struct backing {
  const char *name;
  open_function *open;
  const char *options[6];
};

static void needsize(lua_State *L, uint64_t size) {
  kl_argcheck(L, size != 0, 1, "size expected, got nil");
}

/* Maps fd, which is taken. */
static void map(lua_State *L, struct kl_memory *m, uint64_t size, int fd,
                int prot, int flags, off_t offset, const char *backing) {
  void *addr = mmap(NULL, size, prot, flags, fd, offset);
  if (addr == MAP_FAILED) {
    int err = errno;
    if (fd >= 0) close(fd);
    kl_fail(L, "mmap", err, "0x%" PRIx64 " bytes of %s memory", size, backing);
  }
  bool is_shared = flags & MAP_SHARED;
  if (fd >= 0 && !is_shared) close(fd); /* the mapping holds the file */
  kl_ownmapping(L, m, addr, size, is_shared ? fd : -1, backing);
  m->mapping->file_offset = offset;
  m->mapping->read_only = !(prot & PROT_WRITE);
}

static void open_anonymous(lua_State *L, struct kl_memory *m, uint64_t size,
                           int opts) {
  (void)opts;
  needsize(L, size);
  map(L, m, size, -1, PROT_READ | PROT_WRITE,
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, 0, "anonymous");
}

/* Gives a memfd its size for good: nobody who is passed the descriptor can
 * shrink it, which would make this process die of SIGBUS. */
static int setsize(int fd, uint64_t size) {
  if (ftruncate(fd, (off_t)size) < 0) return -1;
  return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
}

static void mapmemfd(lua_State *L, struct kl_memory *m, uint64_t size, int fd,
                     const char *backing) {
  if (setsize(fd, size) < 0) {
    int err = errno;
    close(fd);
    kl_fail(L, "ftruncate", err, "0x%" PRIx64 " bytes of %s memory", size,
            backing);
  }
  map(L, m, size, fd, PROT_READ | PROT_WRITE, MAP_SHARED, 0, backing);
}

static void open_memfd(lua_State *L, struct kl_memory *m, uint64_t size,
                       int opts) {
  (void)opts;
  needsize(L, size);
  int fd = memfd_create("kvm.memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) kl_fail(L, "memfd_create", errno, NULL);
  mapmemfd(L, m, size, fd, "memfd");
}

/* ---- huge pages ---------------------------------------------------------- */

static int hugememfd(lua_State *L, uint64_t page) {
  unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB;
  if (page != 0) flags |= (unsigned)__builtin_ctzll(page) << MFD_HUGE_SHIFT;
  int fd = memfd_create("kvm.memory", flags);
  if (fd < 0)
    kl_fail(L, "memfd_create", errno,
            "this host has no huge pages of 0x%" PRIx64 " bytes (those it has "
            "are listed in /sys/kernel/mm/hugepages)",
            page);
  return fd;
}

static void open_hugetlb(lua_State *L, struct kl_memory *m, uint64_t size,
                         int opts) {
  needsize(L, size);
  uint64_t page = kl_optinteger(L, opts, "page_size", 0);
  if (page & (page - 1))
    kl_badarg(L, 2, "page_size 0x%" PRIx64 " is not a power of two", page);
  int fd = hugememfd(L, page);
  struct stat st;
  page = fstat(fd, &st) == 0 ? (uint64_t)st.st_blksize : 1;
  if (size % page != 0) {
    close(fd);
    kl_badarg(L, 1,
              "size 0x%" PRIx64 " is not a multiple of the huge page "
              "size 0x%" PRIx64,
              size, page);
  }
  void *addr = MAP_FAILED;
  if (setsize(fd, size) == 0)
    addr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (addr == MAP_FAILED) {
    int err = errno;
    close(fd);
    kl_fail(L, "mmap", err,
            "%" PRIu64 " huge pages of 0x%" PRIx64 " bytes "
            "are needed, and there are not that many free (make them: echo N "
            "> /sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/nr_hugepages)",
            size / page, page, page / 1024);
  }
  kl_ownmapping(L, m, addr, size, fd, "hugetlb");
}

/* ---- files --------------------------------------------------------------- */

struct file {
  const char *path;
  uint64_t offset;
  bool readonly, shared;
};

/* Refuses what would make an access die of SIGBUS, or wait. Returns the
 * size to map. */
static uint64_t checkfile(lua_State *L, const struct file *f,
                          const struct stat *st, uint64_t size, int fd) {
  uint64_t page = (uint64_t)kl_context(L)->page_size;
  uint64_t end = ((uint64_t)st->st_size + page - 1) & ~(page - 1);
  uint64_t rest = f->offset < end ? end - f->offset : 0;
  if (S_ISREG(st->st_mode) && rest > 0 && size <= rest)
    return size != 0 ? size : rest;
  close(fd);
  if (!S_ISREG(st->st_mode))
    kl_badarg(L, 2, "path '%s' is not a regular file", f->path);
  kl_badarg(L, 2,
            "0x%" PRIx64 " bytes at 0x%" PRIx64 " are outside file '%s' "
            "of 0x%" PRIx64 " bytes",
            size, f->offset, f->path, (uint64_t)st->st_size);
  return 0;
}

static void open_file(lua_State *L, struct kl_memory *m, uint64_t size,
                      int opts) {
  struct file f;
  f.offset = kl_optinteger(L, opts, "offset", 0);
  f.readonly = kl_optboolean(L, opts, "readonly", false);
  f.shared = kl_optboolean(L, opts, "shared", false);
  f.path = kl_optstring(L, opts, "path", NULL);
  kl_argcheck(L, f.path != NULL, 2, "backing 'file' needs a path");
  kl_checkpages(L, 2, "offset", f.offset);
  int mode = f.shared && !f.readonly ? O_RDWR : O_RDONLY;
  int fd = open(f.path, mode | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) kl_fail(L, "open file", errno, "%s: %s", f.path, strerror(errno));
  struct stat st;
  if (fstat(fd, &st) < 0) {
    int err = errno;
    close(fd);
    kl_fail(L, "fstat", err, "%s", f.path);
  }
  size = checkfile(L, &f, &st, size, fd);
  map(L, m, size, fd, PROT_READ | (f.readonly ? 0 : PROT_WRITE),
      f.shared ? MAP_SHARED : MAP_PRIVATE | MAP_NORESERVE, (off_t)f.offset,
      "file");
}

/* ---- guest_memfd --------------------------------------------------------- */

static void open_guest_memfd(lua_State *L, struct kl_memory *m, uint64_t size,
                             int opts) {
  needsize(L, size);
  uint64_t flags = kl_optflags(L, opts, "flags", "GUEST_MEMFD");
  kl_option(L, opts, "vm");
  if (kl_test(L, -1, &kl_vm_class) == NULL)
    kl_badarg(L, 2,
              "field 'vm': kvm.vm expected, got %s (guest_memfd belongs "
              "to a VM)",
              luaL_typename(L, -1));
  kl_openguestmemfd(L, lua_gettop(L), m, size, flags);
}

/* ---- the table ----------------------------------------------------------- */

static const struct backing backings[] = {
    {"anonymous", open_anonymous, {"backing"}},
    {"memfd", open_memfd, {"backing"}},
    {"file", open_file, {"backing", "path", "offset", "readonly", "shared"}},
    {"hugetlb", open_hugetlb, {"backing", "page_size"}},
    {"guest_memfd", open_guest_memfd, {"backing", "vm", "flags"}}};

void kl_openbacking(lua_State *L, struct kl_memory *m, uint64_t size,
                    int opts) {
  const char *name = kl_optstring(L, opts, "backing", "anonymous");
  for (size_t i = 0; i < KL_COUNT(backings); i++) {
    if (strcmp(name, backings[i].name) != 0) continue;
    if (lua_istable(L, opts)) kl_checkoptions(L, opts, backings[i].options);
    backings[i].open(L, m, size, opts);
    return;
  }
  kl_badarg(L, opts,
            "unknown backing '%s' (expected anonymous, memfd, file, "
            "hugetlb or guest_memfd)",
            name);
}
