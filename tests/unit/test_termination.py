"""Scripts that SIGTERM ends: they clean up, also if it comes again meanwhile."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

import termination


def test_the_first_signal_interrupts_and_later_ones_do_not() -> None:
    before = signal.getsignal(signal.SIGTERM)
    steps = []

    def work() -> None:
        with termination.as_interrupt(), termination.as_interrupt():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)
                steps.append("cleaned up")

    with pytest.raises(termination.Terminated):
        work()
    assert steps == ["cleaned up"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_command_is_told_and_can_clean_up(tmp_path: Path) -> None:
    # The command reports that it runs by ending this process.
    script = f"trap 'echo told >{tmp_path}/told; exit' TERM; kill -TERM {os.getpid()}; while :; do sleep 0.1; done"
    with pytest.raises(termination.Terminated), termination.as_interrupt():
        termination.run(["sh", "-c", script], os.environ)
    assert Path(tmp_path, "told").read_text() == "told\n"


def test_the_exit_code_of_a_command() -> None:
    assert termination.run([sys.executable, "-c", "raise SystemExit(3)"], {}) == 3
    assert termination.run(["sh", "-c", "kill -TERM $$"], os.environ) == -signal.SIGTERM
    with pytest.raises(FileNotFoundError):
        termination.run(["/does/not/exist"], {})
