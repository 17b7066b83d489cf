#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What virtio devices cost, in instructions: frames from one partition to another and requests to a disk, what the
guests' drivers execute and what the hypervisor does, exits and interrupts. Prints them and adds them to bench.json.

Each load runs twice, once as long as the other time; the difference is what the additional rounds cost, without
start and end. On Bochs the time-stamp counter counts executed instructions. See docs/performance.md."""
import argparse
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../system")]
from common import IPS, figures_add, table_print
from host import Host, Partition, with_parameters
from machine import MachineError

DISK_MIB = 2
END_S = 300

NOTES = """\
Instructions for one frame or request, in the guests' drivers and in the hypervisor: exits with all that they carry
out, and switching between partitions. Frames have 1500 bytes besides the Ethernet header; both partitions are on one
CPU, and the hypervisor copies each frame twice, 8 bytes an instruction. Each request is waited for; large ones
are carried out in stretches of 64 KiB with pauses in between, of which only the first is in the figures: here the
others are done while the guest sleeps and nobody else has the CPU.
Acknowledging an interrupt is no exit where the CPU virtualises the APIC."""


class Load:
    """A row: partitions that run `payload`, with parameters behind the number of rounds; `units` in a round."""

    def __init__(self, name, payload, parameters, rounds, units=1):
        self.name, self.payload, self.parameters = name, payload, parameters
        self.rounds, self.units = rounds, units


def disk(name, size, write, rounds):
    return Load(name, "diskload", {"disk": (size, write)}, rounds)


def net(name, batch, rounds):
    return Load(name, "netload", {"first": (batch, 0), "second": (batch, 1)}, rounds,
                2 if batch == 1 else batch)


LOADS = [
    net("net_1500_alone", 1, 500),
    net("net_1500_batch_32", 32, 100),
    disk("blk_read_4k", 4096, 0, 500),
    disk("blk_write_4k", 4096, 1, 500),
    disk("blk_read_1m", 1 << 20, 0, 20),
    disk("blk_write_1m", 1 << 20, 1, 20),
]

LINES = {
    "disk": ["disk = \\bench\\disk.img"],
    "first": ["net = lan, mac=52:54:00:00:00:01"],
    "second": ["net = lan, mac=52:54:00:00:00:02"],
}


def partition(directory, name, load, rounds):
    """With the payload's parameters set in its image."""
    files = {f"\\bench\\{name}.bin": with_parameters(load.payload, rounds, *load.parameters[name])}
    if name == "disk":
        files["\\bench\\disk.img"] = os.path.join(directory, "disk.img")
        with open(files["\\bench\\disk.img"], "wb") as output:
            output.truncate(DISK_MIB << 20)
    return Partition(name, ["memory = 16M", "boot = raw", f"kernel = \\bench\\{name}.bin", "entry = long",
                            "load = 1M"] + LINES[name], files, autostart=True)


def counted(host, names):
    """What the meters say of all partitions together."""
    times, events = ({row["vcpu"].split("/")[0]: row for row in host.good("stats")[key]}
                     for key in ("times", "events"))
    sums = {"run_us": 0, "exit_us": 0, "interrupts": 0, "reasons": {}}
    for name in names:
        sums["run_us"] += times[name]["run_us"]
        sums["exit_us"] += times[name]["exit_us"]
        sums["interrupts"] += events[name]["interrupts"]
        for row in host.good(f"exits {name}")["exits"]:
            sums["reasons"][row["reason"]] = sums["reasons"].get(row["reason"], 0) + row["count"]
    return sums


def run(load, rounds, model, ips):
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        partitions = [partition(directory, name, load, rounds) for name in load.parameters]
        host = Host(partitions, cpus=1, model=model, ips=ips)
        with host.machine as machine:
            host.serial = machine.com[0]
            ended = set()
            while ended != set(load.parameters):
                match = host.expect(r"(\w+): (powered off by the guest|crashed[^\r]*)", END_S)
                if "crashed" in match[2]:
                    raise MachineError(f"{load.name}: {match[0]}")
                ended.add(match[1])
            for name in ended:
                printed = host.printed(name)
                if "load: done\n" not in printed and "done, 0 failed\n" not in printed:
                    raise MachineError(f"{load.name}: {name} printed {printed!r}")
            return counted(host, load.parameters)


def measure(load, model, ips):
    """The row of a load."""
    once, twice = (run(load, rounds, model, ips) for rounds in (load.rounds, 2 * load.rounds))
    units = load.rounds * load.units
    tick = ips / 1e6 / units  # of a figure in microseconds
    reasons = {reason: round((count - once["reasons"].get(reason, 0)) / units, 2)
               for reason, count in twice["reasons"].items()}
    return {"name": load.name,
            "guest": round((twice["run_us"] - once["run_us"]) * tick),
            "hypervisor": round((twice["exit_us"] - once["exit_us"]) * tick),
            "exits": round(sum(reasons.values()), 2),
            "interrupts": round((twice["interrupts"] - once["interrupts"]) / units, 2),
            "reasons": {reason: count for reason, count in reasons.items() if count >= 0.01}}


def reasons_text(reasons):
    return ", ".join(f"{name} {count:.2f}" for name, count in
                     sorted(reasons.items(), key=lambda item: -item[1]))


def report(rows):
    table_print("virtio, instructions for one frame or request",
                ["", "guest", "hypervisor", "exits", "interrupts", "exits by reason"],
                [[row["name"], row["guest"], row["hypervisor"], f"{row['exits']:.2f}",
                  f"{row['interrupts']:.2f}", reasons_text(row["reasons"])] for row in rows])
    print(f"\n{NOTES}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--directory", required=True, help="where bench.json goes")
    parser.add_argument("--model", default="haswell", help="the CPU's model")
    parser.add_argument("--ips", type=int, default=IPS,
                        help="instructions the machine executes a second")
    options = parser.parse_args()
    try:
        rows = [measure(load, options.model, options.ips) for load in LOADS]
    except (MachineError, AssertionError, OSError) as error:
        sys.exit(f"bench: {error}")
    report(rows)
    figures_add(options.directory, virtio=rows)


if __name__ == "__main__":
    main()
