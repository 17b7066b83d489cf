# SPDX-License-Identifier: MIT
"""Linux kernels as Debian has them, by the entry that their loader would take, to a program in their initial RAM
disk. Most of the time they unpack themselves; two machines run at once."""
import collections
import re

import pytest

from guest import guest
from host import Host, in_parallel, selected

QUIET = "console=ttyS0 quiet nokaslr cryptomgr.notests"

Case = collections.namedtuple("Case", "kernel initrd memory goal seconds check")


def cyclictest(host):
    """Two seconds of the real-time kernel's own test: no wake-up comes an interval late."""
    host.attach("linux")
    host.send("uname -v; cyclictest -q -p 80 -i 10000 -l 200\r")
    host.expect(r"PREEMPT_RT", 60)
    worst = int(host.expect(r"T: 0 .* C: *200 .*Max: *(\d+)", 120)[1])
    host.detach()
    assert worst < 10_000, f"{worst} us"


def powered_off(host):
    assert host.until("linux", "stopped", 200).reason == "powered off by the guest"


CASES = {
    "generic": Case("generic.vmlinuz", "debian.initrd.gz", "96M",
                    r"Debian guest is up: Linux 6\.1\.\d+-\d+-amd64", 600, None),
    "realtime": Case("realtime.vmlinuz", "realtime.initrd.gz", "128M",
                     r"Debian guest is up: Linux 6\.1\.\d+-\d+-rt-amd64", 600, cyclictest),
    "686": Case("debian686.vmlinuz", "init32.initrd.gz", "48M",
                r"32-bit guest is up: Linux 6\.1\.\d+-\d+-686 on i686\r\n", 600, powered_off),
    "686-pae": Case("pae.vmlinuz", "init32.initrd.gz", "64M",
                    r"32-bit guest is up: Linux 6\.1\.\d+-\d+-686-pae on i686\r\n", 600, powered_off),
    "installer": Case("installer.vmlinuz", "installer.initrd.gz", "1G", r"Select a language", 900, None),
}


def boot(name):
    case = CASES[name]
    partition = guest("linux", "linux", case.kernel, f"cmdline = {QUIET}", memory=case.memory, initrd=case.initrd)
    with Host([partition], memory_mib=1536) as host:
        text = host.run("linux", case.goal, case.seconds)
        if case.check:
            case.check(host)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


@pytest.fixture(scope="module")
def results(request):
    return in_parallel(boot, selected(request, "name"))


@pytest.mark.parametrize("name", CASES)
def test_linux(results, name):
    assert results(name)
