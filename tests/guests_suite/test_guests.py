# SPDX-License-Identifier: MIT
"""Systems that others made, unmodified, each by its boot protocol, to what shows that they run."""
import pytest

from guest import guest
from host import Host

BOOT_SECONDS = 300


@pytest.mark.parametrize("bits", [64, 32])
def test_memtest(bits):
    """By the 64-bit entry and the 32-bit entry of Linux' protocol: it tests, and finds no errors."""
    partition = guest("memtest", "linux", f"memtest{bits}.bin",
                      "cmdline = console=ttyS0,115200 nosmp nobench")
    with Host([partition]) as host:
        text = host.run("memtest", r"(?s)Status: Testing.*\b[1-9]\d?% #", BOOT_SECONDS)
        assert "Errors: 0 " in text and "Memtest86+" in text, text


def test_gnumach():
    """Multiboot 1, ELF64: as far as it comes without a system to start."""
    partition = guest("mach", "multiboot", "gnumach", "cmdline = console=com0", memory="64M")
    with Host([partition]) as host:
        text = host.run("mach", "No bootstrap code loaded with the kernel", BOOT_SECONDS)
        assert "GNU Mach 1.8" in text and "000000000000100000:000000000004000000, available" in text, text


def test_linux_pvh():
    """The ELF kernel, entered as PVH says: no setup code and no unpacking before."""
    partition = guest("pvh", "pvh", "debian.vmlinux", "cmdline = console=ttyS0 quiet nokaslr cryptomgr.notests",
                      memory="256M", initrd="debian.initrd.gz")
    with Host([partition]) as host:
        host.run("pvh", "Debian guest is up: Linux 6.1.", BOOT_SECONDS)
