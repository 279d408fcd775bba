/* SPDX-License-Identifier: MIT */
/* kvm.error: what the kernel refused, why, and the way out. */
#ifndef KL_ERROR_H
#define KL_ERROR_H

#include <lua.h>

/* A hint for an ioctl (NULL: for any) that fails with an errno. */
struct kl_hint {
  const char *ioctl; /* "KVM_CREATE_VCPU" */
  int errno_;
  const char *text;
};

/* Raises a kvm.error: a table with ioctl, errno, code ("EEXIST"), message,
 * hint and args. The message is the format's text, or the errno's own when
 * format is NULL. Never returns; declared int for `return kl_fail(...)`. */
int kl_fail(lua_State *L, const char *ioctl, int err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same with the value at idx kept as error.args. */
int kl_failargs(lua_State *L, int idx, const char *ioctl, int err,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The same with a hint for an ioctl that has none of its own; idx may be 0. */
int kl_failhint(lua_State *L, int idx, const char *ioctl, int err,
                const char *hint, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

/* "EEXIST" for EEXIST; "E1234" for a number without a name. */
const char *kl_errname(int err, char buffer[16]);

/* Whether the value at idx is a kvm.error. */
int kl_iserror(lua_State *L, int idx);

/* Makes the class. [-0, +0] */
void kl_openerror(lua_State *L);

#endif
