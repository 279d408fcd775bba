/* SPDX-License-Identifier: MIT */
/* Exits whose payload is this machine's own. */
#include "arch.h"
#include "arch_uapi.h"

typedef const struct kl_exit_field fields[];

static fields debug = {KL_XU("exception", debug.arch.exception),
                       KL_XU("pc", debug.arch.pc), KL_XU("dr6", debug.arch.dr6),
                       KL_XU("dr7", debug.arch.dr7), KL_XEND};

/* Bit 0 of what is called flags today. */
static void get_longmode(lua_State *L, const unsigned char *page,
                         size_t run_size) {
  const struct kl_run_hypercall *h = (const void *)(page + KL_RUN_UNION);
  (void)run_size;
  lua_pushboolean(L, (int)(h->flags & KVM_EXIT_HYPERCALL_LONG_MODE));
}

static fields hypercall = {
    KL_XU("nr", hypercall.nr),          KL_XLIST("args", hypercall.args),
    KL_XW("ret", hypercall.ret),        KL_XLATER_U("flags", hypercall, flags),
    KL_XCALL("longmode", get_longmode), KL_XEND};

const struct kl_exit_row kl_arch_exits[] = {
    {KVM_EXIT_HYPERCALL, "hypercall", hypercall},
    {KVM_EXIT_DEBUG, "debug", debug},
    {0, NULL, NULL}};
