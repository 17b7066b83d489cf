# SPDX-License-Identifier: MIT
"""The CPU that a partition sees: levels and hypervisors, on several kinds of CPU; and Debian with each."""
import re

import pytest

from host import DEBIAN_FILES, Host, Partition, in_parallel, payload, selected
from debian_shell import SHELL
from test_debian import BOOT_SECONDS, shell

LEVELS = ["x86-64-v1", "x86-64-v2", "x86-64-v3"]
MODELS = ["haswell", "arrandale", "tigerlake"]
HAVE_V3 = {"haswell", "tigerlake"}

# Of leaf 1 (ECX, EDX), leaf 7 (EBX, ECX, EDX), leaf 80000001h (ECX, EDX), as in the psABI's list; with
# Bulkhead's x2APIC, TSC-deadline timer, APIC and TSC_ADJUST.
OWN = [1 << 21 | 1 << 24, 1 << 9, 1 << 1, 0, 0, 0, 0]
BASE = [0, 0x078bf9ff, 0, 0, 0, 0, 0x20100800]
ADDED = {"x86-64-v1": [0] * 7,
         "x86-64-v2": [0x00982201, 0, 0, 0, 0, 1, 0],
         "x86-64-v3": [0x34d83201, 0, 0x128, 0, 0, 0x21, 0]}
HYPERVISOR = 1 << 31
MISSING_FPU = 1 << 6 | 1 << 13     # tell what a CPU lacks


def features(level, kvm):
    words = [own | base | added for own, base, added in zip(OWN, BASE, ADDED[level])]
    return [words[0] | (HYPERVISOR if kvm else 0)] + words[1:]


def partitions():
    for level in ["host"] + LEVELS:
        for leaves in ["kvm", "none"]:
            name = f"{level.replace('x86-64-', '')}-{leaves}"
            yield payload(name, "hidden", lines=[f"cpu = {level}", f"hypervisor_leaves = {leaves}"])


def check(host, name):
    """All checks of the payload; the words that it saw of CPUID."""
    text = host.run(name, r"hidden: (PASS, \d+ checks|FAIL[^\r]*)\r\n")
    failed = [line for line in text.split("\r\n") if line.startswith(("FAIL", "exception"))]
    assert not failed and "hidden: PASS" in text, f"{name}: {failed}"
    assert f"hypervisor {name.split('-')[1]}\r\n" in text
    words = re.search(r"features ([0-9a-f ]+)\r\n", text)[1].split()
    host.until(name, "stopped")
    return [int(word, 16) for word in words]


def run_model(model):
    with Host(list(partitions()), model=model, cpus=2) as host:
        there = host.list()
        for name in ("host-kvm", "host-none"):
            assert check(host, name)[0] & HYPERVISOR == (HYPERVISOR if "kvm" in name else 0)
        for level in LEVELS:
            for leaves in ["kvm", "none"]:
                name = f"{level.replace('x86-64-', '')}-{leaves}"
                if level == "x86-64-v3" and model not in HAVE_V3:
                    assert name not in there
                    wanted = (f"{name}: cannot be made: cpu = x86-64-v3: not all of this machine's "
                              "CPUs have XSAVE, AVX, AVX2, BMI1, BMI2, F16C, FMA, LZCNT, MOVBE")
                    assert wanted in [line.text for line in host.log()]
                    continue
                found = check(host, name)
                found[2] &= ~MISSING_FPU
                assert found == features(level, leaves == "kvm"), f"{name}: {found}"
                row = host.good(f"info {name}")["config"]
                assert row["cpu"] == level
    return True


@pytest.fixture(scope="module")
def results(request):
    return in_parallel(run_model, selected(request, "model"))


@pytest.mark.long
@pytest.mark.parametrize("model", MODELS)
def test_hidden(results, model):
    assert results(model)


def debian(level, leaves, vcpus=1):
    lines = ["memory = 256M", "boot = linux", "kernel = \\bulkhead\\debian\\vmlinuz",
             "initrd = \\bulkhead\\debian\\initrd.gz", f"cpu = {level}",
             f"hypervisor_leaves = {leaves}", f"vcpus = {vcpus}",
             "cmdline = console=ttyS0 nokaslr cryptomgr.notests quiet"]
    return Partition("debian", lines, DEBIAN_FILES, True)


def until_shell(host):
    host.attach("debian")
    host.expect("Debian guest is up: Linux ", BOOT_SECONDS)
    host.expect(SHELL, BOOT_SECONDS)


EMULATED_MONTH = "2023-11"   # as tools/machine.py sets the clock


def clocks(host, file):
    """What a file about clocks says. What is typed must fit one line of the terminal."""
    shell(host, "C=/sys/devices/system/clocksource/clocksource0")
    return shell(host, f"cat $C/{file}_clocksource").split()


def flags(host):
    """Of the first CPU."""
    return set(shell(host, "grep -m1 ^flags /proc/cpuinfo").split())


@pytest.mark.long
@pytest.mark.parametrize("model", ["haswell", "arrandale"])
def test_debian_speaks_kvm(model):
    """Linux takes what it is offered, and its time goes on rightly over a pause."""
    with Host([debian("host", "kvm")], model=model) as host:
        until_shell(host)
        log = shell(host, "dmesg | grep -i -e kvm -e clocksource -e tsc:")
        assert "Hypervisor detected: KVM" in log
        assert "kvm-clock: Using msrs 4b564d01 and 4b564d00" in log
        assert "Switched to clocksource kvm-clock" in log
        assert "kvm-clock" in clocks(host, "available")
        shell(host, "echo kvm-clock > $C/current_clocksource")
        assert clocks(host, "current") == ["kvm-clock"]
        assert shell(host, "date +%Y-%m").split() == [EMULATED_MONTH]
        before = float(shell(host, "cut -d' ' -f1 /proc/uptime"))
        host.detach()
        host.good("pause debian")
        host.sleep(20)
        host.good("resume debian")
        host.attach("debian")
        host.send("echo again $((6 * 7))\r")  # behind what attaching shows again
        host.expect(r"again 42\r\n")
        host.expect(SHELL)
        after = float(shell(host, "cut -d' ' -f1 /proc/uptime"))
        assert 0 < after - before < 15
        assert "clocksource:" not in shell(host, "dmesg | grep -i unstable")
        assert {"hypervisor", "x2apic", "tsc_known_freq"} <= flags(host)


@pytest.mark.long
def test_debian_on_a_plain_pc():
    """A PC whose CPU has never heard of hypervisors, and that of twenty years ago."""
    with Host([debian("x86-64-v1", "none")], model="haswell") as host:
        until_shell(host)
        log = shell(host, "dmesg | grep -i -e kvm -e hypervisor -e unchecked; echo end")
        assert log.split() == ["end"], log
        assert "kvm-clock" not in clocks(host, "available")
        assert clocks(host, "current") == ["tsc"]
        assert "PIT" not in shell(host, "dmesg | grep 'tsc: '")
        seen = flags(host)
        assert {"sse2", "nx", "syscall", "lm"} <= seen
        assert not seen & {"hypervisor", "ssse3", "sse4_2", "popcnt", "cx16", "avx", "xsave", "rdtscp",
                           "smep", "pcid", "rdrand", "aes", "pdpe1gb", "arch_perfmon"}


@pytest.mark.long
def test_debian_on_two_vcpus_of_one_cpu():
    """Locks whose holder does not run, IPIs and TLB flushes to who does not."""
    with Host([debian("host", "kvm", 2)], model="haswell", cpus=1) as host:
        until_shell(host)
        log = shell(host, "dmesg | grep -i -e kvm -e 'PV spin'")
        for words in ("setup pv remote TLB flush", "PV spinlocks enabled", "setup PV IPIs"):
            assert words in log
        assert shell(host, "nproc").split() == ["2"]
        shell(host, "f() { dd if=/dev/zero bs=1M count=2 2>&-|md5sum; }")
        sums = shell(host, "(f & f & f & f; wait)").split()
        assert sums == ["b2d1236c286a3c0704224fe4105eca49", "-"] * 4
        log = shell(host, "dmesg | grep -e stall -e lockup -e unchecked; echo end")
        assert log.split() == ["end"], log
