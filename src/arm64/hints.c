/* SPDX-License-Identifier: MIT */
/* What to do when the kernel refuses something here. */
#include <errno.h>

#include "arch.h"

/* The errors are those of Documentation/virt/kvm/api.rst and
 * Documentation/virt/kvm/devices/ (arm-vgic, arm-vgic-v3, arm-vgic-its, vcpu,
 * vm). */
const struct kl_hint kl_arch_hints[] = {
    {"KVM_CREATE_VM", EINVAL,
     "the type is the size of guest physical addresses in bits: 0 (40), or 32 "
     "to check_extension('ARM_VM_IPA_SIZE')"},
    {"KVM_IRQ_LINE", ENXIO,
     "there is no initialised vGIC: kvm.arch.arm64.gic makes one, init() comes "
     "after the vCPUs"},
    {"KVM_CREATE_VCPU", EBUSY,
     "the vGIC is initialised already: create every vCPU first, then "
     "initialise it"},
    {"KVM_ARM_VCPU_INIT", EINVAL,
     "all vCPUs of a VM take the same features (power_off excepted), a vCPU "
     "keeps those of its first init, and the host must have them: "
     "check_extension('ARM_PMU_V3'), 'ARM_SVE', 'ARM_EL1_32BIT', "
     "'ARM_PTRAUTH_ADDRESS' with 'ARM_PTRAUTH_GENERIC'"},
    {"KVM_ARM_VCPU_INIT", ENOENT, "this kernel does not know that feature"},
    {"KVM_ARM_VCPU_FINALIZE", EPERM,
     "the feature is not among those of arm_vcpu_init, or is final already"},
    {"KVM_RUN", EPERM,
     "a vCPU with sve runs only after vcpu:arm_vcpu_finalize('sve')"},
    {"KVM_RUN", EINVAL,
     "a vCPU with pmu_v3 runs only after its PMU is initialised "
     "(kvm.arch.arm64.attr: pmu_v3_irq when there is a vGIC, pmu_v3_init); and "
     "the vGIC's redistributors, one for each vCPU, must not reach into its "
     "distributor"},
    {"KVM_RUN", ENXIO,
     "the vGIC lacks an address: place and initialise it before the first "
     "run (kvm.arch.arm64.gic). This VM is lost"},
    {"KVM_RUN", EBUSY,
     "the vGIC is not initialised: gic:init() (kvm.arch.arm64.gic) comes after "
     "the last vCPU is made and before the first run. This VM is lost"},
    {"KVM_SET_MP_STATE", EINVAL,
     "the states are RUNNABLE and STOPPED, and SUSPENDED with "
     "enable_cap('ARM_SYSTEM_SUSPEND')"},
    {"KVM_CREATE_DEVICE", EBUSY, "the vGIC is made before any vCPU runs"},
    {"KVM_CREATE_IRQCHIP", ENODEV,
     "this host cannot emulate a GICv2: create_device a GICv3 instead "
     "(kvm.arch.arm64.gic)"},
    {"KVM_RUN", ENOSYS,
     "the guest's load or store at an address without memory has no "
     "description (ldp, stp, write-back): enable_cap('ARM_NISV_TO_USER') "
     "turns it into an exit that kvm.arch.arm64.nisv emulates"},
    {"KVM_GET_ONE_REG", ENOENT,
     "this vCPU has no such register: pairs(vcpu.regs) lists those it has"},
    {"KVM_SET_ONE_REG", ENOENT,
     "this vCPU has no such register: pairs(vcpu.regs) lists those it has"},
    {"KVM_GET_ONE_REG", EPERM,
     "SVE registers exist after vcpu:arm_vcpu_finalize('sve')"},
    {"KVM_SET_ONE_REG", EPERM,
     "SVE registers exist after vcpu:arm_vcpu_finalize('sve'), and vls can be "
     "set "
     "only before it"},
    {"KVM_SET_ONE_REG", EINVAL,
     "the register has another size, or does not take this value: of ID "
     "registers vm:arm_get_reg_writable_masks tells which bits it takes"},
    {"KVM_SET_ONE_REG", EBUSY,
     "ID and firmware registers are fixed once a vCPU of the VM has run"},
    {"KVM_SET_DEVICE_ATTR", EEXIST,
     "it is set already: a device's address is set once, and the ranges of an "
     "SMCCC filter must not overlap each other or those of the Arm "
     "architecture service"},
    {"KVM_SET_DEVICE_ATTR", E2BIG,
     "the address lies above the guest physical addresses of this VM (the "
     "type of create_vm)"},
    {"KVM_SET_DEVICE_ATTR", EINVAL,
     "the value is not aligned or out of range, two devices overlap, the "
     "stolen-time structure lies in no memory slot, or a timer's interrupt "
     "has no vGIC to go to"},
    {"KVM_SET_DEVICE_ATTR", EBUSY,
     "too late (the device is initialised or a vCPU has run), or too early (a "
     "vCPU is still being created)"},
    {"KVM_SET_DEVICE_ATTR", ENODEV,
     "the vCPU was not initialised with that feature, or something comes too "
     "early: initialise the vGIC before the PMU, and make a GICv3 before its "
     "ITS"},
    {"KVM_SET_DEVICE_ATTR", ENXIO,
     "something that comes before is missing: the addresses and the vCPUs "
     "before the vGIC's init, the vGIC before an interrupt; or the host has no "
     "such attribute (has_device_attr tells)"},
    {"KVM_IRQ_LINE", EINVAL,
     "the interrupt's type, vCPU or number is not one the vGIC has: "
     "kvm.arch.arm64.irq encodes it"},
    {"KVM_ARM_SET_COUNTER_OFFSET", EBUSY,
     "a vCPU is running: set the offset while all are stopped"},
    {"KVM_ARM_SET_COUNTER_OFFSET", EINVAL,
     "kernels before 6.4 do not have it: check_extension('COUNTER_OFFSET')"},
    {"KVM_ARM_GET_REG_WRITABLE_MASKS", EINVAL,
     "kernels before 6.7 do not have it, all ID registers are fixed there: "
     "check_extension('ARM_SUPPORTED_REG_MASK_RANGES')"},
    {"KVM_ARM_MTE_COPY_TAGS", EINVAL,
     "the VM has no tags (enable_cap('ARM_MTE') before its vCPUs are made), or "
     "address and size are not multiples of the page size"},
    {NULL, ENOEXEC, "initialise the vCPU first: vcpu:arm_vcpu_init()"},
    {NULL, 0, NULL}};
