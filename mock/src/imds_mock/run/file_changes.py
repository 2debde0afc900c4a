"""Notices that a file has changed, also when it is replaced by another one, as editors and bind mounts do.

It looks twice a second instead of asking the kernel to tell: notifications do not cross the bind mounts of a virtual
machine, which is how Docker Desktop shows a file to a container.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

_LOOK_SECONDS: Final = 0.5
_SETTLE_SECONDS: Final = 0.1

Mark = tuple[int, int, int] | None
"""What tells one state of a file from another: inode, size, time of change; None when it is not there or empty."""


async def watch(
    path: Path,
    reload: Callable[[], None],
    seen: Mark,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Call `reload` after each change of a file, once it holds still.

    Many programs empty a file and then write it. What is there in between is no configuration that anybody wants.

    Args:
        path: The file.
        reload: Takes the change over.
        seen: The state of the file that is in force.
        sleep: Waits for so many seconds.
    """
    while True:
        await sleep(_LOOK_SECONDS)
        now = mark(path)
        while now not in (seen, None):
            before = now
            await sleep(_SETTLE_SECONDS)
            now = mark(path)
            if now == before:
                reload()
                seen = now


def mark(path: Path) -> Mark:
    """Look at a file without reading it."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns) if found.st_size else None
