/* SPDX-License-Identifier: MIT */
/* What is arm64 about the core: its name, its own methods, and what to do when
 * the kernel refuses something. */
#include "arch.h"

#include <errno.h>

#include "vcpu_init.h"

const char kl_arch_name[] = "arm64";

const luaL_Reg kl_arch_system_methods[] = {{NULL, NULL}};
const luaL_Reg kl_arch_vm_methods[] = {{NULL, NULL}};
const luaL_Reg kl_arch_vcpu_methods[] = {{"init", kl_arm64_vcpu_init},
                                         {NULL, NULL}};

/* The errors are those of Documentation/virt/kvm/api.rst and
 * Documentation/virt/kvm/devices/ (arm-vgic, arm-vgic-v3, arm-vgic-its, vcpu,
 * vm). */
const struct kl_hint kl_arch_hints[] = {
    {"KVM_CREATE_VM", EINVAL,
     "the type is the size of guest physical addresses in bits: 0 (40), or 32 "
     "to check_extension('ARM_VM_IPA_SIZE')"},
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
     "the feature is not among those of vcpu:init, or is final already"},
    {"KVM_RUN", EPERM,
     "a vCPU with sve runs only after vcpu:arm_vcpu_finalize(4)"},
    {"KVM_RUN", EINVAL,
     "a device is only half set up: set the addresses of the vGIC and "
     "initialise it, and the interrupt of the PMU, before the first run"},
    {"KVM_RUN", ENODEV,
     "a vCPU with pmu_v3 needs its PMU initialised (kvm.arch.arm64.attr) "
     "before the first run"},
    {"KVM_RUN", ENOSYS,
     "the guest's load or store at an address without memory has no "
     "description (ldp, stp, write-back): enable_cap('ARM_NISV_TO_USER') "
     "turns it into an exit that kvm.arch.arm64.nisv emulates"},
    {"KVM_GET_ONE_REG", ENOENT,
     "this vCPU has no such register: pairs(vcpu.regs) lists those it has"},
    {"KVM_SET_ONE_REG", ENOENT,
     "this vCPU has no such register: pairs(vcpu.regs) lists those it has"},
    {"KVM_GET_ONE_REG", EPERM,
     "SVE registers exist after vcpu:arm_vcpu_finalize(4)"},
    {"KVM_SET_ONE_REG", EPERM,
     "SVE registers exist after vcpu:arm_vcpu_finalize(4), and vls can be set "
     "only before it"},
    {"KVM_SET_ONE_REG", EINVAL,
     "the register has another size, or does not take this value: of ID "
     "registers vm:arm_get_reg_writable_masks tells which bits it takes"},
    {"KVM_SET_ONE_REG", EBUSY,
     "ID and firmware registers are fixed once a vCPU of the VM has run"},
    {"KVM_SET_DEVICE_ATTR", EEXIST,
     "the address of a device is set once; make a new VM to place it anew"},
    {"KVM_SET_DEVICE_ATTR", E2BIG,
     "the address lies above the guest physical addresses of this VM (the "
     "type of create_vm)"},
    {"KVM_SET_DEVICE_ATTR", EINVAL,
     "the value is not aligned or out of range, two devices overlap, or it "
     "comes too late (interrupt numbers and addresses go before init)"},
    {"KVM_SET_DEVICE_ATTR", EBUSY,
     "too late (the device is initialised or a vCPU has run), or too early (a "
     "vCPU is still being created)"},
    {"KVM_SET_DEVICE_ATTR", ENODEV,
     "the vGIC is not there yet, or the vCPU does not have the feature"},
    {"KVM_SET_DEVICE_ATTR", ENXIO,
     "something that comes before is missing: the addresses and the vCPUs "
     "before the vGIC's init, the vGIC before an interrupt; or the host has no "
     "such attribute (has_device_attr tells)"},
    {"KVM_IRQ_LINE", EINVAL,
     "the interrupt's type, vCPU or number is not one the vGIC has: "
     "kvm.arch.arm64.irq encodes it"},
    {"KVM_ENABLE_CAP", EINVAL,
     "this kernel or VM does not have that capability (check_extension), or "
     "it comes too late: enable it before the vCPUs are made"},
    {"KVM_ARM_SET_COUNTER_OFFSET", EBUSY,
     "a vCPU is running: set the offset while all are stopped"},
    {NULL, ENOEXEC, "initialise the vCPU first: vcpu:init()"},
    {NULL, 0, NULL}};
