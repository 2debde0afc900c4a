"""An instance for each of 500 callers: a short version of the benchmark, with three times its limits."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.paths import ROOT


@pytest.mark.measures_time
def test_an_instance_for_each_of_five_hundred_callers_costs_little() -> None:
    words = ("identity", "--quick", "--rounds", "3", "--tolerance", "3")
    done = subprocess.run(
        [sys.executable, ROOT / "bench" / "run.py", *words],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 met, 0 missed, 0 not measured" in done.stdout
