"""The command line of scripts/engine.py, without an engine."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.paths import ROOT

SCRIPT = ROOT / "scripts/engine.py"


def engine(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("run", "--help"), ("run", "-h"), ("run", "--help", "more")])
def test_help(words: tuple[str, ...]) -> None:
    done = engine(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "scripts/engine.py run COMMAND [ARG...]" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((), 64, "no action; write: scripts/engine.py run COMMAND"),
        (("run",), 64, "no command to run; add it"),
        (("run", "--"), 64, "no command to run; add it"),
        (("rnu", "docker"), 64, "unknown action 'rnu'; the only one is"),
        (("run", "no-such-command"), 127, "'no-such-command' does not exist"),
        (("run", "--", "--verbose"), 127, "'--verbose' does not exist"),
        (("run", "/etc/passwd"), 127, "'/etc/passwd' does not exist or is not executable"),
    ],
)
def test_what_cannot_be_run_is_one_sentence_before_an_engine_comes_up(
    words: tuple[str, ...], code: int, says: str
) -> None:
    done = engine(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
