/* SPDX-License-Identifier: MIT */
/* KVM_GET_ONE_REG and KVM_SET_ONE_REG: a register by its 64-bit id, which says
 * how wide it is. */
#include <errno.h>
#include <inttypes.h>

#include "ioctls.h"
#include "regs.h"

size_t kl_reg_size(uint64_t id) {
  return (size_t)1 << ((id & KVM_REG_SIZE_MASK) >> KVM_REG_SIZE_SHIFT);
}

static int transfer(lua_State *L, struct kl_vcpu *v, unsigned long request,
                    uint64_t id, const void *data) {
  struct kvm_one_reg one = {.id = id, .addr = (uintptr_t)data};
  return kl_ioctl(L, &v->handle, request, &one);
}

int kl_reg_read_onereg(lua_State *L, struct kl_vcpu *v, const struct kl_reg *r,
                       void *data) {
  return transfer(L, v, KVM_GET_ONE_REG, r->id, data);
}

int kl_reg_write_onereg(lua_State *L, struct kl_vcpu *v, const struct kl_reg *r,
                        const void *data) {
  return transfer(L, v, KVM_SET_ONE_REG, r->id, data);
}

/* The register of the id at idx, named by it. */
static struct kl_reg checkid(lua_State *L, int idx) {
  uint64_t id = (uint64_t)kl_checkinteger(L, idx);
  size_t size = kl_reg_size(id);
  char text[80];
  if (size > KL_REG_MAX) {
    snprintf(text, sizeof text,
             "id 0x%" PRIx64 " says %zu bytes, KVM has at "
             "most %d",
             id, size, KL_REG_MAX);
    kl_argerror(L, idx, text);
  }
  snprintf(text, sizeof text, "register 0x%" PRIx64, id);
  return (struct kl_reg){
      .name = lua_pushstring(L, text), .id = id, .size = (uint16_t)size};
}

int kl_vcpu_get_one_reg(lua_State *L) {
  struct kl_vcpu *v = kl_checkvcpu(L, 1);
  kl_maxargs(L, 2);
  struct kl_reg r = checkid(L, 2);
  unsigned char data[KL_REG_MAX] = {0};
  if (kl_reg_read_onereg(L, v, &r, data) < 0)
    return kl_failargs(L, 2, "KVM_GET_ONE_REG", errno, "%s cannot be read",
                       r.name);
  kl_pushreg(L, &r, data);
  return 1;
}

int kl_vcpu_set_one_reg(lua_State *L) {
  struct kl_vcpu *v = kl_checkvcpu(L, 1);
  kl_maxargs(L, 3);
  struct kl_reg r = checkid(L, 2);
  unsigned char data[KL_REG_MAX] = {0};
  kl_toreg(L, &r, 3, data);
  if (kl_reg_write_onereg(L, v, &r, data) < 0)
    return kl_failargs(L, 2, "KVM_SET_ONE_REG", errno,
                       "%s cannot be set to "
                       "this value",
                       r.name);
  return 0;
}
