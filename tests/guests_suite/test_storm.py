# SPDX-License-Identifier: MIT
"""Linux with more CPUs than there are, for a minute of forks, wake-ups, TLB shootdowns and moves."""
import pytest

from host import in_parallel, selected
from storm import run_storm

SECONDS = 60

# With the APIC in hardware (haswell) and in software; x2APIC, and xAPIC where Linux is told of no hypervisor,
# by its command line, or because the machine's CPU has no other. The last one has PV locks, but hardly a CPU.
RUNS = {
    "haswell-x2apic": lambda: run_storm("haswell", 2, 4, SECONDS, True),
    "haswell-xapic": lambda: run_storm("haswell", 2, 4, SECONDS, False, leaves="none"),
    "cannonlake-x2apic": lambda: run_storm("cannonlake", 2, 4, SECONDS, True),
    "cannonlake-xapic": lambda: run_storm("cannonlake", 2, 4, SECONDS, False, kernel="nox2apic"),
    "sandybridge-xapic": lambda: run_storm("sandybridge", 2, 4, SECONDS, False, leaves="none"),
    "haswell-8-on-1": lambda: run_storm("haswell", 1, 8, SECONDS, True),
}


def run(name):
    return RUNS[name]()


@pytest.fixture(scope="module")
def results(request):
    return in_parallel(run, selected(request, "name"))


@pytest.mark.parametrize("name", RUNS)
def test_storm(results, name):
    print(results(name))
