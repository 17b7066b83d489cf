# SPDX-License-Identifier: MIT
"""Channels: two partitions count in turns in memory that they share, and wake each other by doorbells."""
import re

from host import Host, debian, tiny

CHANNEL = "channel = ring, 64K"
COUNT = re.compile(r"^channel: peer (\d), (\d+) counts, (\d+) bells, (\d+) and (\d+) runs$", re.M)


def counts(host, name):
    """The last line that it printed: peer, counts, bells, and how often each has run."""
    found = COUNT.findall(host.printed(name))
    return [int(number) for number in found[-1]] if found else None


def until_counts(host, name, least):
    limit = host.now_us() + 30_000_000
    while not (last := counts(host, name)) or last[1] < least:
        assert host.now_us() < limit, host.printed(name)
    return last


def test_channel():
    partitions = [tiny("left", "channel", CHANNEL), tiny("right", "channel", CHANNEL),
                  tiny("alone", "idle"), tiny("other", "channel", "channel = elsewhere, 4K")]
    with Host(partitions, cpus=2) as host:
        for name, peer in (("left", 0), ("right", 1)):
            last = until_counts(host, name, 4000)
            assert last[0] == peer and last[2] > 1000 and last[3:] == [1, 1], last
            assert "channel: PASS" in host.printed(name)
            assert "64 KiB at 0xd0000000" in host.printed(name)
        assert counts(host, "other") is None, "it counts with nobody"
        rows = [(row["partition"], row["with"], row["allowed"]) for row in host.good("who")["channels"]
                if row["by"].startswith("channel ")]
        assert rows == [("left", "right", True), ("right", "left", True)], rows
        # One is reset: the memory stays, and so does the other, which goes on with it.
        host.good("reset left")
        host.expect_starts("left", 2)
        reached = until_counts(host, "right", counts(host, "right")[1] + 4000)
        assert reached[3:] == [2, 1], reached
        assert host.states()["right"]["starts"] == 1
        # One is destroyed: its place is free for another one, with the same memory.
        host.good("stop left now")
        host.until_state("left", "stopped")
        host.good("destroy left")
        reached = counts(host, "right")[1]
        host.good("create third like right")
        host.good("start third")
        last = until_counts(host, "third", reached + 3000)
        assert last[0] == 0 and last[3:] == [3, 1], last
        answer = host.query("create fourth like alone channel=ring,128K")
        assert "channel ring exists with another size than 128 KiB" in answer["error"], answer
        # The last ones: the memory goes, and who comes then finds it cleared.
        for name in ("third", "right"):
            host.good(f"stop {name} now")
            host.until_state(name, "stopped")
            host.good(f"destroy {name}")
        host.good("create new like other channel=ring,64K")
        host.good("create newer like new")
        host.good("start new")
        host.good("start newer")
        assert until_counts(host, "new", 2000)[3:] == [1, 1]
        host.times()


def test_linux():
    """A payload counts with a person at a shell of Linux, who reads and writes the function's BARs."""
    partitions = [tiny("left", "channel", CHANNEL), debian(lines=[CHANNEL])]
    with Host(partitions, cpus=2) as host:
        host.attach("debian")
        host.expect("debian:/# ", 150)

        def ask(command):
            host.send(command + "\r")
            host.expect(r"\r\n")
            host.expect("debian:/# ", 60)
            return host.serial.before.strip()

        ask("d=/sys/bus/pci/devices/0000:00:02.0; sleep 1")
        assert ask("cat $d/vendor $d/device $d/revision").split() == ["0x1af4", "0x1110", "0x01"]
        bars = [line.split()[0] for line in ask("head -n 3 $d/resource").split("\n")]
        assert int(bars[2], 16) == 0xd0000000, bars
        registers = int(bars[0], 16)
        assert int(ask(f"devmem {registers + 8:#x} 32"), 16) == 1, "which peer it is"
        assert int(ask("devmem 0xd0000000 64"), 16) == 1, "the payload has counted once"
        ask("devmem 0xd0000000 64 2")
        assert int(ask("devmem 0xd0000000 64"), 16) == 2, "it halts until its doorbell rings"
        ask(f"devmem {registers + 12:#x} 32 0x00000001; sleep 1")
        assert int(ask("devmem 0xd0000000 64"), 16) == 3
        host.detach()
