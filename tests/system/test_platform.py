# SPDX-License-Identifier: MIT
"""Devices of a partition's board that the operator sees something of: power button, panic, screen, debug ports."""
import pytest

from host import Host, payload, tiny


@pytest.fixture(scope="module")
def host():
    with Host([payload("platform"), payload("button"), tiny("guestpanic", autostart=False)]) as one:
        yield one


def test_devices(host):
    text = host.run("platform", r"platform: (PASS, \d+ checks|FAIL[^\r]*)\r\n")
    failed = [line for line in text.split("\r\n") if line.startswith("FAIL")]
    assert not failed and "platform: PASS" in text, failed
    host.until("platform", "stopped")
    assert "shown by the platform payload" in host.command("screen platform")
    answer = host.good("screen platform")
    assert answer["text"].endswith("shown by the platform payload\n")
    assert answer["screen"]["cursor_column"] == 0xa5 % 80
    assert "platform: hello from port 402h" in [line.text for line in host.log()]


def test_screen_of_one_that_never_ran(host):
    assert host.command("screen guestpanic") == [
        "guestpanic has shown nothing yet: it was never started"]


def test_guest_that_does_not_shut_down(host):
    """It is told, and is stopped when it has had its time."""
    host.run("button", "button: waits, and does not care")
    before = host.now_us()
    assert host.command("stop button") == ["button: running"]
    row = host.until_state("button", "stopped", 30)
    assert row["reason"] == "stopped by the operator: it did not power off"
    assert 9_000_000 < host.now_us() - before < 20_000_000
    assert "button: pressed" in host.good("console button")["text"]


def test_guest_that_shuts_down(host):
    """Its CMOS memory has told it that this is its second start."""
    host.run("button", "button: waits, and powers off")
    assert host.command("stop button") == ["button: running"]
    assert host.until_state("button", "stopped", 5)["reason"] == "shut down by the operator"


def test_stop_now(host):
    host.run("button", "button: waits")
    assert host.command("stop button now") == ["button: stopped"]
    assert host.until_state("button", "stopped")["reason"] == "stopped by the operator"
    assert host.command("stop button later") == ['no word "later"; there are: now']


def test_guest_that_panics(host):
    host.command("start guestpanic")
    row = host.until_state("guestpanic", "crashed")
    assert row["reason"] == "the guest panicked"
    assert "it runs on" not in host.good("console guestpanic")["text"]
    assert "guestpanic: the guest panicked and goes on with its crash kernel" in [
        line.text for line in host.log()]


def test_the_log_is_everyones(host):
    """What the one before said a thousand times has not pushed out the rest."""
    log = [line.text for line in host.log()]
    assert any(line.startswith("Bulkhead ") for line in log)
    assert 256 <= log.count("guestpanic: the guest panicked and goes on with its crash kernel") < 300
