# SPDX-License-Identifier: MIT
"""What boots by a BIOS: SeaBIOS as it is, and disks as they are on PCs."""
import os
import shutil
import subprocess

import pytest

from host import BUILD, Host, Partition
from mkdisk import STEADY, disk_make

BOOT_SECONDS = 300
FIRMWARE = "/usr/share/seabios/bios-256k.bin"
OVMF = "/usr/share/ovmf/OVMF.fd"
DEBIAN = "console=ttyS0 quiet nokaslr cryptomgr.notests"


def file(name):
    return os.path.join(BUILD, "guests", name)


def pc(disk, *lines, memory="64M", **files):
    """A partition with a BIOS and a disk; `files` by the key that names them."""
    files = {"firmware": FIRMWARE, "disk": str(disk), **files}
    lines = [f"memory = {memory}", "boot = bios", *lines, *(f"{key} = \\bios\\{key}" for key in files)]
    return Partition("pc", lines, {f"\\bios\\{key}": path for key, path in files.items()})


def grub_disk(directory, menu, **files):
    """An image with GRUB, which shows `menu` on the serial line; `files` by their names on the disk."""
    tree = directory / "tree"
    (tree / "grub").mkdir(parents=True)
    (tree / "grub/grub.cfg").write_text("serial --unit=0 --speed=115200\nterminal_input serial\n"
                                        "terminal_output serial\n" + menu)
    for name, path in files.items():
        shutil.copyfile(path, tree / name)
    image = str(directory / "disk.img")
    disk_make(str(tree), image, file("grub.boot"), file("grub.core"))
    return image


GRUB_MENU = f"""
set timeout=-1
menuentry "by its 32-bit entry" {{
	linux /vmlinuz {DEBIAN}
	initrd /initrd
}}
menuentry "by its 16-bit entry" {{
	linux16 /vmlinuz {DEBIAN}
	initrd16 /initrd
}}
"""


@pytest.mark.parametrize("entry", [0, 1], ids=["32-bit", "16-bit"])
def test_grub(tmp_path, entry):
    """From the disk's first sector to a system, which was loaded by the BIOS, and off."""
    disk = grub_disk(tmp_path, GRUB_MENU, vmlinuz=file("debian.vmlinuz"), initrd=file("debian.initrd.gz"))
    with Host([pc(disk, memory="256M")]) as host:
        host.command("start pc")
        host.attach("pc")
        host.expect("by its 16-bit entry", BOOT_SECONDS)
        host.send("\x1b[B" * entry + "\r")
        host.expect("Debian guest is up: Linux 6.1.", BOOT_SECONDS)
        host.expect("debian:.*# ")
        host.send("poweroff -f\r")
        host.expect("pc does not run")
        host.detach()
        assert host.until("pc", "stopped").reason == "powered off by the guest"


def sectors(path, kib):
    """Our own boot sector on a disk of that size."""
    shutil.copyfile(file("sector.bin"), path)
    os.truncate(path, kib * 1024)
    return str(path)


def sector_ends(host, drive, *lines):
    """What it says, as far as the key that ends it."""
    for line in (f"drive {drive}", "read by cylinder and head", "written and read again", *lines):
        host.expect(f"sector: {line}\r\n", BOOT_SECONDS)
    host.expect("sector: press k")
    host.send("k")
    host.expect("pc does not run")
    host.detach()
    assert host.until("pc", "stopped").reason == "powered off by the guest"


def test_sector(tmp_path):
    """The BIOS' disk services in both ways, its text output and its keyboard."""
    with Host([pc(sectors(tmp_path / "disk.img", 2048))]) as host:
        host.command("start pc")
        host.attach("pc")
        sector_ends(host, "80", "read by number")


def test_boot_menu(tmp_path):
    """Two disks, of which the first has nothing to start: it is taken first, and when the BIOS begins anew the
    operator chooses the other."""
    empty = tmp_path / "empty.img"
    empty.write_bytes(bytes(2 << 20))
    with Host([pc(empty, "boot_menu = 60s", disk2=sectors(tmp_path / "disk.img", 2048))]) as host:
        host.command("start pc")
        host.attach("pc")
        host.expect("Press ESC for boot menu", BOOT_SECONDS)
        host.expect("not a bootable disk", BOOT_SECONDS)
        host.expect("Press ESC for boot menu", BOOT_SECONDS)
        host.send("\x1b")
        host.expect(r"2\. .*\r\n", BOOT_SECONDS)
        host.send("2")
        sector_ends(host, "80", "read by number")


SYSLINUX_MENU = """serial 0 115200
prompt 1
label floppy
	linux memdisk
	initrd floppy.img
label ipxe
	linux ipxe
"""


def syslinux_disk(directory):
    tree = directory / "tree"
    tree.mkdir()
    (tree / "syslinux.cfg").write_text(SYSLINUX_MENU)
    for name, target in (("memdisk", "memdisk"), ("ipxe.lkrn", "ipxe")):
        shutil.copyfile(file(name), tree / target)
    sectors(tree / "floppy.img", 1440)
    image = str(directory / "disk.img")
    disk_make(str(tree), image, file("syslinux.mbr"))
    subprocess.run([file("syslinux"), "-t", str(1 << 20), "-i", image], check=True, env=dict(os.environ, **STEADY))
    return image


def test_syslinux(tmp_path):
    """A kernel for the 16-bit entry that is a disk itself: what is started from that takes it for a floppy."""
    with Host([pc(syslinux_disk(tmp_path))]) as host:
        host.command("start pc")
        host.attach("pc")
        host.expect("boot: ", BOOT_SECONDS)
        host.send("floppy\r")
        host.expect("MEMDISK 6", BOOT_SECONDS)
        sector_ends(host, "00")


def ipxe_prompt(host, slot):
    """Take it from its greeting to its command line, and let it say what it has."""
    host.expect("iPXE initialising devices", BOOT_SECONDS)
    host.expect("Press Ctrl-B", BOOT_SECONDS)
    host.send("\x02")
    host.expect("iPXE> ")
    host.send("ifstat\r")
    host.expect(rf"net0: [0-9a-f:]{{17}} using virtio-net on 0000:00:{slot}.0", BOOT_SECONDS)


def test_ipxe_from_disk(tmp_path):
    """The same entry; it finds its network card."""
    with Host([pc(syslinux_disk(tmp_path), "net = lan")]) as host:
        host.command("start pc")
        host.attach("pc")
        host.expect("boot: ", BOOT_SECONDS)
        host.send("ipxe\r")
        ipxe_prompt(host, "03")
        host.detach()


def test_invaders():
    """Multiboot, without a BIOS; all that it shows is text that it draws on the screen."""
    partition = Partition("game", ["memory = 16M", "boot = multiboot", "kernel = \\guests\\invaders"],
                          {"\\guests\\invaders": file("invaders")})
    with Host([partition]) as host:
        host.command("start game")
        seen = set()
        for _ in range(200):
            text = "\n".join(host.command("screen game"))
            if text.count("-*-") >= 20 and "/ \\" in text:
                seen.add(text)
            if len(seen) == 3:
                return
        raise AssertionError(f"nobody moves:\n{text}")


def given(kernel, *lines, memory="64M", firmware=FIRMWARE, **files):
    """A partition whose firmware is given a kernel; `files` by the key that names them."""
    files = {"kernel": file(kernel), "firmware": firmware, **files}
    lines = [f"memory = {memory}", "boot = linux", *lines, *(f"{key} = \\given\\{key}" for key in files)]
    return Partition("pc", lines, {f"\\given\\{key}": path for key, path in files.items()})


def test_ipxe_given():
    with Host([given("ipxe.lkrn", "net = lan")]) as host:
        host.command("start pc")
        host.attach("pc")
        ipxe_prompt(host, "02")
        host.detach()


def test_memdisk_given(tmp_path):
    """An initrd of more than one transfer, at the end of memory."""
    floppy = sectors(tmp_path / "floppy.img", 1440)
    with Host([given("memdisk", initrd=floppy)]) as host:
        host.command("start pc")
        host.attach("pc")
        host.expect("MEMDISK 6", BOOT_SECONDS)
        sector_ends(host, "00")


@pytest.mark.parametrize("firmware", [FIRMWARE, OVMF], ids=["bios", "uefi"])
def test_debian_given(firmware):
    """Command line and initrd come along, and nothing of a disk is needed."""
    with Host([given("debian.vmlinuz", f"cmdline = {DEBIAN}", memory="256M", firmware=firmware,
                     initrd=file("debian.initrd.gz"))]) as host:
        host.command("start pc")
        text = host.guest("pc", "Debian guest is up: Linux 6.1.", BOOT_SECONDS)
        assert ("SeaBIOS" in text) == (firmware == FIRMWARE), text


def test_16_bit_kernel_alone():
    """Without firmware it is refused, and the words say what is missing."""
    partition = Partition("pc", ["memory = 16M", "boot = linux", "kernel = \\k"], {"\\k": file("ipxe.lkrn")})
    with Host([partition]) as host:
        host.command("start pc")
        assert "give one with firmware =" in " ".join(host.until("pc", "stopped").reason.split())
