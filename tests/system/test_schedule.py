# SPDX-License-Identifier: MIT
"""
Promise: every partition has the part of the CPUs that the operator gave it, on the real image.

Partitions with the payload `count` say how many instructions they did in each second of their own time. On Bochs
an instruction is a tick of the TSC, so that is the time that they had; what is missing there was spent on
switching, on the console's line and on the one line a second that they print.
"""
import re

import pytest

from host import Group, Host, ROUND, in_parallel, selected, tiny

IPS = 20_000_000
SECONDS = 10
SLICE_S = 0.005
WORK_CPUS = [1, 2, 4]


def fractions(host, names, first, count=SECONDS, ips=IPS):
    """Of a CPU that each has had, in each of so many seconds."""
    last = first + count - 1
    for name in names:
        host.work_until(name, last)
    found = {}
    for name in names:
        work = host.work(name)
        assert all(second in work for second in range(first, last + 1)), f"{name}: {work}"
        found[name] = [work[second] * ROUND / ips for second in range(first, last + 1)]
    return found


def mean(values):
    return sum(values) / len(values)


def check_shares(found, weights, error):
    """Of what they have together, within `error` of what is due to each."""
    total = sum(mean(values) for values in found.values())
    for name, weight in weights.items():
        due = weight / sum(weights.values())
        has = mean(found[name]) / total
        assert abs(has - due) <= error * due, f"{name} has {has:.4f} of the CPU, due is {due:.4f}"
    return total


def pinned(cpu, *lines):
    return [f"affinity = {cpu}", *lines]


# What is tried on one CPU, the last of so many.

def try_weights(cpus):
    """Three that spin, 1:2:4; then the weights are changed while they run."""
    weights = {"one": 100, "two": 200, "four": 400}
    names = list(weights)
    partitions = [tiny(name, "count", *pinned(cpus - 1, f"weight = {weight}"))
                  for name, weight in weights.items()]
    with Host(partitions, cpus=cpus, ips=IPS, memory_mib=256) as host:
        total = check_shares(fractions(host, names, 2), weights, 0.01)
        assert total > 0.97, f"of the CPU, {total:.4f} was used"
        host.times()
        host.good("set four weight 100")
        host.good("set two weight 100")
        second = max(host.work("one")) + 2
        check_shares(fractions(host, names, second, 5), dict.fromkeys(names, 100), 0.01)
        host.times()


def try_cap(cpus):
    """One with a cap, alone on its CPU and then beside another."""
    partitions = [tiny("capped", "count", *pinned(cpus - 1, "cap = 25%")),
                  tiny("free", "count", *pinned(cpus - 1), autostart=False)]
    with Host(partitions, cpus=cpus, ips=IPS, memory_mib=256) as host:
        check_cap(fractions(host, ["capped"], 1)["capped"], 0.25)
        host.good("start free")
        second = max(host.work("capped")) + 2
        found = fractions(host, ["capped"], second, 5)["capped"]
        check_cap(found, 0.25)
        host.work_until("free", 5)
        free = [rounds * ROUND / IPS for second, rounds in host.work("free").items() if second > 1]
        assert mean(free) > 0.73, f"beside a cap of 25 %, {mean(free):.4f} of the CPU is left"
        host.good("set capped cap 40%")
        second = max(host.work("capped")) + 2
        check_cap(fractions(host, ["capped"], second, 5)["capped"], 0.40)
        row = host.times()["capped/0"]
        assert row["capped_us"] > row["wall_us"] / 2, row


def check_cap(values, cap):
    over = max(values) - cap
    assert over <= SLICE_S, f"cap {cap}: {max(values):.4f} in one second"
    assert min(values) > 0.92 * cap, f"cap {cap}: only {min(values):.4f} in one second"


def try_reservation(cpus):
    """A reservation beside two that spin and one that resets all the time, all on the same CPU."""
    partitions = [tiny("rt", None, *pinned(cpus - 1, "reservation = 2ms / 10ms")),
                  tiny("spin1", "count", *pinned(cpus - 1)),
                  tiny("spin2", "count", *pinned(cpus - 1, "weight = 1000")),
                  tiny("churn", None, *pinned(cpus - 1, "on_reset = restart"))]
    with Host(partitions, cpus=cpus, ips=IPS, memory_mib=256) as host:
        host.guest("rt", r"rt: 100 periods, \d+ missed")
        # Before its first period it is loaded: that is no work of the guest's.
        missed_before = missed_deadlines(host, "rt/0")
        text = host.guest("rt", rf"rt: {100 * SECONDS} periods, \d+ missed, worst \d+ us\r\n", 180)
        lines = re.findall(r"rt: (\d+) periods, (\d+) missed, worst (\d+) us", text)
        assert len(lines) == SECONDS, lines
        assert all(missed == "0" for _, missed, _ in lines), f"(periods, missed, worst us): {lines}"
        assert missed_deadlines(host, "rt/0") == missed_before
        starts = host.states()["churn"]["starts"]
        assert starts > 2, f"churn was started {starts} times"
        found = fractions(host, ["spin1", "spin2"], 2, SECONDS - 3)
        check_shares({name: found[name] for name in found}, {"spin1": 100, "spin2": 1000}, 0.03)
        host.times()


def missed_deadlines(host, vcpu):
    """As the scheduler has counted them."""
    return {row["vcpu"]: row for row in host.good("stats")["events"]}[vcpu]["missed_deadlines"]


def try_groups(cpus):
    """Three in a group have together what its weight says, and never more than its cap."""
    members = ["m1", "m2", "m3"]
    partitions = [Group("batch", "weight = 100")]
    partitions += [tiny(name, "count", *pinned(cpus - 1, "group = batch")) for name in members]
    partitions += [tiny("lone", "count", *pinned(cpus - 1, "weight = 200"))]
    with Host(partitions, cpus=cpus, ips=IPS, memory_mib=256) as host:
        found = fractions(host, members + ["lone"], 2, 6)
        check_shares(found, {"m1": 100, "m2": 100, "m3": 100, "lone": 600}, 0.02)
        host.good("group batch cap 15%")
        second = max(host.work("lone")) + 2
        found = fractions(host, members + ["lone"], second, 5)
        for values in zip(*(found[name] for name in members)):
            # Their seconds do not begin at the same moment.
            assert sum(values) <= 0.15 + 2 * SLICE_S, values
        assert mean(found["lone"]) > 0.83, found["lone"]
        host.times()


ONE_CPU = {"weights": try_weights, "cap": try_cap, "reservation": try_reservation,
           "groups": try_groups}


def run_one(item):
    name, cpus = item
    ONE_CPU[name](cpus)
    return True


@pytest.fixture(scope="module")
def results(request):
    return in_parallel(run_one, selected(request, "item"))


@pytest.mark.long
@pytest.mark.parametrize("item", [(name, cpus) for name in ONE_CPU for cpus in (1, 2)]
                         + [("weights", 4), ("reservation", 4)], ids=lambda i: f"{i[0]}-{i[1]}cpu")
def test_one_cpu(results, item):
    assert results(item)


def test_dedicated():
    """It has its CPU to itself, and the others have the other one."""
    partitions = [tiny("own", "count", "dedicated = yes", "affinity = 1"),
                  tiny("a", "count"), tiny("b", "count")]
    with Host(partitions, cpus=2, ips=20_000_000, memory_mib=256) as host:
        found = fractions(host, ["own", "a", "b"], 2, 4, 20_000_000)
        assert min(found["own"]) > 0.99, found["own"]
        check_shares({name: found[name] for name in "ab"}, {"a": 1, "b": 1}, 0.02)
        assert host.states()["a"]["cpu"] == host.states()["b"]["cpu"] == 0
        host.times()


@pytest.mark.long
@pytest.mark.parametrize("cpus", [2, 4])
def test_no_cpu_is_idle_while_someone_waits(cpus):
    """More that spin than CPUs, anywhere: all CPUs are used, and nobody is left out."""
    names = [f"spin{i}" for i in range(cpus + 1)]
    with Host([tiny(name, "count") for name in names], cpus=cpus, ips=20_000_000,
              memory_mib=256) as host:
        found = fractions(host, names, 3, 5, 20_000_000)
        total = sum(mean(values) for values in found.values())
        assert total > 0.97 * cpus, f"of {cpus} CPUs, {total:.3f} were used"
        due = cpus / len(names)
        for name, values in found.items():
            assert mean(values) > 0.45 * due, f"{name} has {mean(values):.3f}, due is {due:.3f}"
        host.times()


def test_affinity_moves_a_running_partition():
    with Host([tiny("spin", "count", "affinity = 0")], cpus=2, ips=10_000_000, memory_mib=128) as host:
        host.work_until("spin", 1)
        assert host.states()["spin"]["cpu"] == 0
        host.good("set spin affinity 1")
        second = max(host.work("spin")) + 2
        work = host.work_until("spin", second)
        assert host.states()["spin"]["cpu"] == 1
        assert work[second] * ROUND > 0.98 * 10_000_000
        assert "error" in host.query("set spin affinity 7")
        assert host.states()["spin"]["cpu"] == 1
        host.times()


def test_admission():
    """A reservation that cannot be kept is refused, and nothing has changed then."""
    partitions = [tiny("first", "tick", "reservation = 6ms / 10ms"),
                  tiny("second", "tick", "reservation = 2ms / 10ms")]
    with Host(partitions, ips=10_000_000, memory_mib=128) as host:
        memory = host.good("memory")
        config = host.good("config")
        refused = ["create third like first", "set second reservation 5ms / 10ms",
                   "set first reservation 9ms / 10ms", "set second reservation 0ms / 10ms",
                   "set second reservation 11ms / 10ms"]
        for line in refused:
            assert "error" in host.query(line), line
        assert host.good("config") == config
        assert host.good("memory") == memory
        assert all(row["state"] == "running" for row in host.states().values())
        host.good("set first reservation 1ms / 10ms")
        host.good("set second reservation 5ms / 10ms")
        host.good("create third like first")
        assert "third" in host.states()
        host.times()


def test_an_undisturbed_guest_has_no_periodic_exits():
    """Alone on its CPU it is left for the bytes that it prints, and for next to nothing else."""
    with Host([tiny("spin", "count", "affinity = 1")], cpus=2, ips=20_000_000, memory_mib=128) as host:
        host.work_until("spin", 2)
        before = {row["reason"]: row["count"] for row in host.good("exits spin")["exits"]}
        work = host.work_until("spin", 12)
        after = {row["reason"]: row["count"] for row in host.good("exits spin")["exits"]}
        exits = sum(after.values()) - sum(before.values())
        printed = sum(len(f"{second} s: {rounds}\r\n") for second, rounds in work.items() if second > 2)
        # A little more was printed before the second answer came.
        assert exits - printed < 60, {reason: after[reason] - before.get(reason, 0) for reason in after}
