#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What Bulkhead costs, in instructions: boots Debian's kernel on the bare emulated machine and in a
partition, and prints both beside the figures of peers.

On Bochs the time-stamp counter counts executed instructions, and a VM exit itself costs none: what is
measured is the length of the software's paths. See docs/performance.md."""
import argparse
import concurrent.futures
import os
import re
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peers
from common import (HEAD, IPS, PARTITION_MIB, BenchError, figures_add, native_run, partition_run,
                    table_print)
from machine import MachineError
from mkbundle import file_read

KERNEL, INITRD = "\\bench\\vmlinuz", "\\bench\\initrd"
RUNS = 3  # of each machine: Linux draws random numbers for where things are, and no two runs are quite the same
CMDLINE = "console=ttyS0 quiet nokaslr mitigations=off"
BOOT_CONF = HEAD + f"boot = linux\nkernel = {KERNEL}\ninitrd = {INITRD}\ncmdline = {CMDLINE}\n"

BOOT_NOTES = f"""\
One tick is one instruction. Counted from the guest's first instruction to that of /init; both boot the
same kernel and initramfs with the command line "{CMDLINE}" and {PARTITION_MIB} MiB.
The machines are not the same: the bare one has other PCI devices and the BIOS' larger ACPI tables for Linux
to find, its serial line is as slow as it says it is, and Linux has to measure how fast its TSC
and APIC timer run, which Bulkhead tells. All of that adds to the bare machine's figure only, and makes
the ratio too small (docs/performance.md). KVM's ratios are against bare runs of its own."""

WORK_NOTES = f"""\
The fairer comparison: work of /init that needs no device but the timer, in which both machines are alike. Means
of {RUNS} runs, as with the boot.
KVM's were measured with 100 million instructions a second, so with fewer ticks of the clock for the same
work when this runs with fewer. "-": not measured, or shorter than the bare run, which is not comparable. What
gzip packs was another file there, of twice the size."""

PATTERN = r"bench: init at (\d+)\r\n((?:bench: [^\r]*\r\n)+)bench: end"


def boot_parse(match):
    """The TSC at the start of /init, and {name: ticks} of the work done after that."""
    work = {name: int(ticks) for name, ticks in
            re.findall(r"^bench: (\w+) took (\d+)\r?$", match[2], re.M)}
    failed = [name for name, ticks in work.items() if not ticks]
    if failed:
        raise BenchError(f"/init could not do {', '.join(failed)}")
    return int(match[1]), work


def native_boot(options, files, run):
    start, printed = native_run(options.native, BOOT_CONF, files, PATTERN, ips=options.ips,
                                logs=os.path.join(options.directory, f"boot-native-{run}"))
    end, work = boot_parse(printed)
    return end - start, work


def partition_boot(options, files, run):
    return boot_parse(partition_run(options.core, BOOT_CONF, files, PATTERN, ips=options.ips,
                                    logs=os.path.join(options.directory, f"boot-bulkhead-{run}")))


def mean(results):
    """Of several (ticks, {name: ticks})."""
    ticks, work = zip(*results)
    return round(statistics.mean(ticks)), {name: round(statistics.mean(one[name] for one in work))
                                           for name in work[0]}


def boot_measure(options):
    """Debian's kernel to /init, and /init's work: two results."""
    files = {KERNEL: file_read(options.kernel), INITRD: file_read(options.initrd)}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        natives, bulkheads = ([pool.submit(boot, options, files, run) for run in range(RUNS)]
                              for boot in (native_boot, partition_boot))
        native, native_work = mean([run.result() for run in natives])
        bulkhead, work = mean([run.result() for run in bulkheads])
    boot = {"native_ticks": native, "bulkhead_ticks": bulkhead,
            "ratio": round(bulkhead / native, 4), "target_ratio": peers.BOOT_TARGET,
            "met": bulkhead <= native * peers.BOOT_TARGET, "peers": peers.BOOT}
    rows = []
    for name, ticks in work.items():
        qemu, kvmtool, target = peers.WORK[name]
        ratio = round(ticks / native_work[name], 4)
        rows.append({"name": name, "native_ticks": native_work[name], "bulkhead_ticks": ticks,
                     "ratio": ratio, "kvm_qemu_ratio": qemu, "kvm_kvmtool_ratio": kvmtool,
                     "target_ratio": target, "met": None if target is None else ratio <= target})
    return boot, rows


def millions(ticks):
    return f"{ticks / 1e6:.1f}"


def ratio_text(ratio):
    return None if ratio is None else f"{ratio:.3f}"


def boot_print(boot):
    native, ours = boot["native_ticks"], boot["bulkhead_ticks"]
    rows = [["bare machine", millions(native), "1"],
            ["Bulkhead", millions(ours), ratio_text(boot["ratio"])],
            ["target", millions(native * boot["target_ratio"]), ratio_text(boot["target_ratio"])]]
    rows += [[name, None, ratio_text(ratio)] for name, ratio in boot["peers"].items()]
    table_print("Debian's kernel to /init", ["", "million ticks", "ratio"], rows)
    print(f"\n  target {'met' if boot['met'] else 'MISSED'}\n\n{BOOT_NOTES}")


def work_print(rows):
    table_print("Work after that, in million ticks",
                ["work", "bare", "Bulkhead", "ratio", "KVM, QEMU", "KVM, kvmtool", "target", ""],
                [[row["name"], millions(row["native_ticks"]), millions(row["bulkhead_ticks"])]
                 + [ratio_text(row[key]) for key in ("ratio", "kvm_qemu_ratio", "kvm_kvmtool_ratio",
                                                     "target_ratio")]
                 + [{None: None, True: "met", False: "MISSED"}[row["met"]]] for row in rows])
    print(f"\n{WORK_NOTES}")


def options_parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    for name, what in (("core", "the core's flat image"), ("native", "the native starter"),
                       ("kernel", "a bzImage"), ("initrd", "an initramfs with the benchmark's /init"),
                       ("directory", "where bench.json and the logs go")):
        parser.add_argument(f"--{name}", required=True, help=what)
    parser.add_argument("--ips", type=int, default=IPS,
                        help="instructions the machine executes a second")
    return parser.parse_args()


def main():
    options = options_parse()
    os.makedirs(options.directory, exist_ok=True)
    try:
        boot, work = boot_measure(options)
        boot_print(boot)
        work_print(work)
    except (BenchError, MachineError, OSError) as error:
        sys.exit(f"bench: {error}")
    figures_add(options.directory, machine={"emulator": "Bochs", "model": "haswell", "cpus": 1,
                                            "ips": options.ips}, boot=boot, work=work)


if __name__ == "__main__":
    main()
