# SPDX-License-Identifier: MIT
"""A memory balloon under unmodified Linux: it is found, makes do with what it is asked to, and tells how it
fares; the memory stays the partition's."""
from host import Host, debian

BOOT_SECONDS = 150
MIB = 1 << 20
MEMORY = 256 * MIB
LESS = 160 * MIB
SLACK = 24 * MIB


def balloon(host):
    return host.good("balloon debian")["balloon"]


def until_actual(host, bytes_):
    limit = host.now_us() + 30_000_000
    while (row := balloon(host))["actual_bytes"] != bytes_:
        assert host.now_us() < limit, row
    return row


def test_linux():
    with Host([debian(lines=["balloon = yes"])], cpus=1) as host:
        host.attach("debian")
        host.expect("debian:/# ", BOOT_SECONDS)
        host.detach()
        whole = balloon(host)
        assert whole["driver"] and whole["actual_bytes"] == whole["target_bytes"] == MEMORY
        assert 0 < whole["available_bytes"] < whole["total_bytes"] < MEMORY
        host.good("balloon debian 160M")
        less = until_actual(host, LESS)
        assert less["target_bytes"] == LESS
        taken = whole["free_bytes"] - less["free_bytes"]
        assert abs(taken - (MEMORY - LESS)) < SLACK, (whole, less)
        assert less["age_us"] < 2_000_000
        # Its memory is promised to it, whatever it does without.
        assert host.states()["debian"]["memory_bytes"] == MEMORY
        host.good("balloon debian 256M")
        again = until_actual(host, MEMORY)
        assert abs(again["free_bytes"] - whole["free_bytes"]) < SLACK, (whole, again)
        # Less than it can do without: it stays well, and says so.
        host.good("balloon debian 1M")
        host.sleep(5)
        assert LESS > balloon(host)["actual_bytes"] > MIB
        host.attach("debian")
        host.send("echo still''here\r")
        host.expect("stillhere", 60)
        host.detach()
