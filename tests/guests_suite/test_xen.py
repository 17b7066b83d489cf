# SPDX-License-Identifier: MIT
"""Xen, by multiboot 2: alone, and with Debian's kernel as its first domain."""
import pytest

from guest import guest
from host import BUILD, Host

CONSOLE = "cmdline = console=com1 com1=115200"


@pytest.mark.parametrize("more", ["", "no-real-mode"])
def test_xen(more):
    """To the end of what it does without a domain. It calls a BIOS on the way, unless it is told not to."""
    xen = guest("xen", "multiboot", "xen", f"{CONSOLE} {more}", "on_reset = stop", memory="128M")
    with Host([xen]) as host:
        text = host.run("xen", "dom0 kernel not specified", 120)
        assert "(XEN) Xen version 4.17" in text and "(XEN) Bootloader: Bulkhead" in text, text


def test_xen_domain():
    """Modules: Debian's generic kernel (the cloud kernel is for other domains only) and its initial RAM disk, to the
    shell on Xen's console, and off."""
    kernel = "\\guests\\generic.vmlinuz console=hvc0 quiet nokaslr cryptomgr.notests"
    xen = guest("xen", "multiboot", "xen", f"{CONSOLE} dom0_mem=192M",
                f"modules = {kernel}; \\guests\\debian.initrd.gz", memory="384M")
    for file in ("generic.vmlinuz", "debian.initrd.gz"):
        xen.files[f"\\guests\\{file}"] = f"{BUILD}/guests/{file}"
    with Host([xen], memory_mib=1024) as host:
        text = host.run("xen", "Debian guest is up: Linux 6.1.", 600)
        assert "(XEN)  Dom0 kernel: 64-bit" in text, text
        host.attach("xen")
        host.send("poweroff -f\r")
        host.detach()
        assert host.until_state("xen", "stopped", 60)["reason"] == "powered off by the guest"
