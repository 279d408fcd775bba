/* SPDX-License-Identifier: MIT */
/* What one word says of this machine. */
#include "arch.h"

const char kl_arch_name[] = "arm64";

const bool kl_arch_interrupt_window = false;
