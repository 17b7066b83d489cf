# SPDX-License-Identifier: MIT
"""Disks of partitions under unmodified Linux: an ext4 file system, what it survives, and what is refused."""
import functools
import hashlib
import os
import random
import re
import shutil
import subprocess
import tempfile
import threading

import pytest

from host import BUILD, CACHE, Host, debian, in_parallel, selected

BOOT_SECONDS = 150
SHELL = "debian:/# "
BLOB_BYTES = 3_000_001
MAKING = threading.Lock()
E2FSCK = "/tools/ld.so --library-path /tools /tools/e2fsck"


@functools.cache
def blob():
    return random.Random(1).randbytes(BLOB_BYTES)


def md5(data):
    return hashlib.md5(data).hexdigest()


def image(name, megabytes, fill):
    """An ext4 image of a folder that `fill` fills; made without root, and once."""
    path = os.path.join(CACHE, f"{name}.ext4")
    with MAKING, tempfile.TemporaryDirectory() as folder:
        if not os.path.exists(path):
            os.makedirs(CACHE, exist_ok=True)
            fill(folder)
            new = f"{path}.{os.getpid()}.new"
            subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-d", folder, new, f"{megabytes}M"],
                           check=True, env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})
            os.rename(new, path)
    return path


def fill_data(folder):
    with open(os.path.join(folder, "blob"), "wb") as output:
        output.write(blob())


def fill_tools(folder):
    """e2fsck and what it is linked with."""
    program = shutil.which("e2fsck", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    shutil.copy(program, folder)
    listing = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    for library in re.findall(r"(/\S+)", listing):
        name = "ld.so" if "ld-linux" in library else os.path.basename(library)
        shutil.copy(library, os.path.join(folder, name))


def guest(disks, lines=(), **keywords):
    """Debian with disks: pairs of a file and what follows it in the configuration."""
    paths = [f"\\disks\\{os.path.basename(path)}" for path, _ in disks]
    keys = [f"disk{i + 1 if i else ''} = {path}{more}" for i, (path, (_, more)) in enumerate(zip(paths, disks))]
    partition = debian(lines=[*keys, *lines], **keywords)
    partition.files = {**partition.files, **{path: file for path, (file, _) in zip(paths, disks)}}
    return partition


def shell(host, command, seconds=60):
    host.send(command + "\r")
    host.expect(r"\r\n")
    host.expect(SHELL, seconds)
    return host.serial.before


def boot(host, starts=1):
    host.attach("debian")
    for _ in range(starts):
        host.expect("Debian guest is up: Linux ", BOOT_SECONDS)
    host.expect(SHELL, BOOT_SECONDS)


def rejoin(host):
    """Attach again: what was printed before comes first, old prompts too."""
    host.attach("debian")
    host.send("echo here''again\r")
    host.expect("hereagain\r\n")
    host.expect(SHELL)


def written(host):
    return host.query("info debian")["disks"][0]["written_bytes"]


def until_written(host, size, seconds=600):
    """Until so much of what the guest wrote to its disk is kept."""
    limit = host.now_us() + 1_000_000 * seconds
    while written(host) < size:
        assert host.now_us() < limit, f"{written(host)} bytes are written, not {size}"


def check(host):
    """What e2fsck thinks of the file system, which is not mounted."""
    shell(host, "mkdir -p /tools; mountpoint -q /tools || mount -o ro /dev/vdb /tools")
    answer = shell(host, f"{E2FSCK} -fn /dev/vda; echo result $?")
    assert "result 0" in answer, answer


def data_and_tools(megabytes=24):
    return [(image(f"data{megabytes}", megabytes, fill_data), ""), (image("tools", 8, fill_tools), ", readonly")]


def run_files(megabytes, copies, stop):
    """Files are there, come and go, and stay when the partition is reset, and with `stop` also then."""
    with Host([guest(data_and_tools(megabytes))]) as host:
        boot(host)
        assert shell(host, "cat /sys/block/vda/serial").startswith(f"data{megabytes}.ext4")
        shell(host, "mkdir /mnt; mount -t ext4 -o discard /dev/vda /mnt")
        assert md5(blob()) in shell(host, "md5sum /mnt/blob")
        answer = shell(host, f"for i in $(seq {copies}); do cp /mnt/blob /mnt/copy$i; done; sync; "
                       "umount /mnt; mount -t ext4 /dev/vda /mnt && echo again", 300)
        assert "again" in answer, answer
        answer = shell(host, "md5sum /mnt/copy*", 300)
        assert answer.count(md5(blob())) == copies, answer
        host.detach()
        assert written(host) >= copies * BLOB_BYTES
        rejoin(host)
        shell(host, "umount /mnt")
        check(host)
        # What may not be written is not, and says so.
        assert "Operation not permitted" in shell(host, "dd if=/dev/zero of=/dev/vdb bs=4k count=1")
        assert "1" in shell(host, "cat /sys/block/vdb/ro")
        host.detach()
        assert host.query("info debian")["disks"][1]["written_bytes"] == 0
        host.command("reset debian")
        host.expect_starts("debian", 2)
        boot(host, 2)
        shell(host, "mkdir /mnt; mount -t ext4 -o discard /dev/vda /mnt")
        assert md5(blob()) in shell(host, f"md5sum /mnt/copy{copies}")
        shell(host, "rm /mnt/copy*; sync; fstrim /mnt; sync", 120)
        host.detach()
        assert written(host) < BLOB_BYTES
        if not stop:
            return True
        host.command("stop debian now")
        host.command("start debian")
        boot(host, 3)
        answer = shell(host, "mkdir /mnt; mount -t ext4 /dev/vda /mnt; ls /mnt; md5sum /mnt/blob")
        assert "copy" not in answer and md5(blob()) in answer
        host.detach()
    return True


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


def run_large_reset():
    """Two vCPUs; reset amid copying 64 MB, twice: e2fsck mends it, and then the kernel. What was synced before
    is there."""
    copies = 22
    with Host([guest(data_and_tools(192), lines=["vcpus = 2"])], cpus=2, memory_mib=1024) as host:
        boot(host)
        shell(host, "mkdir /mnt; mount -t ext4 /dev/vda /mnt")
        shell(host, f"for i in $(seq {copies}); do cat /mnt/blob; done >/mnt/big; sync; umount /mnt", 300)
        check(host)
        for starts, mend in ((2, "e2fsck"), (3, "kernel")):
            shell(host, "mount -t ext4 /dev/vda /mnt; cp /mnt/big /mnt/next &")
            host.detach()
            until_written(host, (BLOB_BYTES * copies * 3) // 2)
            host.command("reset debian")
            host.expect_starts("debian", starts)
            boot(host, starts)
            shell(host, "mkdir -p /mnt /tools; mount -o ro /dev/vdb /tools")
            if mend == "e2fsck":
                answer = shell(host, f"{E2FSCK} -fp /dev/vda; echo result $?", 300)
                assert "recovering journal" in answer and re.search(r"result [01]\r", answer), answer
            else:
                answer = shell(host, "mount -t ext4 /dev/vda /mnt; dmesg | tail -n 3; umount /mnt")
                assert "recovery complete" in answer, answer
            check(host)
            answer = shell(host, "mount -t ext4 /dev/vda /mnt; md5sum /mnt/big; rm -f /mnt/next; "
                           "sync; fstrim /mnt; umount /mnt", 300)
            assert md5(blob() * copies) in answer, answer
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
    "large": lambda: run_files(128, 22, True),  # 64 MB
    "large-reset": run_large_reset,
}


def run(name):
    return RUNS[name]()


@pytest.fixture(scope="module")
def results(request):
    return in_parallel(run, selected(request, "name"))


@pytest.mark.parametrize("name", [
    "files", "reset", "console", pytest.param("full", marks=pytest.mark.long),
    pytest.param("large", marks=pytest.mark.long), pytest.param("large-reset", marks=pytest.mark.long)])
def test_disk(results, name):
    assert results(name)
