#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draw bench.json's operations as bars, ours beside KVM's, as one SVG file: chart.py bench.json OUTPUT.svg"""
import json
import math
import sys

# What guests do most, and what each is called in the picture.
ROWS = {
    "cpuid_1": "CPUID",
    "vmcall": "VMCALL",
    "rdmsr_MISC_ENABLE": "RDMSR, emulated",
    "rdmsr_unknown_gp": "RDMSR, unknown: #GP",
    "pio_in_pic_0x21": "port read, 8259",
    "pio_in_uart_lsr_0x3fd": "port read, UART",
    "pio_inl_pci_0xcfc": "port read, PCI configuration",
    "ioapic_window_read": "memory read, I/O APIC",
    "hpet_counter_read": "memory read, HPET",
    "xapic_selfipi_roundtrip_eoi": "IPI to itself, and EOI",
    "tscdl_arm_far": "timer: arm",
    "tscdl_late_busy_d50000": "timer: late, busy guest",
    "tscdl_late_hlt_d200000": "timer: late, halted guest",
    "tscdl_sleep200000_overhead": "timer: all of a sleep",
    "touch4k_A_hostpopulated": "first touch of a page",
}

WIDTH, LEFT, RIGHT, TOP, ROW, BAR = 760, 210, 60, 56, 30, 11
MOST = 10000  # the scale's end, logarithmic from 1
COLOURS = {"bulkhead_least": "#1f6fb4", "kvm_least": "#b0b4b8"}
NAMES = {"bulkhead_least": "Bulkhead", "kvm_least": "Linux KVM"}


def x_of(value):
    return LEFT + (WIDTH - LEFT - RIGHT) * math.log10(max(value, 1)) / math.log10(MOST)


def text(x, y, words, anchor="start"):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{words}</text>'


def bar(key, value, y):
    return [f'<rect x="{LEFT}" y="{y}" width="{max(x_of(value) - LEFT, 1):.0f}" height="{BAR}" '
            f'fill="{COLOURS[key]}"/>', text(x_of(value) + 5, y + 10, value)]


def legend():
    parts, x = [text(8, 20, "Instructions for one operation (logarithmic; less is better)")], LEFT
    for key, name in NAMES.items():
        parts += [f'<rect x="{x}" y="30" width="{BAR}" height="{BAR}" fill="{COLOURS[key]}"/>',
                  text(x + 17, 40, name)]
        x += 110
    return parts


def grid(height):
    return [f'<line x1="{x_of(10 ** power):.0f}" y1="{TOP - 6}" x2="{x_of(10 ** power):.0f}" y2="{height - 8}" '
            'stroke="#ddd"/>' for power in range(int(math.log10(MOST)) + 1)]


def chart(operations):
    found = {row["name"]: row for row in operations}
    shown = [(words, found[name]) for name, words in ROWS.items() if name in found]
    height = TOP + ROW * len(shown) + 8
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
             f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12" fill="#222">',
             f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'] + legend() + grid(height)
    for i, (words, row) in enumerate(shown):
        y = TOP + ROW * i
        parts.append(text(LEFT - 8, y + 15, words.replace("&", "&amp;"), "end"))
        for j, key in enumerate(NAMES):
            if row[key] is not None:
                parts += bar(key, row[key], y + 1 + j * (BAR + 1))
    return "\n".join(parts + ["</svg>"]) + "\n"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="ascii") as file:
        operations = json.load(file)["operations"]
    with open(sys.argv[2], "w", encoding="ascii") as file:
        file.write(chart(operations))


if __name__ == "__main__":
    main()
