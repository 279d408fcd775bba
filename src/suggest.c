/* SPDX-License-Identifier: MIT */
#include "suggest.h"

#include <string.h>

enum { MAX = 48 }; /* letters of names that are compared */

static int lower(char c) {
  return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* How many letters must change to make b of a, whatever their case. */
static int distance(const char *a, const char *b) {
  size_t n = strlen(a), m = strlen(b);
  int row[MAX + 1];
  if (n > MAX || m > MAX) return MAX;
  for (size_t j = 0; j <= m; j++) row[j] = (int)j;
  for (size_t i = 1; i <= n; i++) {
    int corner = row[0];
    row[0] = (int)i;
    for (size_t j = 1; j <= m; j++) {
      int change = corner + (lower(a[i - 1]) != lower(b[j - 1]));
      int skip = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);
      corner = row[j];
      row[j] = change < skip ? change : skip;
    }
  }
  return row[m];
}

struct kl_suggestion kl_suggest(const char *wrong) {
  return (struct kl_suggestion){wrong, NULL, strlen(wrong) > 4 ? 3 : 2};
}

void kl_consider(struct kl_suggestion *s, const char *name) {
  int d = distance(s->wrong, name);
  if (d >= s->least) return;
  s->least = d;
  s->best = name;
}

void kl_considerkeys(lua_State *L, int idx, struct kl_suggestion *s) {
  idx = lua_absindex(L, idx);
  if (!lua_istable(L, idx)) return;
  for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1))
    if (lua_type(L, -2) == LUA_TSTRING) kl_consider(s, lua_tostring(L, -2));
}

const char *kl_pushsuggestion(lua_State *L, const struct kl_suggestion *s) {
  if (s->best == NULL) return lua_pushliteral(L, "");
  return lua_pushfstring(L, " (did you mean '%s'?)", s->best);
}
