"""Lines to standard error: one per message, of the chosen level, without control characters."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_shim.log import Level, Log


def lines(level: Level, *sentences: tuple[str, str]) -> list[bytes]:
    written: list[bytes] = []
    log = Log(level, written.append)
    for kind, sentence in sentences:
        getattr(log, kind)(sentence)
    return written


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_levels(level: Level, count: int) -> None:
    every = [("debug", "d"), ("info", "i"), ("warning", "w"), ("error", "e")]
    assert (
        lines(level, *every)
        == [
            b"imds-shim: d\n",
            b"imds-shim: i\n",
            b"imds-shim: warning: w\n",
            b"imds-shim: e\n",
        ][-count:]
    )


@given(st.text())
def test_one_line_without_control_characters(sentence: str) -> None:
    (line,) = lines("info", ("info", sentence))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert line.decode().rstrip("\n").isprintable()


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_a_failed_write_is_ignored(redirection: str) -> None:
    """If descriptor 2 was closed, the first socket gets that number, and must not get log lines."""
    program = (
        "import socket; from imds_shim.log import Log; left, right = socket.socketpair(); Log().info('x')\n"
        "right.send(b'.'); left.send(b'.'); print(left.recv(99), right.recv(99))"
    )
    command = f'exec "{sys.executable}" -c "$PROGRAM" {redirection}'
    environ = os.environ | {"PROGRAM": program}
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, env=environ)
    assert done.stdout == "b'.' b'.'\n"
