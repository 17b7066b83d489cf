# SPDX-License-Identifier: MIT
"""Linux that writes 64 MB to its disk, and is reset meanwhile: nothing that was there is lost, and the file
system is mended."""
import re

import pytest

from disks import BLOB_BYTES, E2FSCK, blob, check, data_and_tools, guest, md5, run_files, written
from debian_shell import boot, shell
from host import Host, in_parallel, selected

COPIES = 22     # of the blob make 64 MB


def until_written(host, size, seconds=600):
    """Until so much of what the guest wrote to its disk is kept."""
    limit = host.now_us() + 1_000_000 * seconds
    while written(host) < size:
        assert host.now_us() < limit, f"{written(host)} bytes are written, not {size}"


def run_reset():
    """Two vCPUs; reset amid copying 64 MB, twice: e2fsck mends it, and then the kernel. What was synced before
    is there."""
    with Host([guest(data_and_tools(192), lines=["vcpus = 2"])], memory_mib=1024) as host:
        boot(host)
        shell(host, "mkdir /mnt; mount -t ext4 /dev/vda /mnt")
        shell(host, f"for i in $(seq {COPIES}); do cat /mnt/blob; done >/mnt/big; sync; umount /mnt", 600)
        check(host)
        for starts, mend in ((2, "e2fsck"), (3, "kernel")):
            shell(host, "mount -t ext4 /dev/vda /mnt; cp /mnt/big /mnt/next &")
            host.detach()
            until_written(host, (BLOB_BYTES * COPIES * 3) // 2)
            host.command("reset debian")
            host.expect_starts("debian", starts)
            boot(host, starts)
            shell(host, "mkdir -p /mnt /tools; mount -o ro /dev/vdb /tools")
            if mend == "e2fsck":
                answer = shell(host, f"{E2FSCK} -fp /dev/vda; echo result $?", 600)
                assert "recovering journal" in answer and re.search(r"result [01]\r", answer), answer
            else:
                answer = shell(host, "mount -t ext4 /dev/vda /mnt; dmesg | tail -n 3; umount /mnt")
                assert "recovery complete" in answer, answer
            check(host)
            answer = shell(host, "mount -t ext4 /dev/vda /mnt; md5sum /mnt/big; rm -f /mnt/next; "
                           "sync; fstrim /mnt; umount /mnt", 600)
            assert md5(blob() * COPIES) in answer, answer
    return True


RUNS = {
    "files": lambda: run_files(128, COPIES, True),
    "reset": run_reset,
}


def run(name):
    return RUNS[name]()


@pytest.fixture(scope="module")
def results(request):
    return in_parallel(run, selected(request, "name"))


@pytest.mark.parametrize("name", RUNS)
def test_disk_large(results, name):
    assert results(name)
