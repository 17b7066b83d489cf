# SPDX-License-Identifier: MIT
"""
Promise: whatever a partition does, the others do their work, and the operator is answered.

The work of a partition with the payload `count` is measured in instructions per second of its own time: on the same
CPU as the worst that a guest can do it may be no less than beside a well-behaved neighbour that spins, within one
per cent, and on another CPU it is what it is alone. The console's pace is read off the machine's own clock.
"""
import pytest

from host import PROMPT, Host, cached, in_parallel, selected, tiny, with_parameters

IPS = 20_000_000
SECONDS = 3
ERROR = 0.01
CONSOLE_US = 100_000
DISK_BYTES = 2 << 20
REQUEST_BYTES = 1 << 20
FOR_EVER = 1 << 40

# What it does, and how its partition is set up.
HOSTILE = {
    "spin": [],                                # interrupts off
    "triple": ["on_crash = restart"],          # a triple fault loop
    "exitstorm": [],                           # the most expensive exits
    "churn": ["on_reset = restart"],           # a reset loop
    "flood": [],                               # of its console
    "ipistorm": [],                            # interrupts to itself
    "timerstorm": [],                          # every timer as fast as it goes
    "touch": [],                               # all its memory
    "garbage": ["on_crash = restart"],         # into every device register
    "havoc": ["on_crash = restart", "on_poweroff = restart", "on_reset = restart"],
    "vmxall": ["on_poweroff = restart", "on_crash = restart"],
    "junk": ["on_poweroff = restart", "on_crash = restart", "on_reset = restart"],
    "diskload": ["disk = \\disks\\load.img"],  # it sleeps while its disk works for it
    "clockstorm": [],                          # a clock whose alarm never comes
}
# Each stretch of its disk's work ends in a switch, and so many of them are a cost that both have.
ERRORS = {"diskload": 0.1}
# On many CPUs, those that could reach others through more than the CPU that they share.
MANY = ["spin", "triple", "exitstorm", "churn", "timerstorm", "garbage"]


def hostile_on(cpus):
    return MANY if cpus > 2 else list(HOSTILE)


def hostile(name, *lines):
    memory = "16M" if name in ("junk", "touch", "vmxall", "diskload") else "2M"
    made = tiny(name, None, *lines, *HOSTILE[name], memory=memory, autostart=False)
    if name == "diskload":
        made.files = {"\\guests\\diskload.bin": with_parameters(name, FOR_EVER, REQUEST_BYTES, 0),
                      "\\disks\\load.img": cached("load.img", bytes(DISK_BYTES))}
    return made


def measure(host, name):
    """Work of a second, over some seconds from now on during which nothing is typed."""
    first = max(host.work(name), default=0) + 2
    work = host.work_until(name, first + SECONDS - 1, 60)
    return [work[second] for second in range(first, first + SECONDS)]


def mean(values):
    return sum(values) / len(values)


def check_one(host, name, alone, beside):
    host.good(f"start {name}")
    took = host.answer_us()
    assert took < CONSOLE_US, f"the console took {took} us for an answer beside {name}"
    near = measure(host, "near")
    assert mean(near) > (1 - ERRORS.get(name, ERROR)) * beside, \
        f"on the same CPU as {name}: {near}, beside one that spins {beside}"
    if alone:
        far = measure(host, "far")
        assert all(abs(one - alone) <= ERROR * alone for one in far), \
            f"on another CPU than {name}: {far}, alone {alone}"
    assert host.answer_us() < CONSOLE_US
    states = host.states()
    assert states["near"]["state"] == "running" and states["near"]["starts"] == 1, states["near"]
    host.times()


def partitions_make(cpus):
    """`near` is where the hostile ones are, `far` on another CPU, if there is one. With more than one CPU the
    console's, the first, is left to it."""
    near, far = cpus - 1, max(cpus - 2, 0)
    made = [tiny("near", "count", f"affinity = {near}"),
            tiny("polite", "spinon", f"affinity = {near}", autostart=False)]
    if cpus > 1:
        made.append(tiny("far", "count", f"affinity = {far}"))
    return made + [hostile(name, f"affinity = {near}") for name in HOSTILE]


def stop(host, name):
    if host.states()[name]["state"] != "stopped":
        host.good(f"stop {name}")
        host.until_state(name, "stopped")


def run_machine(cpus):
    """Each beside the same two; what went wrong, by name."""
    wrong, done = {}, set()
    with Host(partitions_make(cpus), cpus=cpus, ips=IPS) as host:
        alone = mean(measure(host, "far")) if cpus > 1 else None
        host.good("start polite")
        beside = mean(measure(host, "near"))
        host.good("stop polite")
        for name in hostile_on(cpus):
            try:
                check_one(host, name, alone, beside)
                stop(host, name)
            except AssertionError as error:
                wrong[name] = str(error)
                if not recover(host, name):
                    wrong.update((left, f"not tried: {name} has stopped the machine")
                                 for left in hostile_on(cpus) if left not in wrong and left not in done)
                    break
            done.add(name)
    return wrong


def recover(host, name):
    """After a failure: to the prompt, and the hostile one is stopped. Whether that went."""
    try:
        host.send("\x1d\r")
        host.expect(PROMPT, 10)
        host.command("", 10)
        stop(host, name)
        return True
    except AssertionError:
        return False


@pytest.fixture(scope="module")
def results(request):
    return in_parallel(run_machine, list(dict.fromkeys(case[0] for case in selected(request, "case"))))


@pytest.mark.long
@pytest.mark.parametrize("case", [(cpus, name) for cpus in (1, 2, 4) for name in hostile_on(cpus)],
                         ids=lambda case: f"{case[1]}-{case[0]}cpu")
def test_beside(results, case):
    cpus, name = case
    wrong = results(cpus)
    assert name not in wrong, wrong[name]


def test_registers_are_kept_apart():
    """Two that keep values in all vector, FPU and debug registers, on one CPU with a third that spins."""
    partitions = [tiny("fpu2", "fpu", memory="2M"), tiny("fpu4", "fpu", memory="4M"),
                  tiny("spin", "count")]
    with Host(partitions, ips=10_000_000, memory_mib=128) as host:
        for name in ("fpu2", "fpu4"):
            text = host.guest(name, r"(?s)(\d wrong\r\n.*?){4}", 60)
            lines = [line for line in text.split("\r\n") if "checks" in line]
            assert all(line.endswith(", 0 wrong") for line in lines), lines
        assert host.times()["fpu2/0"]["run_us"] > 0


def test_memory_is_clean_and_apart():
    """Each finds zeros at first and then what it wrote itself, also in memory that others had before."""
    names = [f"touch{i}" for i in range(4)]
    with Host([tiny(name, "touch", memory="6M") for name in names], ips=10_000_000,
              memory_mib=128) as host:
        for name in names:
            host.guest(name, r"(?s)(words wrong\r\n.*?){2}")
        for name in names[1:]:
            host.good(f"stop {name}")
        for name in names[1:]:
            host.until_state(name, "stopped")
            host.good(f"destroy {name}")
        for name in names[1:]:
            host.good(f"create new-{name} like touch0")
            host.good(f"start new-{name}")
        for name in [names[0]] + [f"new-{name}" for name in names[1:]]:
            text = host.guest(name, r"(?s)(words wrong\r\n.*?){3}")
            lines = [line for line in text.split("\r\n") if "words" in line]
            assert all(line.endswith(" 0 words wrong") for line in lines), f"{name}: {lines}"
