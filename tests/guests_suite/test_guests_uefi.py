# SPDX-License-Identifier: MIT
"""Firmware in a partition, and what it starts: OVMF with GRUB and others from a disk."""
import os

import pytest

from host import BUILD, Host, Partition

OVMF = {"firmware": "/usr/share/ovmf/OVMF.fd"}
OVMF_4M = {"firmware": "/usr/share/OVMF/OVMF_CODE_4M.fd", "variables": "/usr/share/OVMF/OVMF_VARS_4M.fd"}
BOOT_SECONDS = 300
SHELL = r"Shell> "
VARIABLE = "setvar Kept -guid 01234567-89ab-cdef-0123-456789abcdef"
KEPT = "54 50 45 4B"


def uefi(name, *lines, firmware=OVMF, disk=None, memory="256M"):
    """A partition with OVMF, in one file or two, and a disk of build/guests."""
    files = {**firmware, **({"disk": os.path.join(BUILD, "guests", disk)} if disk else {})}
    lines = [*lines, *(f"{key} = \\boot\\{key}" for key in files)]
    return Partition(name, [f"memory = {memory}", "boot = uefi", *lines],
                     {f"\\boot\\{key}": file for key, file in files.items()})


def shell(host, starts):
    """Attach, and wait for the shell that came up so many times."""
    host.attach("uefi")
    for _ in range(starts):
        host.expect("UEFI Interactive Shell", BOOT_SECONDS)
    host.expect("Press .*ESC.* to skip|" + SHELL, 60)
    if SHELL not in host.serial.match[0]:
        host.send("\x1b")
        host.expect(SHELL, 60)


def ask(host, command):
    """What the shell answers."""
    host.send(command + "\r")
    host.expect("(?s)\r\n(.*)" + SHELL, 60)
    return host.serial.match[1]


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


def begin_again(host, how):
    """From the shell, and back to the console's prompt."""
    if how == "guest":
        host.send("reset\r")
    host.detach()
    if how == "operator":
        host.command("reset uefi")
    elif how == "stop":
        host.command("stop uefi now")
        host.until("uefi", "stopped")
        host.command("start uefi")


@pytest.mark.parametrize("firmware, again", [(OVMF, ["operator", "guest"]), (OVMF_4M, ["operator", "stop"])],
                         ids=["one", "two"])
def test_variables(firmware, again):
    """What is written to the firmware's flash, in one file or in two, stays while the partition is there:
    when the operator or the guest resets it, and when it is stopped."""
    with Host([uefi("uefi", firmware=firmware, memory="64M")]) as host:
        host.command("start uefi")
        shell(host, 1)
        assert KEPT not in ask(host, VARIABLE)
        ask(host, VARIABLE + " -nv -bs -rt =0x4b455054")
        for starts, how in enumerate(again, 2):
            begin_again(host, how)
            shell(host, starts)
            assert KEPT in ask(host, VARIABLE)
        host.detach()
        assert host.until("uefi", "running").starts == 3


def test_ipxe():
    """From the shell: iPXE finds no card that it knows, and comes back."""
    with Host([uefi("uefi", disk="uefi-tools.img", memory="64M")]) as host:
        host.command("start uefi")
        shell(host, 1)
        answer = ask(host, "fs0:\\ipxe.efi")
        assert "Open Source Network Boot Firmware" in answer and "No more network devices" in answer, answer
        host.detach()


@pytest.mark.parametrize("bits", [32, 64])
def test_uboot(bits):
    """U-Boot for 32-bit and for 64-bit CPUs, to its prompt, and again after its own reset."""
    path = os.path.join(BUILD, f"guests/uboot{bits}.rom")
    partition = Partition("uboot", ["memory = 64M", "boot = bios", "firmware = \\boot\\uboot"],
                          {"\\boot\\uboot": path})
    with Host([partition]) as host:
        host.command("start uboot")
        host.attach("uboot")
        for _ in range(2):
            host.expect("Hit any key to stop autoboot", 90)
            host.send("\r")
            host.expect("=> ", 60)
            host.send("version\r")
            host.expect(r"(?s)version\r\nU-Boot 2023\.01.*=> ", 60)
            host.send("reset\r")
        host.detach()
