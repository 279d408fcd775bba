-- SPDX-License-Identifier: MIT
--- The feature bits of CPUID by name: Intel SDM, volume 2, "CPUID"; AMD APM,
--- volume 3, appendix E; Documentation/virt/kvm/x86/cpuid.rst of the kernel.
--- The names are those of the manuals in lower case, as in /proc/cpuinfo.
---
--- Rows: leaf, subleaf (nil: none), register, the names from bit 0 upwards
--- ("-": reserved or no feature).
local rows = {
  { 0x1, nil, "edx",
    "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 "
    .. "psn clfsh - ds acpi mmx fxsr sse sse2 ss htt tm ia64 pbe" },
  { 0x1, nil, "ecx",
    "sse3 pclmulqdq dtes64 monitor ds_cpl vmx smx eist tm2 ssse3 cnxt_id sdbg "
    .. "fma cx16 xtpr pdcm - pcid dca sse4_1 sse4_2 x2apic movbe popcnt "
    .. "tsc_deadline aes xsave osxsave avx f16c rdrand hypervisor" },
  { 0x6, nil, "eax",
    "dts turbo arat - pln ecmd ptm hwp hwp_notify hwp_act_window hwp_epp "
    .. "hwp_pkg_req - hdc" },
  { 0x6, nil, "ecx", "aperfmperf - - epb" },
  { 0x7, 0, "ebx",
    "fsgsbase tsc_adjust sgx bmi1 hle avx2 fdp_excptn_only smep bmi2 erms "
    .. "invpcid rtm cqm zero_fcs_fds mpx rdt_a avx512f avx512dq rdseed adx "
    .. "smap avx512_ifma pcommit clflushopt clwb intel_pt avx512pf avx512er "
    .. "avx512cd sha avx512bw avx512vl" },
  { 0x7, 0, "ecx",
    "prefetchwt1 avx512_vbmi umip pku ospke waitpkg avx512_vbmi2 cet_ss gfni "
    .. "vaes vpclmulqdq avx512_vnni avx512_bitalg tme avx512_vpopcntdq - la57 "
    .. "- - - - - rdpid kl bus_lock_detect cldemote - movdiri movdir64b enqcmd "
    .. "sgx_lc pks" },
  { 0x7, 0, "edx",
    "- sgx_keys avx512_4vnniw avx512_4fmaps fsrm uintr - - "
    .. "avx512_vp2intersect srbds_ctrl md_clear rtm_always_abort - "
    .. "rtm_force_abort serialize hybrid tsxldtrk - pconfig arch_lbr cet_ibt - "
    .. "amx_bf16 avx512_fp16 amx_tile amx_int8 ibrs_ibpb stibp l1d_flush "
    .. "arch_capabilities core_capabilities ssbd" },
  { 0x7, 1, "eax",
    "sha512 sm3 sm4 rao_int avx_vnni avx512_bf16 lass cmpccxadd "
    .. "arch_perfmon_ext - fzlrm fsrs fsrcs - - - - fred lkgs wrmsrns nmi_src "
    .. "amx_fp16 hreset avx_ifma - - lam msrlist" },
  { 0x7, 1, "edx",
    "- - - - avx_vnni_int8 avx_ne_convert - - amx_complex - avx_vnni_int16 - - "
    .. "- prefetchi - - - cet_sss avx10 - apx_f" },
  { 0x7, 2, "edx", "psfd ipred_ctrl rrsba_ctrl ddpd_u bhi_ctrl mcdt_no" },
  { 0xd, 1, "eax", "xsaveopt xsavec xgetbv_ecx1 xsaves xfd" },
  { 0x40000001, nil, "eax",
    "kvm_clocksource kvm_nop_io_delay kvm_mmu_op kvm_clocksource2 "
    .. "kvm_async_pf kvm_steal_time kvm_pv_eoi kvm_pv_unhalt - "
    .. "kvm_pv_tlb_flush "
    .. "kvm_async_pf_vmexit kvm_pv_send_ipi kvm_poll_control "
    .. "kvm_pv_sched_yield kvm_async_pf_int kvm_msi_ext_dest_id "
    .. "kvm_hc_map_gpa_range kvm_migration_control - - - - - - "
    .. "kvm_clocksource_stable" },
  { 0x80000001, nil, "ecx",
    "lahf_sahf cmp_legacy svm extapic alt_mov_cr8 abm sse4a misalignsse "
    .. "prefetchw osvw ibs xop skinit wdt - lwp fma4 tce - - - tbm topoext "
    .. "perfctr_core perfctr_nb - bpext perftsc perfctr_llc monitorx "
    .. "addr_mask_ext" },
  { 0x80000001, nil, "edx",
    "- - - - - - - - - - - syscall - - - - - - - - nx - mmxext - - ffxsr "
    .. "page1gb rdtscp - lm 3dnowext 3dnow" },
  { 0x80000007, nil, "edx",
    "ts fid vid ttp tm_amd - 100mhzsteps hwpstate invtsc cpb effreq_ro" },
  { 0x80000008, nil, "ebx",
    "clzero instret_cnt rstr_fp_err_ptrs invlpgb rdpru - mbe - mcommit "
    .. "wbnoinvd - - ibpb int_wbinvd ibrs stibp_amd ibrs_always stibp_always "
    .. "ibrs_preferred ibrs_same_mode efer_lmsle_unsupported - - ppin ssbd_amd "
    .. "ssbd_virt_spec_ctrl ssb_no cppc psfd_amd btc_no ibpb_ret" },
  { 0x8000000a, nil, "edx",
    "npt lbrv svml nrips tscratemsr vmcbclean flushbyasid decodeassists - - "
    .. "pausefilter - pausefilterthreshold avic - vmsave_vmload vgif gmet "
    .. "x2avic sss_check spec_ctrl_virt" },
  { 0x80000021, nil, "eax",
    "no_nested_data_bp - lfence_always_serializing smm_pgcfg_lock - - "
    .. "null_select_clears_base upper_address_ignore automatic_ibrs "
    .. "no_smm_ctl_msr" },
}

--- name -> {leaf, subleaf or false, register, bit}
local features = {}
for _, row in ipairs(rows) do
  local bit = 0
  for name in row[4]:gmatch "%S+" do
    if name ~= "-" then
      assert(not features[name], name)
      features[name] = { row[1], row[2] or false, row[3], bit }
    end
    bit = bit + 1
  end
  assert(bit <= 32, row[4])
end

return features
