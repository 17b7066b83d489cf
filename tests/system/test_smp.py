# SPDX-License-Identifier: MIT
"""Partitions with several vCPUs: a payload that tries all ways to start and interrupt them, and Debian."""
import pytest

from debian_shell import SHELL, boot, shell
from host import Host, debian, in_parallel, payload, selected
from storm import run_storm

SMP = [("haswell", 1), ("haswell", 2), ("haswell", 4), ("sandybridge", 2), ("cannonlake", 2), ("skylake", 2)]
DEBIAN = ["haswell", "cannonlake"]
BOOT_SECONDS = 200
FOUR = ("vcpus = 4",)


def run_smp(machine):
    """More vCPUs than CPUs, and as many; while the guest runs it is paused now and then."""
    model, cpus = machine
    with Host([payload("smp", lines=FOUR)], model=model, cpus=cpus) as host:
        text = host.run("smp", r"smp: (PASS, \d+ checks|FAIL[^\r]*)\r\n", 120)
        failed = [line for line in text.split("\r\n") if line.startswith("FAIL")]
        assert not failed and "smp: PASS" in text, failed
        assert host.until("smp", "stopped").reason == "powered off by the guest"
        assert {row["cpu"] for row in host.good("info smp")["vcpus"]} == set(range(min(cpus, 4)))
        assert len(host.times()) == 4
    return True


@pytest.fixture(scope="module")
def smp(request):
    return in_parallel(run_smp, selected(request, "machine"))


@pytest.mark.parametrize("machine", SMP, ids=lambda m: f"{m[0]}-{m[1]}cpu")
def test_payload(smp, machine):
    assert smp(machine)


def work(host):
    """Something for all four at the same time, with pipes between them."""
    sums = "for i in 1 2 3 4; do dd if=/dev/zero bs=64k count=8 2>&- | md5sum & done; wait"
    text = shell(host, sums)
    assert text.count("59071590099d21dd439896592338bf95") == 4, text


def guest_seconds(host):
    return float(shell(host, "cat /proc/uptime").split()[0])


def run_debian(model):
    with Host([debian(lines=FOUR)], model=model, cpus=2) as host:
        boot(host, 1, BOOT_SECONDS)
        assert shell(host, "nproc").strip() == "4"
        work(host)
        # All four stand still, and so does their time.
        before = guest_seconds(host)
        host.detach()
        host.good("pause debian")
        paused = host.good("info debian")["vcpus"]
        host.sleep(20)
        assert [row["exits"] for row in host.good("info debian")["vcpus"]] == \
            [row["exits"] for row in paused]
        for vcpu in range(4):
            assert host.good(f"regs debian/{vcpu}")
        host.good("resume debian")
        host.attach("debian")
        host.send("\r")
        host.expect(SHELL)
        assert guest_seconds(host) - before < 15
        work(host)
        host.detach()
        host.good("reset debian")
        boot(host, 2, BOOT_SECONDS)
        assert shell(host, "nproc").strip() == "4"
        work(host)
        host.send("reboot -f\r")
        host.expect("reboot: Restarting system", BOOT_SECONDS)
        host.detach()
        host.expect_starts("debian", 3)
        boot(host, 3, BOOT_SECONDS)
        host.detach()
        host.good("stop debian")
        assert host.states()["debian"]["state"] == "stopped"
        host.times()
        host.good("destroy debian")
    return True


@pytest.fixture(scope="module")
def debians(request):
    return in_parallel(run_debian, selected(request, "model"))


@pytest.mark.long
@pytest.mark.parametrize("model", DEBIAN)
def test_debian(debians, model):
    assert debians(model)


@pytest.mark.long
def test_storm():
    """Forks, wake-ups, TLB shootdowns and moves on four vCPUs of two CPUs: everybody gets on, all the time."""
    told = run_storm("haswell", 2, 4, 3, True)
    assert told.count("storm: cpu ") == 4, told
