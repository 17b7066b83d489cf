#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How many privileged instructions each kind of exit takes: VMREAD, VMWRITE, RDMSR, WRMSR, those that invalidate
translations (INVEPT, INVVPID, INVLPG), those that change the VMCS (VMPTRLD, VMCLEAR). On real CPUs these take longer
than others do.

Needs a core that counts them (tests/bench/count/count.s). The emulator's debugger reads the counters before and
after each operation of tests/bench/ops."""
import argparse
import re
import sys
import tempfile

from common import (MACHINE_EXTRA, PARTITION_MIB, BenchError, bundle_write, debugger_run, figures_add,
                    partition_run, symbol_address, table_print)
from machine import MachineError
from mkbundle import file_read
from operations import CONFIG, OPS, PATTERN

COUNTERS = ("VMREAD", "VMWRITE", "RDMSR", "WRMSR", "INV*", "VMCS")

# Operations by the kind of exit that they show; the last ones have several exits.
KINDS = {
    "vmcall": "VMCALL",
    "cpuid_1": "CPUID",
    "rdmsr_MISC_ENABLE": "RDMSR, emulated",
    "rdmsr_unknown_gp": "RDMSR, unknown: #GP",
    "wrmsr_EFER_same": "WRMSR, EFER",
    "xsetbv_same": "XSETBV",
    "wbinvd": "WBINVD",
    "mov_cr0_toggle_CD": "MOV to CR0",
    "pio_in_pic_0x21": "port read, 8259",
    "pio_in_uart_lsr_0x3fd": "port read, UART",
    "pio_rep_outsb16_0x3ff": "port, string of 16",
    "ioapic_window_read": "memory read, I/O APIC",
    "ioapic_index_write": "memory write, I/O APIC",
    "hpet_counter_read": "memory read, HPET",
    "xapic_lvt_write": "APIC write",
    "xapic_eoi_write_idle": "APIC, virtualised",
    "x2apic_curcount_read": "x2APIC read",
    "x2apic_selfipi_icr_rt_eoi": "x2APIC, IPI to itself by ICR",
    "tscdl_arm_far": "WRMSR, TSC deadline",
    "tscdl_late_busy_d50000": "timer: arm and expire, busy",
    "tscdl_sleep200000_overhead": "timer: arm, HLT, wake up",
    "hlt_irq_already_pending_rt": "HLT, interrupt pending",
}


def counters_read(core, ops, names, bundle):
    """The counters at the beginning and the end of each operation, in their order."""
    entry = symbol_address(f"{core}.elf", "core_entry")
    machine = {"bundle": bundle, "memory_mib": 2 * PARTITION_MIB, "extra": MACHINE_EXTRA}
    placed = re.search(rf"\[0x([0-9a-f]+)\] \w+:{entry:x} ", debugger_run([f"lb {entry:#x}", "c"], **machine))
    if not placed:
        raise BenchError("the core did not begin")
    at = symbol_address(f"{core}.elf", "bench_counts") - entry + int(placed[1], 16)
    stops = [symbol_address(ops.replace(".bin", ".elf"), name) for name in ("tally_new", "tally_print")]
    script = [f"lb {stop:#x}" for stop in stops] + ["c", f"xp /{len(COUNTERS)}gx {at:#x}"] * (2 * len(names))
    said = debugger_run(script, **machine)
    words = [int(word, 16) for line in re.findall(r"<bogus\+[^>]*>:(.*)", said) for word in line.split()]
    if len(words) != len(COUNTERS) * 2 * len(names):
        raise BenchError(f"the debugger showed {len(words)} counters for {len(names)} operations")
    return [words[i:i + len(COUNTERS)] for i in range(0, len(words), len(COUNTERS))]


def measure(core, ops):
    """{name: how often each instruction is carried out for one operation}"""
    files = {OPS: file_read(ops)}
    printed = partition_run(f"{core}.bin", CONFIG, files, PATTERN)[1]
    rounds = [(name, int(count)) for name, count in re.findall(r"^op (\w+) (\d+) ", printed, re.M)
              if not name.startswith("gap_")]
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        bundle = bundle_write(directory, file_read(f"{core}.bin"), CONFIG, files)
        read = counters_read(core, ops, [name for name, _ in rounds], bundle)
    return {name: [round((after - before) / count, 1) for before, after in zip(read[2 * i], read[2 * i + 1])]
            for i, (name, count) in enumerate(rounds)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    for name, what in (("core", "the counting core, without .bin"), ("ops", "the image that runs single operations"),
                       ("directory", "where bench.json goes")):
        parser.add_argument(f"--{name}", required=True, help=what)
    options = parser.parse_args()
    try:
        found = measure(options.core, options.ops)
    except (BenchError, MachineError, OSError) as error:
        sys.exit(f"bench: {error}")
    table_print("Privileged instructions for one operation, haswell", ["", *COUNTERS],
                [[words] + [f"{count:g}" for count in found[name]] for name, words in KINDS.items()
                 if name in found])
    figures_add(options.directory, counts={name: dict(zip(COUNTERS, row)) for name, row in found.items()})


if __name__ == "__main__":
    main()
