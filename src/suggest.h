/* SPDX-License-Identifier: MIT */
/* "did you mean": the name that is most like a misspelt one. */
#ifndef KL_SUGGEST_H
#define KL_SUGGEST_H

#include <lua.h>

struct kl_suggestion {
  const char *wrong;
  const char *best; /* NULL: nothing is like it */
  int least;        /* the letters that differ */
};

struct kl_suggestion kl_suggest(const char *wrong);
/* Compares with one more name, which must outlive the suggestion. */
void kl_consider(struct kl_suggestion *s, const char *name);
/* Compares with the names among the keys of what is at idx, where that is a
 * table. [-0, +0] */
void kl_considerkeys(lua_State *L, int idx, struct kl_suggestion *s);
/* Pushes " (did you mean 'x'?)", or "". [-0, +1] */
const char *kl_pushsuggestion(lua_State *L, const struct kl_suggestion *s);

#endif
