# SPDX-License-Identifier: MIT
"""Partitions that throw random bytes at their virtio devices (tests/guests/hostile.c), and what must hold
meanwhile and afterwards."""
import re

from host import cached, payload

CONSOLE_US = 100_000
LATE_US = 30_000
DISK_BYTES = 1 << 20
DEVICES = {"rng": "rng = yes", "disk": "disk = \\disks\\hostile.img", "console": "virtio_console = yes",
           "network": "net = lan", "balloon": "balloon = yes"}
NAMES = {"rng": "entropy", "disk": "disk", "console": "console", "network": "network", "balloon": "balloon"}


def hostile(name, *lines):
    """A partition with one device of each kind."""
    path = cached("hostile.img", bytes(DISK_BYTES))
    partition = payload(name, "hostile", autostart=True, lines=[*DEVICES.values(), *lines])
    partition.files = {**partition.files, "\\disks\\hostile.img": path}
    return partition


def said(host, name):
    """What the payload and its devices have in the log."""
    return [line.text.split(": ", 1)[1] for line in host.log() if line.text.startswith(f"{name}: ")]


def wait(host, name, text, seconds):
    """Until the payload has said something, for some emulated seconds; the console answers all the time."""
    limit = host.now_us() + 1_000_000 * seconds
    while not any(line.startswith(text) for line in said(host, name)):
        took = host.answer_us()
        assert took < CONSOLE_US, f"the console took {took} us for an answer"
        assert host.now_us() < limit, f"{name} has not said {text!r} but {said(host, name)}"
        host.sleep(0.5)


def check_heartbeat(host, name):
    """A partition with the payload `ticker` has not been late."""
    late = [int(us) for us in re.findall(r"^tick \d+ late (\d+) us", host.printed(name), re.M)]
    assert late and max(late) < LATE_US, f"{name} was late by {late} us"
    row = host.states()[name]
    assert row["state"] == "running" and row["starts"] == 1, row


def check_broken(host, name):
    """Each device has broken, alone, and the partition goes on."""
    lines = said(host, name)
    for device in NAMES.values():
        assert any(line.startswith(f"virtio {device}: its driver gave it ") for line in lines), lines
    assert host.states()[name]["state"] == "running"


def check_mended(host, name):
    """A reset of the partition mends its devices, which are driven as they should be then."""
    well = f"hostile: {len(DEVICES)} devices, all well"
    assert said(host, name).count(well) == 1, said(host, name)
    host.good(f"reset {name}")
    host.expect_starts(name, 2)
    limit = host.now_us() + 10_000_000
    while said(host, name).count(well) < 2:
        assert host.now_us() < limit, said(host, name)
