# SPDX-License-Identifier: MIT
"""Networks between partitions: two unmodified Debian systems reach each other, and nobody else does."""
import pytest

from host import Host, tiny
from nets import ADDRESSES, RATE, SLOW, bring_up, cards, check_pings, copy, partition, shell


@pytest.fixture(scope="module")
def host():
    # The outsider has a network of its own, with the same name in no other partition.
    outsider = tiny("outsider", "idle", "net = alone")
    with Host([partition("left"), partition("right"), outsider], cpus=2) as machine:
        bring_up(machine)
        yield machine


def test_they_reach_each_other(host):
    check_pings(host)
    assert "MSI" in shell(host, "left", "grep virtio /proc/interrupts")


def test_tcp(host):
    before = cards(host)["lan", "right"]
    copy(host, 4, ADDRESSES["left"], 200)
    after = cards(host)
    assert after["lan", "right"]["sent_bytes"] - before["sent_bytes"] > 4 << 20
    assert after["lan", "left"]["received_bytes"] > 4 << 20
    # On one network only.
    assert after["slow", "left"]["received_bytes"] < 1 << 16


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
