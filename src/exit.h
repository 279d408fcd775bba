/* SPDX-License-Identifier: MIT */
#ifndef KL_EXIT_H
#define KL_EXIT_H

#include "internal.h"

/* Payloads that every architecture's kvm_run page has (exit_rows.c). Ends with
 * a NULL name. */
extern const struct kl_exit_row kl_exit_rows[];

/* Pushes the exit object of the vCPU at the top. [-0, +1] */
void kl_newexit(lua_State *L, struct kl_vcpu *v);

/* Pushes the name of v->last_reason. [-0, +1] */
void kl_pushreason(lua_State *L, const struct kl_vcpu *v);

#endif
