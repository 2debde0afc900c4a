"""Files that are replaced as a whole: at any time, a file has its old content or its new one."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def replace(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file, or replace an existing one. A symbolic link is replaced, not followed.

    Args:
        path: The file.
        content: What it contains then.
        mode: Its permissions.

    Raises:
        OSError: It cannot be written; nothing has changed.
    """
    import tempfile  # noqa: PLC0415 - it takes 2 ms of a start, and few starts write files

    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def require_replaceable(path: Path) -> None:
    """Check that a path is a regular file or free, and not a device such as `/dev/null`, a pipe or a symbolic link.

    Raises:
        OSError: It is something else, or cannot be examined.
    """
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        raise FileExistsError(errno.EEXIST, "it exists and is not a regular file")
