# SPDX-License-Identifier: MIT
"""Linux with disks, for the tests of them: images with ext4, a shell, what e2fsck thinks."""
import functools
import hashlib
import os
import random
import re
import shutil
import subprocess
import tempfile
import threading

from debian_shell import SHELL, boot, shell
from host import CACHE, Host, debian

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


def rejoin(host):
    """Attach again: what was printed before comes first, old prompts too."""
    host.attach("debian")
    host.send("echo here''again\r")
    host.expect("hereagain\r\n")
    host.expect(SHELL)


def written(host):
    return host.query("info debian")["disks"][0]["written_bytes"]


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
