# SPDX-License-Identifier: MIT
"""Two Debian systems in networks, for the tests of those: a shell in each, pings, TCP with a checksum."""
import itertools
import re

from host import debian

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


def bring_up(host):
    """Both systems to their shells, with addresses."""
    for name in ADDRESSES:
        host.attach(name)
        host.expect("Debian guest is up: Linux ", BOOT_SECONDS)
        host.expect(SHELL, BOOT_SECONDS)
        host.detach()
    for name, address in ADDRESSES.items():
        shell(host, name, f"ip addr add {address}/24 dev eth0; ip link set eth0 up")
        shell(host, name, f"ip addr add {SLOW[name]}/24 dev eth1; ip link set eth1 up")


def check_pings(host):
    for one, other in (("left", "right"), ("right", "left")):
        printed = shell(host, one, f"ping -c 3 {ADDRESSES[other]}")
        assert "3 packets transmitted, 3 packets received, 0% packet loss" in printed


def cards(host):
    return {(card["network"], card["partition"]): card for card in host.good("net")["cards"]}


def copy(host, mib, address, seconds):
    """Send a file from right to left, the same noise again and again with a line that counts before it; how
    long that took, in seconds of the guest."""
    shell(host, "left", "rm -f /tmp/got; (sleep 9999 | nc -l -p 9 >/tmp/got) & sleep 0.2")
    shell(host, "right", "head -c 1048571 /dev/urandom >/tmp/noise", seconds)
    shell(host, "right", f"for i in $(seq {mib}); do echo $i; cat /tmp/noise; done >/tmp/sent", seconds)
    made = shell(host, "right", "wc -c </tmp/sent; md5sum </tmp/sent", seconds)
    took = shell(host, "right", f"time nc {address} 9 </tmp/sent", seconds)
    copied = shell(host, "left", "sleep 0.2; wc -c </tmp/got; md5sum </tmp/got; killall sleep", seconds)
    size, digest = re.search(r"^(\d+)\r\n([0-9a-f]{32}) ", made, re.M).groups()
    assert int(size) >= mib * 1048571 and re.search(rf"^{size}\r\n{digest} ", copied, re.M), (made, copied)
    minutes, rest = re.search(r"real\s+(\d+)m\s*([\d.]+)s", took).groups()
    return 60 * int(minutes) + float(rest)
