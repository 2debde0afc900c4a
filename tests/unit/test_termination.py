"""Scripts that SIGTERM ends: they clean up, also if it comes again meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import termination

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


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


def test_a_command_is_told_of_a_signal_that_came_while_it_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Started(subprocess.Popen[bytes]):
        def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
            super().__init__(command, env=env, stdout=subprocess.PIPE)
            assert self.stdout is not None
            assert self.stdout.readline() == b"ready\n"
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(subprocess, "Popen", Started)
    script = f"trap 'echo told >{tmp_path}/told; exit' TERM; echo ready; while :; do sleep 0.1; done"
    with pytest.raises(termination.Terminated), termination.as_interrupt():
        termination.run(["sh", "-c", script], os.environ)
    assert Path(tmp_path, "told").read_text() == "told\n"


def test_a_command_that_cannot_run_leaves_the_signal_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(FileNotFoundError):
        termination.run(["/does/not/exist"], {})
    assert signal.getsignal(signal.SIGTERM) is before

    def failed(*_arguments: object, **_options: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "Popen", failed)
    with pytest.raises(termination.Terminated), termination.as_interrupt():
        termination.run(["/does/not/exist"], {})


def test_the_exit_code_of_a_command() -> None:
    assert termination.run([sys.executable, "-c", "raise SystemExit(3)"], {}) == 3
    assert termination.run(["sh", "-c", "kill -TERM $$"], os.environ) == -signal.SIGTERM
