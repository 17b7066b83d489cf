# SPDX-License-Identifier: MIT
"""examples/zoo.conf, which `make run` starts: five different systems at once on two CPUs."""
import re

import pytest

from host import Example, Host

# What each prints when it has come as far as it comes; but for the 32-bit kernel, which takes a minute to unpack.
GOALS = {
    "mach": r"No bootstrap code loaded with the kernel",
    "memtest": r"(?s)Status: Testing.*Errors: 0 ",
    "rt": r"rt: 1000 periods, 0 missed",
    "debian": r"Debian guest is up: Linux 6\.1\.\S+-cloud-amd64",
}


@pytest.mark.long
def test_zoo():
    with Host([Example("zoo")], cpus=2, memory_mib=1024) as host:
        for name, goal in GOALS.items():
            host.guest(name, goal, 200)
        rows = host.list()
        assert {name: (row.state, row.starts) for name, row in rows.items()} \
            == {name: ("running", 1) for name in ("debian", "old", "memtest", "mach", "rt")}
        assert not re.search(r" [1-9]\d* missed", host.printed("rt"))
        host.times()
