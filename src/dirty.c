/* SPDX-License-Identifier: MIT */
/* Which pages a guest wrote: the dirty log of a slot, the dirty ring of a
 * vCPU. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "ioctls.h"
#include "memory.h"
#include "option.h"

/* ---- the log ------------------------------------------------------------- */

/* The number of pages of the slot at argument 2, which must exist: only the
 * slot's size tells how much the kernel will write. */
static uint64_t slotpages(lua_State *L, struct kl_vm *vm, uint32_t *number) {
  *number = (uint32_t)kl_checkrange(L, 2, "slot", 0, UINT32_MAX);
  const struct kl_slot *s = kl_findslot(vm->handle.machine, *number);
  if (s == NULL) kl_badarg(L, 2, "slot %" PRIu32 " does not exist", *number);
  return s->size / (uint64_t)vm->handle.context->page_size;
}

static size_t bitmapsize(uint64_t pages) {
  return (pages + 63) / 64 * 8;
}

/* vm:get_dirty_log(slot) -> bitmap: a bit for each page, the lowest first. The
 * log starts anew, except with MANUAL_DIRTY_LOG_PROTECT2. */
int kl_vm_get_dirty_log(lua_State *L) {
  uint32_t slot;
  kl_maxargs(L, 2);
  size_t n = bitmapsize(slotpages(L, kl_checkvm(L, 1), &slot));
  char *bitmap = memset(lua_newuserdatauv(L, n, 0), 0, n);
  struct kl_vm *vm = kl_checkvm(L, 1);
  if (bitmapsize(slotpages(L, vm, &slot)) != n)
    return kl_error(L, "slot %d changed meanwhile", (int)slot);
  struct kvm_dirty_log log = {.slot = slot};
  log.dirty_bitmap = bitmap;
  if (kl_ioctl(L, &vm->handle, KVM_GET_DIRTY_LOG, &log) < 0) {
    int err = errno;
    return kl_fail(L, "KVM_GET_DIRTY_LOG", err, "slot %" PRIu32 ": %s", slot,
                   err == ENXIO ? "this VM has dirty rings instead of logs"
                                : strerror(err));
  }
  lua_pushlstring(L, bitmap, n);
  return 1;
}

/* The kernel clears whole words of 64 pages, and the rest at the end. */
static void checkclear(lua_State *L, uint64_t pages, uint64_t first,
                       uint64_t n) {
  if (first % 64 != 0)
    kl_badarg(L, 3, "first page %" PRIu64 " is not a multiple of 64", first);
  if (!kl_inside(first, n, pages))
    kl_badarg(L, 4,
              "%" PRIu64 " pages at page %" PRIu64 " are outside the "
              "slot of %" PRIu64 " pages",
              n, first, pages);
  if (n % 64 != 0 && first + n != pages)
    kl_badarg(L, 4,
              "%" PRIu64 " pages: a multiple of 64 is needed, except "
              "up to the last page of the slot (%" PRIu64 ")",
              n, pages - first);
}

/* vm:clear_dirty_log(slot, first_page, n, bitmap?): the pages that have a bit
 * are logged again; all of them without a bitmap. */
int kl_vm_clear_dirty_log(lua_State *L) {
  uint32_t slot;
  kl_maxargs(L, 5);
  uint64_t first = (uint64_t)kl_checkinteger(L, 3);
  uint64_t n = (uint64_t)kl_checkinteger(L, 4);
  size_t given = SIZE_MAX, size = 0;
  const char *from = NULL;
  if (!lua_isnoneornil(L, 5)) {
    kl_checktype(L, 5, LUA_TSTRING);
    from = lua_tolstring(L, 5, &given);
  }
  checkclear(L, slotpages(L, kl_checkvm(L, 1), &slot), first, n);
  if (n > UINT32_MAX)
    return kl_badarg(L, 4, "0x%" PRIx64 " pages do not fit in 32 bits", n);
  size = bitmapsize(n);
  if (given < size)
    return kl_badarg(
        L, 5, "%zu bytes of bitmap, %zu are needed for %" PRIu64 " pages",
        given, size, n);
  char *bitmap = memset(lua_newuserdatauv(L, size, 0), 0xff, size);
  if (from != NULL) memcpy(bitmap, from, size);
  struct kvm_clear_dirty_log log = {
      .slot = slot, .num_pages = (uint32_t)n, .first_page = first};
  log.dirty_bitmap = bitmap;
  if (kl_ioctl(L, &kl_checkvm(L, 1)->handle, KVM_CLEAR_DIRTY_LOG, &log) < 0)
    return kl_fail(L, "KVM_CLEAR_DIRTY_LOG", errno, "slot %" PRIu32 ": %s",
                   slot, strerror(errno));
  return 0;
}
