"""What becomes of the shim's own output when it cannot be written; its log on standard error never ends a start."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.paths import IMDS_SHIM

options = pytest.mark.parametrize("option", ["--version", "--help"])
# Output that the interpreter buffers fails only at the exit.
buffering = pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])


def run_shim(option: str, unbuffered: str, **settings: Any) -> tuple[int, str]:
    done = subprocess.run(
        [IMDS_SHIM, option],
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        **settings,
    )
    return done.returncode, done.stderr


@options
@buffering
def test_a_full_disk_is_one_sentence(option: str, unbuffered: str) -> None:
    with Path("/dev/full").open("w", encoding="ascii") as full:
        ended = run_shim(option, unbuffered, stdout=full)
    assert ended == (74, "imds-shim: cannot write to standard output: No space left on device\n")


@options
@buffering
def test_a_reader_that_has_gone_ends_it_as_sigpipe_does(option: str, unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = run_shim(option, unbuffered, stdout=writer)
    os.close(writer)
    assert ended == (141, "")


@options
@buffering
def test_a_closed_output_is_no_error(option: str, unbuffered: str) -> None:
    assert run_shim(option, unbuffered, preexec_fn=lambda: os.close(1)) == (0, "")
