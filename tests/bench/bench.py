#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What Bulkhead costs, in instructions: boots Debian's kernel on the bare emulated machine and in a
partition, runs single operations in both ways, and prints both beside the figures of peers.

On Bochs the time-stamp counter counts executed instructions, and a VM exit itself costs none: what is
measured is the length of the software's paths. See docs/performance.md."""
import argparse
import json
import os
import re
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../../tools")]
import peers
from machine import Machine, MachineError
from machine_serial import EOF
from mkbundle import PADDING, bundle_make, file_read
from pexpect import TIMEOUT

TIMEOUT_S = 120
PARTITION_MIB = 256
KERNEL, INITRD, OPS = "\\bench\\vmlinuz", "\\bench\\initrd", "\\bench\\ops.bin"
CMDLINE = "console=ttyS0 quiet nokaslr mitigations=off"

# MSRs that the emulator lacks read as zero: with a fault in their place Linux on the bare machine would pay for
# one at every tick of its clock (it looks for APERF and MPERF there). Those that it has stay as they are.
MACHINE_EXTRA = ["cpu: ignore_bad_msrs=1"]

HEAD = f"[host]\nconsole = com1, 115200\n[partition bench]\nmemory = {PARTITION_MIB}M\n"
BOOT_CONF = HEAD + f"boot = linux\nkernel = {KERNEL}\ninitrd = {INITRD}\ncmdline = {CMDLINE}\n"
OPS_CONF = HEAD + f"boot = raw\nkernel = {OPS}\nentry = long\nload = 1M\n"

BOOT_NOTES = f"""\
One tick is one instruction. Counted from the guest's first instruction to that of /init; both boot the
same kernel and initramfs with the command line "{CMDLINE}" and {PARTITION_MIB} MiB.
The machines are not the same: the bare one has other PCI devices and the BIOS' larger ACPI tables for Linux
to find, its serial line is as slow as it says it is, and Linux has to measure how fast its TSC
and APIC timer run, which Bulkhead tells. All of that adds to the bare machine's figure only, and makes
the ratio too small (docs/performance.md). KVM's ratios are against bare runs of its own."""

WORK_NOTES = """\
The fairer comparison: work of /init that needs no device but the timer, in which both machines are alike.
KVM's were measured with 100 million instructions a second, so with fewer ticks of the clock for the same
work when this runs with fewer; "-": it was shorter than the bare run, which is not comparable."""

OPS_NOTES = """\
Instructions for one operation, its own included, the reading of the TSC not; smallest and average of 1000
(200 for tscdl_late and tscdl_sleep). KVM: Linux 6.1 with mitigations off under the smallest monitor that
runs the benchmark. tscdl_late: from the deadline to the handler. tscdl_sleep: all that a sleep of 200000
costs besides."""


class BenchError(Exception):
    """A measurement failed; the text says which and why."""


def bundle_write(directory, core, config, files):
    path = os.path.join(directory, "bundle")
    with open(path, "wb") as output:
        output.write(bytes(PADDING) + bundle_make(core, config.encode("ascii"), files))
    return path


def line_expect(machine, pattern, what):
    """Wait for a line on COM1 and give the match."""
    serial = machine.com[0]
    try:
        serial.expect(pattern, timeout=TIMEOUT_S)
    except (EOF, TIMEOUT) as error:
        tail = "\n".join(serial.output().splitlines()[-15:])
        raise BenchError(f"{what}: no '{pattern}' came; the last lines were:\n{tail}") from error
    return serial.match


def native_run(options, what, config, files, pattern):
    """Boot on the bare machine. Returns the TSC at the guest's start and the match of `pattern`."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        bundle = bundle_write(directory, file_read(options.native), config, files)
        with Machine(bundle=bundle, memory_mib=PARTITION_MIB, model="haswell", ips=options.ips,
                     extra=MACHINE_EXTRA, logs=os.path.join(options.directory, f"{what}-native")) as machine:
            start = line_expect(machine, r"native: starts at (\d+)\r\n", "native")
            return int(start[1]), line_expect(machine, pattern, "native")


def partition_run(options, what, config, files, pattern):
    """Boot in a partition. Nothing is typed before it has ended: the console would run beside it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        bundle = bundle_write(directory, file_read(options.core), config, files)
        with Machine(bundle=bundle, memory_mib=2 * PARTITION_MIB, model="haswell", ips=options.ips,
                     extra=MACHINE_EXTRA,
                     logs=os.path.join(options.directory, f"{what}-bulkhead")) as machine:
            ended = line_expect(machine, r"bench: (powered off by the guest|crashed[^\r]*)", "partition")
            machine.com[0].send("attach bench\r")
            if "crashed" in ended[1]:
                raise BenchError(f"the partition has {ended[1]}")
            return line_expect(machine, pattern, "partition")


def boot_parse(match):
    """The TSC at the start of /init, and {name: ticks} of the work done after that."""
    work = {name: int(ticks) for name, ticks in
            re.findall(r"^bench: (\w+) took (\d+)\r?$", match[2], re.M)}
    failed = [name for name, ticks in work.items() if not ticks]
    if failed:
        raise BenchError(f"/init could not do {', '.join(failed)}")
    return int(match[1]), work


def boot_measure(options):
    """Debian's kernel to /init, and /init's work: two results."""
    files = {KERNEL: file_read(options.kernel), INITRD: file_read(options.initrd)}
    pattern = r"bench: init at (\d+)\r\n((?:bench: [^\r]*\r\n)+)bench: end"
    start, printed = native_run(options, "boot", BOOT_CONF, files, pattern)
    native, native_work = boot_parse(printed)
    native -= start
    bulkhead, work = boot_parse(partition_run(options, "boot", BOOT_CONF, files, pattern))
    boot = {"native_ticks": native, "bulkhead_ticks": bulkhead,
            "ratio": round(bulkhead / native, 4), "target_ratio": peers.BOOT_TARGET,
            "met": bulkhead <= native * peers.BOOT_TARGET, "peers": peers.BOOT}
    rows = []
    for name, ticks in work.items():
        qemu, kvmtool = peers.WORK[name]
        rows.append({"name": name, "native_ticks": native_work[name], "bulkhead_ticks": ticks,
                     "ratio": round(ticks / native_work[name], 4),
                     "kvm_qemu_ratio": qemu, "kvm_kvmtool_ratio": kvmtool})
    return boot, rows


def operations_parse(text):
    """{name: (least, average)}"""
    return {name: (int(least), int(average)) for name, least, average
            in re.findall(r"^op (\w+) \d+ (\d+) (\d+)\r?$", text, re.M)}


def operations_measure(options):
    files = {OPS: file_read(options.ops)}
    pattern = r"((?:op [^\r]*\r+\n)+)ops: done"
    _, native = native_run(options, "ops", OPS_CONF, files, pattern)
    inside = partition_run(options, "ops", OPS_CONF, files, pattern)
    native, inside = operations_parse(native[1]), operations_parse(inside[1])
    rows = []
    for name, (least, average) in inside.items():
        kvm = peers.KVM.get(name, (None, None))
        rows.append({"name": name, "native": native.get(name, (None,))[0], "bulkhead_least": least,
                     "bulkhead_average": average, "kvm_least": kvm[0], "kvm_average": kvm[1]})
    return rows


def table_print(title, head, rows):
    """Columns as wide as what is in them; the first to the left, the others to the right."""
    cells = [head] + [["-" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    print(f"\n{title}\n")
    for row in cells:
        print("  " + "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                               for i, (cell, width) in enumerate(zip(row, widths))).rstrip())


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
                ["work", "bare", "Bulkhead", "ratio", "KVM, QEMU", "KVM, kvmtool"],
                [[row["name"], millions(row["native_ticks"]), millions(row["bulkhead_ticks"])]
                 + [ratio_text(row[key]) for key in ("ratio", "kvm_qemu_ratio", "kvm_kvmtool_ratio")]
                 for row in rows])
    print(f"\n{WORK_NOTES}")


def operations_print(rows):
    table_print("Single operations",
                ["operation", "bare", "Bulkhead", "average", "KVM", "average"],
                [list(row.values()) for row in rows])
    print(f"\n{OPS_NOTES}")


def figures_add(path, key, rows):
    """To those that are there already."""
    figures = {}
    if os.path.exists(path):
        with open(path, encoding="ascii") as file:
            figures = json.load(file)
    figures[key] = rows
    with open(path, "w", encoding="ascii") as file:
        json.dump(figures, file, indent=2)
        file.write("\n")


def options_parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    for name, what in (("core", "the core's flat image"), ("native", "the native starter"),
                       ("kernel", "a bzImage"), ("initrd", "an initramfs with the benchmark's /init"),
                       ("ops", "the image that runs single operations"),
                       ("directory", "where bench.json and the logs go")):
        parser.add_argument(f"--{name}", required=True, help=what)
    parser.add_argument("--ips", type=int, default=50_000_000,
                        help="instructions the machine executes a second")
    return parser.parse_args()


def main():
    options = options_parse()
    os.makedirs(options.directory, exist_ok=True)
    try:
        boot, work = boot_measure(options)
        boot_print(boot)
        work_print(work)
        operations = operations_measure(options)
        operations_print(operations)
    except (BenchError, MachineError, OSError) as error:
        sys.exit(f"bench: {error}")
    path = os.path.join(options.directory, "bench.json")
    with open(path, "w", encoding="ascii") as file:
        json.dump({"machine": {"emulator": "Bochs", "model": "haswell", "cpus": 1, "ips": options.ips},
                   "boot": boot, "work": work, "operations": operations}, file, indent=2)
        file.write("\n")
    print(f"\nAll figures are in {path}.")


if __name__ == "__main__":
    main()
