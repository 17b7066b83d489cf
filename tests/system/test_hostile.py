# SPDX-License-Identifier: MIT
"""
Promise: a guest that throws random bytes at its virtio devices breaks those, and nothing else.

Two such guests share a CPU and a network, with a neighbour whose heartbeat must not be late. They are given the
first part of their dose here; `make test-guests` has the whole of it.
"""
from host import Host, payload
from hostile import check_broken, check_heartbeat, check_mended, hostile, wait

DOSE_MIB = 4
SECONDS = 60


def test_random_bytes():
    with Host([payload("ticker", autostart=True), hostile("one"), hostile("two")]) as host:
        for name in ("one", "two"):
            wait(host, name, f"hostile: {DOSE_MIB} MiB thrown", SECONDS)
        for name in ("one", "two"):
            check_broken(host, name)
            check_mended(host, name)
        check_heartbeat(host, "ticker")
        host.times()
