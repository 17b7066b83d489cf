# SPDX-License-Identifier: MIT
"""What the test runners share: counts, how they are written, and running many programs at a time."""
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import subprocess
import time

CLOSING = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")


@dataclasses.dataclass
class Tally:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other):
        return Tally(self.passed + other.passed, self.failed + other.failed,
                     self.skipped + other.skipped)

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"

    @staticmethod
    def parse(line):
        """The tally that `line` is, or None."""
        match = CLOSING.match(line)
        return Tally(*map(int, match.groups())) if match else None


@dataclasses.dataclass
class Outcome:
    """One finished program: its exit status (negative: the signal), output and time."""
    name: str
    status: int
    output: str
    seconds: float

    def ending(self):
        return f"killed by signal {-self.status}" if self.status < 0 else f"exit status {self.status}"


def run_program(name, command, log_dir):
    started = time.monotonic()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    output = done.stdout.decode(errors="replace")
    log = pathlib.Path(log_dir, name + ".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(output)
    return Outcome(name, done.returncode, output, time.monotonic() - started)


def run_programs(commands, log_dir):
    """Run {name: command}, as many at a time as there are CPUs; yields outcomes in the order given."""
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        yield from pool.map(lambda item: run_program(*item, log_dir), commands.items())
