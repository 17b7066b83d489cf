#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the core's function names as a C table: symbols.py CORE.elf OUT.c (no CORE: an empty table)."""
import subprocess
import sys


def functions(elf):
    lines = subprocess.run(["nm", "-n", elf], check=True, capture_output=True, text=True).stdout
    rows, start = [], None
    for line in lines.splitlines():
        address, kind, name = line.split(maxsplit=2) if line[0] != " " else (None, None, None)
        if name == "core_start":
            start = int(address, 16)
        if kind in ("t", "T") and "." not in name:
            rows.append((int(address, 16), name))
    return [(address - start, name) for address, name in rows if address >= start]


def main():
    rows = functions(sys.argv[1]) if len(sys.argv) == 3 else []
    with open(sys.argv[-1], "w", encoding="ascii") as out:
        out.write("#include <bulkhead/types.h>\n")
        out.write("struct symbol { u32 offset, name; };\n")
        out.write("extern const struct symbol symbol_table[];\n")
        out.write("extern const char symbol_names[];\nextern const u32 symbol_count;\n")
        out.write('#define S __attribute__((section(".symbols")))\n')
        out.write("const struct symbol symbol_table[] S = {\n")
        position = 0
        for offset, name in rows:
            out.write("\t{ 0x%x, %d },\n" % (offset, position))
            position += len(name) + 1
        out.write("\t{ 0xffffffff, 0 },\n};\n")
        out.write("const u32 symbol_count S = %d;\n" % len(rows))
        out.write("const char symbol_names[] S =\n")
        for _, name in rows:
            out.write('\t"%s\\0"\n' % name)
        out.write('\t"";\n')


if __name__ == "__main__":
    main()
