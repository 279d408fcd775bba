/* SPDX-License-Identifier: MIT */
/* KVM_GET_ONE_REG and KVM_SET_ONE_REG: a register by its 64-bit id, which says
 * how wide it is; and what architectures need to name such ids. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- names of what has no row -------------------------------------------- */

static bool has_row(uint64_t id) {
  for (const struct kl_reg *r = kl_arch_regs; r->name != NULL; r++)
    if (r->id == id) return true;
  return false;
}

/* Pushes the kernel's list of ids, as a userdata. */
static const struct kvm_reg_list *pushids(lua_State *L, struct kl_vcpu *v) {
  enum { MOST = 1 << 20 };
  uint64_t n = 512;
  for (;;) {
    struct kvm_reg_list *list =
        lua_newuserdatauv(L, sizeof *list + n * sizeof list->reg[0], 0);
    list->n = n;
    if (kl_ioctl(L, &v->handle, KVM_GET_REG_LIST, list) >= 0) {
      if (list->n > n) list->n = n;
      return list;
    }
    if (errno != E2BIG || list->n <= n || list->n > MOST)
      kl_fail(L, "KVM_GET_REG_LIST", errno, NULL);
    n = list->n;
    lua_pop(L, 1);
  }
}

void kl_reg_pushlist(lua_State *L, struct kl_vcpu *v,
                     void (*pushname)(lua_State *L, uint64_t id)) {
  const struct kvm_reg_list *list = pushids(L, v);
  lua_newtable(L);
  for (uint64_t i = 0, n = 0; i < list->n; i++) {
    if (has_row(list->reg[i])) continue;
    pushname(L, list->reg[i]);
    lua_rawseti(L, -2, (lua_Integer)++n);
  }
  lua_remove(L, -2);
}

static void tohex(uint64_t id, char text[32]) {
  snprintf(text, 32, "%#" PRIx64, id);
}

void kl_reg_pushhex(lua_State *L, uint64_t id) {
  char text[32];
  tohex(id, text);
  lua_pushstring(L, text);
}

uint64_t kl_reg_fromhex(const char *name, uint64_t arch) {
  char again[32];
  uint64_t id = strtoull(name, NULL, 16);
  tohex(id, again);
  bool is_ours = (id & KVM_REG_ARCH_MASK) == arch;
  return is_ours && strcmp(name, again) == 0 && kl_reg_size(id) <= KL_REG_MAX
             ? id
             : 0;
}

int kl_reg_number(const char *name, const char *prefix, int max) {
  size_t n = strlen(prefix);
  if (strncmp(name, prefix, n) != 0) return -1;
  const char *digits = name + n;
  if (*digits < '0' || *digits > '9') return -1;
  if (digits[0] == '0' && digits[1] != '\0') return -1;
  char *end;
  unsigned long value = strtoul(digits, &end, 10);
  return *end == '\0' && value <= (unsigned long)max ? (int)value : -1;
}
