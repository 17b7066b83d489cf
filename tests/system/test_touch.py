# SPDX-License-Identifier: MIT
"""Promise: a partition whose RAM is cleared when it is touched begins at once, and never sees what was there before."""
import pytest

from debian_shell import boot, shell
from host import Host, debian, in_parallel, payload, selected

ON_TOUCH = "clear_memory = on-touch"
MACHINES = [("haswell", 1), ("haswell", 2), ("sandybridge", 4), ("cannonlake", 2)]
PIECE = 2 << 20
PIECES_MIB = 96
BOOT_SECONDS = 200


def cleared(host, name):
    return host.good(f"info {name}")["partition"]["cleared_bytes"]


def check_pieces(host, name, starts):
    """It looks for zeros in each of its pieces, and leaves none."""
    assert host.command(f"start {name}") == [f"{name}: starting"]
    assert host.until(name, "stopped", 300).starts == starts
    text = host.printed(name)
    failed = [line for line in text.splitlines() if line.startswith("FAIL")]
    assert not failed and text.count("pieces: PASS") == starts, failed
    assert cleared(host, name) == PIECES_MIB << 20


def run_pieces(machine):
    """The same partition twice; then another in the same memory, for which there is no other."""
    model, cpus = machine
    partition = payload("pieces", memory=f"{PIECES_MIB}M", lines=[ON_TOUCH, "vcpus = 4"])
    with Host([partition], model=model, cpus=cpus, memory_mib=160) as host:
        for starts in (1, 2):
            check_pieces(host, "pieces", starts)
        assert "error" in host.query("create other like pieces")
        host.good("create small like pieces memory=2M")
        host.good("destroy small")
        before = host.good("memory")["memory"]["free_bytes"]
        host.good("destroy pieces")
        assert host.good("memory")["memory"]["free_bytes"] >= before + (PIECES_MIB << 20)
    return True


def run_neighbours(machine):
    """What another guest left, which cleared everything before it began."""
    model, cpus = machine
    partitions = [payload("memory", memory=f"{PIECES_MIB}M"),
                  payload("pieces", memory="2M", lines=[ON_TOUCH, "vcpus = 4"])]
    with Host(partitions, model=model, cpus=cpus, memory_mib=160) as host:
        host.good("start memory")
        host.until("memory", "stopped", 300)
        assert "memory: PASS" in host.printed("memory")
        host.good("destroy memory")
        host.good(f"create next like pieces memory={PIECES_MIB}M")
        check_pieces(host, "next", 1)
    return True


@pytest.fixture(scope="module")
def pieces(request):
    return in_parallel(run_pieces, selected(request, "machine"))


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m[0]}-{m[1]}cpu")
def test_pieces(pieces, machine):
    assert pieces(machine)


def test_memory_of_another():
    assert run_neighbours(("haswell", 2))


def test_reset():
    """In the midst of its work the operator resets it, again and again."""
    partition = payload("touch", memory="64M", lines=[ON_TOUCH])
    with Host([partition], memory_mib=160) as host:
        host.good("start touch")
        for starts in range(1, 5):
            host.attach("touch")
            host.expect(rf"(?s)(touch: begins.*){{{starts}}}touch: [1-9]\d* passes, 0 words wrong")
            host.detach()
            host.good("reset touch")


def test_operator_looks():
    """What nobody has touched is zeros, and is there from then on."""
    partition = payload("idle", memory="64M", lines=[ON_TOUCH])
    with Host([partition]) as host:
        host.good("start idle")
        host.until_state("idle", "running")
        host.good("pause idle")
        before = cleared(host, "idle")
        assert before <= 2 * PIECE
        rows = host.good(f"x idle {16 * PIECE:#x}")["memory"]
        assert rows and cleared(host, "idle") == before + PIECE
        host.good(f"x idle {16 * PIECE + 0x1000:#x}")
        assert cleared(host, "idle") == before + PIECE
        assert "error" not in host.query("who")


def run_debian(start):
    """With devices that work in its memory. It begins anew because the operator wants that, or by itself."""
    model, how = start
    with Host([debian(lines=[ON_TOUCH, "vcpus = 2", "rng = yes", "balloon = yes"])], model=model, cpus=2) as host:
        for starts in (1, 2):
            boot(host, starts, BOOT_SECONDS)
            sums = "for i in 1 2; do dd if=/dev/zero bs=64k count=8 2>&- | md5sum & done; wait"
            text = shell(host, sums)
            assert text.count("59071590099d21dd439896592338bf95") == 2, text
            if starts == 1 and how == "reboot":
                host.send("reboot -f\r")
            host.detach()
            assert cleared(host, "debian") < 256 << 20
            if starts == 1 and how == "reset":
                host.good("reset debian")
                host.expect_starts("debian", 2)
        host.times()
    return True


@pytest.fixture(scope="module")
def debians(request):
    return in_parallel(run_debian, selected(request, "start"))


@pytest.mark.long
@pytest.mark.parametrize("start", [("haswell", "reset"), ("sandybridge", "reboot")], ids=lambda s: s[1])
def test_debian(debians, start):
    assert debians(start)
