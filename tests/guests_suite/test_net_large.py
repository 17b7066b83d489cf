# SPDX-License-Identifier: MIT
"""Two Debian systems that copy 32 MiB over TCP: what arrives is what was sent."""
from host import Host
from nets import ADDRESSES, bring_up, cards, check_pings, copy, partition

MIB = 32


def test_tcp_large():
    with Host([partition("left"), partition("right")], cpus=2) as host:
        bring_up(host)
        check_pings(host)
        copy(host, MIB, ADDRESSES["left"], 900)
        shown = cards(host)
        assert shown["lan", "right"]["sent_bytes"] > MIB << 20
        assert shown["lan", "left"]["received_bytes"] > MIB << 20
        check_pings(host)
