#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How costs grow with the number of vCPUs that exist, what memory Bulkhead takes, how large its image is, and how
long it takes from the core's first instruction to a guest's. Prints them and adds them to bench.json.

On Bochs the time-stamp counter counts executed instructions. See docs/performance.md."""
import argparse
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../system")]
from common import (GUEST_ENTRY, IPS, BenchError, debugger_run, figures_add, symbol_address,
                    table_print)
from host import BUILD, Host, payload
from machine import MachineError
from operations import verdict
from scheduling import switch_costs, switcher_parse

COUNTS = (3, 8, 64, 256)
GROWTH = 0.05           # of what it is with one vCPU
END_S = 300
GUEST_MIB = 256
IDLE_MIB = 2

IMAGE_TARGET = 512 << 10
FIXED_TARGET = 8 << 20
PARTITION_TARGET = 64 << 10     # besides guest RAM, page tables and devices
USES = ("tables", "devices", "other")
START_TARGET = 3_000_000
CLEAR_BYTES = 8         # by an iteration of REP STOSQ, which counts as an instruction

NOTES = f"""\
Three vCPUs are measured, the others are idle, each in a partition of its own. Least costs: of an exit (CPUID), from a
sleeping guest's deadline to its handler, and of a switch between two that are busy. Memory is what is gone besides
guests' RAM.
To the first instruction of a guest with {GUEST_MIB} MiB: from that of the core, with the one partition that starts by
itself, its RAM cleared {CLEAR_BYTES} bytes an instruction: all of it, or what is touched (clear_memory = on-touch)."""


def idle(count, lines=()):
    return [payload(f"idle{i}", "idle", f"{IDLE_MIB}M", True, lines) for i in range(count)]


def ended(host, names):
    """Start them, as nearly at once as can be, and wait until all have powered off; what each printed. Nothing is
    typed meanwhile."""
    host.send("".join(f"start {name}\r" for name in names))
    missing = set(names)
    while missing:
        match = host.expect(rf"({'|'.join(missing)}): (powered off by the guest|crashed[^\r]*)", END_S)
        if "crashed" in match[2]:
            raise BenchError(match[0])
        missing.remove(match[1])
    return [host.printed(name) for name in names]


def costs(count, ips):
    """With `count` vCPUs, those that are measured included: {what: least}."""
    measured = [payload(name, file, f"{IDLE_MIB}M") for name, file in
                (("sleeper", "sleeper"), ("left", "switcher"), ("right", "switcher"))]
    running = count - len(measured)
    with Host(idle(running) + measured, ips=ips, memory_mib=1024) as host:
        for i in range(running):
            host.until_state(f"idle{i}", "running", 100)
        sleeper = ended(host, ["sleeper"])[0]
        left, right = ended(host, ["left", "right"])
    turn, jumps = switcher_parse(left)
    return {"vcpus": count,
            "exit": int(re.search(r"an exit takes (\d+)", sleeper)[1]),
            "timer": int(re.search(r"late by (\d+)", sleeper)[1]),
            "switch": switch_costs(jumps, switcher_parse(right)[1], turn)[0]}


def memory(partitions, cpus=1):
    """Bytes that are gone with these partitions, once they are idle: {what for: how many}. `all` includes guests' RAM
    and what the loader brought."""
    with Host(partitions, ips=IPS, memory_mib=1024, cpus=cpus) as host:
        for partition in partitions:
            host.until_state(partition.name, "running", 100)
        found = host.good("memory")["memory"]
        return {"all": found["total_bytes"] - found["free_bytes"] - found["spare_bytes"],
                **{what: found[f"{what}_bytes"] for what in USES}}


def image_bytes():
    """What the core takes of memory before it has any: its image, and what that has room for."""
    sections = subprocess.run(["size", os.path.join(BUILD, "core.elf")], capture_output=True, text=True, check=True)
    return int(sections.stdout.splitlines()[1].split()[3])


def each(few, many, count):
    """What each of the `count` that are only in `many` takes."""
    return {what: (many[what] - few[what]) // count for what in many}


def memory_measure():
    few, many = (memory(idle(count)) for count in (8, 40))
    one, more = (memory(idle(1, [f"vcpus = {vcpus}"])) for vcpus in (1, 9))
    partition = each(few, many, 32)
    partition_all = partition.pop("all") - (IDLE_MIB << 20)
    if abs(partition_all - sum(partition.values())) >= len(USES):
        raise BenchError(f"an idle partition takes {partition_all} bytes, what is accounted for is {partition}")
    return {"fixed_4_cpus": image_bytes() + memory(idle(1), 4)["all"] - partition_all - (IDLE_MIB << 20),
            "partition": partition_all, "partition_by_use": partition,
            "vcpu": each(one, more, 8)["all"]}


def start_measure(ips, console, clear="before-start"):
    """Instructions from the core's first to a guest's."""
    host = Host([payload("first", "idle", f"{GUEST_MIB}M", True, [f"clear_memory = {clear}"])],
                [f"console = {console}"])
    core = os.path.join(BUILD, "core.elf")
    script = [f"lb {address:#x}\nc\nptime\nd {i}" for i, address in
              enumerate((symbol_address(core, "core_entry"), GUEST_ENTRY), 1)]
    said = debugger_run(script, bundle=host.machine.bundle, ips=ips, memory_mib=512)
    times = [int(ticks) for ticks in re.findall(r"ptime: (\d+)", said)]
    if len(times) != 2:
        raise BenchError(f"start: the debugger stopped {len(times)} times and not twice")
    return times[1] - times[0]


def row(name, value, target):
    return {"name": name, "value": value, "target": target, "met": None if target is None else value <= target}


def sizes_measure(ips):
    used = memory_measure()
    start, silent = (start_measure(ips, console) for console in ("com1", "none"))
    on_touch = start_measure(ips, "com1", "on-touch")
    clearing = (GUEST_MIB << 20) // CLEAR_BYTES
    return [row("image, bytes", os.path.getsize(os.path.join(BUILD, "core.bin")), IMAGE_TARGET),
            row("memory without partitions, 4 CPUs", used["fixed_4_cpus"], FIXED_TARGET),
            row("memory of an idle partition", used["partition"], None),
            row("  its page tables", used["partition_by_use"]["tables"], None),
            row("  its devices", used["partition_by_use"]["devices"], None),
            row("  all else", used["partition_by_use"]["other"], PARTITION_TARGET),
            row("memory of one more vCPU", used["vcpu"], None),
            row("first instruction of the guest", start, START_TARGET),
            row("  without clearing its RAM", start - clearing, None),
            row("  without waiting for the serial line either", silent - clearing, None),
            row("  its RAM cleared when it is touched", on_touch, START_TARGET)]


def growth(rows):
    """Of each cost with the most vCPUs over that with the fewest."""
    return {what: rows[-1][what] / rows[0][what] - 1 for what in ("exit", "timer", "switch")}


def report(rows, sizes):
    table_print("Costs by the number of vCPUs that exist", ["vCPUs", "exit", "timer", "switch"],
                [list(one.values()) for one in rows] +
                [["growth"] + [f"{100 * more:.1f} %" for more in growth(rows).values()]])
    for what, more in growth(rows).items():
        print(f"  {what}: target of {100 * GROWTH:.0f} % {'met' if more <= GROWTH else 'MISSED'}")
    table_print("Sizes, and the way to a guest", ["", "found", "target", ""],
                [[one["name"], one["value"], one["target"], verdict(one)] for one in sizes])
    print(f"\n{NOTES}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--directory", required=True, help="where bench.json goes")
    parser.add_argument("--ips", type=int, default=IPS, help="instructions the machine executes a second")
    options = parser.parse_args()
    try:
        rows = [costs(count, options.ips) for count in COUNTS]
        sizes = sizes_measure(options.ips)
    except (BenchError, MachineError, AssertionError, OSError) as error:
        sys.exit(f"bench: {error}")
    report(rows, sizes)
    figures_add(options.directory, scale={"costs": rows, "growth": growth(rows), "sizes": sizes})


if __name__ == "__main__":
    main()
