# SPDX-License-Identifier: MIT
"""64 MiB of random bytes at each of two partitions' virtio devices, beside a heartbeat and a Debian system in
the same network."""
from host import Host, debian, payload
from hostile import check_broken, check_heartbeat, check_mended, hostile, wait

BOOT_SECONDS = 250
SECONDS = 300


def test_whole_dose():
    neighbour = debian(lines=["net = lan"])
    partitions = [payload("ticker", autostart=True, lines=["affinity = 1"]), neighbour,
                  hostile("one", "affinity = 1"), hostile("two", "affinity = 1")]
    with Host(partitions, cpus=2) as host:
        host.guest("debian", "debian:/# ", BOOT_SECONDS)
        for name in ("one", "two"):
            wait(host, name, "hostile: done", SECONDS)
            check_broken(host, name)
            check_mended(host, name)
        check_heartbeat(host, "ticker")
        host.attach("debian")
        host.send("ip link set eth0 up && echo still''here\r")
        host.expect("stillhere")
        host.detach()
        host.times()
