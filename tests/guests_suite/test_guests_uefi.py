# SPDX-License-Identifier: MIT
"""Firmware in a partition, and what it starts: OVMF with GRUB and others from a disk."""
import os
import re

from host import BUILD, Host, Partition

OVMF = "/usr/share/ovmf/OVMF.fd"
BOOT_SECONDS = 300


def uefi(name, *lines, disk=None, memory="256M"):
    """A partition with OVMF, and a disk of build/guests."""
    files = {"\\boot\\ovmf": OVMF}
    if disk:
        files[f"\\guests\\{disk}"] = os.path.join(BUILD, "guests", disk)
        lines = [*lines, f"disk = \\guests\\{disk}"]
    return Partition(name, [f"memory = {memory}", "boot = uefi", "firmware = \\boot\\ovmf", *lines], files)


def test_grub_linux():
    """From a GPT disk with a FAT volume: GRUB, and Debian's kernel, which uses the firmware's tables and
    its runtime services; power-off."""
    with Host([uefi("uefi", disk="uefi.img")]) as host:
        text = host.run("uefi", r"debian:/# ", BOOT_SECONDS)
        assert "GRUB is up: x86_64-efi" in text and "Debian guest is up: Linux 6.1." in text, text
        host.attach("uefi")
        host.expect(r"debian:/# ")
        host.send("dmesg | grep -E 'efi: EFI|ACPI: RSDP|vda:'; ls /sys/firmware/efi; cat /proc/iomem | tail -n 20\r")
        text = ""
        host.expect(r"debian:/# ", 60)
        text += host.serial.before
        host.send("poweroff -f\r")
        host.detach()
        for found in ("EFI v2.70 by EDK II", "BULKHD", "vda: vda1", "runtime"):
            assert found in text, text
        assert host.until("uefi", "stopped", 200).reason == "powered off by the guest"
