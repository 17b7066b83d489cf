# SPDX-License-Identifier: MIT
"""The operator's console: every command, and what it says to mistakes."""
import re

import pytest

from host import Host, PROMPT, payload

HELP = """\
help [COMMAND]  list the commands, or explain one
list            show every partition and how it is
attach NAME     use a partition's serial line; Ctrl-] leaves it
start NAME      start a partition that does not run
stop NAME       stop a partition at once, as if its power failed
log [N]         show the log, or its last N lines; Ctrl-C ends it
version         show what runs here, and on what
reboot [now]    restart the machine; now: even if partitions run
poweroff [now]  switch the machine off; now: even if partitions run
panic now       stop everything with a report, as at a bug of Bulkhead""".split("\n")
COMMANDS = "help, list, attach, start, stop, log, version, reboot, poweroff, panic"


@pytest.fixture(scope="module")
def host():
    with Host([payload("idle", autostart=True), payload("hello"), payload("ticker")]) as one:
        yield one


def test_help(host):
    assert host.command("help") == HELP
    assert host.command("help attach") == [
        "usage:   attach NAME",
        "         use a partition's serial line; Ctrl-] leaves it",
        "example: attach web"]
    assert host.command("help lst") == [f'no command "lst"; there are: {COMMANDS}']


def test_mistakes(host):
    assert host.command("lst") == [f'no command "lst"; there are: {COMMANDS}']
    assert host.command("start nobody") == ['no partition "nobody"; there are: idle, hello, ticker']
    assert host.command("attach 0") == ['no partition "0"; there are: idle, hello, ticker']
    assert host.command("start") == ["start: an argument is missing", "usage: start NAME"]
    assert host.command("list all") == ['list: takes no argument, found "all"', "usage: list"]
    assert host.command("stop a b") == ["stop: takes one argument, found 2", "usage: stop NAME"]
    assert host.command("log x") == ['log: "x" is not a number of lines, such as 20',
                                     "usage: log [N]"]
    assert host.command("") == []


def test_version(host):
    lines = host.command("version")
    assert re.match(r"Bulkhead \d+\.\d+\.\d+", lines[0])
    assert lines[1] == "CPU       Intel(R) Core(TM) i7-4770 CPU @ 3.40GHz"
    assert lines[2] == "CPUs      1 in use"
    assert re.match(r"memory    \d+M, of which \d+M are free and \d+M held by Bulkhead itself$",
                    lines[3])
    assert lines[4].startswith("backend   VT-x, EPT")
    assert re.match(r"uptime    0:0\d:\d\d$", lines[6])


def test_list(host):
    rows = host.list()
    assert list(rows) == ["idle", "hello", "ticker"]
    assert rows["idle"].state == "running" and rows["idle"].starts == 1
    assert rows["hello"] == ("stopped", 0, "16M", "-", 0, "")


def test_start_and_stop(host):
    assert host.command("start idle") == ["cannot start idle: it is running"]
    assert host.command("stop hello") == ["cannot stop hello: it is stopped"]
    assert host.command("stop idle") == ["idle: stopping"]
    assert host.until("idle", "stopped").reason == "stopped by the operator"
    assert host.command("stop idle") == ["cannot stop idle: it is stopped"]
    host.run("idle", "idle: waiting")
    assert host.list()["idle"].starts == 2


def test_log(host):
    host.run("hello", "hello: done")
    host.until("hello", "stopped")
    texts = [line.text for line in host.log()]
    started = len(texts) - 1 - texts[::-1].index("hello: started")
    assert "hello: powered off by the guest" in texts[started:]
    assert texts[0].startswith("ACPI") or "Bulkhead" in " ".join(texts[:4])
    host.send("log 1\r")
    host.expect(r"log 1\r\n\[ *\d+\.\d{6}\] info  cpu0   hello: powered off by the guest\r\n")
    host.expect(PROMPT)


def test_attach_and_detach(host):
    assert "hello: long mode, 16 MiB of RAM" in host.run("hello", "hello: done")
    host.until("hello", "stopped")
    host.attach("hello")  # to read what it said, though it does not run
    host.expect(re.escape("[hello does not run: powered off by the guest; Ctrl-] leaves]"))
    host.detach()
    host.run("ticker", r"tick 3 ")
    host.guest("ticker", r"tick 6 ")
    assert host.command("stop ticker") == ["ticker: stopping"]
    host.until("ticker", "stopped")


def test_attach_leaves_a_guest_that_takes_no_keys(host):
    host.attach("idle")
    host.send("x" * 100)
    host.send("\x1d")
    host.expect(r"\[idle has not taken \d+ of the keys typed\]")
    host.expect(PROMPT)


def test_completion_and_editing(host):
    host.send("ver\t\r")
    host.expect("CPUs      1 in use")
    host.expect(PROMPT)
    host.send("help listx\x7f\r")
    host.expect("usage:   list\r\n")
    host.expect(PROMPT)
    host.send("nonsense\x03")
    host.expect(PROMPT)
    assert host.command("help stop")[0] == "usage:   stop NAME"


def test_panic():
    with Host([payload("idle", autostart=True)], cpus=2) as one:
        one.guest("idle", "idle: waiting")
        assert one.command("panic")[0] == "panic: an argument is missing"
        one.send("panic now\r")
        one.expect(r"\*\*\* Bulkhead panic on CPU 0 \(APIC id 0\) \*\*\*")
        one.expect("the operator asked for it")
        one.expect("backtrace:")
        one.expect(r"command_run\+0x")
        one.expect("last log lines:")
        one.expect("idle: started")
        one.expect(r"The machine has stopped\. Please report the lines above\.")


def test_machine_power(host):
    """The last one: it ends the machine."""
    assert host.command("poweroff") == [
        "still running: idle", '"poweroff now" does it all the same, as if their power failed']
    assert host.command("reboot")[0] == "still running: idle"
    assert host.command("poweroff never")[0].startswith("poweroff:")
    host.send("poweroff now\r")
    assert host.machine.wait(20).kind == "shutdown"
