# SPDX-License-Identifier: MIT
"""
Promise: a partition that does its worst takes nothing from another, nor from the operator.

All times are the emulated machine's: the ticker measures on its own clock how late its timer interrupts come,
and the console's pace is read off the log: two commands are typed at once, and the stamps that they leave tell
what the console takes to read, understand and carry out one.
"""
import pytest

from host import Host, PROMPT, in_parallel, payload, selected

MACHINES = [("haswell", 1), ("haswell", 2), ("sandybridge", 1)]
# What becomes of it, and how long it may take on the host.
HOSTILE = {
    "spin": "running",
    "spinon": "running",
    "triple": "crashed",
    "vmxall": "stopped",
    "msrall": "stopped",
    "portall": "stopped",
    "junk": None,
}
CONSOLE_SECONDS = 1.0
TICK_SECONDS = 0.1
# The ticker has slept, so it is a slice behind, and goes before all that have had theirs. As far behind may be four, at
# the most: the guest beside it, two that start, and the console. A slice of 5 ms for each of them, and one to spare,
# which is more than the longest piece of work that is not interrupted. As measured, one.
LATE_US = 5 * 5_000


def console_seconds(host):
    """How far apart two commands typed at once are carried out: `probe-a` and `probe-b` start and stop."""
    worst = 0
    for verb, word in (("start", "started"), ("stop", "stopped by the operator")):
        host.send(f"{verb} probe-a\r{verb} probe-b\r")
        stamps = {}
        while len(stamps) < 2:  # each has a thread of its own: either may be first
            match = host.expect(rf"\[ *(\d+\.\d+)\] info  cpu\d+   (probe-[ab]): {word}\r\n")
            stamps[match[2]] = float(match[1])
        host.expect(PROMPT)
        worst = max(worst, abs(stamps["probe-b"] - stamps["probe-a"]))
    host.send("\r")
    host.expect(PROMPT)
    return worst


def check_keys(host, name):
    """A guest that takes no keys, with interrupts off or not, keeps nobody attached to it."""
    host.attach(name)
    host.send("x" * 100)
    host.detach()
    assert host.list()[name].state == "running"


def check_ticker(host, name):
    """It must reach the tick that is due some time after the log's last line, and never have been late."""
    log = host.log()
    started = next(line.seconds for line in log if line.text == "ticker: started")
    due = (log[-1].seconds - started) / TICK_SECONDS + 3
    number = 0
    host.attach("ticker")
    while number < due:
        match = host.expect(r"tick (\d+) late \d+ us, worst (\d+) us\r\n", 60)
        number, worst = int(match[1]), int(match[2])
    host.detach()
    assert worst < LATE_US, f"the ticker was {worst} us late beside {name}"
    row = host.list()["ticker"]
    assert row.state == "running" and row.starts == 1


def check_one(host, name, outcome):
    assert host.command(f"start {name}") == [f"{name}: starting"]
    took = console_seconds(host)
    assert took < CONSOLE_SECONDS, f"the console took {took} s beside {name}"
    if outcome == "running":
        check_keys(host, name)
    check_ticker(host, name)
    if outcome in ("crashed", "stopped"):
        host.until(name, outcome, 400)
    check_ticker(host, name)
    row = host.list()[name]
    assert outcome is None or row.state == outcome, row
    if row.state in ("running", "starting"):
        assert host.command(f"stop {name}") == [f"{name}: stopped"]


def run_machine(machine):
    model, cpus = machine
    partitions = [payload("ticker", autostart=True), payload("probe-a", "idle"),
                  payload("probe-b", "idle")] + [payload(name) for name in HOSTILE]
    wrong = {}
    with Host(partitions, model=model, cpus=cpus) as host:
        for name, outcome in HOSTILE.items():
            try:
                check_one(host, name, outcome)
            except AssertionError as error:
                wrong[name] = str(error)
                if not host.machine.running():
                    break
                host.send("\x1d\r")
    return wrong


@pytest.fixture(scope="module")
def results(request):
    return in_parallel(run_machine, selected(request, "machine"))


@pytest.mark.long
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m[0]}-{m[1]}cpu")
def test_beside(results, machine, name):
    wrong = results(machine)
    assert name not in wrong, wrong[name]
