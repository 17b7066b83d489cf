# SPDX-License-Identifier: MIT
"""Debian's kernel in a partition: to its shell, off, on again, and restarted."""
import functools

import pytest

import debian_shell
from debian_shell import SHELL, boot
from host import Host, debian, in_parallel, selected, tiny

MACHINES = [("haswell", 1), ("haswell", 2), ("haswell", 4), ("sandybridge", 1), ("arrandale", 1),
            ("skylake", 1), ("cannonlake", 1), ("tigerlake", 1)]
BOOT_SECONDS = 150
shell = functools.partial(debian_shell.shell, seconds=30)


def typed_fast(host):
    """Keys as fast as the line carries them: every one arrives, also while the guest prints."""
    text = "".join(chr(97 + i % 26) for i in range(240))
    for _ in range(8):
        assert text + "\r\n" in shell(host, f"echo {text}").replace("\r\r", "\r")


def run_machine(machine):
    model, cpus = machine
    with Host([debian()], model=model, cpus=cpus) as host:
        boot(host, 1)
        uname = shell(host, "uname -a")
        assert uname.startswith("Linux debian 6.1.") and "x86_64 GNU/Linux" in uname, uname
        typed_fast(host)
        host.send("poweroff -f\r")
        host.expect(r"\[debian does not run: powered off by the guest; Ctrl-\] leaves\]")
        host.detach()
        row = host.list()["debian"]
        assert (row.state, row.starts, row.reason) == ("stopped", 1, "powered off by the guest")
        assert host.command("start debian") == ["debian: starting"]
        boot(host, 2)
        host.send("reboot -f\r")
        host.expect("reboot: Restarting system", BOOT_SECONDS)
        host.detach()
        # The words come before the deed.
        host.expect_starts("debian", 3)
        assert "debian: reset by the guest" in [line.text for line in host.log()]
        host.send("poweroff now\r")
        assert host.machine.wait(20).kind == "shutdown"
    return True


@pytest.fixture(scope="module")
def results(request):
    return in_parallel(run_machine, selected(request, "machine"))


@pytest.mark.long
@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m[0]}-{m[1]}cpu")
def test_debian(results, machine):
    assert results(machine)


@pytest.mark.long
def test_stolen_time():
    """Beside a partition that spins on the same CPU, Linux knows which part of the time it has not had."""
    with Host([debian(), tiny("spin", "count", autostart=False)], cpus=1) as host:
        boot(host, 1)
        assert stolen(host) < 10
        host.detach()
        host.good("start spin")
        host.until_state("spin", "running")
        host.attach("debian")
        host.send("echo again-$((1 + 1))\r")
        host.expect("again-2\r\n")
        host.expect(SHELL)
        shell(host, "dd if=/dev/zero bs=1M count=8 2>&- | sha256sum")
        # In hundredths of a second; it had about half of the time that this took.
        assert stolen(host) > 20


def stolen(host):
    """The eighth number of the first line of /proc/stat."""
    return int(shell(host, "cut -d' ' -f10 /proc/stat | head -n1").split()[0])
