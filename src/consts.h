/* SPDX-License-Identifier: MIT */
/* Tables of constants. A row is made of the name alone, so that name and value
 * can not disagree. */
#ifndef KL_CONSTS_H
#define KL_CONSTS_H

#include "aux.h"

/* A constant that is called name in its group; in C with a prefix, or with a
 * suffix too. */
/* clang-format off */
#define KL_C(prefix, name) {#name, (int64_t)prefix##name}
#define KL_CS(prefix, name, suffix) {#name, (int64_t)prefix##name##suffix}
/* clang-format on */

/* Ends a table. */
/* clang-format off */
#define KL_CEND {NULL, 0}
/* clang-format on */

/* consts_cap.c */
extern const struct kl_constant kl_capabilities[], kl_exits[];

#endif
