# SPDX-License-Identifier: MIT
"""Each payload of tests/guests alone, on every kind of CPU: those with APIC virtualisation, and those where
the APIC is software; with and without XSAVE, and so on."""
import pytest

from host import Host, in_parallel, payload, selected

MODELS = ["haswell", "cannonlake", "sandybridge", "arrandale", "skylake", "tigerlake"]
PASSING = ["vmxall", "msrall", "emulate", "mmio", "moves", "strings", "debug", "apic", "platform", "paravirt"]
HELLO = {"hello": "long mode, 16 MiB of RAM", "hello32": "protected mode", "hello16": "real mode"}
CRASHES = {
    "triple": "triple fault at rip 0x",
    "unknown": "cannot emulate the instruction at rip 0x",
}
RESETS = ["resetcf9", "reset92", "reset64"]


def check_hello(host):
    for name, words in HELLO.items():
        assert f"{name}: {words}\r\n" in host.run(name, f"{name}: done")
        assert host.until(name, "stopped").reason == "powered off by the guest"


def check_passing(host):
    for name in PASSING:
        text = host.run(name, rf"{name}: (PASS, \d+ checks|FAIL[^\r]*)\r\n")
        failed = [line for line in text.split("\r\n") if line.startswith("FAIL")]
        assert not failed and f"{name}: PASS" in text, f"{name}: {failed}"
        assert host.until(name, "stopped").reason == "powered off by the guest"


def check_memory(host):
    """Twice: what the first start left behind may not be found by the second."""
    for starts in (1, 2):
        assert host.command("start memory") == ["memory: starting"]
        assert host.until("memory", "stopped", 300).starts == starts
        text = host.guest("memory", r"does not run")
        failed = [line for line in text.split("\r\n") if line.startswith("FAIL")]
        assert not failed and text.count("memory: PASS") == starts, failed


def check_crashes(host):
    for name, words in CRASHES.items():
        host.run(name, f"{name}: ")
        assert host.until(name, "crashed").reason.startswith(words)
        assert host.command(f"stop {name}") == [f"{name}: stopped"]


def check_resets(host):
    for name in RESETS:
        host.run(name, "waiting for a key")
        for starts in (2, 3):
            host.attach(name)
            host.send("x")
            host.expect(rf"(?s)({name}: waiting for a key.*){{{starts}}}")
            host.detach()
            row = host.list()[name]
            assert (row.state, row.starts) == ("running", starts)
        assert f"{name}: reset by the guest" in [line.text for line in host.log()]
        host.command(f"stop {name}")


CHECKS = {"hello": check_hello, "checks": check_passing, "memory": check_memory,
          "crashes": check_crashes, "resets": check_resets}


def run_model(model):
    """All of it on one machine; what went wrong, by check."""
    names = list(HELLO) + PASSING + list(CRASHES) + RESETS
    partitions = [payload(name) for name in names] + [payload("memory", memory="32M")]
    wrong = {}
    with Host(partitions, model=model) as host:
        for name, check in CHECKS.items():
            try:
                check(host)
            except AssertionError as error:
                wrong[name] = str(error)
                if not host.machine.running():
                    break
                host.send("\x1d\r")
    return wrong


@pytest.fixture(scope="module")
def results(request):
    return in_parallel(run_model, selected(request, "model"))


@pytest.mark.long
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("model", MODELS)
def test_payload(results, model, check):
    wrong = results(model)
    assert check not in wrong, wrong[check]
