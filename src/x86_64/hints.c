/* SPDX-License-Identifier: MIT */
/* What to do when the kernel refuses something here. */
#include <errno.h>

#include "arch.h"

const struct kl_hint kl_arch_hints[] = {
    /* ---- registers */
    {"KVM_SET_SREGS", EINVAL,
     "cr0, cr4, efer and apic_base are checked together, against the CPUID: "
     "set_cpuid2 first (system:get_supported_cpuid() has the host's). Long "
     "mode needs CR0.PE and PG, CR4.PAE, EFER.LME and LMA; cs_l and cs_db "
     "exclude each other"},
    {"KVM_SET_SREGS2", EINVAL,
     "cr0, cr4, efer and apic_base are checked together; the flag PDPTRS_VALID "
     "needs PAE paging without long mode"},
    {"KVM_SET_DEBUGREGS", EINVAL,
     "the upper halves of DR6 and DR7 and the flags are zero"},
    {"KVM_SET_XCRS", EINVAL,
     "bit 0 is always set, AVX (4) needs SSE (2), and a component needs the "
     "vCPU's CPUID leaf 0xd to have it: set_cpuid2 first"},
    {"KVM_SET_XSAVE", EINVAL,
     "XSTATE_BV (offset 512) may have the host's components only, the 48 bytes "
     "after it are zero, and reserved bits of MXCSR are zero"},
    {"KVM_SET_XSAVE", EOPNOTSUPP,
     "KVM drops components that the vCPU's CPUID does not have: set_cpuid2 "
     "with the host's leaf 0xd first"},
    {"KVM_GET_MSRS", EINVAL,
     "this vCPU has no such MSR: its CPUID or the host lacks the feature; "
     "system:get_msr_index_list() names those that exist"},
    {"KVM_SET_MSRS", EINVAL,
     "this vCPU has no such MSR, it is read-only, or a reserved bit of the "
     "value is set; a feature's MSR needs its CPUID bit (set_cpuid2)"},
    {"KVM_GET_MSRS", E2BIG, "at most 255 MSRs in one call"},
    {"KVM_SET_MSRS", E2BIG, "at most 255 MSRs in one call"},
    {"KVM_X86_SET_MSR_FILTER", EINVAL,
     "a range has the flags READ and WRITE; the flag DENY of the filter needs "
     "at least one range"},

    /* ---- CPUID */
    {"KVM_SET_CPUID2", EINVAL,
     "once the vCPU has run its CPUID must stay the same; the physical address "
     "width (leaf 0x80000008) is one that the host has"},
    {"KVM_SET_CPUID2", E2BIG, "a vCPU takes at most 256 entries"},

    /* ---- interrupts */
    {"KVM_CREATE_IRQCHIP", EEXIST, "the VM has an interrupt controller"},
    {"KVM_CREATE_IRQCHIP", EINVAL,
     "create the interrupt controller before the first vCPU"},
    {"KVM_CREATE_PIT2", ENOENT, "create_irqchip first"},
    {"KVM_CREATE_PIT2", EEXIST, "the VM has a PIT"},
    {"KVM_GET_PIT2", ENXIO, "create_pit2 first"},
    {"KVM_SET_PIT2", ENXIO, "create_pit2 first"},
    {"KVM_REINJECT_CONTROL", ENXIO, "create_pit2 first"},
    {"KVM_GET_IRQCHIP", ENXIO, "create_irqchip first"},
    {"KVM_SET_IRQCHIP", ENXIO, "create_irqchip first"},
    {"KVM_IRQ_LINE_STATUS", ENXIO, "create_irqchip first"},
    {"KVM_GET_LAPIC", EINVAL,
     "this vCPU's local APIC is not in the kernel: create_irqchip, or "
     "enable_cap('SPLIT_IRQCHIP', routes), before the vCPU"},
    {"KVM_SET_LAPIC", EINVAL,
     "this vCPU's local APIC is not in the kernel: create_irqchip, or "
     "enable_cap('SPLIT_IRQCHIP', routes), before the vCPU"},
    {"KVM_INTERRUPT", ENXIO,
     "with an in-kernel interrupt controller, interrupts come from irq_line, "
     "signal_msi or an irqfd"},
    {"KVM_INTERRUPT", EEXIST,
     "one is pending already: run{interrupt_window = true} until the exit "
     "irq_window_open, then inject"},
    {"KVM_INTERRUPT", EINVAL, "vectors are 0 to 255"},
    {"KVM_SET_MP_STATE", EINVAL,
     "states other than RUNNABLE need a local APIC in the kernel: "
     "create_irqchip before the vCPU"},
    {"KVM_SET_BOOT_CPU_ID", EBUSY, "choose it before the first vCPU"},

    /* ---- the rest */
    {"KVM_SET_TSS_ADDR", EINVAL, "three pages below 4 GiB"},
    {"KVM_SET_IDENTITY_MAP_ADDR", EINVAL, "set it before the first vCPU"},
    {"KVM_SET_TSC_KHZ", EINVAL,
     "this host cannot scale the TSC (check_extension('TSC_CONTROL'))"},
    {"KVM_KVMCLOCK_CTRL", EINVAL, "the guest has not set up a kvmclock"},
    {"KVM_SET_GUEST_DEBUG", EBUSY,
     "an exception is pending: run once, then inject"},
    {"KVM_RUN", EINVAL,
     "the state that the kvm_run page holds was refused (cr8 above 15, "
     "kvm_valid_regs)"},
    {"KVM_GET_NESTED_STATE", EINVAL, "this host has no nested virtualization"},
    {"KVM_SET_NESTED_STATE", EINVAL,
     "the vCPU's CPUID needs VMX or SVM, and the format must be the host's"},
    {"KVM_MEMORY_ENCRYPT_OP", ENOTTY,
     "this host or this type of VM has no memory encryption"},
    {NULL, 0, NULL}};
