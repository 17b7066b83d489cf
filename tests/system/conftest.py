# SPDX-License-Identifier: MIT
"""What the system tests need before they run: everything built, and no bundles of old builds."""
import glob
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import host


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes more than a quarter of a minute")


@pytest.fixture(scope="session", autouse=True)
def built():
    needed = [
        "bench/ops.bin",
        "bhctl",
        "bhctl-peer",
        "bulkhead-check",
        "bulkhead.efi",
        "core.bin",
        "esp/bulkhead/gnumach",
        "guests/debian.initrd.gz",
        "guests/debian.vmlinuz",
        "guests/hello.bin",
        "guests/storm.initrd.gz",
        "stub.img",
        "uefi/lock.efi",
    ]
    missing = [name for name in needed if not os.path.exists(os.path.join(host.BUILD, name))]
    if missing:
        pytest.exit(f"not built: {', '.join(missing)}; use make system", 3)
    for path in glob.glob(os.path.join(host.CACHE, "*.bundle")):
        if os.path.getmtime(path) < os.path.getmtime(os.path.join(host.BUILD, "core.bin")):
            os.unlink(path)
