/* SPDX-License-Identifier: MIT */
/* The Lua files as data, written by tools/embed.cmake. */
#ifndef KL_HOST_EMBED_H
#define KL_HOST_EMBED_H

#include <stddef.h>

struct kl_embedded {
  const char *module; /* "kvm.memory" */
  const char *chunk;  /* "@kvm/memory.lua" */
  const char *text;
  size_t size;
};

extern const struct kl_embedded kl_embedded[]; /* ends with a NULL module */

#endif
