/* SPDX-License-Identifier: MIT */
/* Stopping a guest: kicks, timeouts, signal masks. */
#ifndef KL_STOP_H
#define KL_STOP_H

#include "internal.h"

/* Makes the vCPU one that the signal stops. Costs system calls, so a run that
 * nobody can want to stop from outside does without: the first one with a
 * timeout begins it, for the rest of the vCPU's life. A run in a handler is
 * part of the time of the vCPU that called it. */
int kl_mask(struct kl_vcpu *v, int64_t timeout, sigset_t *old);
void kl_unmask(struct kl_vcpu *v, const sigset_t *old);

/* Takes back what is pending, so that it stops nothing later, and notes whose
 * time is up: the timer may be that of a vCPU whose handler runs this one. */
void kl_drain(struct kl_vcpu *v);

#endif
