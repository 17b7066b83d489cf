#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run fuzz targets (libFuzzer) for so many seconds each, end with 'N passed, N failed, N skipped'."""
import argparse
import pathlib
import re
import sys

from test_report import Tally, run_programs

EXECUTED = re.compile(r"^stat::number_of_executed_units: +(\d+)", re.MULTILINE)


def command(build_dir, name, seconds):
    """What the run finds goes to the build folder; the seeds in the source tree are only read."""
    found = pathlib.Path(build_dir, "corpus", name)
    found.mkdir(parents=True, exist_ok=True)
    seeds = pathlib.Path("tests/fuzz/corpus", name)
    return [f"{build_dir}/{name}_fuzz", f"-max_total_time={seconds}", "-timeout=10", "-verbosity=0",
            "-print_final_stats=1", f"-artifact_prefix={build_dir}/{name}-",
            str(found)] + ([str(seeds)] if seeds.is_dir() else [])


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--log-dir", required=True)
    options.add_argument("--build-dir", required=True)
    options.add_argument("--seconds", type=int, required=True)
    options.add_argument("names", nargs="+")
    options = options.parse_args()

    total = Tally()
    commands = {name: command(options.build_dir, name, options.seconds) for name in options.names}
    for outcome in run_programs(commands, options.log_dir):
        executed = EXECUTED.search(outcome.output)
        # A target that tried no input at all has shown nothing.
        if outcome.status or not executed or not int(executed[1]):
            total.failed += 1
            print(outcome.output)
            print(f"  FAIL  {outcome.name}: {outcome.ending()}")
        else:
            total.passed += 1
            print(f"  PASS  {outcome.name}: {executed[1]} inputs in {outcome.seconds:.0f} s")
    print(total)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
