#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run unit-test programs (cmocka), show what failed, end with 'N passed, N failed, N skipped'."""
import argparse
import re
import sys

from test_report import Tally, run_programs

COUNT = re.compile(r"^\[ +(PASSED|FAILED|SKIPPED) +\] (\d+) test\(s\)", re.MULTILINE)


def tally_of(outcome):
    """cmocka counts its tests; a program that ended before it could (a sanitizer's report) failed once."""
    counts = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0}
    for kind, count in COUNT.findall(outcome.output):
        counts[kind] += int(count)
    tally = Tally(counts["PASSED"], counts["FAILED"], counts["SKIPPED"])
    if outcome.status and not tally.failed or tally == Tally():
        tally.failed += 1
    return tally


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--log-dir", required=True)
    options.add_argument("programs", nargs="+")
    options = options.parse_args()

    total = Tally()
    commands = {program: ["./" + program] for program in options.programs}
    for outcome in run_programs(commands, options.log_dir):
        tally = tally_of(outcome)
        total += tally
        if tally.failed:
            print(outcome.output)
            print(f"  FAIL  {outcome.name}: {tally}, {outcome.ending()}")
        else:
            print(f"  PASS  {outcome.name}: {tally.passed}")
        if tally.skipped:
            print(f"  SKIP  {outcome.name}: {tally.skipped} skipped by the test itself")
    print(total)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
