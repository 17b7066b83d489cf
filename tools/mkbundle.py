#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Make the bundle that the test-only loader (tests/stub) hands to the core.

  mkbundle.py -o BUNDLE --core build/core.bin --config FILE.conf ['\\bulkhead\\vmlinuz=FILE' ...]

NAME=FILE pairs are named as in the configuration. The layout is that of tests/stub/stub.h: a header,
entries, names; then the data, each file on a page of its own and followed by at least one zero byte. In
front of it is padding, which the emulator's way of loading it needs (bundle_find in tests/stub/stub.c)."""
import argparse
import struct
import sys

MAGIC = 0x454C444E55424842
CORE, CONFIG, FILE = 1, 2, 3
PAGE = 4096
PADDING = 4 << 20
HEADER = struct.Struct("<QQII")
ENTRY = struct.Struct("<IIQQ")
CONFIG_NAME = "\\bulkhead\\bulkhead.conf"


def page_up(value):
    return (value + PAGE - 1) // PAGE * PAGE


def bundle_make(core, config, files=None, config_name=CONFIG_NAME):
    """The bundle as bytes. `core` and `config` are bytes, `files` maps names to bytes."""
    parts = [(CORE, "core", core), (CONFIG, config_name, config)]
    parts += [(FILE, name, data) for name, data in (files or {}).items()]

    names = b""
    name_offsets = []
    names_at = HEADER.size + ENTRY.size * len(parts)
    for _, name, _ in parts:
        name_offsets.append(names_at + len(names))
        names += name.encode("ascii") + b"\0"

    entries = b""
    offset = page_up(names_at + len(names))
    body = bytearray(offset)
    for (kind, _, data), name_offset in zip(parts, name_offsets):
        entries += ENTRY.pack(kind, name_offset, len(body), len(data))
        body += data
        body += bytes(page_up(len(body) + 1) - len(body))

    head = HEADER.pack(MAGIC, len(body), len(parts), 0) + entries + names
    body[:len(head)] = head
    return bytes(body)


def file_read(path):
    with open(path, "rb") as file:
        return file.read()


def main():
    parser = argparse.ArgumentParser(description="make a bundle for the test-only loader")
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--core", required=True, help="the core's flat image")
    parser.add_argument("--config", required=True, help="the configuration's text")
    parser.add_argument("files", nargs="*", metavar="NAME=FILE")
    options = parser.parse_args()

    files = {}
    for pair in options.files:
        name, separator, path = pair.partition("=")
        if not separator or not name or not path:
            parser.error(f"'{pair}' is not NAME=FILE")
        files[name] = path
    try:
        data = bundle_make(file_read(options.core), file_read(options.config),
                           {name: file_read(path) for name, path in files.items()})
        with open(options.output, "wb") as output:
            output.write(bytes(PADDING) + data)
    except OSError as error:
        sys.exit(f"mkbundle: {error}")


if __name__ == "__main__":
    main()
