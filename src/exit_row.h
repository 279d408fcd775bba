/* SPDX-License-Identifier: MIT */
/* The payload of an exit as rows of data, one per field of the kvm_run page. */
#ifndef KL_EXIT_ROW_H
#define KL_EXIT_ROW_H

#include "internal.h"

enum kl_exit_kind {
  KL_X_UINT,  /* integer: a row that says nothing else */
  KL_X_BOOL,  /* integer shown as a boolean */
  KL_X_AT,    /* integer where the at function finds it; so far: numbers */
  KL_X_BYTES, /* byte string */
  KL_X_LIST,  /* count integers of size bytes */
  KL_X_CALL,  /* get and set functions */
};

struct kl_exit_field {
  const char *name;
  uint16_t offset, size, count;
  uint8_t kind;
  bool writable;
  /* While this field is true, the guest gives data, and what is writable
   * answers nothing. At most one of a row. */
  bool is_turn;
  /* Where the 1 to 8 bytes are; NULL: nowhere, the field is 0. */
  const unsigned char *(*at)(const unsigned char *run, size_t run_size,
                             size_t *size);
  void (*get)(lua_State *L, const unsigned char *run, size_t run_size);
  /* From the value at the top of the stack. */
  void (*set)(lua_State *L, unsigned char *run, size_t run_size);
};

struct kl_exit_row {
  int reason;       /* below KL_REASONS */
  const char *name; /* the suffix of KVM_EXIT_ in lower case */
  const struct kl_exit_field *fields; /* ends with a NULL name; may be NULL */
};

/* Payloads of all machines (exit_rows.c): a page that was saved on one can be
 * decoded on another. Ends with a NULL name. */
extern const struct kl_exit_row kl_exit_rows[];

/* MMIO and ports, whose data are more than fields (exit_data.c). */
extern const struct kl_exit_field kl_mmio_fields[], kl_io_fields[];

/* The integer at the top of the stack, for a field of an exit. */
uint64_t kl_exitinteger(lua_State *L, const char *field);

/* ---- how rows are written ------------------------------------------------ */

/* clang-format off */

/* A member of struct kvm_run, and one of a struct kl_run_<s> (uapi.h), which
 * the oldest headers lack. What follows is a kind, .writable or .is_turn. */
#define KL_XRUN(n, f)                                                  \
  .name = n, .offset = offsetof(struct kvm_run, f),                    \
  .size = sizeof(((struct kvm_run *)0)->f)
#define KL_XLATER(n, s, f)                                             \
  .name = n, .offset = KL_RUN_UNION + offsetof(struct kl_run_##s, f),  \
  .size = sizeof(((struct kl_run_##s *)0)->f)

#define KL_XU(n, f) {KL_XRUN(n, f)}
#define KL_XW(n, f) {KL_XRUN(n, f), .writable = true}
#define KL_XBOOL(n, f) {KL_XRUN(n, f), .kind = KL_X_BOOL}
#define KL_XFLAG(n, f) {KL_XRUN(n, f), .kind = KL_X_BOOL, .writable = true}
#define KL_XTURN(n, f) {KL_XRUN(n, f), .kind = KL_X_BOOL, .is_turn = true}
#define KL_XLIST(n, f)                                                 \
  {KL_XRUN(n, f[0]), .kind = KL_X_LIST,                                \
   .count = KL_COUNT(((struct kvm_run *)0)->f)}
#define KL_XWLIST(n, f)                                                \
  {KL_XRUN(n, f[0]), .kind = KL_X_LIST, .writable = true,              \
   .count = KL_COUNT(((struct kvm_run *)0)->f)}
#define KL_XLATER_U(n, s, f) {KL_XLATER(n, s, f)}
#define KL_XLATER_W(n, s, f) {KL_XLATER(n, s, f), .writable = true}
#define KL_XLATER_LIST(n, s, f)                                        \
  {KL_XLATER(n, s, f[0]), .kind = KL_X_LIST,                           \
   .count = KL_COUNT(((struct kl_run_##s *)0)->f)}
#define KL_XCALL(n, g) {.name = n, .kind = KL_X_CALL, .get = g}
#define KL_XANSWER(n, g, s)                                            \
  {.name = n, .kind = KL_X_CALL, .writable = true, .get = g, .set = s}
#define KL_XANSWER_AT(n, a, s)                                         \
  {.name = n, .kind = KL_X_AT, .writable = true, .at = a, .set = s}
#define KL_XEND {.name = NULL}

/* clang-format on */

#endif
