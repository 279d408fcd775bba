/* SPDX-License-Identifier: MIT */
/* What the files of this architecture share. */
#ifndef KL_X86_H
#define KL_X86_H

#include "arch.h"

/* One MSR: true when the kernel took it. -1 with errno set; EINVAL when it
 * refuses this MSR or this value. */
int kl_x86_readmsr(lua_State *L, struct kl_vcpu *v, const struct kl_reg *r,
                   void *data);
int kl_x86_writemsr(lua_State *L, struct kl_vcpu *v, const struct kl_reg *r,
                    const void *data);

/* The floating-point and vector registers as one struct. KVM_GET_XSAVE has
 * them in pieces at offsets that only the host's processor knows: a zmm
 * register is in three places. */
struct kl_x86_fpu {
  uint8_t zmm[32][64]; /* xmm and ymm are their lowest bytes */
  uint8_t k[8][8];
  uint8_t st[8][16]; /* from the top of the stack; 10 bytes are used */
  uint16_t fcw, fsw, fop;
  uint8_t ftw; /* one bit per register: not empty */
  uint64_t fip, fdp;
  uint32_t mxcsr, pkru;
};

int kl_x86_readfpu(lua_State *L, struct kl_vcpu *v, const struct kl_reg *r,
                   void *data);
int kl_x86_writefpu(lua_State *L, struct kl_vcpu *v, const struct kl_reg *r,
                    const void *data);

/* The state components (bits of XCR0) that the host's processor has. */
uint64_t kl_x86_xfeatures(void);

/* Bits of XCR0 (Intel SDM, volume 1, section 13.1). */
enum {
  KL_XF_X87 = 1 << 0,
  KL_XF_SSE = 1 << 1,
  KL_XF_AVX = 1 << 2,
  KL_XF_OPMASK = 1 << 5,
  KL_XF_ZMM_HI256 = 1 << 6,
  KL_XF_HI16_ZMM = 1 << 7,
  KL_XF_PKRU = 1 << 9,
  KL_XF_AVX512 = KL_XF_OPMASK | KL_XF_ZMM_HI256 | KL_XF_HI16_ZMM,
};

/* Pushes the vCPU's whole XSAVE area as a userdata and returns it, or NULL with
 * errno set. request is KVM_GET_XSAVE2, or 0 for the one that its size needs,
 * which is stored there. [-0, +1] */
unsigned char *kl_x86_pushxsave(lua_State *L, struct kl_vcpu *v,
                                unsigned long *request, size_t *size);

/* The bytes of the field data of the table at 2, which stay on the stack; none
 * when it is not there. [-0, +1] */
const char *kl_x86_databytes(lua_State *L, size_t *n);

#endif
