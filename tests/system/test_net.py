# SPDX-License-Identifier: MIT
"""Networks between partitions: two unmodified Debian systems reach each other, and nobody else does."""
import itertools
import re

import pytest

from host import Host, debian, tiny

BOOT_SECONDS = 250
SHELL = "debian:/# "
numbers = itertools.count()
ADDRESSES = {"left": "10.0.0.1", "right": "10.0.0.2"}
SLOW = {"left": "10.0.1.1", "right": "10.0.1.2"}
RATE = 16_000_000   # bits a second, in the network `slow`


def partition(name):
    lines = ["net = lan", f"net2 = slow, rate={RATE // 1_000_000}Mbit"]
    return debian(name, memory="160M", lines=lines)


def shell(host, name, command, seconds=120):
    """What a command in the shell of a guest prints. The marks around it are not in what is typed, and
    tell it from what was printed before, which attaching may show again."""
    number = next(numbers)
    host.attach(name)
    host.send(f'echo "<{number}"">"; {command}; echo "</{number}"">"\r')
    host.expect(f"<{number}>\r\n", seconds)
    host.expect(f"</{number}>\r\n", seconds)
    printed = host.serial.before
    host.detach()
    return printed


@pytest.fixture(scope="module")
def host():
    # The outsider has a network of its own, with the same name in no other partition.
    outsider = tiny("outsider", "idle", "net = alone")
    with Host([partition("left"), partition("right"), outsider], cpus=2) as machine:
        for name in ADDRESSES:
            machine.attach(name)
            machine.expect("Debian guest is up: Linux ", BOOT_SECONDS)
            machine.expect(SHELL, BOOT_SECONDS)
            machine.detach()
        for name, address in ADDRESSES.items():
            shell(machine, name, f"ip addr add {address}/24 dev eth0; ip link set eth0 up")
            shell(machine, name, f"ip addr add {SLOW[name]}/24 dev eth1; ip link set eth1 up")
        yield machine


def cards(host):
    return {(card["network"], card["partition"]): card for card in host.good("net")["cards"]}


def test_they_reach_each_other(host):
    for one, other in (("left", "right"), ("right", "left")):
        printed = shell(host, one, f"ping -c 3 {ADDRESSES[other]}")
        assert "3 packets transmitted, 3 packets received, 0% packet loss" in printed
    assert "MSI" in shell(host, "left", "grep virtio /proc/interrupts")


def copy(host, mib, address, seconds):
    """Send a file from right to left; how long that took, in seconds of the guest."""
    shell(host, "left", "rm -f /tmp/got; (sleep 9999 | nc -l -p 9 >/tmp/got) & sleep 0.2")
    summed = shell(host, "right", f"head -c {mib << 20} /dev/urandom >/tmp/sent; md5sum </tmp/sent", seconds)
    took = shell(host, "right", f"time nc {address} 9 </tmp/sent", seconds)
    copied = shell(host, "left", "sleep 0.2; wc -c </tmp/got; md5sum </tmp/got; killall sleep", seconds)
    assert re.search(r"\b[0-9a-f]{32}\b", summed)[0] == re.search(r"\b[0-9a-f]{32}\b", copied)[0]
    assert re.search(r"^(\d+)\r$", copied, re.M)[1] == str(mib << 20)
    minutes, rest = re.search(r"real\s+(\d+)m\s*([\d.]+)s", took).groups()
    return 60 * int(minutes) + float(rest)


def test_tcp(host):
    before = cards(host)["lan", "right"]
    copy(host, 4, ADDRESSES["left"], 200)
    after = cards(host)
    assert after["lan", "right"]["sent_bytes"] - before["sent_bytes"] > 4 << 20
    assert after["lan", "left"]["received_bytes"] > 4 << 20
    # On one network only.
    assert after["slow", "left"]["received_bytes"] < 1 << 16


@pytest.mark.long
def test_tcp_32_mib(host):
    copy(host, 32, ADDRESSES["left"], 550)


def test_rate(host):
    took = copy(host, 2, SLOW["left"], 200)
    assert took > 0.9 * 2 * 8 * (1 << 20) / RATE


def test_who(host):
    channels = host.good("who")["channels"]
    by_network = {(row["partition"], row["with"], row["by"]) for row in channels if "network" in row["by"]}
    assert by_network == {(one, other, f"network {name}") for name in ("lan", "slow")
                          for one, other in (("left", "right"), ("right", "left"))}
    assert all(row["allowed"] for row in channels)


def test_console(host):
    shown = cards(host)
    assert set(shown) == {("lan", "left"), ("lan", "right"), ("slow", "left"), ("slow", "right"),
                          ("alone", "outsider")}
    card = shown["lan", "left"]
    assert card["open"] and card["rate_bits"] is None
    assert card["mac"] in shell(host, "left", "cat /sys/class/net/eth0/address")
    assert not shown["alone", "outsider"]["open"]
    assert shown["alone", "outsider"]["received_frames"] == 0
    assert [row["network"] for row in host.good("info left")["cards"]] == ["lan", "slow"]
    assert "no network" in host.query("net nowhere")["error"]


def test_addresses_are_learned(host):
    """A guest that bridges has others' addresses behind its card."""
    shell(host, "right", "ip link set eth0 down; ip link set eth0 address 02:aa:bb:cc:dd:ee; "
                         "ip link set eth0 up; ping -c 1 10.0.0.1")
    learned = host.good("net lan")["addresses"]
    assert [(row["mac"], row["partition"]) for row in learned] == [("02:aa:bb:cc:dd:ee", "right")]


def test_destroyed_in_the_middle(host):
    """One goes while the other sends; what is left works on, and a new one takes its place."""
    shell(host, "left", "(while :; do ping -c 1 -W 1 10.0.0.2; done) >/dev/null 2>&1 & :")
    host.good("stop right", 60)
    host.good("destroy right", 60)
    assert ("lan", "right") not in cards(host)
    assert not any("network" in row["by"] for row in host.good("who")["channels"])
    host.good("create right memory=2M boot=raw kernel=\\guests\\idle.bin entry=long load=1M net=lan")
    assert cards(host)["lan", "right"]["received_frames"] == 0
    answer = host.query("create other memory=2M boot=raw kernel=\\guests\\idle.bin entry=long load=1M "
                        f"\"net=lan, mac={cards(host)['lan', 'right']['mac']}\"")
    assert "has a card with address" in answer["error"]
