# SPDX-License-Identifier: MIT
"""PCI in a partition, and virtio devices on it: unmodified Linux finds them and works with them."""
import re

import pytest

from debian_shell import boot, shell
from host import Host, debian, in_parallel, selected


# How the device interrupts, by what else is on the kernel's command line: the chip in /proc/interrupts.
WAYS = {
    "msix": ("", "PCI-MSI"),
    "ioapic": ("pci=nomsi", "IO-APIC"),
    "pic": ("pci=nomsi noapic", "XT-PIC"),
    "no-acpi": ("acpi=off", "XT-PIC|PCI-MSI"),
    "port-io": ("pci=conf1", "PCI-MSI"),
}


def run_way(way):
    kernel, chip = WAYS[way]
    with Host([debian(lines=["rng = yes"], kernel=kernel)]) as host:
        boot(host)
        devices = shell(host, "cd /sys/bus/pci/devices; grep -H . */vendor */device; cd /")
        found = dict(re.findall(r"^0000:(\S+)/device:0x(\w+)", devices, re.M))
        assert found == {"00:00.0": "1237", "00:01.0": "7000", "00:01.3": "7113", "00:02.0": "1044"}
        assert "virtio_rng.0" in shell(host, "cat /sys/class/misc/hw_random/rng_current")
        first, second = (shell(host, "head -c 512 /dev/hwrng | sha256sum") for _ in range(2))
        assert re.match(r"\w{64}  -", first) and first != second
        assert re.search(rf"^ *\S+: +[1-9]\d* .*({chip}).*virtio0", shell(host, "cat /proc/interrupts"),
                         re.M)
        if way == "msix":
            assert "ECAM at [mem 0xe0000000-0xe00fffff]" in shell(host, "dmesg | grep -i ecam") or \
                "MMCONFIG" in shell(host, "dmesg | grep MMCONFIG")
        host.detach()
    return True


@pytest.fixture(scope="module")
def results(request):
    return in_parallel(run_way, selected(request, "way"))


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
def test_entropy_device(results, way):
    assert results(way)
