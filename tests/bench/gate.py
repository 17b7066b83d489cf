#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The ceilings of single operations (tests/bench/ceilings): no operation may take more instructions than its ceiling
says. tests/system/test_cost.py compares them in `make test`.

As a program it measures and lowers each ceiling to what was measured; it raises none, and adds rows that are new."""
import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from common import BenchError
from machine import MachineError
from operations import inside_measure

CEILINGS = os.path.join(HERE, "ceilings")
HEAD = """\
# The most instructions that an operation may take in a partition (haswell, the least of its samples). Ceilings only
# go down: `make bench-ceilings` lowers them to what is measured. docs/performance.md says more.
"""
# How much of these falls into a measurement depends on when it begins.
LEFT_OUT = ("_abs", "_lost")


def ceilings_parse(text):
    """{name: ceiling}"""
    ceilings = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if len(words) != 2 or not words[1].isdigit() or words[0] in ceilings:
            raise ValueError(f"ceilings:{number}: '{line}': not a new name and a number")
        ceilings[words[0]] = int(words[1])
    return ceilings


def ceilings_text(ceilings):
    width = max(map(len, ceilings), default=0)
    return HEAD + "".join(f"{name:<{width}}  {ceiling:>5}\n" for name, ceiling in ceilings.items())


def gated(measured):
    """Of {name: (least, average)} the rows that have ceilings: {name: least}."""
    return {name: least for name, (least, _) in measured.items() if not name.endswith(LEFT_OUT)}


def complaints(ceilings, measured):
    """What is wrong with {name: least}, in words: rows above their ceilings, and rows on one side only."""
    found = []
    for name, least in measured.items():
        if name not in ceilings:
            found.append(f"{name}: {least}, and no ceiling: make bench-ceilings")
        elif least > ceilings[name]:
            found.append(f"{name}: {least}, which is more than the ceiling of {ceilings[name]}")
    return found + [f"{name}: has a ceiling and was not measured" for name in ceilings if name not in measured]


def lowered(ceilings, measured):
    """New ceilings, in the order of the measured rows. Those that were not measured stay."""
    rows = {name: min(least, ceilings.get(name, least)) for name, least in measured.items()}
    return rows | {name: ceiling for name, ceiling in ceilings.items() if name not in rows}


def ceilings_read():
    with open(CEILINGS, encoding="ascii") as file:
        return ceilings_parse(file.read())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--core", required=True, help="the core's flat image")
    parser.add_argument("--ops", required=True, help="the image that runs single operations")
    options = parser.parse_args()
    try:
        before = ceilings_read()
        measured = gated(inside_measure(options.core, options.ops))
    except (BenchError, MachineError, OSError, ValueError) as error:
        sys.exit(f"bench: {error}")
    after = lowered(before, measured)
    for name, ceiling in after.items():
        if before.get(name) != ceiling:
            print(f"  {name}: {before.get(name, 'new')} -> {ceiling}")
    with open(CEILINGS, "w", encoding="ascii") as file:
        file.write(ceilings_text(after))
    for complaint in complaints(after, measured):
        print(f"  not raised: {complaint}")


if __name__ == "__main__":
    main()
