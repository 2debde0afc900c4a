"""Detects that a file has changed or was replaced by another one, as editors and bind mounts do.

It checks twice a second: change notifications do not cross the bind mounts of a virtual machine, which is how Docker
Desktop mounts a file into a container.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

_CHECK_SECONDS: Final = 0.5
_SETTLE_SECONDS: Final = 0.1

Mark = tuple[int, int, int] | None
"""A state of a file: inode, size, time of change; None if it is missing or empty."""


async def watch(
    path: Path,
    reload: Callable[[], None],
    seen: Mark,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Call `reload` after each change of a file, once the file has settled.

    Many programs empty a file before they write it; the content in between is not a configuration.

    Args:
        path: The file.
        reload: Applies the change.
        seen: The state of the file that is in force.
        sleep: Waits for a number of seconds.
    """
    while True:
        await sleep(_CHECK_SECONDS)
        now = mark(path)
        while now not in (seen, None):
            before = now
            await sleep(_SETTLE_SECONDS)
            now = mark(path)
            if now == before:
                reload()
                seen = now


def mark(path: Path) -> Mark:
    """The current state of a file, without reading it."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns) if found.st_size else None
