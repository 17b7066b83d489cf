# SPDX-License-Identifier: MIT
"""What peers cost on the same emulated machine, in instructions: Linux 6.1 KVM with mitigations off on Bochs 2.7
(haswell), under the smallest user-space monitor. Operations: the least and the average of 1000, and the least where
KVM uses APIC virtualisation, which it does on CPUs only that can post interrupts (a newer Bochs, skylake_x)."""

# Debian's kernel to /init, as a ratio to its own run on the bare machine.
BOOT = {"KVM, QEMU 7.2": 1.073, "KVM, kvmtool": 1.094}
BOOT_TARGET = 1.01

# Work after that, as ratios to the bare machine in the same way: under QEMU, which hands out memory in pages of
# 2 MiB, and under kvmtool, which hands it out in pages of 4 KiB.
# The third is the target.
WORK = {
    "exec_400": (1.005, 1.093, 1.003),
    "write_16M": (None, 1.49, None),
    "sha256_16M": (1.018, 1.063, 1.003),
    "read_write_200k": (1.024, 1.070, 1.003),
    "gzip_md5": (1.013, 1.054, 1.003),
    "ping_pong_5k": (None, None, None),
}

# Not there: lapic_oneshot100000, as KVM's timer counts ten times as fast there.

# Its loop is in every row that is measured between two readings of the TSC.
LOOP = 2

_BETWEEN_READINGS = {
    "empty": (2, 2, 2),
    "rdtsc": (3, 3, 3),
    "invlpg": (3, 3, 3),
    "mov_cr3_same": (3, 3, 3),
    "mov_from_cr3": (3, 3, 3),
    "mov_cr0_toggle_TS": (4, 4, 4),
    "clts": (3, 3, 3),
    "mov_cr0_toggle_WP": (4, 4, 4),
    "mov_cr0_toggle_CD": (1165, 1173, 1171),
    "mov_cr4_toggle_PGE": (4, 4, 4),
    "mov_cr4_toggle_SMEP": (2559, 2647, 2565),
    "mov_cr8_write": (3, 3, 3),
    "mov_from_cr8": (3, 3, 3),
    "mov_from_dr7": (3, 3, 3),
    "mov_dr7_write": (3, 3, 3),
    "int_soft_iret": (4, 4, 4),
    "guest_page_fault_rt": (12, 12, 12),
    "wbinvd": (859, 865, 865),
    "rdmsr_FS_BASE": (3, 3, 3),
    "wrmsr_FS_BASE": (5, 5, 5),
    "rdmsr_TSC": (3, 3, 3),
    "cpuid_0": (966, 973, 972),
    "cpuid_1": (972, 979, 978),
    "cpuid_4_0": (992, 998, 998),
    "cpuid_0x80000008": (1134, 1143, 1212),
    "vmcall": (1002, 1011, 1008),
    "rdmsr_APIC_BASE": (1080, 1087, 1086),
    "wrmsr_APIC_BASE_same": (1257, 1266, 1263),
    "rdmsr_EFER": (1025, 1032, 1031),
    "wrmsr_EFER_same": (1843, 1857, 1993),
    "rdmsr_PAT": (1128, 1134, 1134),
    "wrmsr_PAT_same": (1028, 1037, 1034),
    "rdmsr_MISC_ENABLE": (1075, 1084, 1081),
    "rdmsr_FEATURE_CONTROL": (1005, 1012, 1011),
    "rdmsr_MTRRdefType": (1120, 1127, 1126),
    "rdmsr_STAR": (1049, 1054, 1055),
    "rdmsr_unknown_gp": (1653, 1667, 1518),
    "xsetbv_same": (965, 973, 977),
    "xgetbv": (3, 3, 3),
    "ud2_rt": (2916, 2939, 2786),
    "pio_out_pic_0x21": (1989, 2003, 1860),
    "pio_in_pic_0x21": (1265, 1274, 1277),
    "pio_in_0x61": (1414, 1425, 1426),
    "pio_out_pit_0x43_latch": (1287, 1295, 1299),
    "pio_in_pit_0x40": (1297, 1304, 1309),
    "pio_out_uart_scr_0x3ff": (3115, 3143, 3144),
    "pio_in_uart_lsr_0x3fd": (3157, 3195, 3186),
    "pio_out_0x80": (3125, 3161, 3154),
    "pio_in_cmos_0x71": (3169, 3197, 3198),
    "pio_in_kbd_0x64": (3249, 3277, 3278),
    "pio_outl_pci_0xcf8": (3102, 3130, 3131),
    "pio_inl_pci_0xcfc": (3157, 3185, 3186),
    "pio_rep_outsb16_0x3ff": (108327, 109091, 108770),
    "pio_outw_0x510_ioeventfd": (1285, 1295, 1297),
    "xapic_tpr_write": (3774, 3812, 5),
    "xapic_tpr_read": (7168, 7240, 3),
    "xapic_id_read": (7168, 7215, 3),
    "xapic_eoi_write_idle": (3771, 3804, 3519),
    "xapic_lvt_write": (3766, 3790, 988),
    "xapic_curcount_read": (7169, 7215, 4284),
    "ioapic_index_write": (3612, 3635, 3768),
    "ioapic_window_read": (3783, 3816, 3939),
    "hpet_counter_read": (5810, 5854, 5983),
    "xapic_selfipi_to_isr": (5019, 5061, 7),
    "xapic_selfipi_roundtrip_eoi": (9244, 9315, 27),
    "xapic_timer_arm_oneshot": (4163, 4199, 1379),
    "x2apic_tpr_write": (5, 5, 5),
    "x2apic_tpr_read": (3, 3, 3),
    "x2apic_id_read": (1215, 1226, 3),
    "x2apic_eoi_write_idle": (1189, 1196, 3520),
    "x2apic_curcount_read": (1216, 1226, 1373),
    "x2apic_lvt_write": (1184, 1194, 1341),
    "x2apic_selfipi_icr_to_isr": (2412, 2429, 1630),
    "x2apic_selfipi_icr_rt_eoi": (4050, 4075, 1651),
    "x2apic_selfipi_msr83f_rt_eoi": (4078, 4106, 28),
    "x2apic_timer_arm_oneshot": (1568, 1628, 1731),
    "hlt_irq_already_pending_rt": (4501, 4523, 1471),
    "tscdl_arm_far": (927, 927, 1081),
    "tscdl_disarm": (815, 815, 969),
}

_OTHERWISE = {
    "tscdl_late_busy_d50000": (1870, 2028, 607),
    "tscdl_late_busy_d500000": (1870, 2048, 602),
    "tscdl_late_past_d0": (2457, 2457, 1350),
    "tscdl_late_hlt_d15000": (2581, 2935, 2294),
    "tscdl_late_hlt_d200000": (6352, 6946, 6368),
    "tscdl_late_hlt_d2000000": (6486, 8301, 6307),
    "tscdl_sleep200000_overhead": (8087, 8578, 6390),
    "touch4k_A_hostpopulated": (2879, 3487, 3040),
    "touch4k_A_again": (1, 1, 1),
    "touch4k_B_hostfresh": (6205, 6860, 6366),
    "touch2m_C_hostfresh_thp": (752889, 765972, 753056),
    "touch2m_D_hostfresh_4k": (7695, 7815, 7856),
    "loop_dec_jnz_1M_abs": (2000005, 2000005, 2000005),
    "arith_1M_abs": (6000010, 6000010, 6000010),
    "memwalk14M_stride64_abs": (917512, 917512, 917512),
    "rep_stosq_1M_abs": (131079, 131079, 131079),
}

# {name: (least, average, least with APIC virtualisation)}
KVM = _OTHERWISE | {name: tuple(figure - LOOP for figure in figures)
                    for name, figures in _BETWEEN_READINGS.items()}

# What KVM does without an exit: there is nothing to be saved.
NO_EXIT = frozenset("""
    empty rdtsc invlpg mov_cr3_same mov_from_cr3 mov_cr0_toggle_TS clts mov_cr0_toggle_WP
    mov_cr4_toggle_PGE mov_cr8_write mov_from_cr8 mov_from_dr7 mov_dr7_write int_soft_iret
    guest_page_fault_rt rdmsr_FS_BASE wrmsr_FS_BASE rdmsr_TSC xgetbv x2apic_tpr_write x2apic_tpr_read
    touch4k_A_again loop_dec_jnz_1M_abs arith_1M_abs memwalk14M_stride64_abs rep_stosq_1M_abs
""".split())
