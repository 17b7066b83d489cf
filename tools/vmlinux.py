#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Take the ELF kernel (vmlinux) out of a Linux bzImage.

  vmlinux.py VMLINUZ VMLINUX

Where it is, and that it is compressed, is in the setup header (kernel documentation, "The Linux/x86 Boot
Protocol": payload_offset, payload_length). The program `lz4` is needed for kernels compressed with that."""
import bz2
import gzip
import lzma
import struct
import subprocess
import sys

SETUP_SECTS, MAGIC, PAYLOAD = 0x1F1, 0x202, 0x248
SIZE_BYTES = 4      # behind the payload: its size when unpacked


def lz4_unpack(data):
    return subprocess.run(["lz4", "-d", "-c"], input=data[:-SIZE_BYTES], stdout=subprocess.PIPE,
                          check=True).stdout


def gzip_unpack(data):
    return gzip.decompress(data[:-SIZE_BYTES])


def xz_unpack(data):
    return lzma.LZMADecompressor().decompress(data)


FORMATS = {b"\x02\x21\x4c\x18": lz4_unpack, b"\x1f\x8b": gzip_unpack, b"\xfd7zXZ": xz_unpack,
           b"BZh": lambda data: bz2.BZ2Decompressor().decompress(data)}


def vmlinux_of(image):
    if len(image) < PAYLOAD + 8 or image[MAGIC:MAGIC + 4] != b"HdrS":
        raise ValueError("not a bzImage")
    offset, length = struct.unpack_from("<II", image, PAYLOAD)
    begin = (image[SETUP_SECTS] + 1) * 512 + offset
    payload = image[begin:begin + length]
    for mark, unpack in FORMATS.items():
        if payload.startswith(mark):
            kernel = unpack(payload)
            break
    else:
        raise ValueError(f"compressed in an unknown way: {payload[:6].hex()}")
    if kernel[:4] != b"\x7fELF":
        raise ValueError("what was unpacked is not an ELF file")
    return kernel


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: vmlinux.py VMLINUZ VMLINUX")
    try:
        with open(sys.argv[1], "rb") as image:
            kernel = vmlinux_of(image.read())
        with open(sys.argv[2], "wb") as output:
            output.write(kernel)
    except (OSError, ValueError, EOFError, lzma.LZMAError, subprocess.CalledProcessError) as error:
        sys.exit(f"vmlinux: {sys.argv[1]}: {error}")


if __name__ == "__main__":
    main()
