# SPDX-License-Identifier: MIT
"""No operation of a guest's takes more instructions than its ceiling says (tests/bench/ceilings)."""
import os
import sys

import pytest

import host

sys.path.insert(0, os.path.join(host.ROOT, "tests/bench"))
import gate
from operations import inside_measure

CEILINGS = {"cpuid": 300, "vmcall": 250, "eoi": 3}


def test_what_costs_as_much_as_its_ceiling_passes():
    assert not gate.complaints(CEILINGS, {"cpuid": 300, "vmcall": 12, "eoi": 3})


@pytest.mark.parametrize("name", CEILINGS)
def test_one_instruction_more_is_found(name):
    found = gate.complaints(CEILINGS, CEILINGS | {name: CEILINGS[name] + 1})
    assert found == [f"{name}: {CEILINGS[name] + 1}, which is more than the ceiling of {CEILINGS[name]}"]


def test_a_tenth_more_is_found():
    dearer = CEILINGS | {"cpuid": 330}
    assert [line.split(":")[0] for line in gate.complaints(CEILINGS, dearer)] == ["cpuid"]


def test_rows_on_one_side_only_are_found():
    assert "no ceiling" in gate.complaints(CEILINGS, CEILINGS | {"new": 1})[0]
    assert "not measured" in gate.complaints(CEILINGS, {"cpuid": 1, "vmcall": 1})[0]


def test_ceilings_go_down_only():
    after = gate.lowered(CEILINGS, {"new": 7, "cpuid": 200, "vmcall": 999})
    assert after == {"new": 7, "cpuid": 200, "vmcall": 250, "eoi": 3}
    assert gate.ceilings_parse(gate.ceilings_text(after)) == after


def test_what_depends_on_the_moment_has_no_ceiling():
    measured = {"cpuid": (300, 310), "arith_abs": (6, 6), "gaps_lost": (5, 5)}
    assert gate.gated(measured) == {"cpuid": 300}


@pytest.mark.parametrize("text", ["cpuid", "cpuid x", "cpuid 1 2", "cpuid 1\ncpuid 2", "cpuid -1"])
def test_a_broken_file_is_refused(text):
    with pytest.raises(ValueError, match="ceilings:"):
        gate.ceilings_parse(text)


def test_costs():
    measured = gate.gated(inside_measure(os.path.join(host.BUILD, "core.bin"),
                                         os.path.join(host.BUILD, "bench/ops.bin")))
    found = gate.complaints(gate.ceilings_read(), measured)
    assert not found, "\n".join(["dearer than before:"] + found)
