"""Files of unknown size and kind: another container may share the folder, or a path may be mistyped.

A FIFO without a writer would block the reader for ever, and `/dev/zero` has no end.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_SECONDS: Final = 5.0
"""How long a pipe, as of a shell's `<(command)`, has to deliver everything."""

_CHUNK_BYTES: Final = 1 << 20


def read_bytes(path: Path, most: int, *, is_regular: bool = False) -> bytes:
    """Read a file.

    Args:
        path: The file; symbolic links are followed.
        most: The largest number of bytes that it may have.
        is_regular: Whether only a regular file will do, because nothing may wait for it.

    Raises:
        OSError: It cannot be read, is larger, or delivers nothing in time; `strerror` says which.
    """
    content = read_beginning(path, most + 1, is_regular=is_regular)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most} bytes", str(path))
    return content


def read_beginning(path: Path, most: int, *, is_regular: bool = False) -> bytes:
    """Read at most `most` bytes of a file; see `read_bytes`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        mode = os.fstat(descriptor).st_mode
        if is_regular:
            _require_regular(mode, path)
        end = time.monotonic() + PATIENCE_SECONDS
        parts: list[bytes] = []
        left = most
        while left > 0:
            if not stat.S_ISREG(mode):
                _await_data(descriptor, end, path)
            part = os.read(descriptor, min(left, _CHUNK_BYTES))
            if not part:
                break
            parts.append(part)
            left -= len(part)
        return b"".join(parts)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    finally:
        os.close(descriptor)


def _require_regular(mode: int, path: Path) -> None:
    # Reading a folder fails with a better sentence.
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))


def _await_data(descriptor: int, end: float, path: Path) -> None:
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    if not waiting.poll(max(0.0, end - time.monotonic()) * 1000):
        raise OSError(errno.ETIMEDOUT, "it is a pipe or a device to which nothing is written", str(path))
