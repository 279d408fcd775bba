/* SPDX-License-Identifier: MIT */
/* The kernel's header, and what the older of them lack: the headers of the
 * build machine may be older than the kernel that runs. What has a name of the
 * kernel's stands under #ifndef, so that a newer header wins; members of
 * kvm_run, which no #ifndef sees, are structs of our own (kl_run_*).
 * <arch>/arch_uapi.h does the same for one architecture. Numbers are Linux
 * 6.18's and a few later ones. */
#ifndef KL_UAPI_H
#define KL_UAPI_H

#include <linux/kvm.h>
#include <stddef.h>

/* ---- ioctls and their structs -------------------------------------------- */

#ifndef KVM_SET_USER_MEMORY_REGION2
struct kvm_userspace_memory_region2 {
  __u32 slot;
  __u32 flags;
  __u64 guest_phys_addr;
  __u64 memory_size;
  __u64 userspace_addr;
  __u64 guest_memfd_offset;
  __u32 guest_memfd;
  __u32 pad1;
  __u64 pad2[14];
};
#define KVM_SET_USER_MEMORY_REGION2 \
  _IOW(KVMIO, 0x49, struct kvm_userspace_memory_region2)
#endif

#ifndef KVM_SET_MEMORY_ATTRIBUTES
struct kvm_memory_attributes {
  __u64 address;
  __u64 size;
  __u64 attributes;
  __u64 flags;
};
#define KVM_SET_MEMORY_ATTRIBUTES \
  _IOW(KVMIO, 0xd2, struct kvm_memory_attributes)
#endif

#ifndef KVM_CREATE_GUEST_MEMFD
struct kvm_create_guest_memfd {
  __u64 size;
  __u64 flags;
  __u64 reserved[6];
};
/* clang-format off */
#define KVM_CREATE_GUEST_MEMFD \
  _IOWR(KVMIO, 0xd4, struct kvm_create_guest_memfd)
/* clang-format on */
#endif

#ifndef KVM_PRE_FAULT_MEMORY
struct kvm_pre_fault_memory {
  __u64 gpa;
  __u64 size;
  __u64 flags;
  __u64 padding[5];
};
#define KVM_PRE_FAULT_MEMORY _IOWR(KVMIO, 0xd5, struct kvm_pre_fault_memory)
#endif

/* ---- exits --------------------------------------------------------------- */

#ifndef KVM_EXIT_LOONGARCH_IOCSR
#define KVM_EXIT_LOONGARCH_IOCSR 38
#endif
#ifndef KVM_EXIT_MEMORY_FAULT
#define KVM_EXIT_MEMORY_FAULT 39
#endif
#ifndef KVM_EXIT_TDX
#define KVM_EXIT_TDX 40
#endif
#ifndef KVM_EXIT_ARM_SEA
#define KVM_EXIT_ARM_SEA 41
#endif
#ifndef KVM_EXIT_ARM_LDST64B
#define KVM_EXIT_ARM_LDST64B 42
#endif
#ifndef KVM_EXIT_SNP_REQ_CERTS
#define KVM_EXIT_SNP_REQ_CERTS 43
#endif

#ifndef KVM_MEMORY_EXIT_FLAG_PRIVATE
#define KVM_MEMORY_EXIT_FLAG_PRIVATE (1ULL << 3)
#endif
#ifndef KVM_EXIT_ARM_SEA_FLAG_GPA_VALID
#define KVM_EXIT_ARM_SEA_FLAG_GPA_VALID (1ULL << 0)
#endif
#ifndef KVM_SYSTEM_EVENT_TDX_FATAL
#define KVM_SYSTEM_EVENT_TDX_FATAL 7
#endif

/* Members of kvm_run's union that older headers have not or have otherwise. A
 * member can not be added to their struct, so each is a struct of its own that
 * lies at KL_RUN_UNION in the page. */
#define KL_RUN_UNION offsetof(struct kvm_run, hw)

struct kl_run_hypercall {
  __u64 nr;
  __u64 args[6];
  __u64 ret;
  __u64 flags; /* bit 0 is what used to be longmode */
};

struct kl_run_iocsr_io {
  __u64 phys_addr;
  __u8 data[8];
  __u32 len;
  __u8 is_write;
};

struct kl_run_memory_fault {
  __u64 flags;
  __u64 gpa;
  __u64 size;
};

struct kl_run_tdx {
  __u64 flags;
  __u64 nr;
  union {
    struct {
      __u64 ret;
      __u64 data[5];
    } unknown;
    struct {
      __u64 ret;
      __u64 gpa;
      __u64 size;
    } get_quote;
    struct {
      __u64 ret;
      __u64 leaf;
      __u64 r11, r12, r13, r14;
    } get_tdvmcall_info;
    struct {
      __u64 ret;
      __u64 vector;
    } setup_event_notify;
  };
};

struct kl_run_arm_sea {
  __u64 flags;
  __u64 esr;
  __u64 gva;
  __u64 gpa;
};

struct kl_run_snp_req_certs {
  __u64 gpa;
  __u64 npages;
  __u64 ret;
};

/* ---- flags and types ----------------------------------------------------- */

#ifndef KVM_MEM_GUEST_MEMFD
#define KVM_MEM_GUEST_MEMFD (1UL << 2)
#endif
#ifndef KVM_MEMORY_ATTRIBUTE_PRIVATE
#define KVM_MEMORY_ATTRIBUTE_PRIVATE (1ULL << 3)
#endif
#ifndef GUEST_MEMFD_FLAG_MMAP
#define GUEST_MEMFD_FLAG_MMAP (1ULL << 0)
#endif
#ifndef GUEST_MEMFD_FLAG_INIT_SHARED
#define GUEST_MEMFD_FLAG_INIT_SHARED (1ULL << 1)
#endif

#ifndef KVM_DEV_TYPE_RISCV_AIA
#define KVM_DEV_TYPE_RISCV_AIA 11
#endif
#ifndef KVM_DEV_TYPE_LOONGARCH_IPI
#define KVM_DEV_TYPE_LOONGARCH_IPI 12
#endif
#ifndef KVM_DEV_TYPE_LOONGARCH_EIOINTC
#define KVM_DEV_TYPE_LOONGARCH_EIOINTC 13
#endif
#ifndef KVM_DEV_TYPE_LOONGARCH_PCHPIC
#define KVM_DEV_TYPE_LOONGARCH_PCHPIC 14
#endif
#ifndef KVM_DEV_TYPE_LOONGARCH_DMSINTC
#define KVM_DEV_TYPE_LOONGARCH_DMSINTC 15
#endif
#ifndef KVM_DEV_TYPE_ARM_VGIC_V5
#define KVM_DEV_TYPE_ARM_VGIC_V5 16
#endif

#ifndef KVM_DEV_VFIO_FILE
#define KVM_DEV_VFIO_FILE 1
#define KVM_DEV_VFIO_FILE_ADD 1
#define KVM_DEV_VFIO_FILE_DEL 2
#endif

/* Headers older than the first kernel with dirty rings on this architecture
 * say 0, which is the page of kvm_run. Every kernel that has rings says 64. */
#if KVM_DIRTY_LOG_PAGE_OFFSET == 0
#undef KVM_DIRTY_LOG_PAGE_OFFSET
#define KVM_DIRTY_LOG_PAGE_OFFSET 64
#endif

/* ---- capabilities -------------------------------------------------------- */

/* Those that the header defines for some architectures only. */
#ifndef KVM_CAP_USER_NMI
#define KVM_CAP_USER_NMI 22
#endif
#ifndef KVM_CAP_SET_GUEST_DEBUG
#define KVM_CAP_SET_GUEST_DEBUG 23
#endif
#ifndef KVM_CAP_REINJECT_CONTROL
#define KVM_CAP_REINJECT_CONTROL 24
#endif
#ifndef KVM_CAP_MCE
#define KVM_CAP_MCE 31
#endif
#ifndef KVM_CAP_PIT2
#define KVM_CAP_PIT2 33
#endif
#ifndef KVM_CAP_PIT_STATE2
#define KVM_CAP_PIT_STATE2 35
#endif
#ifndef KVM_CAP_XEN_HVM
#define KVM_CAP_XEN_HVM 38
#endif
#ifndef KVM_CAP_VCPU_EVENTS
#define KVM_CAP_VCPU_EVENTS 41
#endif
#ifndef KVM_CAP_DEBUGREGS
#define KVM_CAP_DEBUGREGS 50
#endif
#ifndef KVM_CAP_XSAVE
#define KVM_CAP_XSAVE 55
#endif
#ifndef KVM_CAP_XCRS
#define KVM_CAP_XCRS 56
#endif
#ifndef KVM_CAP_READONLY_MEM
#define KVM_CAP_READONLY_MEM 81
#endif

/* Later ones. */
#ifndef KVM_CAP_S390_PROTECTED_ASYNC_DISABLE
#define KVM_CAP_S390_PROTECTED_ASYNC_DISABLE 224
#endif
#ifndef KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP
#define KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP 225
#endif
#ifndef KVM_CAP_PMU_EVENT_MASKED_EVENTS
#define KVM_CAP_PMU_EVENT_MASKED_EVENTS 226
#endif
#ifndef KVM_CAP_COUNTER_OFFSET
#define KVM_CAP_COUNTER_OFFSET 227
#endif
#ifndef KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE
#define KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE 228
#endif
#ifndef KVM_CAP_ARM_SUPPORTED_BLOCK_SIZES
#define KVM_CAP_ARM_SUPPORTED_BLOCK_SIZES 229
#endif
#ifndef KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES
#define KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES 230
#endif
#ifndef KVM_CAP_USER_MEMORY2
#define KVM_CAP_USER_MEMORY2 231
#endif
#ifndef KVM_CAP_MEMORY_FAULT_INFO
#define KVM_CAP_MEMORY_FAULT_INFO 232
#endif
#ifndef KVM_CAP_MEMORY_ATTRIBUTES
#define KVM_CAP_MEMORY_ATTRIBUTES 233
#endif
#ifndef KVM_CAP_GUEST_MEMFD
#define KVM_CAP_GUEST_MEMFD 234
#endif
#ifndef KVM_CAP_VM_TYPES
#define KVM_CAP_VM_TYPES 235
#endif
#ifndef KVM_CAP_PRE_FAULT_MEMORY
#define KVM_CAP_PRE_FAULT_MEMORY 236
#endif
#ifndef KVM_CAP_X86_APIC_BUS_CYCLES_NS
#define KVM_CAP_X86_APIC_BUS_CYCLES_NS 237
#endif
#ifndef KVM_CAP_X86_GUEST_MODE
#define KVM_CAP_X86_GUEST_MODE 238
#endif
#ifndef KVM_CAP_ARM_WRITABLE_IMP_ID_REGS
#define KVM_CAP_ARM_WRITABLE_IMP_ID_REGS 239
#endif
#ifndef KVM_CAP_ARM_EL2
#define KVM_CAP_ARM_EL2 240
#endif
#ifndef KVM_CAP_ARM_EL2_E2H0
#define KVM_CAP_ARM_EL2_E2H0 241
#endif
#ifndef KVM_CAP_RISCV_MP_STATE_RESET
#define KVM_CAP_RISCV_MP_STATE_RESET 242
#endif
#ifndef KVM_CAP_ARM_CACHEABLE_PFNMAP_SUPPORTED
#define KVM_CAP_ARM_CACHEABLE_PFNMAP_SUPPORTED 243
#endif
#ifndef KVM_CAP_GUEST_MEMFD_FLAGS
#define KVM_CAP_GUEST_MEMFD_FLAGS 244
#endif
#ifndef KVM_CAP_ARM_SEA_TO_USER
#define KVM_CAP_ARM_SEA_TO_USER 245
#endif
#ifndef KVM_CAP_S390_USER_OPEREXEC
#define KVM_CAP_S390_USER_OPEREXEC 246
#endif
#ifndef KVM_CAP_S390_KEYOP
#define KVM_CAP_S390_KEYOP 247
#endif
#ifndef KVM_CAP_S390_VSIE_ESAMODE
#define KVM_CAP_S390_VSIE_ESAMODE 248
#endif
#ifndef KVM_CAP_S390_HPAGE_2G
#define KVM_CAP_S390_HPAGE_2G 249
#endif

#endif
