"""500 containers are answered as fast as one: a short version of the benchmark, with three times its limit."""

from __future__ import annotations

import subprocess
import sys

from support.paths import ROOT

THREE_TIMES = 4.5


def test_five_hundred_callers_are_as_fast_as_one() -> None:
    words = ("--requests", "6000", "--rounds", "3", "--limit", str(THREE_TIMES))
    done = subprocess.run(
        [sys.executable, ROOT / "bench" / "identity.py", *words],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 instance for one caller, 500 for 500" in done.stdout
