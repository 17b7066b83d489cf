# SPDX-License-Identifier: MIT
"""Broken configuration files: bulkhead-check says exactly what their comments promise."""
import glob
import os
import re
import subprocess

import pytest

from host import BUILD, ROOT

CONFIGS = sorted(glob.glob(os.path.join(ROOT, "tests/system/configs/*.conf")))
EXAMPLES = sorted(glob.glob(os.path.join(ROOT, "examples/*.conf")))


def promised(path):
    """The errors that the comments of a file name, as bulkhead-check prints them."""
    with open(path, encoding="utf-8") as file:
        found = re.findall(r"^# error: (.*)$", file.read(), re.M)
    return [f"{os.path.basename(path)}:{text}" for text in found]


def test_there_are_enough():
    assert len(CONFIGS) >= 19


@pytest.mark.parametrize("path", CONFIGS, ids=os.path.basename)
def test_broken(path):
    run = subprocess.run([os.path.join(BUILD, "bulkhead-check"), os.path.basename(path)],
                         cwd=os.path.dirname(path), capture_output=True, text=True, check=False)
    said = [line for line in (run.stdout + run.stderr).split("\n")
            if re.match(r"[a-z-]+\.conf:\d+: ", line)]
    assert run.returncode == 1
    assert said == promised(path)


@pytest.mark.parametrize("path", EXAMPLES, ids=os.path.basename)
def test_example_is_right(path):
    run = subprocess.run([os.path.join(BUILD, "bulkhead-check"), path],
                         capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
