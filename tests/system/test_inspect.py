# SPDX-License-Identifier: MIT
"""
Promise: a partition that stands still can be looked at: registers, memory, page tables, the fields of the CPU's
control structure, and all of it as a core file that gdb opens. The payload `known` has known values everywhere.
"""
import json
import os
import re
import shutil
import subprocess

import pytest

from host import BUILD, Host, tiny

BHCTL = os.path.join(BUILD, "bhctl")
REGISTERS = ["rax", "rcx", "rdx", "rbx", None, "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
             "r14", "r15"]
VALUES = {name: 0x0101010101010101 * (number + 1) for number, name in enumerate(REGISTERS) if name}
VALUES |= {"rsp": 0x9000, "rip": 0x100100}
TEXT, TEXT_AT = "Bulkhead keeps the water out.", 0x100200
ALIAS = 0x40000000      # where known.asm maps the first 1 GiB once more


@pytest.fixture(scope="module", params=[1, 2, 4], ids=lambda cpus: f"{cpus}cpu")
def host(request):
    partitions = [tiny("known"), tiny("triple", None, "on_crash = preserve"), tiny("spin", "count")]
    with Host(partitions, cpus=request.param, ips=20_000_000, memory_mib=128) as one:
        one.guest("known", "registers are set")
        one.good("pause known")
        one.until_state("known", "paused")
        yield one


def registers(host, name):
    return {row["name"]: int(row["value"], 16) for row in host.good(f"regs {name}")["registers"]}


def test_registers(host):
    found = registers(host, "known")
    assert {name: found[name] for name in VALUES} == VALUES
    assert found["cr0"] & 0x80000001 == 0x80000001 and found["efer"] & 0x400
    segments = {row["name"]: row for row in host.good("regs known")["segments"]}
    assert int(segments["cs"]["selector"], 16) == 0x10


def test_only_what_stands_still_is_shown(host):
    for line in ("regs spin", "x spin 0x100000", "vmcs spin", "walk spin 0x100000"):
        answer = host.query(line)
        assert "error" in answer, line
        assert "spin" in answer["error"], answer
    assert host.states()["spin"]["state"] == "running"


def test_memory(host):
    for address in (TEXT_AT, TEXT_AT + ALIAS):
        rows = host.good(f"x known {address:#x}")["memory"]
        assert int(rows[0]["address"], 16) == address
        shown = "".join(row["text"] for row in rows)
        assert TEXT[:16] in shown, rows
    # Beyond what is mapped, and beyond RAM.
    for address in (0x123456789000, 0xffff800000000000, 0x3f000000):
        rows = host.query(f"x known {address:#x}")
        assert "error" in rows or not any(row["readable"] for row in rows["memory"]), rows
    assert "error" in host.query("x known nowhere")


def test_walk(host):
    answer = host.good(f"walk known {TEXT_AT + ALIAS:#x}")
    assert answer["translation"]["mapped"]
    assert int(answer["translation"]["guest_physical"], 16) == TEXT_AT
    assert [row["level"] for row in answer["guest"]] == ["PML4E", "PDPTE", "PDE"]
    assert len(answer["second_level"]) >= 3
    assert answer["host"]["mapped"]
    same = host.good(f"walk known {TEXT_AT:#x}")
    assert same["host"]["host_physical"] == answer["host"]["host_physical"]
    missing = host.good("walk known 0x123456789000")
    assert not missing["translation"]["mapped"]


def test_vmcs(host):
    fields = {row["name"].lower(): row for row in host.good("vmcs known")["fields"]}
    rip = [row for name, row in fields.items() if re.search(r"guest.?rip", name)]
    assert rip and int(rip[0]["value"], 16) == VALUES["rip"], sorted(fields)
    few = host.good("vmcs known rip")["fields"]
    assert 0 < len(few) < len(fields)
    assert "error" in host.query("vmcs known nosuchfield")


def test_crashed(host):
    row = host.until_state("triple", "crashed")
    assert "triple fault" in row["reason"]
    found = registers(host, "triple")
    assert f"{found['rip']:x}" in row["reason"]
    assert 0x100000 <= found["rip"] < 0x110000
    code = host.good(f"x triple {found['rip']:#x}")["memory"][0]
    assert code["readable"]
    assert host.good("vmcs triple")["fields"]


def gdb(path, *commands):
    run = subprocess.run(["gdb", "-batch", "-nx", "-ex", f"core-file {path}"]
                         + [word for command in commands for word in ("-ex", command)],
                         capture_output=True, text=True, check=False, timeout=60)
    return run.stdout + run.stderr


def bhctl(host, *arguments):
    with host.bridge() as path:
        return subprocess.run([BHCTL, "-s", f"unix:{path}", *arguments], capture_output=True, text=True,
                              check=False, timeout=300)


@pytest.mark.long
@pytest.mark.parametrize("name", ["known", "triple"])
def test_gdb_opens_a_dump(host, tmp_path, name):
    assert shutil.which("gdb"), "gdb is missing; install Debian's gdb"
    core = tmp_path / f"{name}.core"
    wanted = registers(host, name)
    run = bhctl(host, "dump", name, str(core))
    assert run.returncode == 0, run.stderr
    host.send("\r")
    host.expect("bulkhead> ")
    answer = gdb(core, *(f"printf \"{register} %lx\\n\", ${register}" for register in VALUES),
                 f"x/s {TEXT_AT:#x}", f"x/s {TEXT_AT + ALIAS:#x}", f"x/i {wanted['rip']:#x}")
    for register in VALUES:
        assert re.search(rf"^{register} {wanted[register]:x}$", answer, re.M), answer
    if name == "known":
        assert answer.count(f'"{TEXT}"') == 2, answer
        assert re.search(r"jmp +0x100100", answer), answer
    assert bhctl(host, "dump", name, str(core)).returncode != 0, "it overwrites a file unasked"
    assert bhctl(host, "dump", "nobody", str(core) + "2").returncode == 1


def test_trace(host, tmp_path):
    """What the machine recorded, in the form that Perfetto's viewer reads: JSON trace events."""
    target = tmp_path / "trace.json"
    host.good("trace on")
    host.sleep(0.05)
    host.good("trace off")
    run = bhctl(host, "trace", str(target))
    assert run.returncode == 0, run.stderr
    host.send("\r")
    host.expect("bulkhead> ")
    events = json.loads(target.read_text())["traceEvents"]
    slices = [event for event in events if event["ph"] == "X"]
    assert "spin/0" in {event["name"] for event in slices}
    tracks = {}
    for event in slices:
        assert event["dur"] >= 0
        tracks.setdefault((event["pid"], event["tid"]), []).append((event["ts"], -event["dur"]))
    for track in tracks.values():
        # On a track, slices lie apart or within each other.
        ends = []
        for start, minus in sorted(track):
            while ends and ends[-1] <= start + 0.002:  # they are rounded
                ends.pop()
            assert not ends or start - minus <= ends[-1] + 0.002, (start, -minus, ends)
            ends.append(start - minus)


def test_nmi(host):
    """The last one for `known`: an NMI changes its registers."""
    assert "error" in host.query("inject known nmi")
    host.good("resume known")
    host.until_state("known", "running")
    host.good("inject known nmi")
    host.guest("known", "an NMI came")
    host.good("pause known")
    host.until_state("known", "paused")
    found = registers(host, "known")
    assert found["rax"] == 0x4e4d49
    assert host.good("regs known")["vcpu"]["halted"]
