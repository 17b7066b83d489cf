# SPDX-License-Identifier: MIT
"""Linux with more CPUs than there are, for a minute of forks, wake-ups, TLB shootdowns and moves."""
import pytest

from host import in_parallel, selected, tiny
from storm import run_storm

SECONDS = 60


def meddle(host):
    """It stands still, goes to one CPU and comes back, gets less and more of what its neighbours want, too."""
    for change, back in (("affinity 0", "affinity all"), ("weight 50", "weight 100"), ("cap 20%", "cap none")):
        host.sleep(3)
        host.good("pause debian")
        host.sleep(15)
        host.good(f"set debian {change}")
        host.good("resume debian")
        host.sleep(3)
        host.good(f"set debian {back}")


NEIGHBOURS = [tiny("one", "count", "affinity = 0"), tiny("two", "count", "affinity = 1")]

# With the APIC in hardware (haswell) and in software; x2APIC, and xAPIC where Linux is told of no hypervisor, or by
# its command line. Those that have less of a CPU have a quicker one.
RUNS = {
    "haswell-x2apic": lambda: run_storm("haswell", 2, 4, SECONDS, True, ips=10_000_000),
    "haswell-xapic": lambda: run_storm("haswell", 2, 4, SECONDS, False, ips=10_000_000, leaves="none"),
    "cannonlake-x2apic": lambda: run_storm("cannonlake", 2, 4, SECONDS, True, ips=10_000_000),
    "sandybridge-xapic": lambda: run_storm("sandybridge", 2, 4, SECONDS, False, ips=10_000_000, kernel="nox2apic"),
    "meddled": lambda: run_storm("haswell", 2, 4, SECONDS, True, beside=NEIGHBOURS, meddle=meddle),
    "8-on-1": lambda: run_storm("haswell", 1, 8, SECONDS, True, ips=50_000_000),
}


def run(name):
    return RUNS[name]()


@pytest.fixture(scope="module")
def results(request):
    return in_parallel(run, selected(request, "name"))


@pytest.mark.parametrize("name", RUNS)
def test_storm(results, name):
    print(results(name))
