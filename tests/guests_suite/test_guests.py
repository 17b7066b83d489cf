# SPDX-License-Identifier: MIT
"""Systems that others made, unmodified, each by its boot protocol, to what shows that they run."""
import os

import pytest

from host import BUILD, Host, Partition

BOOT_SECONDS = 300


def guest(name, boot, kernel, *lines, memory="16M", **files):
    """A partition with files of build/guests: `kernel`, and others by the key that names them."""
    files = {"kernel": kernel, **files}
    lines = [f"memory = {memory}", f"boot = {boot}", *lines,
             *(f"{key} = \\guests\\{file}" for key, file in files.items())]
    return Partition(name, lines, {f"\\guests\\{file}": os.path.join(BUILD, "guests", file)
                                   for file in files.values()})


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


def test_linux_686():
    """Debian's kernel for 32-bit CPUs, without PAE: to a program of ours, and off."""
    partition = guest("old", "linux", "debian686.vmlinuz",
                      "cmdline = console=ttyS0 quiet nokaslr cryptomgr.notests", memory="64M",
                      initrd="init32.initrd.gz")
    with Host([partition]) as host:
        text = host.run("old", r"32-bit guest is up: Linux [^\r]*\r\n", BOOT_SECONDS)
        assert " on i686" in text, text
        assert host.until("old", "stopped", 200).reason == "powered off by the guest"
