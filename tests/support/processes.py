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
    from collections.abc import Iterator


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
    for file, fields in _states():
        if int(fields[3]) == session:
            with contextlib.suppress(OSError):
                found.append(file.with_name("cmdline").read_text(errors="replace"))
    return found


def children_of(parent: int) -> list[int]:
    """The ids of a process's children, without pgrep(1), which a minimal Debian lacks."""
    return [int(file.parent.name) for file, fields in _states() if int(fields[1]) == parent]


def _states() -> Iterator[tuple[Path, list[str]]]:
    """Each process's file `stat`, and its fields from the state on (proc_pid_stat(5))."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The second field is a name in parentheses, which may contain any character.
            yield file, file.read_text(errors="replace").rpartition(")")[2].split()


def seconds_to_its_end(pid: int, number: signal.Signals) -> float:
    """Send a signal to a process; returns the seconds until it ended (pidfd_open(2))."""
    process = os.pidfd_open(pid)
    try:
        ended = select.poll()
        ended.register(process, select.POLLIN)
        sent = time.monotonic()
        os.kill(pid, number)
        assert ended.poll(60_000), f"process {pid} is still running after {number.name}"
        return time.monotonic() - sent
    finally:
        os.close(process)
