/* SPDX-License-Identifier: MIT */
/* Floating-point and vector registers. They travel in the XSAVE area: the older
 * KVM_GET_FPU leaves MXCSR out, and KVM_SET_FPU does not mark what it sets as
 * in use, so that a processor with XSAVE may ignore it.
 *
 * The area's format: Intel SDM, volume 1, section 13.4. Its first 512 bytes
 * are those of FXSAVE, then comes XSTATE_BV, whose bits say which components
 * are not in their initial state, and the components follow where CPUID leaf
 * 0xd of the host puts them. KVM fills those that are initial. */
#include <cpuid.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "arch_uapi.h"
#include "x86.h"

/* ---- the host's layout --------------------------------------------------- */

enum { COMPONENTS = 16, HEADER = 512, LEGACY_XMM = 160, LEGACY_ST = 32 };

/* A fact about the processor: the same for every VM and every Lua state. */
static struct {
  uint64_t features;
  uint32_t most; /* bytes of an area with all of them */
  uint32_t offset[COMPONENTS], size[COMPONENTS];
} host;
static pthread_once_t host_once = PTHREAD_ONCE_INIT;

static void askhost(void) {
  unsigned a, b, c, d;
  host.features = KL_XF_X87 | KL_XF_SSE;
  if (!__get_cpuid_count(0xd, 0, &a, &b, &c, &d)) return;
  host.features |= a;
  host.most = c;
  for (unsigned i = 2; i < COMPONENTS; i++) {
    if (!(host.features & 1u << i)) continue;
    __get_cpuid_count(0xd, i, &a, &b, &c, &d);
    host.size[i] = a;
    host.offset[i] = b;
  }
}

uint64_t kl_x86_xfeatures(void) {
  pthread_once(&host_once, askhost);
  return host.features;
}

/* ---- pieces -------------------------------------------------------------- */

/* Moves one piece between an area and the registers. */
struct move {
  unsigned char *area;
  size_t size;
  bool into;        /* from the registers into the area */
  uint64_t touched; /* components that this changed */
};

static void piece(struct move *m, int component, size_t offset, void *reg,
                  size_t n) {
  if (offset + n > m->size) return;
  unsigned char *p = m->area + offset;
  if (!m->into) {
    memcpy(reg, p, n);
  } else if (memcmp(p, reg, n) != 0) {
    memcpy(p, reg, n);
    m->touched |= (uint64_t)1 << component;
  }
}

static void legacy(struct move *m, struct kl_x86_fpu *f) {
  piece(m, 0, 0, &f->fcw, 2);
  piece(m, 0, 2, &f->fsw, 2);
  piece(m, 0, 4, &f->ftw, 1);
  piece(m, 0, 6, &f->fop, 2);
  piece(m, 0, 8, &f->fip, 8);
  piece(m, 0, 16, &f->fdp, 8);
  piece(m, 1, 24, &f->mxcsr, 4);
  for (size_t i = 0; i < 8; i++) piece(m, 0, LEGACY_ST + 16 * i, f->st[i], 10);
  for (size_t i = 0; i < 16; i++)
    piece(m, 1, LEGACY_XMM + 16 * i, f->zmm[i], 16);
}

static void extended(struct move *m, struct kl_x86_fpu *f) {
  const uint32_t *at = host.offset;
  uint64_t have = kl_x86_xfeatures();
  for (size_t i = 0; (have & KL_XF_AVX) && i < 16; i++)
    piece(m, 2, at[2] + 16 * i, f->zmm[i] + 16, 16);
  for (size_t i = 0; (have & KL_XF_OPMASK) && i < 8; i++)
    piece(m, 5, at[5] + 8 * i, f->k[i], 8);
  for (size_t i = 0; (have & KL_XF_ZMM_HI256) && i < 16; i++)
    piece(m, 6, at[6] + 32 * i, f->zmm[i] + 32, 32);
  for (size_t i = 0; (have & KL_XF_HI16_ZMM) && i < 16; i++)
    piece(m, 7, at[7] + 64 * i, f->zmm[16 + i], 64);
  if (have & KL_XF_PKRU) piece(m, 9, at[9], &f->pkru, 4);
}

/* ---- the ioctls ---------------------------------------------------------- */

/* The size of the area that KVM_GET_XSAVE2 and KVM_SET_XSAVE move. */
static size_t areasize(lua_State *L, struct kl_vcpu *v) {
  struct kl_handle *vm = &v->vm->handle;
  int least = sizeof(struct kvm_xsave), n;
  kl_x86_xfeatures();
  n = vm->fd >= 0 ? kl_extension(L, vm, KVM_CAP_XSAVE2) : 0;
  /* Nobody to ask, as the VM is closed, or no answer: enough for all. */
  if (n <= 0) n = (int)host.most;
  return (size_t)(n > least ? n : least);
}

unsigned char *kl_x86_pushxsave(lua_State *L, struct kl_vcpu *v,
                                unsigned long *request, size_t *size) {
  *size = areasize(L, v);
  if (*request == 0)
    *request =
        *size > sizeof(struct kvm_xsave) ? KVM_GET_XSAVE2 : KVM_GET_XSAVE;
  void *area = memset(lua_newuserdatauv(L, *size, 0), 0, *size);
  return kl_ioctl(L, &v->handle, *request, area) < 0 ? NULL : area;
}

/* Pushes the vCPU's area, or returns NULL with errno set. */
static unsigned char *pusharea(lua_State *L, struct kl_vcpu *v, size_t *size) {
  unsigned long request = 0;
  return kl_x86_pushxsave(L, v, &request, size);
}

int kl_x86_readfpu(lua_State *L, struct kl_vcpu *v, const struct kl_reg *r,
                   void *data) {
  struct move m = {0};
  int top = lua_gettop(L);
  (void)r;
  m.area = pusharea(L, v, &m.size);
  if (m.area != NULL) {
    memset(data, 0, sizeof(struct kl_x86_fpu));
    legacy(&m, data);
    extended(&m, data);
  }
  lua_settop(L, top);
  return m.area != NULL ? 0 : -1;
}

/* KVM drops components that the vCPU's CPUID does not have, silently. */
static int verify(lua_State *L, struct kl_vcpu *v,
                  const struct kl_x86_fpu *wanted) {
  struct kl_x86_fpu now;
  if (kl_x86_readfpu(L, v, NULL, &now) < 0) return -1;
  if (memcmp(now.zmm, wanted->zmm, sizeof now.zmm) == 0 &&
      memcmp(now.k, wanted->k, sizeof now.k) == 0 && now.pkru == wanted->pkru)
    return 0;
  errno = EOPNOTSUPP;
  return -1;
}

int kl_x86_writefpu(lua_State *L, struct kl_vcpu *v, const struct kl_reg *r,
                    const void *data) {
  struct move m = {.into = true};
  struct kl_x86_fpu f;
  uint64_t used;
  int top = lua_gettop(L), result = -1;
  (void)r;
  memcpy(&f, data, sizeof f);
  m.area = pusharea(L, v, &m.size);
  if (m.area != NULL) {
    legacy(&m, &f);
    extended(&m, &f);
    memcpy(&used, m.area + HEADER, sizeof used);
    used |= m.touched;
    memcpy(m.area + HEADER, &used, sizeof used);
    result = kl_ioctl(L, &v->handle, KVM_SET_XSAVE, m.area);
    if (result >= 0 && (m.touched & ~(uint64_t)(KL_XF_X87 | KL_XF_SSE)))
      result = verify(L, v, &f);
  }
  lua_settop(L, top);
  return result;
}
