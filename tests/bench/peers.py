# SPDX-License-Identifier: MIT
"""What peers cost on the same emulated machine, in instructions: Linux 6.1 KVM with mitigations off on Bochs 2.7
(haswell). Operations are (least, average) of 1000 under a minimal user-space monitor, less 2 for the loop."""

# Debian's kernel to /init, as a ratio to its own run on the bare machine.
BOOT = {"KVM, QEMU 7.2": 1.073, "KVM, kvmtool": 1.094}
BOOT_TARGET = 1.05

# Work after that, as ratios to the bare machine in the same way: under QEMU, which hands out memory in pages of
# 2 MiB, and under kvmtool, which hands it out in pages of 4 KiB.
WORK = {
    "exec_400": (1.005, 1.093),
    "write_16M": (None, 1.49),
    "sha256_16M": (1.018, 1.063),
    "read_write_200k": (1.024, 1.070),
}

# Its loop is in every row that is measured between two readings of the TSC.
LOOP = 2

_BETWEEN_READINGS = {
    "empty": (2, 2),
    "cpuid_0": (966, 973),
    "vmcall": (1002, 1011),
    "rdmsr_APIC_BASE": (1080, 1087),
    "rdmsr_MISC_ENABLE": (1075, 1084),
    "rdmsr_unknown_gp": (1653, 1667),
    "xsetbv_same": (965, 973),
    "wbinvd": (859, 865),
    "pio_in_pic_0x21": (1265, 1274),
    "pio_out_0x80": (3125, 3161),
    "pio_in_uart_lsr_0x3fd": (3157, 3195),
    "xapic_eoi_write_idle": (3771, 3804),
    "x2apic_eoi_write_idle": (1189, 1196),
    "hlt_irq_already_pending_rt": (4501, 4523),
    "tscdl_arm_far": (927, 927),
    "tscdl_disarm": (815, 815),
}

_OTHERWISE = {
    "tscdl_late_hlt_d200000": (6352, 6946),
    "tscdl_sleep200000_overhead": (8087, 8578),
}

KVM = _OTHERWISE | {name: (least - LOOP, average - LOOP)
                    for name, (least, average) in _BETWEEN_READINGS.items()}
