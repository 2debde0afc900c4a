"""The control plane's Unix socket: opened in the first folder that this user can write, found by the same rule.

A container may run as any user and with a read-only root file system; `/dev/shm` is writable even then. A
socket with an abstract name needs no folder, but every container in the same network namespace could reach it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self

DEFAULT_PORT: Final = 1339

_FOLDER_MODE: Final = 0o700
_SUFFIX: Final = ".sock"
_BACKLOG: Final = 64
_SHORTEST_NAME: Final = 5

MAX_PATH_BYTES: Final = 107
"""The longest path of a Unix socket (unix(7): 108 bytes with the final zero)."""


class NoSocketError(OSError):
    """No folder is usable for the socket."""


class NamedSocket:
    """A listening socket and its file; a context manager that closes it.

    Args:
        listening: The socket.
        path: The path of its file.
        inode: Device and inode of the file.
    """

    def __init__(self, listening: socket.socket, path: Path, inode: tuple[int, int]) -> None:
        self.listening = listening
        self.path = path
        self.inode: tuple[int, int] | None = inode  # None once the file has been removed

    def remove_file(self) -> None:
        """Remove the file, unless another mock has taken the path.

        While this socket listens, no other mock takes the path, and no other file gets the inode. So remove the file
        first, and stop listening afterwards.
        """
        with contextlib.suppress(FileNotFoundError):
            if self.inode is not None and _inode(self.path) == self.inode:
                self.path.unlink()
        self.inode = None

    def close(self) -> None:
        """Remove the file and close the socket."""
        self.remove_file()
        self.listening.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()


def folders(environ: Mapping[str, str], user: int) -> list[Path]:
    """The possible folders, in order of preference.

    Args:
        environ: Environment variables.
        user: The user's id.
    """
    run = environ.get("XDG_RUNTIME_DIR")
    places = [Path(run) / "imds-mock"] if run else []
    return [*places, Path("/run/imds-mock"), Path(f"/dev/shm/imds-mock-{user}"), Path(f"/tmp/imds-mock-{user}")]  # noqa: S108 - the folder must belong to this user


def open_default(candidates: Sequence[Path], name: str) -> NamedSocket:
    """Open a listening socket in the first usable folder.

    Args:
        candidates: The folders to try; see `folders`.
        name: Distinguishes this mock's socket from those of other mocks: the port of its data plane.

    Raises:
        NoSocketError: None of the folders is usable.
    """
    for folder in candidates:
        with contextlib.suppress(OSError):
            folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)
            if _is_private(folder):
                opened = open_at(folder / f"{name}{_SUFFIX}")
                _sweep(folder)
                return opened
    raise NoSocketError("no folder for it is writable")


def open_at(path: Path) -> NamedSocket:
    """Open a listening socket at a path, replacing one that nothing listens on.

    Raises:
        OSError: The path is in use or too long, or its folder cannot be written.
    """
    size = len(os.fsencode(path))
    if size > MAX_PATH_BYTES:
        reason = f"the path has {size} bytes, a Unix socket's has at most {MAX_PATH_BYTES}; choose a shorter path"
        raise OSError(errno.ENAMETOOLONG, reason)
    if path.exists() and (not path.is_socket() or _is_listened_on(path)):
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    # It gets its name once it answers, so a named socket that does not answer belongs to a dead mock. Until then its
    # name is random, because process ids repeat in other containers, and as long as the name, so that it fits, too.
    unnamed = path.with_name(f".{os.urandom(8).hex()}"[: max(len(os.fsencode(path.name)), _SHORTEST_NAME)])
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(unnamed))
        unnamed.chmod(stat.S_IRUSR | stat.S_IWUSR)
        listening.listen(_BACKLOG)
        listening.setblocking(False)
        opened = NamedSocket(listening, path, _inode(unnamed))
        unnamed.rename(path)
    except BaseException:
        listening.close()
        unnamed.unlink(missing_ok=True)
        raise
    return opened


def connect(path: str | Path, timeout_seconds: float) -> socket.socket:
    """Connect to a mock's socket.

    Args:
        path: The socket.
        timeout_seconds: The timeout for a place in its queue, and later for each part of a response.

    Raises:
        TimeoutError: Its queue stays full.
        OSError: It cannot be connected to.
    """
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # With Python's own timeout, connect() does not wait for a place in the queue (unix(7), EAGAIN).
        seconds = int(timeout_seconds)
        microseconds = int((timeout_seconds - seconds) * 1_000_000)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", seconds, microseconds))
        client.connect(str(path))
        client.settimeout(timeout_seconds)
    except BlockingIOError as error:
        client.close()
        raise TimeoutError(errno.ETIMEDOUT, f"it accepts no connections for {timeout_seconds:g} s") from error
    except BaseException:
        client.close()
        raise
    return client


def _sweep(folder: Path) -> None:
    """Remove the sockets of mocks that were killed."""
    for path in folder.glob(f"*{_SUFFIX}"):
        if path.is_socket() and not _is_listened_on(path):
            path.unlink(missing_ok=True)


def find(environ: Mapping[str, str]) -> list[Path]:
    """The sockets of running mocks, in the first folder that has any.

    Args:
        environ: Environment variables.
    """
    for folder in folders(environ, os.geteuid()):
        with contextlib.suppress(OSError):
            found = sorted(path for path in folder.glob(f"*{_SUFFIX}") if _is_listened_on(path))
            if found:
                return found
    return []


def _inode(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino


def _is_listened_on(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)
        try:
            client.connect(str(path))
        except BlockingIOError:
            return True  # its queue is full: the mock is busy, or it hangs
        except OSError:
            return False
    return True


def _is_private(folder: Path) -> bool:
    found = folder.lstat()
    others = stat.S_IWGRP | stat.S_IWOTH
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & others
