/* SPDX-License-Identifier: MIT */
/* Tells a Lua function of every ioctl. Costs one test when there is none. */
#ifndef KL_TRACE_H
#define KL_TRACE_H

#include "internal.h"

/* The monotonic clock in nanoseconds. */
int64_t kl_now(void);

/* Calls the tracer with (class, fd, request, arg, result, errno, ns): arg
 * is the struct as bytes, as the kernel left it, or the integer; of KVM_RUN the
 * kvm_run page. Keeps errno;
 * an error of the tracer becomes a warning. */
void kl_trace(lua_State *L, struct kl_handle *h, unsigned long request,
              unsigned long arg, int result, int64_t start);

/* kvm.core.trace(function or nil) */
int kl_core_trace(lua_State *L);

/* kvm.core.errname(errno) -> "EEXIST" */
int kl_core_errname(lua_State *L);

#endif
