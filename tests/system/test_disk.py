# SPDX-License-Identifier: MIT
"""Disks of partitions under unmodified Linux: an ext4 file system, what it survives, and what is refused."""
import os
import re

import pytest

from disks import blob, check, data_and_tools, guest, md5, run_files, written
from debian_shell import boot, shell
from host import CACHE, Host, in_parallel, selected


def run_reset():
    """Reset amid writing, three times: the journal mends it."""
    with Host([guest(data_and_tools())]) as host:
        for starts in range(1, 4):
            boot(host, starts)
            answer = shell(host, "mkdir /mnt; mount -t ext4 /dev/vda /mnt; dmesg | tail -n 3")
            assert ("recovery complete" in answer) == (starts > 1), answer
            assert md5(blob()) in shell(host, "md5sum /mnt/blob")
            if starts > 1:
                shell(host, "umount /mnt")
                check(host)
                shell(host, "mount -t ext4 /dev/vda /mnt")
            shell(host, "cd /mnt; (n=0; while :; do n=$((n + 1)); mkdir -p d$((n % 9)); cp blob d$((n % 9))/new; "
                  "mv d$((n % 9))/new d$((n % 9))/blob; [ $((n % 3)) = 0 ] && sync; [ $((n % 4)) = 0 ] && "
                  "rm -r d$((n % 7)); echo round $n; done) 2>/dev/null & cd /")
            host.expect("round 5", 60)
            host.detach()
            host.command("reset debian")
            host.expect_starts("debian", starts + 1)
    return True


def run_full():
    """A guest that writes more than there is memory for: it is told of errors, the operator once."""
    path = os.path.join(CACHE, "empty.img")
    os.makedirs(CACHE, exist_ok=True)
    with open(path, "wb") as output:
        output.truncate(64 << 20)
    with Host([guest([(path, "")], memory="368M")]) as host:
        boot(host)
        answer = shell(host, "dd if=/dev/zero of=/dev/vda bs=256k; sync; dmesg | grep -c 'I/O error'", 300)
        assert re.search(r"^[1-9]\d*\r?$", answer, re.M), answer
        # What was written until then is there, and space that is given back can be used again.
        shell(host, "dd if=/dev/zero of=/block bs=4k count=1; blkdiscard -o 0 -l 1048576 /dev/vda")
        assert "1+0 records out" in shell(host, "dd if=/block of=/dev/vda bs=4k oflag=direct")
        host.detach()
        told = [line for line in host.log() if "no memory is left for what it writes to its disk" in line.text]
        assert len(told) == 1 and told[0].level == "error"
        assert 0 < written(host) < 64 << 20
        host.command("stop debian now")
        host.command("destroy debian")
        assert host.list() == {}
    return True


def run_console():
    """console=hvc0: a shell on the virtio console, at which the operator types."""
    with Host([guest([], lines=["virtio_console = yes"], kernel="console=hvc0")]) as host:
        boot(host)
        assert "/dev/hvc0" in shell(host, "tty")
        text = "".join(chr(97 + i % 26) for i in range(200))
        for _ in range(4):
            assert text in shell(host, f"echo {text}").replace("\r", "")
        answer = shell(host, "seq 1 2000")
        assert [int(n) for n in re.findall(r"^(\d+)\r", answer, re.M)] == list(range(1, 2001))
        host.detach()
    return True


RUNS = {
    "files": lambda: run_files(24, 3, False),
    "reset": run_reset,
    "full": run_full,
    "console": run_console,
}


def run(name):
    return RUNS[name]()


@pytest.fixture(scope="module")
def results(request):
    return in_parallel(run, selected(request, "name"))


@pytest.mark.parametrize("name", [
    "files", "reset", "console", pytest.param("full", marks=pytest.mark.long)])
def test_disk(results, name):
    assert results(name)
