/* SPDX-License-Identifier: MIT */
/* Structs as tables. A layout is rows of data made with offsetof and sizeof,
 * so it cannot drift from the header it describes. Knows no KVM. */
#ifndef KL_FIELDS_H
#define KL_FIELDS_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

struct kl_layout;

enum kl_field_kind {
  KL_UINT,    /* an unsigned integer of 1, 2, 4 or 8 bytes */
  KL_INT,     /* a signed one */
  KL_BYTES,   /* a byte string of the field's size */
  KL_ADDRESS, /* an unsigned integer: an address of this process */
  KL_TABLE,   /* a struct with a layout of its own */
  KL_PAD      /* reserved: nothing a user sees */
};

struct kl_field {
  const char *name;
  const char *group;           /* constants that may stand for the value */
  const struct kl_layout *sub; /* KL_TABLE */
  uint32_t offset;
  uint32_t size;  /* of one element, in bytes */
  uint32_t count; /* elements of an array; 0: not an array */
  enum kl_field_kind kind;
  /* A view of a union: getting a struct shows it when bit n of when is set and
   * row number tag of the same layout holds n. Setting takes any view, so what
   * was got can be changed and set: no two views of it compete. */
  uint32_t when; /* 0: shown always */
  uint32_t tag;
};

struct kl_layout {
  const char *name; /* of the struct: "kvm_segment" */
  size_t size;
  const struct kl_field *fields;
  size_t nfields;
};

/* A layout is written as a list macro over two row macros, F for plain fields
 * and T for fields with a layout of their own, and the struct's tag s:
 *
 *   #define KVM_DTABLE(F, T, s) \
 *     F(U, s, base) F(U, s, limit) F(P, s, padding)
 *   KL_LAYOUT(kvm_dtable, KVM_DTABLE);
 *
 * F kinds: U unsigned, S signed, A an address of this process, B bytes (a byte
 * array as a string), P padding, UA an array of unsigned, BA an array of byte
 * arrays. T kinds: ONE struct, ARRAY of structs. G(s, field, group) is an
 * unsigned field with named flags; it is spelled F(G(group), s, field).
 * KL_LAYOUT asserts that the rows fill the struct; KL_LAYOUT_PARTIAL does not,
 * for structs with unions or holes. */
#define KL_SIZEOF(s, f) sizeof(((struct s *)0)->f)
#define KL_AT(s, f) .offset = offsetof(struct s, f)

/* clang-format off */
#define KL_F_U(s, f) .size = KL_SIZEOF(s, f), .kind = KL_UINT
#define KL_F_S(s, f) .size = KL_SIZEOF(s, f), .kind = KL_INT
#define KL_F_A(s, f) .size = KL_SIZEOF(s, f), .kind = KL_ADDRESS
#define KL_F_B(s, f) .size = KL_SIZEOF(s, f), .kind = KL_BYTES
#define KL_F_P(s, f) .size = KL_SIZEOF(s, f), .kind = KL_PAD
#define KL_F_UA(s, f)                                                  \
  .size = KL_SIZEOF(s, f[0]),                                          \
  .count = KL_SIZEOF(s, f) / KL_SIZEOF(s, f[0]), .kind = KL_UINT
#define KL_F_BA(s, f)                                                  \
  .size = KL_SIZEOF(s, f[0]),                                          \
  .count = KL_SIZEOF(s, f) / KL_SIZEOF(s, f[0]), .kind = KL_BYTES
#define KL_F_G(g) .group = g, KL_F_U

#define KL_T_ONE(s, f, l) \
  .size = KL_SIZEOF(s, f), .kind = KL_TABLE, .sub = &kl_##l
#define KL_T_ARRAY(s, f, l)                                            \
  .size = KL_SIZEOF(s, f[0]),                                          \
  .count = KL_SIZEOF(s, f) / KL_SIZEOF(s, f[0]), .kind = KL_TABLE,     \
  .sub = &kl_##l
/* clang-format on */

#define KL_ROW_F(k, s, f) {.name = #f, KL_AT(s, f), KL_F_##k(s, f)},
#define KL_ROW_T(k, s, f, l) {.name = #f, KL_AT(s, f), KL_T_##k(s, f, l)},
#define KL_SUM_F(k, s, f) +KL_SIZEOF(s, f)
#define KL_SUM_T(k, s, f, l) +KL_SIZEOF(s, f)

/* clang-format off */
#define KL_LAYOUT_PARTIAL(s, LIST)                                     \
  static const struct kl_field kl_##s##_fields[] = {                   \
      LIST(KL_ROW_F, KL_ROW_T, s)};                                    \
  const struct kl_layout kl_##s = {                                    \
      #s, sizeof(struct s), kl_##s##_fields,                           \
      sizeof kl_##s##_fields / sizeof kl_##s##_fields[0]}
/* clang-format on */

#define KL_LAYOUT(s, LIST)                                            \
  _Static_assert((0 LIST(KL_SUM_F, KL_SUM_T, s)) == sizeof(struct s), \
                 #s ": fields and padding do not fill the struct");   \
  KL_LAYOUT_PARTIAL(s, LIST)

/* Pushes a table with the fields of the struct at data. [-0, +1] */
void kl_getstruct(lua_State *L, const struct kl_layout *layout,
                  const void *data);

/* Patches the struct at data with the table at idx: fields the table does not
 * name keep their value. Raises on an unknown field, a wrong type, or a value
 * that does not fit; nothing outside data is touched before it raises, so data
 * should be memory that Lua owns. */
void kl_setstruct(lua_State *L, int idx, const struct kl_layout *layout,
                  void *data);

/* Raises when an address in the struct is not 0: scripts have none to give, and
 * the kernel would use what is there. Views of a union that do not count are
 * not looked at. */
void kl_checkaddresses(lua_State *L, const struct kl_layout *layout,
                       const void *data);

/* An unsigned integer of 1, 2, 4 or 8 bytes; p need not be aligned. */
uint64_t kl_loaduint(const void *p, size_t size);
void kl_storeuint(void *p, size_t size, uint64_t value);

/* Pushes one field. [-0, +1] */
void kl_getfield(lua_State *L, const struct kl_field *field, const void *data);

/* Sets one field from the value at the top of the stack. [-0, +0] */
void kl_setfield(lua_State *L, const struct kl_layout *layout,
                 const struct kl_field *field, void *data);

/* The row of a name, or NULL. */
const struct kl_field *kl_findfield(const struct kl_layout *layout,
                                    const char *name);

#endif
