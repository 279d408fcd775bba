/* SPDX-License-Identifier: MIT */
/* Model-specific registers that vcpu.regs knows by name. A name is the one of
 * the manual in lower case, without IA32_ or MSR_:
 *   Intel SDM, volume 4, chapter 2 (IA32_*, and a few MSR_* of long standing)
 *   AMD APM, volume 2, appendix A
 *   Documentation/virt/kvm/x86/msr.rst (MSR_KVM_*: kvm_*)
 *   Hyper-V Top Level Functional Specification (HV_X64_MSR_*: hv_*)
 * EFER, APIC_BASE, FS.base and GS.base are missing: KVM_GET_SREGS has them as
 * efer, apic_base, fs_base and gs_base. Any other MSR is "msr:0x<index>". */
#ifndef KL_X86_MSRS_H
#define KL_X86_MSRS_H

/* Numbered registers: base name, first index, step between them. */
/* clang-format off */
#define KL_MSR4(M, name, index, step)                                  \
  M(name##0, index) M(name##1, index + (step))                         \
  M(name##2, index + 2 * (step)) M(name##3, index + 3 * (step))
#define KL_MSR8(M, name, index, step)                                  \
  KL_MSR4(M, name, index, step) M(name##4, index + 4 * (step))         \
  M(name##5, index + 5 * (step)) M(name##6, index + 6 * (step))        \
  M(name##7, index + 7 * (step))

#define KL_MSRS_INTEL(M)                                               \
  M(tsc, 0x10) M(platform_id, 0x17) M(feature_control, 0x3a)           \
  M(tsc_adjust, 0x3b) M(spec_ctrl, 0x48) M(pred_cmd, 0x49)             \
  M(bios_updt_trig, 0x79) M(bios_sign_id, 0x8b)                        \
  KL_MSR4(M, sgxlepubkeyhash, 0x8c, 1)                                 \
  M(smm_monitor_ctl, 0x9b) M(smbase, 0x9e)                             \
  KL_MSR8(M, pmc, 0xc1, 1)                                             \
  M(platform_info, 0xce) M(core_capabilities, 0xcf)                    \
  M(umwait_control, 0xe1) M(mperf, 0xe7) M(aperf, 0xe8)                \
  M(mtrrcap, 0xfe) M(arch_capabilities, 0x10a) M(flush_cmd, 0x10b)     \
  M(tsx_ctrl, 0x122) M(mcu_opt_ctrl, 0x123)                            \
  M(misc_features_enables, 0x140)                                      \
  M(sysenter_cs, 0x174) M(sysenter_esp, 0x175) M(sysenter_eip, 0x176)  \
  M(mcg_cap, 0x179) M(mcg_status, 0x17a) M(mcg_ctl, 0x17b)             \
  KL_MSR8(M, perfevtsel, 0x186, 1)                                     \
  M(perf_status, 0x198) M(perf_ctl, 0x199)                             \
  M(clock_modulation, 0x19a) M(therm_interrupt, 0x19b)                 \
  M(therm_status, 0x19c) M(misc_enable, 0x1a0)                         \
  M(offcore_rsp_0, 0x1a6) M(offcore_rsp_1, 0x1a7)                      \
  M(energy_perf_bias, 0x1b0) M(xfd, 0x1c4) M(xfd_err, 0x1c5)           \
  M(lbr_select, 0x1c8) M(lastbranch_tos, 0x1c9) M(debugctl, 0x1d9)     \
  M(lastbranchfromip, 0x1db) M(lastbranchtoip, 0x1dc)                  \
  M(lastintfromip, 0x1dd) M(lastinttoip, 0x1de)                        \
  M(smrr_physbase, 0x1f2) M(smrr_physmask, 0x1f3)                      \
  KL_MSR8(M, mtrr_physbase, 0x200, 2)                                  \
  KL_MSR8(M, mtrr_physmask, 0x201, 2)                                  \
  M(mtrr_fix64k_00000, 0x250) M(mtrr_fix16k_80000, 0x258)              \
  M(mtrr_fix16k_a0000, 0x259) M(mtrr_fix4k_c0000, 0x268)               \
  M(mtrr_fix4k_c8000, 0x269) M(mtrr_fix4k_d0000, 0x26a)                \
  M(mtrr_fix4k_d8000, 0x26b) M(mtrr_fix4k_e0000, 0x26c)                \
  M(mtrr_fix4k_e8000, 0x26d) M(mtrr_fix4k_f0000, 0x26e)                \
  M(mtrr_fix4k_f8000, 0x26f) M(pat, 0x277) M(mtrr_def_type, 0x2ff)     \
  KL_MSR4(M, fixed_ctr, 0x309, 1)                                      \
  M(perf_capabilities, 0x345) M(fixed_ctr_ctrl, 0x38d)                 \
  M(perf_global_status, 0x38e) M(perf_global_ctrl, 0x38f)              \
  M(perf_global_status_reset, 0x390) M(perf_global_status_set, 0x391)  \
  M(pebs_enable, 0x3f1) M(pebs_data_cfg, 0x3f2)                        \
  M(mc0_ctl, 0x400) M(mc0_status, 0x401) M(mc0_addr, 0x402)            \
  M(mc0_misc, 0x403) M(mc1_ctl, 0x404) M(mc1_status, 0x405)            \
  M(mc1_addr, 0x406) M(mc1_misc, 0x407) M(mc2_ctl, 0x408)              \
  M(mc2_status, 0x409) M(mc2_addr, 0x40a) M(mc2_misc, 0x40b)           \
  M(mc3_ctl, 0x40c) M(mc3_status, 0x40d) M(mc3_addr, 0x40e)            \
  M(mc3_misc, 0x40f)                                                   \
  M(vmx_basic, 0x480) M(vmx_pinbased_ctls, 0x481)                      \
  M(vmx_procbased_ctls, 0x482) M(vmx_exit_ctls, 0x483)                 \
  M(vmx_entry_ctls, 0x484) M(vmx_misc, 0x485)                          \
  M(vmx_cr0_fixed0, 0x486) M(vmx_cr0_fixed1, 0x487)                    \
  M(vmx_cr4_fixed0, 0x488) M(vmx_cr4_fixed1, 0x489)                    \
  M(vmx_vmcs_enum, 0x48a) M(vmx_procbased_ctls2, 0x48b)                \
  M(vmx_ept_vpid_cap, 0x48c) M(vmx_true_pinbased_ctls, 0x48d)          \
  M(vmx_true_procbased_ctls, 0x48e) M(vmx_true_exit_ctls, 0x48f)       \
  M(vmx_true_entry_ctls, 0x490) M(vmx_vmfunc, 0x491)                   \
  KL_MSR8(M, a_pmc, 0x4c1, 1)                                          \
  M(rtit_output_base, 0x560) M(rtit_output_mask_ptrs, 0x561)           \
  M(rtit_ctl, 0x570) M(rtit_status, 0x571) M(rtit_cr3_match, 0x572)    \
  M(ds_area, 0x600) M(u_cet, 0x6a0) M(s_cet, 0x6a2)                    \
  M(pl0_ssp, 0x6a4) M(pl1_ssp, 0x6a5) M(pl2_ssp, 0x6a6)                \
  M(pl3_ssp, 0x6a7) M(interrupt_ssp_table_addr, 0x6a8)                 \
  M(tsc_deadline, 0x6e0) M(pkrs, 0x6e1)                                \
  M(x2apic_apicid, 0x802) M(x2apic_version, 0x803)                     \
  M(x2apic_tpr, 0x808) M(x2apic_ppr, 0x80a) M(x2apic_eoi, 0x80b)       \
  M(x2apic_ldr, 0x80d) M(x2apic_sivr, 0x80f) M(x2apic_esr, 0x828)      \
  M(x2apic_lvt_cmci, 0x82f) M(x2apic_icr, 0x830)                       \
  M(x2apic_lvt_timer, 0x832) M(x2apic_lvt_thermal, 0x833)              \
  M(x2apic_lvt_pmi, 0x834) M(x2apic_lvt_lint0, 0x835)                  \
  M(x2apic_lvt_lint1, 0x836) M(x2apic_lvt_error, 0x837)                \
  M(x2apic_init_count, 0x838) M(x2apic_cur_count, 0x839)               \
  M(x2apic_div_conf, 0x83e) M(x2apic_self_ipi, 0x83f)                  \
  M(bndcfgs, 0xd90) M(xss, 0xda0)                                      \
  M(star, 0xc0000081) M(lstar, 0xc0000082) M(cstar, 0xc0000083)        \
  M(fmask, 0xc0000084) M(kernel_gs_base, 0xc0000102)                   \
  M(tsc_aux, 0xc0000103)

#define KL_MSRS_AMD(M)                                                 \
  M(tsc_ratio, 0xc0000104)                                             \
  M(perf_cntr_global_status, 0xc0000300)                               \
  M(perf_cntr_global_ctl, 0xc0000301)                                  \
  M(perf_cntr_global_status_clr, 0xc0000302)                           \
  M(perf_cntr_global_status_set, 0xc0000303)                           \
  KL_MSR4(M, perf_legacy_ctl, 0xc0010000, 1)                           \
  KL_MSR4(M, perf_legacy_ctr, 0xc0010004, 1)                           \
  M(syscfg, 0xc0010010) M(hwcr, 0xc0010015)                            \
  M(iorr_base0, 0xc0010016) M(iorr_mask0, 0xc0010017)                  \
  M(iorr_base1, 0xc0010018) M(iorr_mask1, 0xc0010019)                  \
  M(top_mem, 0xc001001a) M(top_mem2, 0xc001001d)                       \
  M(int_pending, 0xc0010055) M(mmio_cfg_base, 0xc0010058)              \
  M(smm_addr, 0xc0010112) M(smm_mask, 0xc0010113)                      \
  M(vm_cr, 0xc0010114) M(ignne, 0xc0010115) M(smm_ctl, 0xc0010116)     \
  M(vm_hsave_pa, 0xc0010117) M(svm_key, 0xc0010118)                    \
  M(virt_spec_ctrl, 0xc001011f) M(ghcb, 0xc0010130)                    \
  M(sev_status, 0xc0010131) M(osvw_id_length, 0xc0010140)              \
  M(osvw_status, 0xc0010141)                                           \
  KL_MSR4(M, perf_ctl, 0xc0010200, 2)                                  \
  M(perf_ctl4, 0xc0010208) M(perf_ctl5, 0xc001020a)                    \
  KL_MSR4(M, perf_ctr, 0xc0010201, 2)                                  \
  M(perf_ctr4, 0xc0010209) M(perf_ctr5, 0xc001020b)                    \
  M(ls_cfg, 0xc0011020) M(dc_cfg, 0xc0011022) M(de_cfg, 0xc0011029)

#define KL_MSRS_KVM(M)                                                 \
  M(kvm_wall_clock, 0x11) M(kvm_system_time, 0x12)                     \
  M(kvm_wall_clock_new, 0x4b564d00) M(kvm_system_time_new, 0x4b564d01) \
  M(kvm_async_pf_en, 0x4b564d02) M(kvm_steal_time, 0x4b564d03)         \
  M(kvm_eoi_en, 0x4b564d04) M(kvm_poll_control, 0x4b564d05)            \
  M(kvm_async_pf_int, 0x4b564d06) M(kvm_async_pf_ack, 0x4b564d07)      \
  M(kvm_migration_control, 0x4b564d08)

#define KL_MSRS_HYPERV(M)                                              \
  M(hv_guest_os_id, 0x40000000) M(hv_hypercall, 0x40000001)            \
  M(hv_vp_index, 0x40000002) M(hv_reset, 0x40000003)                   \
  M(hv_vp_runtime, 0x40000010) M(hv_time_ref_count, 0x40000020)        \
  M(hv_reference_tsc, 0x40000021) M(hv_tsc_frequency, 0x40000022)      \
  M(hv_apic_frequency, 0x40000023) M(hv_eoi, 0x40000070)               \
  M(hv_icr, 0x40000071) M(hv_tpr, 0x40000072)                          \
  M(hv_vp_assist_page, 0x40000073) M(hv_scontrol, 0x40000080)          \
  M(hv_sversion, 0x40000081) M(hv_siefp, 0x40000082)                   \
  M(hv_simp, 0x40000083) M(hv_eom, 0x40000084)                         \
  KL_MSR8(M, hv_sint, 0x40000090, 1)                                   \
  M(hv_sint8, 0x40000098) M(hv_sint9, 0x40000099)                      \
  M(hv_sint10, 0x4000009a) M(hv_sint11, 0x4000009b)                    \
  M(hv_sint12, 0x4000009c) M(hv_sint13, 0x4000009d)                    \
  M(hv_sint14, 0x4000009e) M(hv_sint15, 0x4000009f)                    \
  M(hv_stimer0_config, 0x400000b0) M(hv_stimer0_count, 0x400000b1)     \
  M(hv_stimer1_config, 0x400000b2) M(hv_stimer1_count, 0x400000b3)     \
  M(hv_stimer2_config, 0x400000b4) M(hv_stimer2_count, 0x400000b5)     \
  M(hv_stimer3_config, 0x400000b6) M(hv_stimer3_count, 0x400000b7)     \
  KL_MSR4(M, hv_crash_p, 0x40000100, 1)                                \
  M(hv_crash_p4, 0x40000104) M(hv_crash_ctl, 0x40000105)               \
  M(hv_reenlightenment_control, 0x40000106)                            \
  M(hv_tsc_emulation_control, 0x40000107)                              \
  M(hv_tsc_emulation_status, 0x40000108)                               \
  M(hv_tsc_invariant_control, 0x40000118)
/* clang-format on */

#define KL_MSRS(M) \
  KL_MSRS_INTEL(M) KL_MSRS_AMD(M) KL_MSRS_KVM(M) KL_MSRS_HYPERV(M)

#endif
