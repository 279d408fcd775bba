/* SPDX-License-Identifier: MIT */
/* kvm.eventfd: a counter in the kernel that a guest's write adds to (ioeventfd)
 * or that raises an interrupt (irqfd). */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "internal.h"
#include "option.h"

struct kl_eventfd {
  struct kl_object object;
  bool is_open;
  int fd;
};

static struct kl_eventfd *checkevent(lua_State *L, int idx) {
  struct kl_eventfd *e = kl_check(L, idx, &kl_eventfd_class);
  if (!e->is_open) kl_error(L, "kvm.eventfd is closed");
  return e;
}

/* A vCPU handle, a VM or the like is no event: only ours and integers. */
int kl_checkeventfd(lua_State *L, int idx, const char *what) {
  if (kl_test(L, idx, &kl_eventfd_class) != NULL) return checkevent(L, idx)->fd;
  int is_int;
  lua_Integer fd = lua_tointegerx(L, idx, &is_int);
  if (!is_int || fd < 0 || fd > INT32_MAX)
    kl_error(L, "field '%s': kvm.eventfd or descriptor expected, got %s", what,
             luaL_tolstring(L, idx, NULL));
  return (int)fd;
}

/* core.eventfd(initial = 0, {semaphore =, nonblock = true}?) */
int kl_core_eventfd(lua_State *L) {
  static const char *const names[] = {"semaphore", "nonblock", NULL};
  kl_maxargs(L, 2);
  uint64_t initial = 0;
  if (!lua_isnoneornil(L, 1))
    initial = kl_checkrange(L, 1, "initial count", 0, UINT32_MAX);
  if (!lua_isnoneornil(L, 2)) kl_checkoptions(L, 2, names);
  int flags = EFD_CLOEXEC;
  if (kl_optboolean(L, 2, "semaphore", false)) flags |= EFD_SEMAPHORE;
  if (kl_optboolean(L, 2, "nonblock", true)) flags |= EFD_NONBLOCK;
  struct kl_eventfd *e = kl_new(L, &kl_eventfd_class, 0);
  e->fd = eventfd((unsigned)initial, flags);
  if (e->fd < 0) return kl_fail(L, "eventfd", errno, NULL);
  e->is_open = true;
  return 1;
}

/* ---- methods ------------------------------------------------------------- */

/* read() -> count, or nil when it would wait or a signal came. */
static int event_read(lua_State *L) {
  struct kl_eventfd *e = checkevent(L, 1);
  kl_maxargs(L, 1);
  uint64_t count;
  if (read(e->fd, &count, sizeof count) == sizeof count)
    lua_pushinteger(L, (lua_Integer)count);
  else if (errno == EAGAIN || errno == EINTR)
    lua_pushnil(L);
  else
    return kl_fail(L, "read", errno, "eventfd");
  return 1;
}

/* write(n = 1) -> true, or false when the counter is full. */
static int event_write(lua_State *L) {
  struct kl_eventfd *e = checkevent(L, 1);
  kl_maxargs(L, 2);
  uint64_t n = 1;
  if (!lua_isnoneornil(L, 2))
    n = kl_checkrange(L, 2, "count", 0, UINT64_MAX - 1);
  bool ok = write(e->fd, &n, sizeof n) == sizeof n;
  if (!ok && errno != EAGAIN && errno != EINTR)
    return kl_fail(L, "write", errno, "eventfd");
  lua_pushboolean(L, ok);
  return 1;
}

/* wait(seconds?) -> whether there is something to read: false when the time
 * is up or a signal came. */
static int event_wait(lua_State *L) {
  struct kl_eventfd *e = checkevent(L, 1);
  kl_maxargs(L, 2);
  struct timespec t, *timeout = NULL;
  if (!lua_isnoneornil(L, 2)) {
    int64_t ns = kl_checkseconds(L, 2, 2, "timeout");
    t = (struct timespec){ns / 1000000000, ns % 1000000000};
    timeout = &t;
  }
  struct pollfd p = {.fd = e->fd, .events = POLLIN};
  int n = ppoll(&p, 1, timeout, NULL);
  if (n < 0 && errno != EINTR) return kl_fail(L, "ppoll", errno, NULL);
  lua_pushboolean(L, n > 0);
  return 1;
}

/* An irqfd whose eventfd is closed everywhere goes away by itself; an
 * ioeventfd stays, and counts into what nobody can read, until it is
 * deassigned or the VM ends. Neither harms the host. */
static int event_close(lua_State *L) {
  struct kl_eventfd *e = kl_check(L, 1, &kl_eventfd_class);
  if (e->is_open) close(e->fd);
  e->is_open = false;
  return 0;
}

static int event_fd(lua_State *L) {
  lua_pushinteger(L, checkevent(L, 1)->fd);
  return 1;
}

static int event_tostring(lua_State *L) {
  struct kl_eventfd *e = kl_check(L, 1, &kl_eventfd_class);
  if (e->is_open)
    lua_pushfstring(L, "kvm.eventfd (fd %d)", e->fd);
  else
    lua_pushliteral(L, "kvm.eventfd (closed)");
  return 1;
}

static const luaL_Reg methods[] = {{"read", event_read},
                                   {"write", event_write},
                                   {"wait", event_wait},
                                   {"close", event_close},
                                   {NULL, NULL}};
static const luaL_Reg getters[] = {{"fd", event_fd}, {NULL, NULL}};
static const luaL_Reg meta[] = {{"__tostring", event_tostring}, {NULL, NULL}};

const struct kl_class kl_eventfd_class = {
    .name = "kvm.eventfd",
    .size = sizeof(struct kl_eventfd),
    .methods = methods,
    .getters = getters,
    .meta = meta,
    .close = event_close,
};
