# SPDX-License-Identifier: MIT
"""Guests of many kinds: the same machine as the system tests have, and the files that `make test-guests`
makes before."""
import os
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/system"))
import host


@pytest.fixture(scope="session", autouse=True)
def built():
    needed = [
        "core.bin",
        "stub.img",
        "bulkhead.img",
        "guests/debian.vmlinux",
        "guests/debian686.vmlinuz",
        "guests/gnumach",
        "guests/grub.boot",
        "guests/grub.core",
        "guests/init32.initrd.gz",
        "guests/invaders",
        "guests/ipxe.lkrn",
        "guests/memdisk",
        "guests/memtest32.bin",
        "guests/memtest64.bin",
        "guests/pae.vmlinuz",
        "guests/sector.bin",
        "guests/storm.initrd.gz",
        "guests/syslinux",
        "guests/syslinux.mbr",
        "guests/uboot32.rom",
        "guests/uboot64.rom",
        "guests/uefi-tools.img",
        "guests/uefi.img",
    ]
    missing = [name for name in needed if not os.path.exists(os.path.join(host.BUILD, name))]
    if missing:
        pytest.exit(f"not built: {', '.join(missing)}; use make test-guests", 3)
