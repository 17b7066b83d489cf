# SPDX-License-Identifier: MIT
"""The operator's console: every command, and what it says to mistakes."""
import re

import pytest

from host import Host, PROMPT, bundle_path, payload
from machine import Machine

HELP = """\
help [COMMAND]                         list the commands, or explain one
version                                show what runs here, and on what
uptime                                 show how long the machine has run
list                                   show every partition and how it is
info NAME                              show all there is to know of one
create NAME [like OTHER] KEY=VALUE...  make a new partition
start NAME                             start one that does not run
pause NAME                             let it stand still, and its time too
resume NAME                            let a paused one go on
reset NAME                             start it anew, as its reset button does
stop NAME [now]                        let it shut down; now: at once
destroy NAME                           remove one that does not run, for good
attach NAME                            use its serial line; Ctrl-] leaves it
console NAME [N]                       show what it printed, or the last N lines
screen NAME                            show what it shows in VGA text mode
set NAME KEY VALUE                     change how a partition is scheduled, ...
group [NAME [weight N] [cap N%]]       show groups; make or change one
top [SECONDS [TIMES]]                  watch who uses the CPUs; q ends it
stats [NAME]                           show where the time of vCPUs went
exits NAME                             show why a guest was left, and how long
account [NAME]                         show what each partition has used
trace on|off|status                    record exits and scheduling decisions
balloon [NAME [SIZE]]                  show guests' memory, or ask for some
who                                    show who can reach whom
net [NAME]                             show networks and who is in them
regs NAME                              show the registers of a paused guest
x NAME ADDRESS [COUNT] [b|h|w|g|s]     show a paused guest's memory
walk NAME ADDRESS                      show how an address is translated
vmcs NAME [TEXT]                       show the fields of its control structure
dump NAME                              say how to save its memory as a core file
inject NAME nmi                        give a guest an interrupt
cpus                                   show the CPUs and what runs on them
memory                                 show where the memory is
config [NAME]                          show the configuration as it is now
log [N]                                show the log, or its last N lines
loglevel [LEVEL]                       show or say how much is logged here
audit [N]                              show the last changes, and who made them
reboot [now]                           restart the machine; now: in any case
poweroff [now]                         switch the machine off; now: in any case
panic now                              stop it with a report, as a bug would
NAME/N is virtual CPU N; NAME means all, or the first if it has to be one.
Every command takes --json, for programs.""".split("\n")
COMMANDS = ("help, version, uptime, list, info, create, start, pause, resume, reset, stop, "
            "destroy, attach, console, screen, set, group, top, stats, exits, account, trace, balloon, who, net, "
            "regs, x, walk, vmcs, dump, inject, cpus, memory, config, log, loglevel, audit, reboot, "
            "poweroff, panic")


@pytest.fixture(scope="module")
def host():
    with Host([payload("idle", autostart=True), payload("hello"), payload("ticker")]) as one:
        yield one


def test_help(host):
    assert host.command("help") == HELP
    assert host.command("help attach") == [
        "usage:    attach NAME",
        "          use its serial line; Ctrl-] leaves it",
        "example:  attach web"]
    assert host.command("help lst") == [f'no command "lst"; there are: {COMMANDS}']


def test_mistakes(host):
    assert host.command("lst") == [f'no command "lst"; there are: {COMMANDS}']
    assert host.command("start nobody") == ['no partition "nobody"; there are: idle, hello, ticker']
    assert host.command("attach 0") == ['no partition "0"; there are: idle, hello, ticker']
    assert host.command("start") == ["start: an argument is missing", "usage: start NAME"]
    assert host.command("list all") == ['list: takes no argument, found "all"', "usage: list"]
    assert host.command("stop a b") == ['no word "b"; there are: now']
    assert host.command("log x") == ['"x" is not a number of lines from 1 to 4294967295']
    assert host.command('start "idle') == ["a quotation mark is not closed"]
    assert host.command("set idle memory 1G")[0].startswith('no key that can be set "memory"; ')
    assert host.command("create x like idle weight=0")[0].startswith("weight = 0: ")
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
    assert host.command("stop idle") == ["idle: stopped"]
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
    assert host.command("stop ticker") == ["ticker: stopped"]
    host.until("ticker", "stopped")


def test_attach_leaves_a_guest_that_takes_no_keys(host):
    host.attach("idle")
    host.send("x" * 100)
    host.send("\x1d")
    host.expect(r"\[idle has not taken \d+ of the keys typed\]")
    host.expect(PROMPT)


def test_json(host):
    rows = host.query("list")["partitions"]
    assert [row["name"] for row in rows] == ["idle", "hello", "ticker"]
    assert rows[1]["memory_bytes"] == 16 << 20
    assert host.query("start nobody") == {
        "error": 'no partition "nobody"; there are: idle, hello, ticker'}
    assert host.query("memory")["partitions"][0]["name"] == "idle"
    assert [cpu["runs"] for cpu in host.query("cpus")["cpus"]] == ["console"]
    assert host.query("config idle")["config"].startswith("[partition idle]\n")
    assert host.query("log 1")["log"][0]["level"] in ("error", "warn", "info", "debug")


def test_console_shows_what_was_printed(host):
    host.run("hello", "hello: done")
    host.until("hello", "stopped")
    assert host.command("console hello 1")[0].startswith("hello: done")
    assert "hello: long mode, 16 MiB of RAM" in host.query("console hello")["text"]


def test_set_create_and_destroy(host):
    assert host.command("set hello weight 50") == ["hello: weight = 50"]
    assert "weight      = 50" in host.command("config hello")
    assert host.command("create more like hello weight=70") == ["more: created"]
    assert host.query("info more")["config"]["weight"] == "70"
    host.run("more", "hello: done")
    host.until("more", "stopped")
    assert host.command("destroy more") == ["more: destroyed"]
    assert "more" not in host.list()
    assert host.command("destroy idle")[0].startswith("cannot destroy idle: ")
    assert host.command("set hello weight 100") == ["hello: weight = 100"]
    assert [entry["command"] for entry in host.query("audit 3")["audit"]] == [
        "destroy more", "destroy idle", "set hello weight 100"]


def test_pause_and_resume(host):
    host.run("ticker", r"tick 3 ")
    assert host.command("pause ticker")[0] == "ticker: paused"
    host.until("ticker", "paused")
    printed = host.printed("ticker")
    assert host.printed("ticker") == printed
    host.command("resume ticker")
    host.guest("ticker", r"tick 6 ")
    host.command("stop ticker")
    host.until("ticker", "stopped")


def test_completion_and_editing(host):
    host.send("ver\t\r")
    host.expect("CPUs      1 in use")
    host.expect(PROMPT)
    host.send("help listx\x7f\r")
    host.expect("usage:    list\r\n")
    host.expect(PROMPT)
    host.send("nonsense\x03")
    host.expect(PROMPT)
    assert host.command("help stop")[0] == "usage:    stop NAME [now]"


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


def test_panic_at_start():
    """What was logged before it is there, too, whole and in its order, though nobody waited for the line."""
    with Machine(model="penryn", ips=50_000_000, firmware="stub", bundle=bundle_path([payload("idle")], ())) as machine:
        line = machine.com[0]
        line.expect(r"info  cpu0   random bytes: [^\r\n]* jitter of timings makes them\r\n"
                    r"\[[ .0-9]*\] error cpu0   the CPU's VT-x lacks [^\r\n]*\r\n"
                    r"\r\n\*\*\* Bulkhead panic on CPU 0 \(APIC id 0\) \*\*\*\r\n"
                    r"this machine cannot run guests, see above\r\n", timeout=30)
        line.expect(r"Please report the lines above\.\r\n", timeout=30)


def test_machine_power(host):
    """The last one: it ends the machine."""
    assert host.command("poweroff") == [
        "still running: idle", '"poweroff now" does it all the same, as if their power failed']
    assert host.command("reboot")[0] == "still running: idle"
    assert host.command("poweroff never")[0].startswith("poweroff:")
    host.send("poweroff now\r")
    assert host.machine.wait(20).kind == "shutdown"
