# SPDX-License-Identifier: MIT
"""What the programs of the benchmark share: one run on the bare emulated machine, one in a partition, tables, and
the file with all figures."""
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../..")
sys.path[:0] = [HERE, os.path.join(ROOT, "tools")]
from machine import Machine, file_text
from machine_serial import EOF
from mkbundle import PADDING, bundle_make, file_read
from pexpect import TIMEOUT

TIMEOUT_S = 500
DEBUGGER_S = 300
GUEST_ENTRY = 0x100000  # of payloads
PARTITION_MIB = 256
IPS = 100_000_000
HEAD = f"[host]\nconsole = com1, 115200\n[partition bench]\nmemory = {PARTITION_MIB}M\n"

# MSRs that the emulator lacks read as zero: with a fault in their place Linux on the bare machine would pay for
# one at every tick of its clock (it looks for APERF and MPERF there). Those that it has stay as they are.
MACHINE_EXTRA = ["cpu: ignore_bad_msrs=1"]


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


def native_run(image, config, files, pattern, model="haswell", ips=IPS, logs=None):
    """Boot on the bare machine, by the native starter's image. The TSC at the guest's start, and the match of
    `pattern`."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        bundle = bundle_write(directory, file_read(image), config, files)
        with Machine(bundle=bundle, memory_mib=PARTITION_MIB, model=model, ips=ips, extra=MACHINE_EXTRA,
                     logs=logs) as machine:
            start = line_expect(machine, r"native: starts at (\d+)\r\n", "native")
            return int(start[1]), line_expect(machine, pattern, "native")


def partition_run(image, config, files, pattern, model="haswell", ips=IPS, logs=None):
    """Boot in a partition, by the core's image. Nothing is typed before it has ended: the console would run beside
    it. The match of `pattern`."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        bundle = bundle_write(directory, file_read(image), config, files)
        with Machine(bundle=bundle, memory_mib=2 * PARTITION_MIB, model=model, ips=ips, extra=MACHINE_EXTRA,
                     logs=logs) as machine:
            ended = line_expect(machine, r"bench: (powered off by the guest|crashed[^\r]*)", "partition")
            machine.com[0].send("attach bench\r")
            if "crashed" in ended[1]:
                raise BenchError(f"the partition has {ended[1]}")
            return line_expect(machine, pattern, "partition")


class DebuggedMachine(Machine):
    """Under the emulator's debugger, which carries out the lines of a script and ends the run."""

    def __init__(self, script, **arguments):
        self._script = script
        super().__init__(**arguments)

    def _bochs_command(self, listeners):
        command = super()._bochs_command(listeners)
        with open(os.path.join(self.directory, "go.rc"), "w", encoding="ascii") as file:
            file.write("\n".join(self._script + ["q", ""]))
        return command

    def said(self):
        """What the debugger said, once it has ended."""
        ending = self.wait(DEBUGGER_S)
        if ending.kind == "timeout":
            raise BenchError("the debugger did not come to the end of its script")
        return file_text(self._log("emulator.log"))


def debugger_run(script, **machine):
    with DebuggedMachine(script, **machine) as debugged:
        return debugged.said()


def symbol_address(elf, name):
    symbols = subprocess.run(["nm", elf], capture_output=True, text=True, check=True).stdout
    return int(re.search(rf"^([0-9a-f]+) \w {name}$", symbols, re.M)[1], 16)


def table_print(title, head, rows):
    """Columns as wide as what is in them; the first to the left, the others to the right."""
    cells = [head] + [["-" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    print(f"\n{title}\n")
    for row in cells:
        print("  " + "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                               for i, (cell, width) in enumerate(zip(row, widths))).rstrip())


def figures_read(directory):
    path = os.path.join(directory, "bench.json")
    if not os.path.exists(path):
        return {}
    with open(path, encoding="ascii") as file:
        return json.load(file)


def figures_add(directory, **figures):
    """To those that are there already."""
    figures = figures_read(directory) | figures
    with open(os.path.join(directory, "bench.json"), "w", encoding="ascii") as file:
        json.dump(figures, file, indent=2)
        file.write("\n")
