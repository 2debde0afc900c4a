"""The command line: what becomes of commands whose standard output cannot be written."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from support.paths import IMDS_MOCK

PRINTING = (
    ("--version",),
    ("--help",),
    ("serve", "--help"),
    ("ctl", "spot", "--help"),
    ("config", "schema"),
    ("config", "show"),
    ("completion", "bash"),
    ("capture", "--print-program"),
    ("compose-override", "--services", "app"),
)
parametrize = pytest.mark.parametrize("words", PRINTING, ids=" ".join)


@pytest.fixture(autouse=True, params=["", "1"], ids=["buffered", "unbuffered"])
def buffering(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Buffered output fails only at the end."""
    monkeypatch.setenv("PYTHONUNBUFFERED", request.param)


@parametrize
def test_a_full_disk_is_one_sentence(words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w", encoding="ascii") as full:
        done = subprocess.run([IMDS_MOCK, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    sentence = "imds-mock: cannot write to standard output: No space left on device\n"
    assert (done.returncode, done.stderr) == (74, sentence)


@parametrize
def test_a_reader_that_has_gone_ends_the_command_as_sigpipe_does(words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([IMDS_MOCK, *words], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@parametrize
def test_a_closed_output_is_no_error(words: tuple[str, ...]) -> None:
    done = subprocess.run(
        [IMDS_MOCK, *words], preexec_fn=lambda: os.close(1), stderr=subprocess.PIPE, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
