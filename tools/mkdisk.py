#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Make a disk that a BIOS can boot: a master boot record, what its code loads from behind it, and one FAT
partition, which begins at 1 MiB, with the files of a directory. Needs no root.

    tools/mkdisk.py [--mbr FILE] [--behind FILE] DIRECTORY IMAGE

--mbr is the code of the first sector; what the table of partitions takes of that is left out. --behind goes
to the sectors after it: GRUB's core image, for example."""
import argparse
import os
import struct
import subprocess

SECTOR = 512
START = 2048            # sector of the partition
MIB = 1 << 20
TABLE = 440             # a disk's signature, 2 bytes of nothing, 4 partitions
FAT_LBA = 0x0c
ACTIVE = 0x80
STEADY = {"SOURCE_DATE_EPOCH": "1700000000", "TZ": "UTC"}     # the same input makes the same file, byte for byte
NO_CHS = b"\xfe\xff\xff"    # too far for cylinder, head and sector: take the sector's number


def file_read(path):
    if not path:
        return b""
    with open(path, "rb") as file:
        return file.read()


def tree_bytes(directory):
    return sum(os.path.getsize(os.path.join(folder, name))
               for folder, _, names in os.walk(directory) for name in names)


def head_make(mbr, behind, sectors):
    """All before the partition."""
    code = mbr[:TABLE].ljust(TABLE, b"\0")
    entry = struct.pack("<B3sB3sII", ACTIVE, NO_CHS, FAT_LBA, NO_CHS, START, sectors)
    head = code + b"BULK\0\0" + entry.ljust(64, b"\0") + b"\x55\xaa" + behind
    if len(head) > START * SECTOR:
        raise SystemExit(f"mkdisk: {len(behind)} bytes do not fit before the partition")
    return head


def mtool(name, volume, *arguments):
    subprocess.run([name, "-i", volume, *arguments], check=True, env=dict(os.environ, **STEADY))


def disk_make(directory, image, mbr=None, behind=None):
    """Arguments as above."""
    files = tree_bytes(directory)
    sectors = (files + files // 16 + 4 * MIB) // MIB * MIB // SECTOR
    new = image + ".new"
    with open(new, "wb") as file:
        file.write(head_make(file_read(mbr), file_read(behind), sectors))
        file.truncate((START + sectors) * SECTOR)
    volume = f"{new}@@{START * SECTOR}"
    mtool("mformat", volume, "-T", str(sectors), "-h", "255", "-s", "63", "-H", str(START), "-N", "0", "::")
    names = [os.path.join(directory, name) for name in sorted(os.listdir(directory))]
    if names:
        mtool("mcopy", volume, "-s", "-Q", *names, "::")
    os.rename(new, image)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--mbr")
    parser.add_argument("--behind")
    parser.add_argument("directory")
    parser.add_argument("image")
    options = parser.parse_args()
    disk_make(options.directory, options.image, options.mbr, options.behind)


if __name__ == "__main__":
    main()
