#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run the layers of `make test` one after the other, all of them whatever fails, and sum them up.

    test_all.py --log-dir DIR [-jN] [VARIABLE=VALUE...] -- LAYER...

A layer is a make target. One that ends with a line 'N passed, N failed, N skipped', or with pytest's
count, counts as that; any other counts as one test. The last line sums all up in the same form.
"""
import os
import pathlib
import re
import subprocess
import sys
import time

from test_report import Tally

PYTEST = re.compile(r"^=*\s*((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s\b.*$")
# pytest's words; those that are not here (warnings, deselected) count no test that ran.
PYTEST_FIELD = {"passed": "passed", "xfailed": "skipped", "skipped": "skipped", "failed": "failed",
                "error": "failed", "errors": "failed", "xpassed": "failed"}
# Lines that name one failed or skipped test: ours and pytest's (-r fEs).
NAMED = re.compile(r"^(?:  (?P<ours>FAIL|SKIP)  |(?P<pytest>FAILED|ERROR|SKIPPED) )(?P<what>\S.*)$")
# What compilers and linters find, as in "arch/x86/cpu.c:12:3: error: text".
FINDING = re.compile(r"^\S+:\d+:(?:\d+:)? (?:fatal )?(?:error|warning|style|performance|portability): ")


def tally_of_line(line):
    match = PYTEST.match(line)
    if not match:
        return Tally.parse(line)
    tally = Tally()
    for count, word in re.findall(r"(\d+) ([a-z]+)", match[1]):
        field = PYTEST_FIELD.get(word)
        if field:
            setattr(tally, field, getattr(tally, field) + int(count))
    return tally


class Layer:
    def __init__(self, name):
        self.name = name
        self.tally = None
        self.failed = []
        self.findings = []
        self.skipped = []
        self.seconds = 0.0

    def line(self, line):
        self.tally = tally_of_line(line) or self.tally
        match = NAMED.match(line)
        if match:
            kind = match["ours"] or match["pytest"]
            (self.skipped if kind.startswith("SKIP") else self.failed).append(match["what"])
        elif FINDING.match(line) and line not in self.findings:
            self.findings.append(line)

    def run(self, make, log_dir):
        started = time.monotonic()
        environment = {k: v for k, v in os.environ.items()
                       if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")}
        environment["PYTHONUNBUFFERED"] = "1"
        log_file = log_dir / f"{self.name}.log"
        with open(log_file, "wb") as log:
            with subprocess.Popen([*make, self.name], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  env=environment, bufsize=0) as process:
                # Passed on as it comes: pytest writes a line bit by bit, over minutes.
                while piece := process.stdout.read(65536):
                    for output in (sys.stdout.buffer, log):
                        output.write(piece)
                        output.flush()
        for line in log_file.read_text(encoding="utf-8", errors="replace").splitlines():
            self.line(line)
        self.finish(process.returncode)
        self.seconds = time.monotonic() - started

    def finish(self, status):
        """A layer that failed without a count (it did not build, say) is one failure."""
        if self.tally is None:
            self.tally = Tally(passed=0 if status else 1)
        if status and not self.tally.failed:
            self.tally.failed += 1
        if self.tally.failed and not self.failed:
            self.failed = self.findings or ["see its output"]


def duration(seconds):
    return f"{int(seconds) // 60} min {int(seconds) % 60:2} s"


def report(layers, seconds, log_dir):
    total = sum((layer.tally for layer in layers), Tally())
    print("\n== summary")
    print(f"{'layer':<14}{'passed':>8}{'failed':>8}{'skipped':>9}{'time':>15}")
    for layer in layers:
        tally = layer.tally
        print(f"{layer.name:<14}{tally.passed:>8}{tally.failed:>8}{tally.skipped:>9}"
              f"{duration(layer.seconds):>15}")
    for title, field in (("Skipped", "skipped"), ("Failed", "failed")):
        for layer in layers:
            for what in getattr(layer, field):
                print(f"{title}: {layer.name}: {what}")
            if field == "failed" and layer.tally.failed:
                print(f"  its output: {log_dir}/{layer.name}.log")
    print(f"Total time: {duration(seconds)}")
    print(total)
    return total


def main():
    arguments, layers = sys.argv[1:], []
    if arguments[:1] != ["--log-dir"] or "--" not in arguments:
        print(__doc__, file=sys.stderr)
        return 2
    log_dir = pathlib.Path(arguments[1])
    split = arguments.index("--")
    # -k: a source that does not compile hides no other.
    make = [os.environ.get("MAKE", "make"), "-k", *arguments[2:split]]
    log_dir.mkdir(parents=True, exist_ok=True)

    started = time.monotonic()
    for name in arguments[split + 1:]:
        print(f"\n== {name}", flush=True)
        layer = Layer(name)
        layer.run(make, log_dir)
        layers.append(layer)
    return 1 if report(layers, time.monotonic() - started, log_dir).failed else 0


if __name__ == "__main__":
    sys.exit(main())
