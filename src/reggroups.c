/* SPDX-License-Identifier: MIT */
/* Moves registers between Lua and the vCPU, a group at a time.
 *
 * Groups that the kernel can leave in the kvm_run page (KVM_CAP_SYNC_REGS) are
 * kept there as in a write-back cache: v->sync_valid says which are the vCPU's
 * state, run->kvm_dirty_regs which the kernel has yet to take over. KVM_RUN
 * does so itself; before any other ioctl kl_flushregs does. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>

#include "exit.h"
#include "regs.h"

static const struct kl_reg_group *groupof(const struct kl_reg *r) {
  return &kl_arch_reg_groups[r->group];
}

/* ---- errors -------------------------------------------------------------- */

static void describe(const struct kl_reg *r, char text[80]) {
  if (groupof(r)->size == 0 && r->id != 0)
    snprintf(text, 80, "%.40s (0x%" PRIx64 ")", r->name, r->id);
  else
    snprintf(text, 80, "%.40s", r->name);
}

int kl_unreadable(lua_State *L, const struct kl_reg *r, int err) {
  char name[80];
  describe(r, name);
  return kl_fail(L, groupof(r)->ioctls[0], err, "%s cannot be read: %s", name,
                 strerror(err));
}

static int unwritable(lua_State *L, const struct kl_reg *r, const void *data,
                      int err) {
  char name[80];
  describe(r, name);
  const char *call = groupof(r)->ioctls[1];
  if (r->size > 8)
    return kl_fail(L, call, err, "%s cannot be set to this value: %s", name,
                   strerror(err));
  return kl_fail(L, call, err, "%s cannot be set to 0x%" PRIx64 ": %s", name,
                 kl_loaduint(data, r->size), strerror(err));
}

/* ---- structs ------------------------------------------------------------- */

static int fetch(lua_State *L, struct kl_vcpu *v, const struct kl_reg_group *g,
                 void *data) {
  if (g->get != 0) return kl_ioctl(L, &v->handle, g->get, data);
  return g->read(L, v, NULL, data);
}

static int deliver(lua_State *L, struct kl_vcpu *v,
                   const struct kl_reg_group *g, const void *data) {
  if (g->set != 0) return kl_ioctl(L, &v->handle, g->set, data);
  return g->write(L, v, NULL, data);
}

/* Who reads a group after a second run is likely to read it after each. One
 * look does not make every exit dearer. */
static void expect(struct kl_vcpu *v, uint64_t sync) {
  if (v->last_reason == KL_R_NONE) return;
  if (v->sync_used & sync) v->run->kvm_valid_regs |= sync;
  v->sync_used |= sync;
}

/* Reading one group leaves the others in the page as they are, unless a tracer
 * got between, which may have done anything. */
static void revalidate(lua_State *L, struct kl_vcpu *v, uint64_t valid) {
  if (v->run == NULL) kl_error(L, "kvm.vcpu is closed");
  if (!v->handle.context->tracing) v->sync_valid = valid;
}

/* The group's struct as the vCPU has it now: in the kvm_run page when it can
 * be kept there, otherwise in the buffer. */
static unsigned char *load(lua_State *L, struct kl_regs *o,
                           const struct kl_reg_group *g, void *buffer) {
  struct kl_vcpu *v = o->vcpu;
  if (v->run == NULL) kl_error(L, "kvm.vcpu is closed");
  bool sync = (g->sync & o->syncable) != 0;
  unsigned char *page = (unsigned char *)v->run + g->sync_offset;
  uint64_t valid = v->sync_valid;
  if (sync && (valid & g->sync)) return page;
  /* not into the page: a tracer may close the vCPU */
  memset(buffer, 0, g->size);
  if (fetch(L, v, g, buffer) < 0) kl_fail(L, g->ioctls[0], errno, NULL);
  revalidate(L, v, valid);
  if (!sync) return buffer;
  v->sync_valid |= g->sync;
  expect(v, g->sync);
  return memcpy(page, buffer, g->size);
}

/* Marks a group whose struct in the page has been changed. */
static void touch(struct kl_vcpu *v, const struct kl_reg_group *g) {
  if (g->settle != NULL) g->settle((char *)v->run + g->sync_offset);
  v->run->kvm_dirty_regs |= g->sync;
  v->sync_valid |= g->sync;
}

/* Whether a group that was loaded into data is in the page and may be changed
 * there, to be taken over later. */
static bool keeps(const struct kl_regs *o, const struct kl_reg_group *g) {
  return (g->sync & o->syncable) != 0 && !g->write_through;
}

int kl_flushregs(struct kl_vcpu *v) {
  uint64_t dirty = v->run->kvm_dirty_regs;
  if (dirty == 0) return 0;
  for (size_t i = 0; i < kl_arch_nreg_groups; i++) {
    const struct kl_reg_group *g = &kl_arch_reg_groups[i];
    if (!(g->sync & dirty) || g->write_through) continue;
    if (ioctl(v->handle.fd, g->set, (char *)v->run + g->sync_offset) < 0)
      return -1;
  }
  v->run->kvm_dirty_regs = 0;
  return 0;
}

/* ---- one register -------------------------------------------------------- */

int kl_readreg(lua_State *L, struct kl_regs *o, struct kl_batch *b,
               const struct kl_reg *r, void *data) {
  const struct kl_reg_group *g = groupof(r);
  _Alignas(8) unsigned char buffer[KL_REG_GROUP_MAX];
  const unsigned char *from = buffer;
  if (g->size == 0) {
    uint64_t valid = o->vcpu->sync_valid;
    int err = g->read(L, o->vcpu, r, data) < 0 ? errno : 0;
    revalidate(L, o->vcpu, valid);
    return err;
  }
  if (b == NULL) {
    from = load(L, o, g, buffer);
  } else {
    if (!(b->loaded & 1u << r->group))
      memcpy(b->at[r->group], load(L, o, g, buffer), g->size);
    b->loaded |= 1u << r->group;
    from = b->at[r->group];
  }
  memcpy(data, from + r->offset, r->size);
  return 0;
}

/* Before the registers of a group are set. */
static void checkfinished(lua_State *L, const struct kl_vcpu *v,
                          const struct kl_reg_group *g) {
  if (!g->forgets_reads || !kl_awaitsanswer(v)) return;
  if (v->is_running)
    kl_error(L,
             "the %s cannot be set while the guest waits for what this "
             "device reads",
             g->name);
  kl_error(L,
           "the guest waits for the answer to its read: give it "
           "(exit.value) and call vcpu:complete() before the %s are set",
           g->name);
}

/* Read-only registers are refused even what they have: that is no error, or the
 * registers of one vCPU could not be given to the next. */
static void writeone(lua_State *L, struct kl_vcpu *v, const struct kl_reg *r,
                     const void *data) {
  const struct kl_reg_group *g = groupof(r);
  unsigned char now[KL_REG_MAX];
  if (g->write(L, v, r, data) == 0) return;
  int err = errno;
  if (g->read(L, v, r, now) < 0 || memcmp(now, data, r->size) != 0)
    unwritable(L, r, data, err);
}

void kl_writereg(lua_State *L, struct kl_regs *o, const struct kl_reg *r,
                 const void *data) {
  const struct kl_reg_group *g = groupof(r);
  _Alignas(8) unsigned char buffer[KL_REG_GROUP_MAX];
  if (g->size == 0) {
    writeone(L, o->vcpu, r, data);
    return;
  }
  checkfinished(L, o->vcpu, g);
  unsigned char *to = load(L, o, g, buffer);
  if (keeps(o, g)) {
    memcpy(to + r->offset, data, r->size);
    touch(o->vcpu, g);
    return;
  }
  if (to != buffer) memcpy(buffer, to, g->size);
  memcpy(buffer + r->offset, data, r->size);
  if (deliver(L, o->vcpu, g, buffer) < 0) unwritable(L, r, data, errno);
}

/* ---- many ---------------------------------------------------------------- */

/* Structs are aligned for their widest member. */
static size_t roomfor(size_t group) {
  return (kl_arch_reg_groups[group].size + 7) & ~(size_t)7;
}

struct kl_batch *kl_newbatch(lua_State *L, struct kl_regs *o) {
  size_t size = sizeof(struct kl_batch);
  for (size_t i = 0; i < kl_arch_nreg_groups; i++) size += roomfor(i);
  struct kl_batch *b = lua_newuserdatauv(L, size, 0);
  unsigned char *p = (unsigned char *)(b + 1);
  *b = (struct kl_batch){.regs = o};
  for (size_t i = 0; i < kl_arch_nreg_groups; i++) {
    b->at[i] = p;
    p += roomfor(i);
  }
  return b;
}

bool kl_putreg(lua_State *L, struct kl_batch *b, const struct kl_reg *r,
               const void *data) {
  unsigned char before[KL_REG_MAX];
  if (groupof(r)->size == 0) return false;
  checkfinished(L, b->regs->vcpu, groupof(r));
  kl_readreg(L, b->regs, b, r, before);
  memcpy(b->at[r->group] + r->offset, data, r->size);
  b->changed |= 1u << r->group;
  return true;
}

void kl_commit(lua_State *L, struct kl_batch *b) {
  struct kl_vcpu *v = b->regs->vcpu;
  for (size_t i = 0; i < kl_arch_nreg_groups; i++) {
    const struct kl_reg_group *g = &kl_arch_reg_groups[i];
    if (!(b->changed & 1u << i)) continue;
    if (v->run == NULL) kl_error(L, "kvm.vcpu is closed");
    if (keeps(b->regs, g)) {
      memcpy((char *)v->run + g->sync_offset, b->at[i], g->size);
      touch(v, g);
    } else if (deliver(L, v, g, b->at[i]) < 0) {
      kl_fail(L, g->ioctls[1], errno, "the %s are refused: %s", g->name,
              strerror(errno));
    }
  }
}
