# SPDX-License-Identifier: MIT
"""What `make run` starts, as it starts it: the image with examples/zoo.conf, from the firmware on."""
import os

from host import BUILD, Host

NAMES = ("debian", "old", "memtest", "mach", "rt")


def test_zoo_by_firmware():
    """All run, to the 32-bit system's shell, and that and the 64-bit one reach each other."""
    with Host([], firmware="uefi", disk=os.path.join(BUILD, "bulkhead.img"), cpus=2, memory_mib=1024) as host:
        host.greeted(200)
        host.guest("debian", "debian:/# ", 300)
        host.guest("old", "debian:/# ", 500)
        for name, other in (("debian", "10.0.0.2"), ("old", "10.0.0.1")):
            host.attach(name)
            host.send(f"ping -c 3 {other}\r")
            host.expect("3 packets received, 0% packet loss", 60)
            host.detach()
        rows = host.list()
        assert {name: (row.state, row.starts) for name, row in rows.items()} \
            == {name: ("running", 1) for name in NAMES}
