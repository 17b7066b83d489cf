#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What scheduling costs, in instructions: a switch between two vCPUs of different partitions on one CPU, and waking
one up by its timer, on an idle CPU and on one where another partition spins. Prints them beside their targets and
adds them to bench.json.

On Bochs the time-stamp counter counts executed instructions. See docs/performance.md."""
import argparse
import os
import re
import sys
import tempfile

from common import IPS, BenchError, bundle_write, figures_add, line_expect, table_print
from machine import Machine, MachineError
from mkbundle import file_read

SWITCH_TARGET = 1200
WAKE_TARGET = 900
ENDS_LEFT_OUT = 8       # jumps at each end of a run, where only one of the two may have been running

NOTES = f"""\
switch: two partitions on one CPU use the FPU and read the TSC without a pause. From what passed for one while the
other had the CPU, the instructions of the other are taken off; half of what is left is one switch, from
the last instruction of one guest to the first of the other, with all exits that came of it.
wake-up: from the deadline of a sleeping guest's timer to the first instruction of its handler, the least of 200, the
median, the most. With a switch: another partition spins on that CPU, which is taken from it."""


def section(name, file):
    return f"[partition {name}]\nmemory = 16M\nboot = raw\nkernel = \\bench\\{file}.bin\n" \
           "entry = long\nload = 1M\n"


def machine_run(options, what, partitions, ends):
    """Run partitions {name: payload} on one CPU until those of `ends`, {name: last words}, have powered off. What
    each of them printed, by name. Nothing is typed before: the console would run beside them."""
    config = "[host]\nconsole = com1, 115200\n" + "".join(section(*p) for p in partitions.items())
    files = {f"\\bench\\{file}.bin": file_read(os.path.join(options.guests, f"{file}.bin"))
             for file in partitions.values()}
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        bundle = bundle_write(directory, file_read(options.core), config, files)
        with Machine(bundle=bundle, memory_mib=256, model="haswell", ips=options.ips,
                     logs=os.path.join(options.directory, f"{what}-bulkhead")) as machine:
            missing = set(ends)
            while missing:
                ended = line_expect(machine, rf"({'|'.join(missing)}): "
                                    r"(powered off by the guest|crashed[^\r]*)", what)
                if "crashed" in ended[2]:
                    raise BenchError(f"{what}: {ended[0]}")
                missing.remove(ended[1])
            printed = {}
            for name, last in ends.items():
                machine.com[0].send(f"attach {name}\r")
                line_expect(machine, rf"attached to {name}", what)
                match = line_expect(machine, rf"(?s)(.*?{last})", what)
                printed[name] = match[1]
                machine.com[0].send("\x1d")
                line_expect(machine, r"bulkhead> ", what)
            return printed


def switcher_parse(text):
    """Instructions of a turn, and [(ticks of a jump, turns before it)]."""
    turn = re.search(r"a turn has (\d+) instructions", text)
    jumps = re.findall(r"jump (\d+) after (\d+) turns", text)
    if not turn or len(jumps) < 4 * ENDS_LEFT_OUT:
        raise BenchError(f"switch: not enough was printed:\n{text[-500:]}")
    return int(turn[1]), [(int(ticks), int(turns)) for ticks, turns in jumps]


def round_trips(jumps, turns, turn_instructions):
    """What is in each jump of one and not in the turns of the other meanwhile. Which belong together is not
    known: the shift at which the differences are most alike."""
    best = None
    for shift in range(-ENDS_LEFT_OUT, ENDS_LEFT_OUT + 1):
        costs = [jumps[i][0] - turns[i + shift][1] * turn_instructions
                 for i in range(ENDS_LEFT_OUT, min(len(jumps), len(turns)) - ENDS_LEFT_OUT)]
        spread = max(costs) - min(costs)
        if min(costs) >= 0 and (best is None or spread < best[0]):
            best = spread, costs
    if best is None:
        raise BenchError("switch: the two did not run by turns on one CPU")
    return best[1]


def switch_costs(left, right, length):
    """(least, average, most) of a switch, from the jumps of two whose turns have `length` instructions."""
    costs = round_trips(left, right, length)
    return min(costs) // 2, sum(costs) // len(costs) // 2, max(costs) // 2


def switch_measure(options):
    last = r"switcher: done"
    printed = machine_run(options, "switch", {"left": "switcher", "right": "switcher"},
                          {"left": last, "right": last})
    length, left = switcher_parse(printed["left"])
    return switch_costs(left, switcher_parse(printed["right"])[1], length)


def wake_measure(options, what, beside):
    text = machine_run(options, what, {"sleeper": "sleeper", **beside},
                       {"sleeper": r"late by \d+ \d+ \d+\r"})["sleeper"]
    return tuple(int(one) for one in re.search(r"late by (\d+) (\d+) (\d+)", text).groups())


def measure(options):
    rows = [("switch", switch_measure(options), SWITCH_TARGET),
            ("wake-up, CPU idle", wake_measure(options, "wake-idle", {}), WAKE_TARGET),
            ("wake-up and switch", wake_measure(options, "wake-busy", {"spin": "spinon"}),
             WAKE_TARGET + SWITCH_TARGET)]
    return [{"name": name, "least": found[0], "typical": found[1], "most": found[2], "target": target,
             "met": found[1] <= target} for name, found, target in rows]


def report(rows):
    table_print("Scheduling, in instructions", ["", "least", "typical", "most", "target", ""],
                [[row["name"], row["least"], row["typical"], row["most"], row["target"],
                  "met" if row["met"] else "MISSED"] for row in rows])
    print(f"\n{NOTES}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    for name, what in (("core", "the core's flat image"), ("guests", "where the payloads are"),
                       ("directory", "where bench.json and the logs go")):
        parser.add_argument(f"--{name}", required=True, help=what)
    parser.add_argument("--ips", type=int, default=IPS,
                        help="instructions the machine executes a second")
    options = parser.parse_args()
    os.makedirs(options.directory, exist_ok=True)
    try:
        rows = measure(options)
    except (BenchError, MachineError, OSError) as error:
        sys.exit(f"bench: {error}")
    report(rows)
    figures_add(options.directory, scheduling=rows)


if __name__ == "__main__":
    main()
