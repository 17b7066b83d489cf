# SPDX-License-Identifier: MIT
"""Boot protocols: kernels that say what they were told, firmware that runs, and what is refused."""
import os

import pytest

from host import BUILD, Host, Partition

MIB = 1 << 20
MODULE = os.path.join(BUILD, "guests/hello.bin")
FIRMWARE = "/usr/share/seabios/bios-256k.bin"
OVMF = "/usr/share/ovmf/OVMF.fd"


def kernel(name, boot, *lines, file=None, memory="16M"):
    """A partition with an ELF payload, or another file, and two modules."""
    path = file or os.path.join(BUILD, f"guests/{name}.elf")
    modules = "modules = \\boot\\first.bin --one two; \\boot\\second" if boot != "linux" else ""
    return Partition(name, [f"memory = {memory}", f"boot = {boot}", f"kernel = \\boot\\{name}", *lines,
                            modules],
                     {f"\\boot\\{name}": path, "\\boot\\first.bin": MODULE, "\\boot\\second": __file__})


def module_line(path, text):
    with open(path, "rb") as file:
        data = file.read()
    return f"module: bytes {len(data):x} sum {sum(data):x} on a page text {text}\r\n"


def memory_lines(mib):
    return ["memory: 0 9f000 type 1\r\n", "memory: 9f000 1000 type 2\r\n", "memory: e0000 20000 type 2\r\n",
            f"memory: 100000 {(mib - 1) * MIB:x} type 1\r\n"]


def check_told(host, name, *lines):
    text = host.run(name, f"{name}: done")
    missing = [line for line in lines if line not in text]
    assert not missing, f"{missing} not in {text}"
    assert host.until(name, "stopped").reason == "powered off by the guest"


def test_told():
    partitions = [kernel("multiboot1", "multiboot", "cmdline = a=b  c"), kernel("multiboot2", "multiboot"),
                  kernel("pvh", "pvh", "cmdline = a=b  c", "initrd = \\boot\\second")]
    first, second = ("first.bin --one two", "second")
    with Host(partitions) as host:
        # Flags: memory, command line, modules, map, name of the loader.
        check_told(host, "multiboot1", "multiboot1: flags 24d lower 27c upper 3c00 loader Bulkhead\r\n",
                   "cmdline: multiboot1 a=b  c\r\n", *memory_lines(16),
                   module_line(MODULE, first) + module_line(__file__, second))
        check_told(host, "multiboot2", "cmdline: multiboot2\r\n", *memory_lines(16), "screen: b8000 type 2\r\n",
                   "rsdp: RSD PTR good sum\r\n", "base: 100000\r\n",
                   module_line(MODULE, first) + module_line(__file__, second))
        check_told(host, "pvh", "pvh: version 1\r\n", "cmdline: a=b  c\r\n", *memory_lines(16),
                   module_line(__file__, "") + module_line(MODULE, "--one two") + module_line(__file__, ""),
                   "rsdp: RSD PTR good sum\r\n")


REFUSED = {
    "text": ("multiboot", __file__, "16M", "the kernel has no multiboot header"),
    "raw": ("pvh", MODULE, "16M", "the kernel is not an ELF file"),
    "noentry": ("pvh", os.path.join(BUILD, "guests/multiboot1.elf"), "16M",
                "the kernel has no PVH entry point"),
    "nobzimage": ("linux", os.path.join(BUILD, "guests/pvh.elf"), "16M",
                  "the kernel is not a bzImage but an ELF file"),
    "modules": ("multiboot", os.path.join(BUILD, "guests/multiboot1.elf"), "2M",
                "big does not fit: "),
}


def test_refused():
    """With the reason, and as stopped as before; the others are not concerned."""
    partitions = [kernel(name, boot, file=file, memory=memory) for name, (boot, file, memory, _) in REFUSED.items()]
    big = os.path.join(BUILD, "guests/debian.initrd.gz")
    partitions[-1] = Partition("modules", ["memory = 2M", "boot = multiboot", "kernel = \\boot\\k",
                                           "modules = \\boot\\big"],
                               {"\\boot\\k": REFUSED["modules"][1], "\\boot\\big": big})
    partitions.append(kernel("multiboot1", "multiboot"))
    with Host(partitions) as host:
        for name, (_, _, _, words) in REFUSED.items():
            host.command(f"start {name}")
            row = host.until(name, "stopped")
            assert words in " ".join(row.reason.split()), row.reason
            assert row.starts == 0
        check_told(host, "multiboot1")


def firmware(name, boot, file, *lines):
    return Partition(name, ["memory = 64M", f"boot = {boot}", f"firmware = \\boot\\{name}", *lines],
                     {f"\\boot\\{name}": file})


@pytest.mark.parametrize("boot", ["bios", "uefi"])
def test_rom(boot):
    """The CPU begins in the ROM. That stays as it is, whatever its guest writes, start after start."""
    with Host([firmware("rom", boot, os.path.join(BUILD, "guests/rom.bin"))]) as host:
        for starts in (1, 2):
            text = host.run("rom", rf"(?s)(rom: done.*){{{starts}}}")
            assert text.count("rom: only read, and its shadow can be written\r\n") == starts, text
            assert text.count("rom: descriptors in it can be used\r\n") == starts, text
            assert host.until("rom", "stopped").starts == starts


@pytest.mark.parametrize("cpus", [1, 2])
def test_flash(cpus):
    """Erased, programmed, and never seen by a second virtual CPU as what it was, be that on a CPU of its
    own or not."""
    partition = firmware("flash", "uefi", os.path.join(BUILD, "guests/flash.bin"), "vcpus = 2")
    with Host([partition], cpus=cpus) as host:
        host.run("flash", "flash: all is as it should be\r\nflash: done", 120)
        host.until("flash", "stopped")


def test_bios():
    """SeaBIOS sets the board up, says so on its serial console, and finds no disk."""
    with Host([firmware("bios", "bios", FIRMWARE)]) as host:
        text = host.run("bios", r"(?s)SeaBIOS \(version .*No bootable device")
        assert "Machine UUID" in text and "Booting from Hard Disk" in text, text


def test_uefi():
    """OVMF gets to its shell."""
    with Host([firmware("uefi", "uefi", OVMF)], ips=50_000_000) as host:
        host.run("uefi", r"UEFI Interactive Shell", 240)


def test_variables_are_no_firmware(tmp_path):
    empty = tmp_path / "vars.fd"
    empty.write_bytes(b"\xff" * 128 * 1024)
    with Host([firmware("vars", "uefi", str(empty))]) as host:
        assert "vars" not in host.list()
        assert any("no code in its last 16 bytes" in line.text for line in host.log())
