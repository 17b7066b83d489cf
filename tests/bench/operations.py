#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What single operations cost, in instructions: runs tests/bench/ops on the bare emulated machine and in a partition,
prints both beside the targets and KVM's figures, and adds them to bench.json.

On Bochs the time-stamp counter counts executed instructions. See docs/performance.md."""
import argparse
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peers
from common import (HEAD, IPS, BenchError, figures_add, native_run, partition_run, table_print)
from machine import MachineError
from mkbundle import file_read

OPS = "\\bench\\ops.bin"
CONFIG = HEAD + f"boot = raw\nkernel = {OPS}\nentry = long\nload = 1M\n"
PATTERN = r"((?:op [^\r]*\r+\n)+)ops: done"

MSRS = "APIC_BASE EFER PAT MISC_ENABLE FEATURE_CONTROL MTRRdefType STAR"
PORTS = ("out_pic_0x21 in_pic_0x21 in_0x61 out_pit_0x43_latch in_pit_0x40 out_uart_scr_0x3ff in_uart_lsr_0x3fd "
         "out_0x80 in_cmos_0x71 in_kbd_0x64 outl_pci_0xcf8 inl_pci_0xcfc outw_0x510_ioeventfd")

# At most so many instructions.
TARGETS = {
    **{f"cpuid_{leaf}": 130 for leaf in ("0", "1", "4_0", "0x80000008")},
    "vmcall": 100,
    **{f"rdmsr_{msr}": 150 for msr in MSRS.split()},
    "rdmsr_unknown_gp": 250,
    "xsetbv_same": 140,
    "mov_cr0_toggle_CD": 220,
    "mov_cr4_toggle_SMEP": 220,
    "wbinvd": 110,
    **{f"pio_{port}": 220 for port in PORTS.split()},
    "pio_rep_outsb16_0x3ff": 700,
    "ioapic_index_write": 400, "ioapic_window_read": 400, "hpet_counter_read": 400,
    "tscdl_arm_far": 200, "tscdl_disarm": 200,
    "xapic_timer_arm_oneshot": 200, "x2apic_timer_arm_oneshot": 200,
    "tscdl_late_busy_d50000": 300, "tscdl_late_busy_d500000": 300, "tscdl_late_past_d0": 300,
    "tscdl_late_hlt_d15000": 500, "tscdl_late_hlt_d200000": 500, "tscdl_late_hlt_d2000000": 500,
    "tscdl_sleep200000_overhead": 900,
    **{f"gap_40M_interrupts_{state}_{what}": 0 for state in ("off", "on") for what in ("longest", "lost")},
}

# At most so many more than on the bare machine. Those with APIC virtualisation are without an exit, which leaves
# room for nothing but the difference between two kinds of interrupt entry.
BEYOND_NATIVE = {
    **dict.fromkeys(peers.NO_EXIT, 0),
    **{f"touch{what}": 0 for what in ("4k_A_hostpopulated", "4k_B_hostfresh", "2m_C_hostfresh_thp",
                                      "2m_D_hostfresh_4k")},
    "hlt_irq_already_pending_rt": 120,
}
BEYOND_NATIVE_APICV = dict.fromkeys(
    ["xapic_tpr_write", "xapic_tpr_read", "xapic_id_read", "xapic_eoi_write_idle", "xapic_selfipi_to_isr",
     "xapic_selfipi_roundtrip_eoi", "x2apic_tpr_write", "x2apic_tpr_read", "x2apic_id_read",
     "x2apic_eoi_write_idle", "x2apic_selfipi_msr83f_rt_eoi"], 5)

MODELS_APICV = ("haswell", "broadwell", "skylake", "icelake", "tigerlake")

NOTES = """\
Instructions for one operation, its own included, the reading of the TSC not; least and average of 1000 (fewer for
what takes long). KVM: Linux 6.1 with mitigations off under the smallest monitor that runs the benchmark; "APICv" is
KVM where it uses APIC virtualisation, on another CPU model. "saved": how many times as much as Bulkhead KVM takes.
tscdl_late: from the deadline to the handler. tscdl_sleep: all that a sleep of 200000 costs besides. _abs: all of it.
gap: what is lost while the guest reads the TSC without a pause for 40 million ticks, at most at a time and in all."""


def operations_parse(text):
    """{name: (least, average)}"""
    return {name: (int(least), int(average)) for name, least, average
            in re.findall(r"^op (\w+) \d+ (\d+) (\d+)\r?$", text, re.M)}


def inside_measure(core, ops, model="haswell", ips=IPS, logs=None):
    """{name: (least, average)} in a partition."""
    return operations_parse(partition_run(core, CONFIG, {OPS: file_read(ops)}, PATTERN, model, ips, logs)[1])


def native_measure(native, ops, model="haswell", ips=IPS, logs=None):
    """The same on the bare machine."""
    return operations_parse(native_run(native, CONFIG, {OPS: file_read(ops)}, PATTERN, model, ips, logs)[1][1])


def target_of(name, native, model="haswell"):
    """The most that an operation should take; None: nobody said."""
    beyond = BEYOND_NATIVE | (BEYOND_NATIVE_APICV if model in MODELS_APICV else {})
    if native is not None and name in beyond:
        return native + beyond[name]
    return TARGETS.get(name)


def rows_make(native, inside, model="haswell"):
    rows = []
    for name, (least, average) in inside.items():
        bare = native.get(name, (None,))[0]
        kvm, kvm_average, kvm_apicv = peers.KVM.get(name, (None, None, None))
        saved = round(kvm / least, 2) if kvm and least and name not in peers.NO_EXIT else None
        target = target_of(name, bare, model)
        rows.append({"name": name, "native": bare, "bulkhead_least": least, "bulkhead_average": average,
                     "kvm_least": kvm, "kvm_average": kvm_average, "kvm_apicv_least": kvm_apicv,
                     "saved": saved, "target": target, "met": None if target is None else least <= target})
    return rows


def verdict(row):
    return {None: None, True: "met", False: "MISSED"}[row["met"]]


def report(rows, model):
    table_print(f"Single operations, {model}",
                ["operation", "bare", "Bulkhead", "average", "KVM", "average", "APICv", "saved", "target", ""],
                [list(row.values())[:-1] + [verdict(row)] for row in rows])
    missed = [row["name"] for row in rows if row["met"] is False]
    slow = [row["name"] for row in rows if row["saved"] is not None and row["saved"] < 3]
    print(f"\n  targets: {sum(row['met'] is True for row in rows)} met, {len(missed)} missed"
          f"\n  a third of KVM's or less: {sum(row['saved'] is not None for row in rows) - len(slow)}, "
          f"more: {len(slow)}{': ' + ', '.join(slow) if slow else ''}\n\n{NOTES}")


def options_parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    for name, what in (("core", "the core's flat image"), ("native", "the native starter"),
                       ("ops", "the image that runs single operations"),
                       ("directory", "where bench.json and the logs go")):
        parser.add_argument(f"--{name}", required=True, help=what)
    parser.add_argument("--model", action="append", help="CPU models (haswell)")
    parser.add_argument("--ips", type=int, default=IPS, help="instructions the machine executes a second")
    return parser.parse_args()


def main():
    options = options_parse()
    os.makedirs(options.directory, exist_ok=True)
    for model in options.model or ["haswell"]:
        logs = os.path.join(options.directory, f"ops-{model}")
        try:
            native = native_measure(options.native, options.ops, model, options.ips, f"{logs}-native")
            inside = inside_measure(options.core, options.ops, model, options.ips, f"{logs}-bulkhead")
        except (BenchError, MachineError, OSError) as error:
            sys.exit(f"bench: {model}: {error}")
        rows = rows_make(native, inside, model)
        report(rows, model)
        key = "operations" if model == "haswell" else f"operations_{model}"
        figures_add(options.directory, **{key: rows})


if __name__ == "__main__":
    main()
