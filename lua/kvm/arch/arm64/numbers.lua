-- SPDX-License-Identifier: MIT
-- Numbers of the kernel's interface for modules that load on every machine, by
-- the names that kvm.* has for them on arm64.
return {
  DEVICE = { ARM_VGIC_V2 = 5, ARM_VGIC_V3 = 7, ARM_VGIC_ITS = 8 },
  DEVICE_GROUP = {
    -- of kvm.device
    ADDR = 0, DIST_REGS = 1, CPU_REGS = 2, NR_IRQS = 3, CTRL = 4,
    REDIST_REGS = 5, CPU_SYSREGS = 6, LEVEL_INFO = 7, ITS_REGS = 8,
    MAINT_IRQ = 9,
    -- of kvm.vcpu
    PMU_V3_CTRL = 0, TIMER_CTRL = 1, PVTIME_CTRL = 2,
    -- of kvm.vm
    SMCCC_CTRL = 0,
  },
  DEVICE_ATTR = {
    V2_ADDR_TYPE_DIST = 0, V2_ADDR_TYPE_CPU = 1, V3_ADDR_TYPE_DIST = 2,
    V3_ADDR_TYPE_REDIST = 3, ITS_ADDR_TYPE = 4,
    V3_ADDR_TYPE_REDIST_REGION = 5,
    VGIC_CTRL_INIT = 0, ITS_SAVE_TABLES = 1, ITS_RESTORE_TABLES = 2,
    VGIC_SAVE_PENDING_TABLES = 3, ITS_CTRL_RESET = 4,
    PMU_V3_IRQ = 0, PMU_V3_INIT = 1, PMU_V3_FILTER = 2, PMU_V3_SET_PMU = 3,
    PMU_V3_SET_NR_COUNTERS = 4,
    TIMER_IRQ_VTIMER = 0, TIMER_IRQ_PTIMER = 1, TIMER_IRQ_HVTIMER = 2,
    TIMER_IRQ_HPTIMER = 3,
    PVTIME_IPA = 0, SMCCC_FILTER = 0,
  },
  VGIC = { V3_MPIDR_SHIFT = 32, CPUID_SHIFT = 32 },
  PMU_EVENT = { ALLOW = 0, DENY = 1 },
  SMCCC_FILTER = { HANDLE = 0, DENY = 1, FWD_TO_USER = 2 },
  IRQ_TYPE = { CPU = 0, SPI = 1, PPI = 2 },
  IRQ = { NUM_SHIFT = 0, VCPU_SHIFT = 16, TYPE_SHIFT = 24, VCPU2_SHIFT = 28,
          CPU_IRQ = 0, CPU_FIQ = 1 },
}
