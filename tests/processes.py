"""What runs on this machine."""

from __future__ import annotations

import contextlib
from pathlib import Path


def commands() -> list[str]:
    """The command lines of all processes, arguments separated by NUL."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(file.read_text(errors="replace"))
    return found


def in_session(session: int) -> list[str]:
    """The command lines of all processes of one session, which daemons aside is all that one program started."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The second field is a name in parentheses, which may hold anything.
            fields = file.read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[3]) == session:
                found.append(file.with_name("cmdline").read_text(errors="replace"))
    return found
