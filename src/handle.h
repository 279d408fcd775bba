/* SPDX-License-Identifier: MIT */
/* What the files of the four kinds of handle share. */
#ifndef KL_HANDLE_H
#define KL_HANDLE_H

#include <errno.h>

#include "arch.h"
#include "ioctls.h"

/* Pushes the context, whose user value 1 is the tracer. [-0, +1] */
void kl_pushcontext(lua_State *L);

/* Pushes a closed handle. [-0, +1] */
void *kl_newhandle(lua_State *L, const struct kl_class *class, int nuv);

/* An open handle of any kind. */
struct kl_handle *kl_checkhandle(lua_State *L, int idx);

/* The scope bit of a handle's kind. */
unsigned kl_scope(const struct kl_handle *h);

/* Makes a closed handle share a machine, before it gets its descriptor: a
 * tracer of the call that makes it may close the VM. */
void kl_joinmachine(struct kl_handle *h, struct kl_machine *machine);

/* Closes the descriptor and lets go of the machine; idempotent. */
void kl_closehandle(struct kl_handle *h);

/* Methods, getters and metamethods that all of them have. */
int kl_handle_close(lua_State *L);
int kl_handle_fd(lua_State *L);
int kl_handle_tostring(lua_State *L);

/* Makes the class with the methods of its ioctls and of the lists in more
 * (ends with NULL), and enters it in class of the core table, which is at the
 * top. [-0, +0] */
void kl_setmethods(lua_State *L, const struct kl_class *class, unsigned scope,
                   const luaL_Reg *const *more);

/* Pushes a closed vCPU of the VM at index 1 with its exit object. Raises when
 * the VM is closed. [-0, +1] */
void kl_newvcpu(lua_State *L, uint32_t id);

/* Gives the vCPU at the top its descriptor and maps its kvm_run page; closes
 * fd and raises when that fails. [-0, +0] */
void kl_adoptvcpu(lua_State *L, int fd);

/* Makes the classes; the core table is at the top. [-0, +0] */
void kl_opensystem(lua_State *L);
void kl_openvm(lua_State *L);
void kl_openvcpu(lua_State *L);
void kl_opendevice(lua_State *L);

/* Pushes the entries of a list that a row's ioctl filled, and the fields of
 * its header. [-0, +1] */
void kl_pushlist(lua_State *L, const struct kl_ioctl *row, const char *data,
                 uint64_t count);

/* kvm.core.open(path?) */
int kl_core_open(lua_State *L);

/* Raises EIO in a process that was forked off the one that made the VM: it
 * shares the kvm_run pages, and must not change the guest through them. */
void kl_checkowner(lua_State *L, const struct kl_handle *h);

#endif
