/* SPDX-License-Identifier: MIT */
/* One entry into the guest: run.c and serve.c make many. */
#ifndef KL_RUN_H
#define KL_RUN_H

#include <sys/ioctl.h>

#include "internal.h"

/* KVM_RUN when somebody traces it, or has stopped it before it began. */
int kl_watchedrun(lua_State *L, struct kl_vcpu *v);

/* What a KVM_RUN that failed means: a reason, or -1 with v->error. */
int kl_failedrun(struct kl_vcpu *v);

/* Runs the guest until it exits and returns the reason, or -1 with v->error.
 * Pushes nothing, raises nothing. */
static inline int kl_enter(lua_State *L, struct kl_vcpu *v) {
  const struct kl_context *context = v->handle.context;
  int r = context->stop | context->tracing ? kl_watchedrun(L, v)
                                           : ioctl(v->handle.fd, KVM_RUN, 0);
  if (r != 0) return kl_failedrun(v);
  v->sync_valid = v->run->kvm_valid_regs;
  return (int)v->run->exit_reason;
}

#endif
