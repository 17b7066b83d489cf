# SPDX-License-Identifier: MIT
"""Linux with several CPUs under storm.c, for the tests that take it up: a short one and long ones."""
import os
import re

from debian_shell import SHELL, shell
from host import BUILD, Host, debian

BOOT_SECONDS = 300
INITRD = os.path.join(BUILD, "guests/storm.initrd.gz")
# Linux is to complain of who does not get on for 10 s and less, where it has 20 s and more by itself: what it is
# told after it has booted, which may take that long on a slow machine.
STRICT = {"/proc/sys/kernel/watchdog_thresh": 5, "/proc/sys/kernel/hung_task_timeout_secs": 10,
          "/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout": 8}
COMPLAINTS = ("soft lockup", "detected stall", "self-detected", "blocked for more", "BUG:", "WARNING: CPU",
              "unstable", "warped", "timekeeping watchdog", "unchecked MSR", "No irq handler")
X2APIC = "Switched APIC routing to physical x2apic"


def guest(vcpus, leaves, kernel=""):
    partition = debian(lines=[f"vcpus = {vcpus}", f"hypervisor_leaves = {leaves}"], kernel=kernel)
    partition.files = {**partition.files, "\\bulkhead\\debian\\initrd.gz": INITRD}
    return partition


def check_kernel(host, vcpus, x2apic):
    assert shell(host, "nproc").split() == [str(vcpus)]
    assert (X2APIC in shell(host, "dmesg | grep -i x2apic")) == x2apic
    for name, seconds in STRICT.items():
        assert shell(host, f"echo {seconds} >{name}; cat {name}").split()[-1] == str(seconds)
    shell(host, "dmesg -c >/dev/null")


def check_complaints(host):
    log = shell(host, "dmesg").split("\r\n")
    found = [number for number, line in enumerate(log) if any(words in line for words in COMPLAINTS)]
    assert not found, "\n".join([f"{len(found)} complaints, the first one:", *log[found[0]:found[0] + 60]])


def check_interrupts(host, vcpus):
    """Each CPU had its timer's, and those of each kind that others send it."""
    text = shell(host, "cat /proc/interrupts")
    for kind in ("LOC", "RES", "CAL"):
        counts = [int(n) for n in re.search(rf"{kind}:((?: +\d+)+)", text)[1].split()]
        assert len(counts) == vcpus and min(counts) > 0, text


def check_places(host, cpus):
    """Before long they are on all CPUs."""
    limit = host.now_us() + 1_000_000
    while {row["cpu"] for row in host.good("info debian")["vcpus"]} != set(range(cpus)):
        assert host.now_us() < limit


def run_storm(model, cpus, vcpus, seconds, x2apic, *, leaves="kvm", kernel="", beside=(), meddle=None,
              ips=20_000_000, wall_seconds=1500):
    """Emulated seconds of it, `beside` others, while `meddle` has the console. What it says: how much of each
    work each CPU did."""
    with Host([guest(vcpus, leaves, kernel), *beside], model=model, cpus=cpus, ips=ips) as host:
        host.guest("debian", "Debian guest is up: Linux ", BOOT_SECONDS)
        host.attach("debian")
        host.expect(SHELL, BOOT_SECONDS)
        check_kernel(host, vcpus, x2apic)
        host.send(f"storm {seconds}\r")
        host.detach()
        check_places(host, cpus)
        if meddle:
            meddle(host)
        host.attach("debian")
        result = host.expect(r"storm: (PASS on \d+ CPUs|FAIL[^\r]*)\r\n", wall_seconds)[1]
        told = host.serial.before
        host.expect(SHELL)
        assert result == f"PASS on {vcpus} CPUs", result
        check_complaints(host)
        check_interrupts(host, vcpus)
        host.detach()
        assert len([name for name in host.times() if name.startswith("debian/")]) == vcpus
        assert not [line for line in host.log() if line.level == "error"]
    return "\n".join(re.findall(r"^storm: [^\r]*", told, re.M))
