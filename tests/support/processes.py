"""The processes on this machine."""

from __future__ import annotations

import contextlib
import os
import select
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import signal


def commands() -> list[str]:
    """The command lines of all processes, arguments separated by NUL."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(file.read_text(errors="replace"))
    return found


def in_session(session: int) -> list[str]:
    """The command lines of all processes of one session: everything that one program started, except daemons."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The second field is a name in parentheses, which may contain any character.
            fields = file.read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[3]) == session:
                found.append(file.with_name("cmdline").read_text(errors="replace"))
    return found


def seconds_to_its_end(pid: int, number: signal.Signals) -> float:
    """Send a signal to a process; returns the seconds until it ended (pidfd_open(2))."""
    process = os.pidfd_open(pid)
    try:
        ended = select.poll()
        ended.register(process, select.POLLIN)
        sent = time.monotonic()
        os.kill(pid, number)
        assert ended.poll(10_000), f"process {pid} is still running after {number.name}"
        return time.monotonic() - sent
    finally:
        os.close(process)
